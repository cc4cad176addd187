//! Looks at the metrics about once a second: keeps their history, compares them with the alerts'
//! thresholds, and lets the dashboard know that there is something new to show.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::alert::{Alert, Alerts};
use super::health::Health;
use super::history::History;
use super::process::{self, Usage};
use super::trend::Trend;
use super::{Metrics, disk};

/// Alerts that begin or end, waiting for whoever is told of them.
const QUEUE: usize = 64;

/// What is looked at.
pub struct Watched {
    /// The metrics.
    pub metrics: Metrics,
    /// Component states.
    pub health: Health,
    /// The folder whose disk must not run full.
    pub folder: PathBuf,
    /// The thresholds.
    pub alerts: Alerts,
    /// The least time that tells whether memory grows.
    pub trend: Duration,
}

struct Inner {
    watched: Watched,
    state: Mutex<State>,
    ticks: watch::Sender<u64>,
    turned: broadcast::Sender<Alert>,
}

struct State {
    history: History,
    alerts: Alerts,
    trend: Trend,
    usage: Option<Usage>,
}

/// A handle on what was seen; cheap to clone.
#[derive(Clone)]
pub struct Watch(Arc<Inner>);

impl Watch {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(mut watched: Watched) -> Self {
        let alerts = std::mem::replace(&mut watched.alerts, Alerts::new(Vec::new(), ""));
        let state = State {
            history: History::default(),
            alerts,
            trend: Trend::new(watched.trend),
            usage: None,
        };
        Self(Arc::new(Inner {
            watched,
            state: Mutex::new(state),
            ticks: watch::Sender::new(0),
            turned: broadcast::Sender::new(QUEUE),
        }))
    }

    /// Looks again and again until told to stop.
    pub async fn run(self, interval: Duration, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.look(),
                () = stop.cancelled() => return,
            }
        }
    }

    /// Looks once.
    pub fn look(&self) {
        let Watched {
            metrics,
            health,
            folder,
            ..
        } = &self.0.watched;
        let now = Instant::now();
        let mut state = self.lock();
        let detail = health.detail();
        metrics.ready(detail.not_ready.is_none());
        for (component, status) in health.statuses() {
            metrics.component_health(&component, status.gauge());
        }
        let resident = process::resident_bytes();
        state.trend.push(now, resident);
        let limit = process::memory_limit().max(1);
        let growth = state.trend.bytes_per_hour().unwrap_or_default();
        let disk = disk::used_ratio(folder).unwrap_or_default();
        metrics.resources(resident as f64 / limit as f64, disk, growth);
        let usage = Usage::read(now);
        let ratio = state.usage.map_or(0.0, |before| usage.ratio_since(before));
        metrics.processor(usage.seconds(), ratio);
        state.usage = Some(usage);
        state.history.push(now, &metrics.prometheus());
        let State {
            history, alerts, ..
        } = &mut *state;
        let turned = alerts.step(history, now, Timestamp::now());
        drop(state);
        for alert in turned {
            let is_firing = alert.ended.is_none();
            metrics.alert(&alert.id, &alert.of, alert.severity.name(), is_firing);
            say(&alert);
            // Without a webhook nobody listens.
            drop(self.0.turned.send(alert));
        }
        self.0.ticks.send_modify(|tick| *tick += 1);
    }

    /// Counts the looks; changes with each.
    #[must_use]
    pub fn ticks(&self) -> watch::Receiver<u64> {
        self.0.ticks.subscribe()
    }

    /// Each alert that begins or ends from now on.
    #[must_use]
    pub fn turned(&self) -> broadcast::Receiver<Alert> {
        self.0.turned.subscribe()
    }

    /// Reads what was seen.
    pub fn read<T>(&self, reader: impl FnOnce(&History, &Alerts) -> T) -> T {
        let state = self.lock();
        reader(&state.history, &state.alerts)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line in the log. A dependency that broke makes a critical alert and is no fault of the
/// server's, so the line does not call itself critical.
fn say(alert: &Alert) {
    let Alert { id, of, value, .. } = alert;
    let grade = alert.severity.name();
    if alert.ended.is_some() {
        tracing::info!(alert = id, of, grade, "alert ended");
    } else {
        tracing::warn!(alert = id, of, grade, value, "alert fires");
    }
}
