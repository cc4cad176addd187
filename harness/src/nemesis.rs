//! Breaks things on purpose and proves it: that the order was given, that a witness saw the thing
//! break, that the judge's own probe felt it, and that it is whole again (judging.md §7).
//!
//! A fault without proof of cause is NotLanded and counts for nothing. What we broke and cannot
//! heal within [`HEALED`] is our own trouble and taints the rest of the run; the judged server has
//! [`BACK`] after a kill. Exposure, whether anybody needed the broken part, is counted by the judge
//! from the history.

pub mod edge;
pub mod embedded;
mod kill;
mod partition;
mod pause;
mod probe;
mod refusal;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use exai_judge::Event;
use exai_judge::fault::{Fault, FaultKind, Step};
use tokio::time::{Instant, sleep};

use crate::history::Recorder;
use crate::link::LinkError;
use crate::process::ProcessError;
use crate::redis::RedisError;
use crate::supervisor::{Role, SupervisorError};
pub use probe::{Probe, answers_http, pong, writes};

/// Right probes in a row that prove a thing whole.
const RIGHT_PROBES: u32 = 3;
/// Why a fault without an effect does not count.
const UNFELT: &str = "no probe of ours felt it";
/// Between two of them, and between two looks for an effect.
const PROBE_EVERY: Duration = Duration::from_millis(20);
/// How long healing may take before it is our own fault: as long as V.5 gives the service, for a
/// Redis with much to read back says `LOADING` until it has.
pub const HEALED: Duration = Duration::from_secs(30);
/// How long the judged server may take to be whole after a kill before it counts as never back:
/// more than V.5 allows, so that a slow one is measured.
pub const BACK: Duration = Duration::from_secs(40);

/// The rig could not break or heal something.
#[derive(Debug, thiserror::Error)]
pub enum NemesisError {
    /// A process could not be ordered about.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// A process could not be signalled or started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A link did not heal.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The store did not take an order of ours.
    #[error(transparent)]
    Store(#[from] RedisError),
    /// The thing was not whole again in time.
    #[error("could not heal {fault} within {limit:?}: {last}")]
    NotHealed {
        /// The fault's id.
        fault: String,
        /// How long was waited.
        limit: Duration,
        /// What the last probe said.
        last: String,
    },
}

/// What became of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landed {
    /// It broke something, provably, and was healed.
    Yes,
    /// It killed the judged server, provably, which did not come back: the server's own failure.
    NeverBack,
    /// It broke nothing that could be proven; the history says why.
    No,
}

impl Landed {
    const fn when(is_proven: bool) -> Self {
        if is_proven { Self::Yes } else { Self::No }
    }
}

/// Who breaks things in a run. Fault ids are unique within it.
pub struct Nemesis {
    recorder: Recorder,
    numbers: Mutex<BTreeMap<String, u64>>,
    /// The saboteur whose kill reports success and kills nothing.
    is_toothless: bool,
    patience: Patience,
}

/// How long healing may take.
#[derive(Clone, Copy)]
struct Patience {
    rig: Duration,
    judged: Duration,
}

impl Patience {
    const fn with(self, role: Role) -> Duration {
        match role {
            Role::Judged => self.judged,
            Role::Rig => self.rig,
        }
    }
}

impl Nemesis {
    /// A nemesis that says what it does in the history.
    #[must_use]
    pub const fn new(recorder: Recorder) -> Self {
        Self {
            recorder,
            numbers: Mutex::new(BTreeMap::new()),
            is_toothless: false,
            patience: Patience {
                rig: HEALED,
                judged: BACK,
            },
        }
    }

    /// Waits so long for the judged server to be whole after a kill, instead of [`BACK`].
    #[must_use]
    pub const fn waiting(mut self, for_server: Duration) -> Self {
        self.patience.judged = for_server;
        self
    }

    /// The saboteur: its kills kill nothing, and the proof of cause must notice.
    #[must_use]
    pub const fn toothless(mut self) -> Self {
        self.is_toothless = true;
        self
    }

    /// Says in the history that a fault cannot be injected here, and why.
    pub fn cannot(&self, component: &str, kind: FaultKind, why: &str) -> Landed {
        self.deed(component, kind).not_landed(why);
        Landed::No
    }

    /// A fault of the next number of its name.
    fn deed(&self, component: &str, kind: FaultKind) -> Deed {
        let name = format!("{component}.{}", kind.name());
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let number = numbers.entry(name.clone()).or_default();
        *number += 1;
        Deed {
            recorder: self.recorder.clone(),
            patience: self.patience,
            fault: Fault {
                id: format!("{name}.{number}"),
                component: component.to_owned(),
                kind,
            },
        }
    }
}

/// One fault being carried out, and its steps in the history.
struct Deed {
    recorder: Recorder,
    patience: Patience,
    fault: Fault,
}

impl Deed {
    fn step(&self, step: Step) {
        self.step_at(self.recorder.now(), step);
    }

    fn step_at(&self, at: u64, step: Step) {
        let fault = self.fault.clone();
        self.recorder.record_at(at, Event::Fault { fault, step });
    }

    fn injected(&self) {
        self.step(Step::Injected);
    }

    fn cause(&self, proof: impl Into<String>) {
        let proof = proof.into();
        self.step(Step::Cause { proof });
    }

    fn effect(&self, proof: impl Into<String>) {
        let proof = proof.into();
        self.step(Step::Effect { proof });
    }

    fn not_landed(&self, why: impl Into<String>) {
        let why = why.into();
        self.step(Step::NotLanded { why });
    }

    /// Looks for a symptom until `until`, and says whether there was one; the first is the effect.
    /// Without any the fault does not count.
    async fn feel(&self, probe: &Probe, until: Instant) -> bool {
        while Instant::now() < until {
            if let Err(symptom) = probe().await {
                self.effect(symptom);
                return true;
            }
            sleep(PROBE_EVERY).await;
        }
        self.not_landed(UNFELT);
        false
    }

    /// Three right probes in a row, then Healed. A rig component that does not heal taints all that
    /// follows; that the judged server does not come back is its own failure.
    async fn heal(&self, probe: &Probe, role: Role) -> Result<(), NemesisError> {
        let limit = self.patience.with(role);
        let until = Instant::now() + limit;
        let mut right = 0;
        let mut last = String::new();
        while Instant::now() < until {
            match probe().await {
                Ok(()) => right += 1,
                Err(symptom) => {
                    right = 0;
                    last = symptom;
                }
            }
            if right >= RIGHT_PROBES {
                self.step(Step::Healed);
                return Ok(());
            }
            sleep(PROBE_EVERY).await;
        }
        if role == Role::Rig {
            self.recorder.record(Event::Rig {
                what: "not_healed".to_owned(),
                until: u64::MAX,
                detail: format!("{}: {last}", self.fault.id),
            });
        }
        Err(NemesisError::NotHealed {
            fault: self.fault.id.clone(),
            limit,
            last,
        })
    }
}

#[cfg(test)]
mod tests;
