//! Looks at the server from outside: health, readiness, metrics, manifest, and whether it lives.
//!
//! Each look is one connection of its own, so that a pooled one never hides a dead listener.

pub mod exchange;
mod exposition;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use exai_judge::Event;
use exai_judge::observation::HealthSeen;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::history::Recorder;
pub use exchange::{Answer, Ask, ProbeError};
pub use exposition::series;

/// How long one look may take.
pub const LOOK: Duration = Duration::from_secs(2);
/// A server silent on liveness for longer is a critical error (CRITERIA).
pub const SILENT: Duration = Duration::from_secs(10);

/// Mints the bearer token of a look; None where authentication is off.
pub type Bearer = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// Reads one server's admin listener.
#[derive(Clone)]
pub struct Scraper {
    admin: SocketAddr,
    bearer: Bearer,
    recorder: Recorder,
    place: Option<u32>,
}

impl Scraper {
    /// Looks at `admin`, with a token of role `admin` where the server wants one.
    #[must_use]
    pub fn new(admin: SocketAddr, bearer: Bearer, recorder: Recorder) -> Self {
        Self {
            admin,
            bearer,
            recorder,
            place: None,
        }
    }

    /// The same, whose looks say which of several instances they are at.
    #[must_use]
    pub fn at_place(self, place: Option<u32>) -> Self {
        Self { place, ..self }
    }

    /// Whether `/health/ready` answers 200.
    pub async fn is_ready(&self) -> bool {
        let answer = Ask::get(self.admin, "/health/ready").send(LOOK).await;
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// Whether `/health/live` answers 200.
    pub async fn is_live(&self) -> bool {
        let answer = Ask::get(self.admin, "/health/live").send(LOOK).await;
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// What the health detail says now; recorded.
    pub async fn health(&self) -> HealthSeen {
        let at = self.recorder.now();
        let ready = self.is_ready().await;
        let detail = self.detail().await;
        let seen = match detail {
            Ok(answer) => HealthSeen {
                status: answer.status,
                ready,
                components: components(&answer.json().unwrap_or(Value::Null)),
                instance: answer.header("exai-instance").map(str::to_owned),
                place: self.place,
            },
            Err(_silent) => HealthSeen {
                status: 0,
                ready,
                components: BTreeMap::new(),
                instance: None,
                place: self.place,
            },
        };
        self.recorder.record_at(at, Event::Health(seen.clone()));
        seen
    }

    async fn detail(&self) -> Result<Answer, ProbeError> {
        self.ask("/health").send(LOOK).await
    }

    fn ask(&self, path: &str) -> Ask {
        Ask::get(self.admin, path).bearer((self.bearer)())
    }

    /// Every series of `/metrics` now; recorded under `mark`, such as `before V.3`.
    ///
    /// # Errors
    /// When there was no answer, or none of status 200.
    pub async fn metrics(&self, mark: &str) -> Result<BTreeMap<String, f64>, ProbeError> {
        self.metrics_with(std::iter::empty(), mark).await
    }

    /// The same added up over this server and others, series by series.
    ///
    /// # Errors
    /// When one of them gave no answer, or none of status 200; nothing is recorded then.
    pub async fn metrics_with<'a>(
        &'a self,
        others: impl Iterator<Item = &'a Self>,
        mark: &str,
    ) -> Result<BTreeMap<String, f64>, ProbeError> {
        let at = self.recorder.now();
        let mut values = BTreeMap::new();
        for one in std::iter::once(self).chain(others) {
            let answer = one.ask("/metrics").send(LOOK).await?.ok()?;
            for (name, value) in series(&answer.text()) {
                *values.entry(name).or_default() += value;
            }
        }
        let event = Event::Metrics {
            mark: mark.to_owned(),
            values: values.clone(),
        };
        self.recorder.record_at(at, event);
        Ok(values)
    }

    /// What a page of the admin listener shows, whatever its status.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn text(&self, page: &str) -> Result<String, ProbeError> {
        Ok(self.ask(page).send(LOOK).await?.text())
    }

    /// What the server says of itself.
    ///
    /// # Errors
    /// When there was no answer, none of status 200, or no JSON.
    pub async fn manifest(&self) -> Result<Value, ProbeError> {
        self.ask("/manifest").send(LOOK).await?.ok()?.json()
    }

    /// Records health every `every` until `stop`.
    pub async fn watch_health(&self, every: Duration, stop: CancellationToken) {
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            self.health().await;
        }
    }

    /// Asks for liveness each second until `stop`; a silence over [`SILENT`] is a critical error,
    /// recorded once a silence.
    pub async fn watch_liveness(&self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut told = false;
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            if self.is_live().await {
                heard = Instant::now();
                told = false;
            } else if heard.elapsed() > SILENT && !told {
                told = true;
                self.recorder.record(Event::Critical {
                    what: "liveness_silent".to_owned(),
                    detail: format!("no answer from /health/live for {:?}", heard.elapsed()),
                    control: false,
                });
            }
        }
    }
}

/// Flattens `components` of the detail to one status word each: `store`, `kimi`, `disk` ...; the
/// store's kind stands beside its word as `store_kind`.
fn components(detail: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let rows = detail.get("components").and_then(Value::as_object);
    for (name, value) in rows.into_iter().flatten() {
        if name == "providers" {
            let providers = value.as_object().into_iter().flatten();
            found.extend(providers.filter_map(|(name, one)| Some((name.clone(), word(one)?))));
        } else if let Some(status) = word(value) {
            found.insert(name.clone(), status);
        }
        if let Some(kind) = value.get("kind").and_then(Value::as_str) {
            found.insert(format!("{name}_kind"), kind.to_owned());
        }
    }
    found
}

fn word(component: &Value) -> Option<String> {
    let status = component.get("status").unwrap_or(component);
    status.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests;
