//! The ground a judgement stands on, learnt in a first pass: rig faults, fault windows, identity.

mod fault_life;
mod identity;
mod pulse;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::criterion::{Criterion, Missing};
use crate::crowding::Crowding;
use crate::fault::{Fault, Step};
use crate::observation::{ContainerSeen, Event, LoadAccount, Observation};
use crate::operation::{Call, Transport};
pub use fault_life::FaultLife;
use pulse::Pulse;

/// The criterion under which the harness notes facts of the whole run.
pub const RUN: &str = "run";

/// What a span of `run` begins with that says how many instances of the server were judged as one.
pub const INSTANCES: &str = "instances.";

/// What a span of `run` begins with that says how many containers were ordered for it.
pub const CONTAINERS: &str = "containers.";

/// The process whose samples show that the sampler was at work: the harness itself.
pub const RIG: &str = "rig";

/// What taints where samples are missing for longer than the catalogue's `gap_s`.
pub const SAMPLER_GAP: &str = "sampler_gap";

/// An interval in which our own rig was at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    /// Begin, ns.
    pub from: u64,
    /// End, ns.
    pub until: u64,
    /// What was at fault, such as `generator_lag`.
    pub what: String,
    /// The circumstance.
    pub detail: String,
}

/// A phase of a criterion's workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Such as `V.3`.
    pub criterion: String,
    /// Such as `peak`.
    pub phase: String,
    /// Begin, ns.
    pub from: u64,
    /// End, ns; None when the run ended inside it.
    pub until: Option<u64>,
}

/// What reports show of the ground.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroundSummary {
    /// Observations read.
    pub observations: u64,
    /// First observation, ns.
    pub from: u64,
    /// Last observation, ns.
    pub until: u64,
    /// Intervals in which our own rig was at fault.
    pub taints: Vec<Taint>,
    /// Injected faults.
    pub faults: Vec<FaultLife>,
    /// Phases.
    pub spans: Vec<Span>,
    /// How often the running executable was identified.
    pub identities: u64,
    /// Sentences that say why the run judges another thing than it claims; empty when it does not.
    pub foreign: Vec<String>,
}

/// Everything a checker may ask about the run as a whole.
#[derive(Debug, Clone, Default)]
pub struct Ground {
    /// The part reports show.
    pub summary: GroundSummary,
    /// Operations that a planned repeat refers to.
    pub originals: BTreeSet<u64>,
    /// Instance id to when it was identified, and its process.
    pub instances: BTreeMap<String, (u64, u32)>,
    /// Instance id to its place among several instances, through all their lives.
    pub places: BTreeMap<String, u32>,
    /// Criteria that had a phase or a call of their own.
    pub tried: BTreeSet<String>,
    /// What the harness reported as not tested, by criterion.
    pub not_tested: BTreeMap<String, Vec<String>>,
    /// Whether others kept the server from running.
    pub crowding: Crowding,
    /// Programs that the server may start.
    descendants: Vec<String>,
    tail: u64,
    pulse: Pulse,
    loads: Vec<LoadAccount>,
    answered_by: BTreeMap<String, u64>,
    /// The first answer of the network that named no instance, and its wire.
    unnamed: Option<(u64, Transport)>,
    /// Container to the moments at which it was looked at.
    contained: BTreeMap<String, BTreeSet<String>>,
    /// By criterion, the ids that answered its calls.
    answering: BTreeMap<String, BTreeSet<String>>,
}

impl Ground {
    /// Reads the whole history once.
    ///
    /// # Errors
    /// The catalogue lacks `descendants`, `window_tail_s` or `gap_s`.
    pub fn survey(
        numbers: &Criterion,
        history: impl Iterator<Item = Observation>,
    ) -> Result<Self, Missing> {
        let mut ground = Self {
            descendants: numbers.list("descendants")?.to_vec(),
            tail: numbers.nanos("window_tail_s")?,
            pulse: Pulse::new(numbers.nanos("gap_s")?),
            ..Self::default()
        };
        for observation in history {
            ground.note(&observation);
        }
        ground.settle_identity();
        ground.settle_samples();
        Ok(ground)
    }

