//! Sends ended spans to a receiver, as OTLP over HTTP in its JSON form. What cannot be sent is
//! counted and forgotten: nobody waits, and nothing is kept for long.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::attribute;
use crate::observe::Metrics;
use crate::observe::manifest::VERSION;

/// Spans in one request.
const BATCH: usize = 512;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where spans go.
pub struct Exporter {
    /// The receiver's address, without a path of a signal.
    pub endpoint: url::Url,
    /// Between two requests.
    pub every: Duration,
    /// This process.
    pub instance: Arc<str>,
    /// Requests are counted here.
    pub metrics: Metrics,
}

impl Exporter {
    /// Sends what comes until told to stop, and then what is left.
    pub async fn run(self, mut spans: Receiver<Value>, stop: CancellationToken) {
        let client = reqwest::Client::builder().timeout(PATIENCE);
        let client = match client.redirect(reqwest::redirect::Policy::none()).build() {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(cause = %error, "no telemetry");
                return;
            }
        };
        loop {
            let is_over = tokio::select! {
                () = tokio::time::sleep(self.every) => false,
                () = stop.cancelled() => true,
            };
            loop {
                let mut batch = Vec::new();
                while batch.len() < BATCH
                    && let Ok(span) = spans.try_recv()
                {
                    batch.push(span);
                }
                if batch.is_empty() {
                    break;
                }
                self.send(&client, batch).await;
            }
            if is_over {
                return;
            }
        }
    }

    async fn send(&self, client: &reqwest::Client, spans: Vec<Value>) {
        let base = self.endpoint.as_str().trim_end_matches('/');
        let resource = [
            attribute("service.name", &Value::from("exai")),
            attribute("service.version", &Value::from(VERSION)),
            attribute("service.instance.id", &Value::from(&*self.instance)),
        ];
        let body = json!({"resourceSpans": [{
            "resource": {"attributes": resource},
            "scopeSpans": [{"scope": {"name": "exai", "version": VERSION}, "spans": spans}],
        }]});
        let sending = client.post(format!("{base}/v1/traces")).json(&body).send();
        let sent = sending.await.and_then(reqwest::Response::error_for_status);
        let outcome = match sent {
            Ok(_) => "sent",
            Err(error) => {
                let cause = error.without_url();
                tracing::debug!(%cause, "spans were not taken");
                "failed"
            }
        };
        self.metrics.telemetry_export("traces", outcome);
    }
}
