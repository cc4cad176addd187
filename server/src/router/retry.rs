//! The one retry layer, as a pure function: at most two attempts a provider and four a call.

use std::time::Duration;

use crate::provider::fault::{ProviderFailure, Reaction, Repair};

/// Bounds of the retry budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySettings {
    /// Attempts at one provider.
    pub attempts_per_provider: u32,
    /// Attempts of one call, all providers together.
    pub attempts_per_call: u32,
    /// Upper bounds of the waits before a call's first, second … retry; the last repeats.
    pub waits: Vec<Duration>,
    /// The longest wait of a provider's own choosing that is honoured.
    pub retry_after_max: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts_per_provider: 2,
            attempts_per_call: 4,
            waits: vec![Duration::from_millis(250), Duration::from_millis(500)],
            retry_after_max: Duration::from_secs(2),
        }
    }
}

/// What a call has used up so far, the failed attempt included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Attempts of this call.
    pub total: u32,
    /// Attempts at the provider that failed just now.
    pub here: u32,
    /// Retries (not failovers) of this call.
    pub retries: u32,
    /// Providers of the call that have not been tried.
    pub untried: u32,
    /// Whether the request was repaired before.
    pub is_repaired: bool,
    /// Whether the caller has seen text of the failed attempt.
    pub was_shown: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The same provider again after the wait, with the request changed if so named.
    Again {
        /// How long to wait first.
        wait: Duration,
        /// What to change.
        repair: Option<Repair>,
    },
    /// The next provider.
    Leave,
    /// The call is over.
    Stop,
}

impl Next {
    /// What the next attempt must change.
    #[must_use]
    pub const fn repair(self) -> Option<Repair> {
        match self {
            Self::Again { repair, .. } => repair,
            Self::Leave | Self::Stop => None,
        }
    }
}

/// Decides what follows a failed attempt; `luck` is a random number of at least 0 and below 1.
#[must_use]
pub fn next(failure: &ProviderFailure, tally: Tally, settings: &RetrySettings, luck: f64) -> Next {
    if tally.was_shown || tally.total >= settings.attempts_per_call {
        return Next::Stop;
    }
    match failure.reaction {
        Reaction::Refuse | Reaction::Configure | Reaction::Quota { leave: false } => Next::Stop,
        Reaction::Repair(repair) => repaired(repair, tally, settings),
        Reaction::FailOver | Reaction::Quota { leave: true } => Next::Leave,
        Reaction::Retry => again(failure.wait, tally, settings, luck),
    }
}

fn repaired(repair: Repair, tally: Tally, settings: &RetrySettings) -> Next {
    if tally.is_repaired || tally.here >= settings.attempts_per_provider {
        Next::Stop
    } else {
        Next::Again {
            wait: Duration::ZERO,
            repair: Some(repair),
        }
    }
}

fn again(named: Option<Duration>, tally: Tally, settings: &RetrySettings, luck: f64) -> Next {
    // A second try here must not use up the attempts of providers that were never asked.
    let spare = settings.attempts_per_call.saturating_sub(tally.total);
    if tally.here >= settings.attempts_per_provider || spare <= tally.untried {
        return Next::Leave;
    }
    match named {
        Some(wait) if wait > settings.retry_after_max => Next::Leave,
        Some(wait) => Next::Again { wait, repair: None },
        None => Next::Again {
            wait: jitter(tally.retries, settings, luck),
            repair: None,
        },
    }
}