    /// Whether `[from, until]` touches an interval in which our own rig was at fault.
    #[must_use]
    pub fn is_tainted(&self, from: u64, until: u64) -> bool {
        self.summary
            .taints
            .iter()
            .any(|taint| taint.from <= until && from <= taint.until)
    }

    /// Whether `[from, until]` touches the window of any injected fault.
    #[must_use]
    pub fn is_in_fault_window(&self, from: u64, until: u64) -> bool {
        self.summary
            .faults
            .iter()
            .any(|life| life.overlaps(from, until))
    }

    /// By how much our own generator was late in sending a call, ns: what lies between intent and
    /// sending, and never more than the 99th percentile of its step's lag, where that is beyond
    /// `limit`. A server that is slow to take what it is sent delays the sending too, but not the
    /// generator's clock.
    #[must_use]
    pub fn lateness(&self, call: &Call, limit: u64) -> u64 {
        let is_of = |load: &&LoadAccount| {
            load.criterion == call.criterion
                && load.phase == call.phase
                && (load.from..=load.until).contains(&call.intended_at)
        };
        let lags = self.loads.iter().filter(is_of).map(|load| load.lag_p99);
        let lag = lags.filter(|lag| *lag > limit).max().unwrap_or_default();
        lag.min(call.sent_at.saturating_sub(call.intended_at))
    }

