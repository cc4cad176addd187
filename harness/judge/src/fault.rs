//! Faults the nemesis injects, and the steps that prove them.

use serde::{Deserialize, Serialize};

/// What was broken.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fault {
    /// Unique in the run: `server.kill.1`, `store.pause.1`, `kimi.kill.2`.
    pub id: String,
    /// `server`, `store`, `kimi`, `glm`, `minimax`, or an edge such as `server-store`.
    pub component: String,
    /// What was done to it.
    pub kind: FaultKind,
}

/// The kinds of fault; provider faults of the plan are named by their catalogue id instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// SIGKILL.
    Kill,
    /// SIGSTOP for a while, or a lock held by a second process (embedded store).
    Pause,
    /// Existing flows cut, once.
    Reset,
    /// New connections refused and existing ones cut.
    Refuse,
    /// Delay added on the edge, or a lock held in short bursts (embedded store).
    Slow,
    /// Writes refused for lack of space.
    Full,
    /// Writes refused by a read-only store.
    ReadOnly,
    /// Taken off its network; containers alone have one.
    Partition,
}

impl FaultKind {
    /// The name used in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Reset => "reset",
            Self::Refuse => "refuse",
            Self::Slow => "slow",
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::Partition => "partition",
        }
    }
}

/// A step in the life of a fault (judging.md §7.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// The call that breaks the thing was made.
    Injected,
    /// Proof of cause: what a witness other than the planner saw change.
    Cause {
        /// Such as `pid 8123 gone, pid 8177 running`, `4 flows cut`.
        proof: String,
    },
    /// The component showed the symptom at the judge's own probe.
    Effect {
        /// What was seen.
        proof: String,
    },
    /// Undone; three right probes followed.
    Healed,
    /// Could not be injected or proven; the reason is for people.
    NotLanded {
        /// Why.
        why: String,
    },
}
