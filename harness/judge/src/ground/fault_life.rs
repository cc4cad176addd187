//! What became of one injected fault, by the steps that the history tells of it.

use serde::{Deserialize, Serialize};

use crate::fault::{Fault, Step};

/// The life of one injected fault, with when each of its proofs was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultLife {
    /// The fault.
    pub fault: Fault,
    /// When it was first spoken of, ns.
    pub first: u64,
    /// When the breaking call was made, ns.
    pub injected: Option<u64>,
    /// When a witness saw the cause.
    pub cause: Option<u64>,
    /// When the symptom was seen.
    pub effect: Option<u64>,
    /// When it was undone and probed.
    pub healed: Option<u64>,
    /// Why it could not be injected or proven.
    pub not_landed: Option<String>,
    /// End of its window: healed plus the profile's tail; the end of time when never healed.
    pub until: u64,
}

impl FaultLife {
    /// One that was first spoken of at this moment, ns.
    pub(super) const fn new(fault: Fault, first: u64) -> Self {
        Self {
            fault,
            first,
            injected: None,
            cause: None,
            effect: None,
            healed: None,
            not_landed: None,
            until: u64::MAX,
        }
    }

    /// Takes in a step; the first of each kind counts. Its window lasts for `tail` ns after a heal.
    pub(super) fn note(&mut self, at: u64, step: &Step, tail: u64) {
        match step {
            Step::Injected => self.injected = self.injected.or(Some(at)),
            Step::Cause { .. } => self.cause = self.cause.or(Some(at)),
            Step::Effect { .. } => self.effect = self.effect.or(Some(at)),
            Step::Healed => {
                self.healed = self.healed.or(Some(at));
                self.until = at.saturating_add(tail);
            }
            Step::NotLanded { why } => self.not_landed = Some(why.clone()),
        }
    }

    /// Its cause was proven and nothing spoke against it afterwards.
    #[must_use]
    pub const fn has_landed(&self) -> bool {
        self.cause.is_some() && self.not_landed.is_none()
    }

    /// It landed, was felt and was healed, each with its proof.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        self.has_landed() && self.effect.is_some() && self.healed.is_some()
    }

    /// Whether `[from, until]` touches its window.
    #[must_use]
    pub fn overlaps(&self, from: u64, until: u64) -> bool {
        self.injected
            .is_some_and(|begin| begin <= until && from <= self.until)
    }
}