    /// The phases of a criterion with that name, in order.
    pub fn spans<'a>(
        &'a self,
        criterion: &'a str,
        phase: &'a str,
    ) -> impl Iterator<Item = &'a Span> {
        let spans = self.summary.spans.iter();
        spans.filter(move |span| span.criterion == criterion && span.phase == phase)
    }

    /// Whether a moment lies in any phase of a criterion.
    #[must_use]
    pub fn is_within(&self, criterion: &str, at: u64) -> bool {
        self.summary.spans.iter().any(|span| {
            span.criterion == criterion
                && span.from <= at
                && span.until.is_none_or(|until| at <= until)
        })
    }

    /// The faults first spoken of in a phase of a criterion, in order.
    pub fn faults_of<'a>(&'a self, criterion: &'a str) -> impl Iterator<Item = &'a FaultLife> {
        let faults = self.summary.faults.iter();
        faults.filter(move |life| self.is_within(criterion, life.first))
    }

    /// How often the sampler looked at the rig itself.
    #[must_use]
    pub const fn rig_samples(&self) -> u64 {
        self.pulse.beats()
    }

    /// The store the harness set up: `embedded` or `redis`, from the span `store.<kind>` of `run`.
    #[must_use]
    pub fn store(&self) -> Option<&str> {
        let spans = self.summary.spans.iter();
        let mut kinds = spans
            .filter(|span| span.criterion == RUN)
            .filter_map(|span| span.phase.strip_prefix("store."));
        kinds.next()
    }

    /// How many places among several instances answered calls of a criterion.
    #[must_use]
    pub fn answering(&self, criterion: &str) -> u64 {
        let ids = self.answering.get(criterion).into_iter().flatten();
        let places: BTreeSet<u32> = ids.filter_map(|id| self.places.get(id).copied()).collect();
        places.len().try_into().unwrap_or(u64::MAX)
    }

    /// How many instances of the server stood behind one proxy, from the span `instances.<n>` of
    /// `run`; 1 where the harness says nothing else.
    #[must_use]
    pub fn several(&self) -> u64 {
        self.told(INSTANCES).unwrap_or(1)
    }

    /// How many containers were ordered for the run, from the span `containers.<n>` of `run`; 0
    /// where its parts are processes of the harness's own.
    #[must_use]
    pub fn containers(&self) -> u64 {
        self.told(CONTAINERS).unwrap_or(0)
    }

    /// How many of them were looked at both when they stood and at the end.
    #[must_use]
    pub fn containers_seen(&self) -> u64 {
        let is_whole = |moments: &&BTreeSet<String>| {
            moments.contains(ContainerSeen::START) && moments.contains(ContainerSeen::END)
        };
        let whole = self.contained.values().filter(is_whole);
        u64::try_from(whole.count()).unwrap_or(u64::MAX)
    }

    /// The number that a span of `run` with this beginning tells.
    fn told(&self, of: &str) -> Option<u64> {
        let spans = self.summary.spans.iter();
        let mut told = spans
            .filter(|span| span.criterion == RUN)
            .filter_map(|span| span.phase.strip_prefix(of)?.parse().ok());
        told.next()
    }

    fn note(&mut self, observation: &Observation) {
        let summary = &mut self.summary;
        if summary.observations == 0 {
            summary.from = observation.at;
        }
        summary.observations += 1;
        summary.from = summary.from.min(observation.at);
        summary.until = summary.until.max(observation.at);
        match &observation.event {
            Event::Call(call) => {
                if self.unnamed.is_none() {
                    self.unnamed = identity::unnamed(call);
                }
                self.tried.insert(call.criterion.clone());
                self.originals
                    .extend(call.repeat.iter().map(|repeat| repeat.of));
                if let Some(instance) = &call.instance {
                    self.answered_by.entry(instance.clone()).or_insert(call.op);
                    let of = self.answering.entry(call.criterion.clone()).or_default();
                    if !of.contains(instance) {
                        of.insert(instance.clone());
                    }
                }
            }
            Event::Phase(mark) => {
                self.tried.insert(mark.criterion.clone());
                self.note_phase(observation.at, mark);
            }
            Event::Fault { fault, step } => self.note_fault(observation.at, fault, step),
            Event::Rig {
                what,
                until,
                detail,
            } => summary.taints.push(Taint {
                from: observation.at,
                until: *until,
                what: what.clone(),
                detail: detail.clone(),
            }),
            Event::Sample(sample) if sample.process == RIG => self.pulse.beat(observation.at),
            Event::Sample(sample) => self.crowding.sample(observation.at, sample),
            Event::Identity(seen) => self.note_identity(observation.at, seen),
            Event::Company(seen) => self.note_company(observation.at, seen),
            Event::Container(seen) => self.note_container(seen),
            Event::Load(load) => self.loads.push(load.clone()),
            Event::NotTested { criterion, what } => {
                self.not_tested
                    .entry(criterion.clone())
                    .or_default()
                    .push(what.clone());
            }
            _ => {}
        }
    }

    fn note_phase(&mut self, at: u64, mark: &crate::observation::PhaseMark) {
        let spans = &mut self.summary.spans;
        if mark.ended {
            let open = spans.iter_mut().rev().find(|span| {
                span.until.is_none() && span.criterion == mark.criterion && span.phase == mark.phase
            });
            if let Some(span) = open {
                span.until = Some(at);
            }
        } else {
            spans.push(Span {
                criterion: mark.criterion.clone(),
                phase: mark.phase.clone(),
                from: at,
                until: None,
            });
        }
    }

    fn note_fault(&mut self, at: u64, fault: &Fault, step: &Step) {
        let faults = &mut self.summary.faults;
        let index = faults.iter().position(|life| life.fault.id == fault.id);
        let index = index.unwrap_or_else(|| {
            faults.push(FaultLife::new(fault.clone(), at));
            faults.len() - 1
        });
        faults[index].note(at, step, self.tail);
    }

    /// Before the first phase and after the last nothing is judged, and the sampler may be off.
    fn settle_samples(&mut self) {
        let phases = self.summary.spans.iter();
        let phases = phases.filter(|span| span.criterion != RUN);
        let ends = phases.map(|span| (span.from, span.until.unwrap_or(self.summary.until)));
        let whole = ends.reduce(|whole, one| (whole.0.min(one.0), whole.1.max(one.1)));
        if let Some(phases) = whole {
            self.summary.taints.extend(self.pulse.silences(phases));
        }
    }
}
