//! Four verdict words, one order, and the exit codes that derive from it.

use serde::{Deserialize, Serialize};

/// What a run concluded. The order is the severity; several fold by the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Met, with floors reached and proof.
    Pass,
    /// Not enough evidence; a [`Reason`] says why.
    Inconclusive,
    /// Our own rig failed.
    HarnessError,
    /// Observed and not met.
    Fail,
}

impl Verdict {
    /// The word people read.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Inconclusive => "Inconclusive",
            Self::HarnessError => "HarnessError",
            Self::Fail => "Fail",
        }
    }

    /// The worst of a non-empty list; the empty case is decided before folding.
    #[must_use]
    pub fn worst(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Inconclusive)
    }

    /// The process exit code this verdict asks for.
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self {
            Self::Pass => Exit::Pass,
            Self::Fail => Exit::Fail,
            Self::Inconclusive => Exit::Inconclusive,
            Self::HarnessError => Exit::HarnessError,
        }
    }
}

/// Named exit codes of every command (DESIGN §2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Exit {
    /// Pass; gate: yes.
    Pass = 0,
    /// Fail; gate: no.
    Fail = 1,
    /// Not enough evidence.
    Inconclusive = 2,
    /// Our rig failed.
    HarnessError = 3,
    /// Nothing ran.
    NothingRan = 4,
    /// Evidence refused: tampered, expired, foreign, untrusted.
    Refused = 5,
    /// Gate: no, overridden by a recorded decision.
    Overridden = 6,
    /// The user's mistake.
    Usage = 64,
    /// Our own bug.
    Bug = 70,
    /// Ended by SIGINT after evidence was flushed.
    Interrupted = 130,
    /// Ended by SIGTERM after evidence was flushed.
    Terminated = 143,
}

impl Exit {
    /// Every one of them.
    pub const ALL: [Self; 11] = [
        Self::Pass,
        Self::Fail,
        Self::Inconclusive,
        Self::HarnessError,
        Self::NothingRan,
        Self::Refused,
        Self::Overridden,
        Self::Usage,
        Self::Bug,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The one of that code; None when no command of ours ends so.
    #[must_use]
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| *exit as i32 == code)
    }
}

/// Why a criterion is Inconclusive: a closed list (report-formats.md §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the words are the documentation; see report-formats.md §1"
)]
pub enum Reason {
    ZeroSamples,
    BelowFloor,
    EventNotSeen,
    ControlNotFired,
    RigLimit,
    DroppedArrivals,
    Contradictory,
    Expired,
    ForeignIdentity,
    MissingDependency,
    NotSelected,
    NotTestable,
    DurationShort,
    SchemaInvalid,
    FaultNotLanded,
    StoreMismatch,
    SlopeUndecided,
    SkippedCheck,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_is_found_by_its_code_and_no_other_code_is_one() {
        // A new one does not compile here until it has a place among all.
        let place = |exit: Exit| match exit {
            Exit::Pass => 0,
            Exit::Fail => 1,
            Exit::Inconclusive => 2,
            Exit::HarnessError => 3,
            Exit::NothingRan => 4,
            Exit::Refused => 5,
            Exit::Overridden => 6,
            Exit::Usage => 7,
            Exit::Bug => 8,
            Exit::Interrupted => 9,
            Exit::Terminated => 10,
        };
        let places = Exit::ALL.into_iter().map(place);
        assert!(places.eq(0..Exit::ALL.len()));
        let found: Vec<Exit> = (-1..=256).filter_map(Exit::from_code).collect();
        assert_eq!(found, Exit::ALL);
    }
}
