//! What watches the running server: alerts, the log of calls, traces.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::{App, AppError};
use crate::config::Config;
use crate::observe::alert::{self, Alerts};
use crate::observe::call_log::CallLog;
use crate::observe::telemetry::{Exporter, Waiting};
use crate::observe::trace::Tracer;
use crate::observe::watch::{Watch, Watched};
use crate::observe::{Health, Metrics, log};

/// Spans and lines, until an exporter takes them; `None` where nobody wants any.
pub(super) type Telemetry = Arc<Mutex<Option<Waiting>>>;

/// What opens spans, and where they and the lines of the log come out.
pub(super) fn tracer(config: &Config, metrics: &Metrics) -> (Tracer, Telemetry) {
    let (tracer, waiting) = match config.otlp.endpoint() {
        Some(_) => {
            let (tracer, spans) = Tracer::on(metrics.clone());
            let lines = log::tap(metrics.clone());
            (tracer, Some(Waiting { spans, lines }))
        }
        None => (Tracer::default(), None),
    };
    (tracer, Arc::new(Mutex::new(waiting)))
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
        trend: config.health.trend,
    }))
}

impl App {
    /// What sends telemetry until it is told to stop; `None` where nobody wants any.
    pub(super) fn exporter(
        &self,
        stop: CancellationToken,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let exporter = Exporter {
            endpoint: self.config.otlp.endpoint()?,
            every: self.config.otlp.every,
            metrics_every: self.config.otlp.metrics_every,
            instance: self.identity.instance().into(),
            metrics: self.metrics.clone(),
        };
        let waiting = self
            .telemetry
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        Some(exporter.run(waiting, stop))
    }
}
