//! One provider as the router keeps it: breaker, quota flags, last error, evidence of life.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::breaker::{self, Breaker, BreakerSettings, Decision, Event, Position, Ticket, Verdict};
use crate::observe::health::{Report, Status};
use crate::observe::metrics::Metrics;
use crate::provider::fault::{ProviderFailure, Reaction};
use crate::provider::{Provider, ProviderRow};

/// How long a quota flag stands when the provider named no time.
const QUOTA_DEFAULT: Duration = Duration::from_secs(60);
/// The longest a quota flag stands, whatever the provider named.
const QUOTA_LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);

/// What the last contact with a provider told.
#[derive(Debug, Clone, Default)]
struct Signs {
    quota: BTreeMap<String, Instant>,
    last_error: Option<String>,
    failures_in_a_row: u32,
    was_unreachable: bool,
    last_contact: Option<Instant>,
}

/// A provider's row and state.
#[derive(Debug)]
pub struct Member {
    /// The row.
    pub row: ProviderRow,
    /// Absent when the row is off or has no key.
    pub provider: Option<Provider>,
    models: Arc<[String]>,
    settings: BreakerSettings,
    breaker: Mutex<Breaker>,
    signs: Mutex<Signs>,
    metrics: Metrics,
}

/// What `status`, `/manifest` and health show of a provider.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProviderStatus {
    /// The row's name.
    pub name: String,
    /// The operator's name for people.
    pub label: String,
    /// The wire dialect.
    pub dialect: &'static str,
    /// Whether it can be asked at all.
    pub registered: bool,
    /// Why not, when not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `healthy`, `degraded` or `unhealthy`; unregistered rows are `unhealthy`.
    pub health: &'static str,
    /// `closed`, `open` or `half_open`.
    pub breaker: &'static str,
    /// The last failure's code, while no success followed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Models whose quota is used up, with the seconds left until they are asked again.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quota_seconds: BTreeMap<String, u64>,
    /// The names of the models it serves; left out where they are not asked for.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub models: Arc<[String]>,
}

/// An admitted call; settled once, or given up when dropped.
#[derive(Debug)]
pub struct Admission<'a> {
    member: &'a Member,
    ticket: Ticket,
    is_settled: bool,
}

impl<'a> Admission<'a> {
    /// The member that admitted the call.
    #[must_use]
    pub const fn member(&self) -> &'a Member {
        self.member
    }

    /// Notes how the call ended.
    pub fn settle(mut self, verdict: Verdict) {
        self.is_settled = true;
        self.member.step(Event::Done(self.ticket, verdict));
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.member
                .step(Event::Done(self.ticket, Verdict::Abandoned));
        }
    }
}

impl Member {
    /// A member with a closed breaker, and the names of the models it serves.
    #[must_use]
    pub fn new(
        (row, models): (ProviderRow, Arc<[String]>),
        provider: Option<Provider>,
        settings: BreakerSettings,
        metrics: Metrics,
    ) -> Self {
        if provider.is_some() {
            metrics.breaker_state(&row.name, Position::Closed.gauge());
            metrics.provider_health(&row.name, Status::Healthy.gauge());
        }
        let (breaker, signs) = (Mutex::default(), Mutex::default());
        Self {
            row,
            provider,
            models,
            settings,
            breaker,
            signs,
            metrics,
        }
    }

    /// Why a model cannot be tried at this moment, without taking a place: a quota flag or an
    /// open breaker, and the wait.
    #[must_use]
    pub fn hindrance(&self, model: &str, now: Instant) -> Option<(&'static str, Duration)> {
        let flagged = self.signs().quota.get(model).copied();
        if let Some(until) = flagged.filter(|until| *until > now) {
            return Some(("quota used up", until - now));
        }
        match *self.breaker() {
            Breaker::Open { until, .. } if until > now => Some(("breaker open", until - now)),
            Breaker::HalfOpen { probing: true, .. } => Some(("breaker probing", Duration::ZERO)),
            _ => None,
        }
    }

    /// Takes no quota for used up any more: another key has one of its own.
    pub fn forget_quota(&self) {
        self.signs().quota.clear();
    }

