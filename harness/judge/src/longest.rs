//! How long a single call may take, whatever the percentiles say: they let one in a hundred take a
//! minute.

use crate::criterion::{Criterion, Missing};
use crate::operation::Call;
use crate::tally::{self, Place, Tally};

/// The longest a call may take: the smaller of its deadline and its provider's planned time, each
/// with its grace.
#[derive(Debug, Clone, Copy)]
pub struct Longest {
    deadline_grace: u64,
    provider_grace: u64,
}

impl Longest {
    /// Reads the limits `deadline_grace_s` and `provider_grace_s`.
    ///
    /// # Errors
    /// The catalogue lacks one.
    pub fn read(rows: &Criterion) -> Result<Self, Missing> {
        Ok(Self {
            deadline_grace: rows.nanos("deadline_grace_s")?,
            provider_grace: rows.nanos("provider_grace_s")?,
        })
    }

    /// A check of that id.
    #[must_use]
    pub fn tally(id: &str) -> Tally {
        Tally::new(id, "calls beyond their deadline or their provider's time")
    }

    /// One call. `own` is its latency without what our generator was late by: a call that is too
    /// late with that alone is no trial.
    pub fn trial(self, tally: &mut Tally, is_tainted: bool, (call, own): (&Call, u64)) {
        let by_deadline = call.deadline.saturating_add(self.deadline_grace);
        let by_provider = call.planned_provider.saturating_add(self.provider_grace);
        let most = by_deadline.min(by_provider);
        let is_excused = call.latency() > most && own <= most;
        let says = || {
            format!(
                "operation {} took {}, {} at most",
                call.op,
                tally::millis(call.latency()),
                tally::millis(most)
            )
        };
        let wrong = (own > most).then(says);
        tally.trial(is_tainted || is_excused, Place::Call(call), wrong);
    }
}
