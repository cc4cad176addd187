//! What watches the running server: alerts, the log of calls, traces.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::{App, AppError};
use crate::config::Config;
use crate::observe::alert::{self, Alerts};
use crate::observe::call_log::CallLog;
use crate::observe::trace::Tracer;
use crate::observe::trace::export::Exporter;
use crate::observe::watch::{Watch, Watched};
use crate::observe::{Health, Metrics};

/// Ended spans, until an exporter takes them; `None` where nobody wants any.
pub(super) type Spans = Arc<Mutex<Option<Receiver<Value>>>>;

/// What opens spans, and where they come out.
pub(super) fn tracer(config: &Config, metrics: &Metrics) -> (Tracer, Spans) {
    let (tracer, spans) = match config.otlp.endpoint() {
        Some(_) => {
            let (tracer, spans) = Tracer::on(metrics.clone());
            (tracer, Some(spans))
        }
        None => (Tracer::default(), None),
    };
    (tracer, Arc::new(Mutex::new(spans)))
}

/// The file with a line for each call, where one is configured.
pub(super) fn call_log(config: &Config, metrics: &Metrics) -> Result<Option<CallLog>, AppError> {
    let row = &config.call_log;
    if row.file.is_empty() {
        return Ok(None);
    }
    let bounds = (row.bytes, row.files);
    let opened = CallLog::open(Path::new(&row.file), bounds, metrics.clone());
    let named = |error| AppError::theirs("call_log", format!("{}: {error}", row.file));
    opened.map(Some).map_err(named)
}

/// What keeps the history of the metrics and knows the alerts.
pub(super) fn watch(
    config: &Config,
    metrics: &Metrics,
    health: &Health,
) -> Result<Watch, AppError> {
    let rows = alert::rows(&config.alerts.file);
    let rows = rows.map_err(|error| AppError::theirs("alerts", error))?;
    metrics.in_flight_limit(config.limits.in_flight);
    metrics.start_time(jiff::Timestamp::now().as_millisecond() as f64 / 1000.0);
    Ok(Watch::new(Watched {
        metrics: metrics.clone(),
        health: health.clone(),
        folder: config.server.state_dir(),
        alerts: Alerts::new(rows, &config.alerts.runbooks),
    }))
}

impl App {
    /// What sends spans until it is told to stop; `None` where nobody wants any.
    pub(super) fn exporter(
        &self,
        stop: CancellationToken,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let exporter = Exporter {
            endpoint: self.config.otlp.endpoint()?,
            every: self.config.otlp.every,
            instance: self.identity.instance().into(),
            metrics: self.metrics.clone(),
        };
        let spans = self
            .spans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        Some(exporter.run(spans, stop))
    }
}