    /// Where the breaker stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.breaker().position()
    }

    /// Asks the breaker for a place.
    #[must_use]
    pub fn admit(&self) -> Option<Admission<'_>> {
        match self.step(Event::Ask) {
            Decision::Admit(ticket) => Some(Admission {
                member: self,
                ticket,
                is_settled: false,
            }),
            Decision::Refuse(_) | Decision::Noted => None,
        }
    }

    /// Notes a success.
    pub fn note_success(&self) {
        let mut signs = self.signs();
        signs.last_error = None;
        signs.failures_in_a_row = 0;
        signs.was_unreachable = false;
        signs.last_contact = Some(Instant::now());
    }

    /// Notes a failure, and the quota flag where it asks for one.
    pub fn note_failure(&self, failure: &ProviderFailure, model: &str) {
        let now = Instant::now();
        let mut signs = self.signs();
        signs.last_error = Some(failure.summary());
        signs.last_contact = Some(now);
        if failure.trips_breaker() {
            signs.failures_in_a_row = signs.failures_in_a_row.saturating_add(1);
            signs.was_unreachable = failure.is_unreachable();
        }
        if matches!(failure.reaction, Reaction::Quota { .. }) {
            let named = failure
                .until
                .map(|at| at.duration_since(jiff::Timestamp::now()));
            let wait = named
                .and_then(|span| Duration::try_from(span).ok())
                .unwrap_or(QUOTA_DEFAULT);
            signs.quota.retain(|_, until| *until > now);
            signs
                .quota
                .insert(model.to_owned(), now + wait.min(QUOTA_LONGEST));
        }
    }

    /// Asks the provider for a sign of life when the last contact failed, or is older than
    /// `max_age`; a provider in good standing is not bothered.
    ///
    /// A successful probe closes a breaker that opened because nothing could be reached. One that
    /// opened on errors waits for a real call: the list of models says nothing about answers.
    pub async fn probe(&self, max_age: Duration) {
        if let Some(provider) = &self.provider {
            self.probe_if_due(provider, max_age).await;
            let status = self.health().0;
            self.metrics.provider_health(&self.row.name, status.gauge());
        }
    }

    async fn probe_if_due(&self, provider: &Provider, max_age: Duration) {
        let now = Instant::now();
        let signs = self.signs().clone();
        let age = signs
            .last_contact
            .map(|at| now.saturating_duration_since(at));
        let position = self.breaker().position();
        match position {
            Position::Closed => {
                if signs.failures_in_a_row > 0 || age.is_none_or(|age| age > max_age) {
                    self.note_probe(provider.probe().await);
                }
                return;
            }
            // It has given a sign of life already and waits for a real call.
            Position::HalfOpen if !signs.was_unreachable => return,
            Position::Open | Position::HalfOpen => {}
        }
        let Some(place) = self.admit() else { return };
        let answer = provider.probe().await;
        match (&answer, signs.was_unreachable) {
            (Ok(()), true) => place.settle(Verdict::Success),
            (Ok(()), false) => drop(place),
            (Err(_), _) => place.settle(Verdict::Failure),
        }
        self.note_probe(answer);
    }

    /// The report for the health registry.
    #[must_use]
    pub fn report(&self) -> Report {
        let (status, detail) = self.health();
        Report::new(status, detail)
            .fact("breaker", self.breaker().position().name())
            .fact("registered", self.provider.is_some())
    }

    /// What status and manifest show.
    #[must_use]
    pub fn status(&self) -> ProviderStatus {
        let now = Instant::now();
        let signs = self.signs().clone();
        let quota_seconds = signs
            .quota
            .iter()
            .filter(|(_, until)| **until > now)
            .map(|(model, until)| (model.clone(), (*until - now).as_secs() + 1))
            .collect();
        ProviderStatus {
            name: self.row.name.clone(),
            label: self.row.label.clone(),
            dialect: self.row.dialect.name(),
            registered: self.provider.is_some(),
            reason: self.reason(),
            health: self.health().0.name(),
            breaker: self.breaker().position().name(),
            last_error: signs.last_error,
            quota_seconds,
            models: Arc::clone(&self.models),
        }
    }

    fn note_probe(&self, answer: Result<(), ProviderFailure>) {
        match answer {
            Ok(()) => {
                let mut signs = self.signs();
                signs.was_unreachable = false;
                signs.failures_in_a_row = 0;
                signs.last_contact = Some(Instant::now());
            }
            Err(failure) => {
                let mut signs = self.signs();
                signs.was_unreachable = true;
                signs.failures_in_a_row = signs.failures_in_a_row.saturating_add(1);
                signs.last_error = Some(failure.summary());
                signs.last_contact = Some(Instant::now());
            }
        }
    }

    fn health(&self) -> (Status, String) {
        if let Some(reason) = self.reason() {
            return (Status::Unhealthy, reason);
        }
        let signs = self.signs().clone();
        let position = self.breaker().position();
        let said = signs.last_error.unwrap_or_default();
        match position {
            Position::Open => (Status::Unhealthy, format!("breaker open: {said}")),
            _ if signs.was_unreachable => (Status::Unhealthy, said),
            Position::HalfOpen => (Status::Degraded, format!("recovering: {said}")),
            Position::Closed if signs.failures_in_a_row > 0 => (Status::Degraded, said),
            Position::Closed => (Status::Healthy, String::new()),
        }
    }

    fn reason(&self) -> Option<String> {
        if self.provider.is_some() {
            None
        } else if self.row.is_enabled {
            Some(format!(
                "no key: set {}",
                self.row.key_variables.join(" or ")
            ))
        } else {
            Some("disabled in the configuration".to_owned())
        }
    }

    fn step(&self, event: Event) -> Decision {
        let mut state = self.breaker();
        let taken = breaker::step(*state, event, Instant::now(), &self.settings);
        *state = taken.state;
        if let Some((from, to)) = taken.transition {
            let name = &self.row.name;
            self.metrics
                .breaker_transition(name, from.name(), to.name());
            self.metrics.breaker_state(name, to.gauge());
            tracing::warn!(provider = %name, from = from.name(), to = to.name(), "breaker moved");
        }
        taken.decision
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
