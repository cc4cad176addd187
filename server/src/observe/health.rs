//! Health as computed from the last probes and from what the parts report. Pure bookkeeping: the
//! loop that asks is `probe`.
//!
//! *Live* is answered by the event loop itself. *Ready* means this instance can answer some tool;
//! it is red before the first probes, while draining, without any provider, when a local resource
//! is gone, or when a component named in `ready.require` is not healthy. A lost shared dependency
//! is *degraded*, and a degraded instance stays in service.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// How a component, or the whole, is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Works.
    Healthy,
    /// Works in part, or its last probe is in doubt.
    Degraded,
    /// Does not work.
    Unhealthy,
}

impl Status {
    /// The word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// The gauge's value: 1, 0.5 or 0.
    #[must_use]
    pub const fn gauge(self) -> f64 {
        match self {
            Self::Healthy => 1.0,
            Self::Degraded => 0.5,
            Self::Unhealthy => 0.0,
        }
    }
}

/// What one probe found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The component's status.
    pub status: Status,
    /// What was seen, for people; empty when healthy. No secrets and no addresses.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Figures of the component, such as `kind` or `free_bytes`.
    #[serde(flatten)]
    pub facts: BTreeMap<String, serde_json::Value>,
    /// Whether its loss takes this instance out of service: a local resource, not a shared one.
    #[serde(skip)]
    pub is_local: bool,
}

impl Report {
    /// A report without facts about a shared dependency.
    #[must_use]
    pub fn new(status: Status, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            facts: BTreeMap::new(),
            is_local: false,
        }
    }

    /// Marks the component as a local resource.
    #[must_use]
    pub fn local(mut self) -> Self {
        self.is_local = true;
        self
    }

    /// Adds a figure.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}

#[derive(Debug, Default)]
struct State {
    components: BTreeMap<String, Report>,
    providers: BTreeMap<String, Report>,
    is_draining: bool,
    is_probed: bool,
}

/// Where parts report and endpoints ask; cheap to clone.
#[derive(Debug, Clone)]
pub struct Health {
    state: Arc<Mutex<State>>,
    require: Arc<[String]>,
}

/// The detail document's own part; the endpoint adds version, instance and time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detail {
    /// The worst of what matters.
    pub status: Status,
    /// By name; providers are one level deeper.
    pub components: serde_json::Value,
    /// Why readiness is red, when it is.
    pub not_ready: Option<String>,
}

impl Health {
    /// A registry that is red until [`Health::probed`].
    #[must_use]
    pub fn new(require: &[String]) -> Self {
        Self {
            state: Arc::default(),
            require: require.into(),
        }
    }

    /// A component reports.
    pub fn report(&self, component: &str, report: Report) {
        let mut state = self.lock();
        let before = state
            .components
            .insert(component.to_owned(), report.clone());
        Self::log_turn(component, before.as_ref(), &report);
    }

    /// A provider reports.
    pub fn report_provider(&self, provider: &str, report: Report) {
        let mut state = self.lock();
        let before = state.providers.insert(provider.to_owned(), report.clone());
        Self::log_turn(provider, before.as_ref(), &report);
    }

    /// The first round of probes is over.
    pub fn probed(&self) {
        self.lock().is_probed = true;
    }

    /// The instance goes out of service for good.
    pub fn drain(&self) {
        self.lock().is_draining = true;
    }

