//! A call's one deadline: set when the call begins, never set anew, whatever is tried within it.

use std::time::{Duration, Instant};

/// What a call may take, from its beginning to its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    started: Instant,
    total: Duration,
}

impl Budget {
    /// A budget that begins now.
    #[must_use]
    pub const fn new(started: Instant, total: Duration) -> Self {
        Self { started, total }
    }

    /// What is left; zero once it is used up.
    #[must_use]
    pub fn left(&self, now: Instant) -> Duration {
        self.total.saturating_sub(self.elapsed(now))
    }

    /// What is used up.
    #[must_use]
    pub fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ask::CallKind;
    use super::super::clock::Clocks;
    use super::super::retry::{self, Next, RetrySettings, Tally};
    use super::*;
    use crate::provider::fault::{FaultClass, ProviderFailure, Reaction};
    use crate::provider::model::ModelClass;

    /// How one attempt fails: the share of its clocks it takes, its reaction, a wait it names.
    fn attempts() -> impl Strategy<Value = Vec<(f64, bool, Option<u64>, f64)>> {
        let one = (
            0.0..=1.0_f64,
            any::<bool>(),
            proptest::option::of(0_u64..3000),
            0.0..1.0_f64,
        );
        proptest::collection::vec(one, 1..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn no_row_of_attempts_outlives_the_deadline_or_sets_it_anew(
            attempts in attempts(),
            providers in 1_u32..5,
            thinks in any::<bool>(),
            kind in prop_oneof![
                Just(CallKind::Chat), Just(CallKind::Workflow), Just(CallKind::Expert)],
        ) {
            let class = if thinks { ModelClass::Thinking } else { ModelClass::Prompt };
            let clocks = Clocks::default();
            let total = clocks.of(class).total_for(kind);
            let (start, settings) = (Instant::now(), RetrySettings::default());
            let budget = Budget::new(start, total);
            let mut tally = Tally { untried: providers - 1, ..Tally::default() };
            let (mut now, mut before) = (start, total);
            for (share, is_retry, wait, luck) in attempts {
                let left = budget.left(now);
                prop_assert!(left <= before, "time came back");
                before = left;
                if left.is_zero() {
                    break;
                }
                let clocks = clocks.attempt((class, 1.0), kind, true, left);
                prop_assert!(clocks.total <= left && clocks.first_token <= left);
                now += clocks.total.mul_f64(share);
                tally.total += 1;
                tally.here += 1;
                let reaction = if is_retry { Reaction::Retry } else { Reaction::FailOver };
                let failure = ProviderFailure::new(FaultClass::ServerError, reaction, "")
                    .with_wait(wait.map(Duration::from_millis));
                match retry::next(&failure, tally, &settings, luck) {
                    Next::Stop => break,
                    // As the call does: a wait that would not leave any time is not begun.
                    Next::Again { wait, .. } if wait < budget.left(now) => {
                        tally.retries += 1;
                        now += wait;
                    }
                    Next::Again { .. } | Next::Leave if tally.untried == 0 => break,
                    Next::Again { .. } | Next::Leave => {
                        tally.untried -= 1;
                        tally.here = 0;
                    }
                }
            }
            prop_assert!(budget.elapsed(now) <= total, "{:?}", budget.elapsed(now));
        }
    }
}