/// Full jitter: anything from nothing up to the bound.
fn jitter(retries: u32, settings: &RetrySettings, luck: f64) -> Duration {
    let last = settings.waits.len().saturating_sub(1);
    let index = usize::try_from(retries).unwrap_or(last).min(last);
    let bound = settings.waits.get(index).copied().unwrap_or_default();
    bound.mul_f64(luck.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::provider::fault::FaultClass;

    fn failure(reaction: Reaction, wait_ms: Option<u64>) -> ProviderFailure {
        ProviderFailure::new(FaultClass::ServerError, reaction, "")
            .with_wait(wait_ms.map(Duration::from_millis))
    }

    const FIRST: Tally = Tally {
        total: 1,
        here: 1,
        retries: 0,
        untried: 1,
        is_repaired: false,
        was_shown: false,
    };

    fn after(reaction: Reaction, tally: Tally) -> Next {
        let settings = RetrySettings::default();
        next(&failure(reaction, None), tally, &settings, 0.5)
    }

    #[test]
    fn each_reaction_leads_where_the_catalogue_says() {
        let more = Reaction::Repair(Repair::MoreTokens);
        let wait = Duration::from_millis(125);
        let repair = Some(Repair::MoreTokens);
        let mended = Next::Again {
            wait: Duration::ZERO,
            repair,
        };
        let cases = [
            (Reaction::Retry, Next::Again { wait, repair: None }),
            (Reaction::FailOver, Next::Leave),
            (Reaction::Quota { leave: true }, Next::Leave),
            (Reaction::Quota { leave: false }, Next::Stop),
            (Reaction::Refuse, Next::Stop),
            (Reaction::Configure, Next::Stop),
            (more, mended),
        ];
        for (reaction, wanted) in cases {
            assert_eq!(after(reaction, FIRST), wanted, "{reaction:?}");
            let shown = Tally {
                was_shown: true,
                ..FIRST
            };
            assert_eq!(
                after(reaction, shown),
                Next::Stop,
                "{reaction:?}, text shown"
            );
        }
        let repaired = Tally {
            is_repaired: true,
            ..FIRST
        };
        assert_eq!(after(more, repaired), Next::Stop);
        let second = Tally {
            total: 2,
            here: 2,
            ..FIRST
        };
        assert_eq!(after(Reaction::Retry, second), Next::Leave);
    }

    #[test]
    fn a_named_wait_is_honoured_up_to_its_bound_and_ours_grows() {
        let settings = RetrySettings::default();
        let go = |ms, retries| {
            let tally = Tally { retries, ..FIRST };
            next(&failure(Reaction::Retry, ms), tally, &settings, 0.5)
        };
        let again = |ms| Next::Again {
            wait: Duration::from_millis(ms),
            repair: None,
        };
        assert_eq!(go(Some(2000), 0), again(2000));
        assert_eq!(go(Some(2001), 0), Next::Leave);
        assert_eq!(go(None, 0), again(125));
        assert_eq!(go(None, 1), again(250));
        assert_eq!(go(None, 9), again(250));
    }

    #[test]
    fn a_second_try_never_takes_the_place_of_a_provider_not_yet_asked() {
        let tally = Tally {
            total: 3,
            here: 1,
            retries: 1,
            untried: 1,
            ..Tally::default()
        };
        let settings = RetrySettings::default();
        assert_eq!(
            next(&failure(Reaction::Retry, None), tally, &settings, 0.5),
            Next::Leave
        );
    }

    fn reactions() -> impl Strategy<Value = Reaction> {
        prop_oneof![
            Just(Reaction::Retry),
            Just(Reaction::FailOver),
            Just(Reaction::Quota { leave: true }),
            Just(Reaction::Repair(Repair::MoreTokens)),
            Just(Reaction::Refuse),
            Just(Reaction::Configure),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn no_run_of_failures_breaks_the_budget(
            failures in proptest::collection::vec(
                (reactions(), proptest::option::of(0_u64..5000), 0.0..1.0), 1..20),
            providers in 1_u32..6,
        ) {
            let settings = RetrySettings::default();
            let mut tally = Tally { untried: providers, ..Tally::default() };
            tally.untried -= 1;
            let mut waited = Duration::ZERO;
            for (reaction, wait, luck) in failures {
                tally.total += 1;
                tally.here += 1;
                prop_assert!(tally.total <= 4 && tally.here <= 2, "{:?}", tally);
                match next(&failure(reaction, wait), tally, &settings, luck) {
                    Next::Stop => break,
                    Next::Again { wait, repair } => {
                        prop_assert!(wait <= settings.retry_after_max);
                        waited += wait;
                        tally.is_repaired |= repair.is_some();
                        tally.retries += 1;
                    }
                    Next::Leave if tally.untried == 0 => break,
                    Next::Leave => {
                        tally.untried -= 1;
                        tally.here = 0;
                    }
                }
            }
            prop_assert!(waited <= settings.retry_after_max * 3);
        }
    }
}