    /// Whether this instance should get traffic.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.why_not_ready(&self.lock()).is_none()
    }

    /// Status and components.
    #[must_use]
    pub fn detail(&self) -> Detail {
        let state = self.lock();
        let reports = state.components.values().chain(state.providers.values());
        let worst = reports
            .map(|report| report.status)
            .max()
            .unwrap_or(Status::Healthy);
        let why = self.why_not_ready(&state);
        let status = match &why {
            Some(_) => Status::Unhealthy,
            None => worst.min(Status::Degraded),
        };
        let mut components = serde_json::Map::new();
        for (name, report) in &state.components {
            components.insert(name.clone(), serde_json::json!(report));
        }
        components.insert("providers".to_owned(), serde_json::json!(state.providers));
        Detail {
            status,
            components: components.into(),
            not_ready: why,
        }
    }

    /// Each component's and each provider's status.
    #[must_use]
    pub fn statuses(&self) -> Vec<(String, Status)> {
        let state = self.lock();
        let all = state.components.iter().chain(&state.providers);
        all.map(|(name, report)| (name.clone(), report.status))
            .collect()
    }

    fn why_not_ready(&self, state: &State) -> Option<String> {
        if state.is_draining {
            return Some("draining".to_owned());
        }
        if !state.is_probed {
            return Some("starting".to_owned());
        }
        if state.providers.is_empty() {
            return Some("no provider is registered; run exai doctor".to_owned());
        }
        let local = |(_, report): &(&String, &Report)| {
            report.is_local && report.status == Status::Unhealthy
        };
        if let Some((name, report)) = state.components.iter().find(local) {
            return Some(match report.detail.as_str() {
                "" => format!("{name} is gone"),
                why => format!("{name}: {why}"),
            });
        }
        let lost = self.require.iter().find(|name| !state.is_healthy(name));
        lost.map(|name| format!("{name} is required and not healthy"))
    }

    fn log_turn(name: &str, before: Option<&Report>, now: &Report) {
        let turned = before.is_none_or(|before| before.status != now.status);
        if turned {
            let status = now.status.name();
            tracing::info!(
                component = name,
                status,
                detail = now.detail,
                "health turned"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_healthy(&self, name: &str) -> bool {
        if name == "providers" {
            return self
                .providers
                .values()
                .any(|report| report.status == Status::Healthy);
        }
        let report = self
            .components
            .get(name)
            .or_else(|| self.providers.get(name));
        report.is_some_and(|report| report.status == Status::Healthy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(require: &[&str]) -> Health {
        let require: Vec<String> = require.iter().map(|name| (*name).to_owned()).collect();
        let health = Health::new(&require);
        health.report("store", Report::new(Status::Healthy, ""));
        health.report("disk", Report::new(Status::Healthy, "").local());
        health.report_provider("kimi", Report::new(Status::Healthy, ""));
        health.probed();
        health
    }

    #[test]
    fn a_lost_shared_dependency_degrades_and_stays_ready() {
        let health = started(&[]);
        assert_eq!(health.detail().status, Status::Healthy);
        health.report("store", Report::new(Status::Unhealthy, "refused"));
        assert!(health.is_ready());
        assert_eq!(health.detail().status, Status::Degraded);
        let detail = health.detail();
        assert_eq!(detail.components["store"]["status"], "unhealthy");
        assert_eq!(detail.components["providers"]["kimi"]["status"], "healthy");
        health.report("store", Report::new(Status::Healthy, ""));
        assert_eq!(health.detail().status, Status::Healthy);
    }

    #[test]
    fn readiness_is_red_for_exactly_the_listed_reasons() {
        let unprobed = Health::new(&[]);
        unprobed.report_provider("kimi", Report::new(Status::Healthy, ""));
        assert!(!unprobed.is_ready(), "ready before the first probe");

        let local = started(&[]);
        local.report("disk", Report::new(Status::Unhealthy, "full").local());
        assert!(!local.is_ready(), "ready without a disk");

        let required = started(&["store"]);
        assert!(required.is_ready());
        required.report("store", Report::new(Status::Degraded, "slow"));
        assert!(!required.is_ready(), "ready without a required store");

        let alone = Health::new(&[]);
        alone.probed();
        assert!(!alone.is_ready(), "ready without any provider");

        let draining = started(&[]);
        draining.drain();
        assert!(!draining.is_ready(), "ready while draining");
        assert_eq!(draining.detail().status, Status::Unhealthy);
    }
}
