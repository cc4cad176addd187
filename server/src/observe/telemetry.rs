//! Sends ended spans, log lines and readings of the metrics to a receiver, as OTLP over HTTP in its
//! JSON form. What cannot be sent is counted and forgotten: nobody waits, and nothing is kept for
//! long. A log line holds what the log holds: no prompt and no answer.

mod line;
mod reading;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::Metrics;
use super::manifest::VERSION;

/// The revision of the semantic conventions whose names are used, as receivers are told it.
pub const CONVENTIONS: &str = "https://opentelemetry.io/schemas/1.40.0";

/// Spans or lines in one request.
const BATCH: usize = 512;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What waits to be sent.
#[derive(Debug)]
pub struct Waiting {
    /// Ended spans, in the form that is sent.
    pub spans: Receiver<Value>,
    /// Lines of the log.
    pub lines: Receiver<String>,
}

/// Where telemetry goes.
pub struct Exporter {
    /// The receiver's address, without a path of a signal.
    pub endpoint: url::Url,
    /// Between two batches of spans and lines.
    pub every: Duration,
    /// Between two readings of the metrics.
    pub metrics_every: Duration,
    /// This process.
    pub instance: Arc<str>,
    /// What is read, and where requests are counted.
    pub metrics: Metrics,
}

/// One signal: its last part of the address, and the names of its parts on the wire.
struct Signal {
    name: &'static str,
    resources: &'static str,
    scopes: &'static str,
    records: &'static str,
}

const TRACES: Signal = Signal {
    name: "traces",
    resources: "resourceSpans",
    scopes: "scopeSpans",
    records: "spans",
};

const LOGS: Signal = Signal {
    name: "logs",
    resources: "resourceLogs",
    scopes: "scopeLogs",
    records: "logRecords",
};

const METRICS: Signal = Signal {
    name: "metrics",
    resources: "resourceMetrics",
    scopes: "scopeMetrics",
    records: "metrics",
};

impl Exporter {
    /// Sends what comes until told to stop, and then what is left.
    pub async fn run(self, mut waiting: Waiting, stop: CancellationToken) {
        let client = reqwest::Client::builder().timeout(PATIENCE);
        let client = match client.redirect(reqwest::redirect::Policy::none()).build() {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(cause = %error, "no telemetry");
                return;
            }
        };
        let (began, mut read) = (nanos(), None::<Instant>);
        loop {
            let is_over = tokio::select! {
                () = tokio::time::sleep(self.every) => false,
                () = stop.cancelled() => true,
            };
            self.send_all(&client, (&TRACES, &mut waiting.spans), |span| span)
                .await;
            self.send_all(&client, (&LOGS, &mut waiting.lines), |text| {
                line::record(&text, nanos())
            })
            .await;
            if is_over || read.is_none_or(|at| at.elapsed() >= self.metrics_every) {
                read = Some(Instant::now());
                let told = reading::of(&self.metrics.prometheus(), began, nanos());
                self.send(&client, &METRICS, told).await;
            }
            if is_over {
                return;
            }
        }
    }

    async fn send_all<T>(
        &self,
        client: &reqwest::Client,
        (signal, waiting): (&Signal, &mut Receiver<T>),
        form: impl Fn(T) -> Value,
    ) {
        loop {
            let mut batch = Vec::new();
            while batch.len() < BATCH
                && let Ok(one) = waiting.try_recv()
            {
                batch.push(form(one));
            }
            if batch.is_empty() {
                return;
            }
            self.send(client, signal, batch).await;
        }
    }

    async fn send(&self, client: &reqwest::Client, signal: &Signal, records: Vec<Value>) {
        let base = self.endpoint.as_str().trim_end_matches('/');
        let resource = [
            attribute("service.name", &Value::from("exai")),
            attribute("service.version", &Value::from(VERSION)),
            attribute("service.instance.id", &Value::from(&*self.instance)),
        ];
        let scope = json!({"name": "exai", "version": VERSION});
        let scopes = json!([{"scope": scope, "schemaUrl": CONVENTIONS, signal.records: records}]);
        let resources = [json!({"resource": {"attributes": resource}, signal.scopes: scopes})];
        let body = json!({signal.resources: resources});
        let sending = client
            .post(format!("{base}/v1/{}", signal.name))
            .json(&body);
        let sent = sending.send().await;
        let outcome = match sent.and_then(reqwest::Response::error_for_status) {
            Ok(_) => "sent",
            Err(error) => {
                let (signal, cause) = (signal.name, error.without_url());
                tracing::debug!(signal, %cause, "telemetry was not taken");
                "failed"
            }
        };
        self.metrics.telemetry_export(signal.name, outcome);
    }
}

/// Nanoseconds since 1970.
#[must_use]
pub fn nanos() -> u128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos())
}

/// One attribute; numbers are written as the JSON mapping of OTLP has them.
#[must_use]
pub fn attribute(name: &str, value: &Value) -> Value {
    let value = match value {
        Value::Number(number) if number.is_f64() => json!({"doubleValue": number}),
        Value::Number(number) => json!({"intValue": number.to_string()}),
        Value::Bool(flag) => json!({"boolValue": flag}),
        Value::String(text) => json!({"stringValue": text}),
        other => json!({"stringValue": other.to_string()}),
    };
    json!({"key": name, "value": value})
}
