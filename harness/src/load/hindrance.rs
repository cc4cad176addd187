//! A generator hindered on purpose: what a machine at its limit, or a defect of ours, would make of
//! it. For the self-test, which shows that none of it is blamed on the server.

use std::time::Duration;

/// Of this many arrivals one is dropped.
const DROPS_EVERY: u64 = 10;
/// What each arrival costs a generator that is late: more than the time between two.
const LATE: Duration = Duration::from_millis(10);
/// How long a generator that pauses does so, and how often.
const PAUSE: Duration = Duration::from_millis(300);
const PAUSES_EVERY: Duration = Duration::from_secs(5);

/// What is in the generator's way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hindrance {
    /// Nothing.
    #[default]
    None,
    /// It sends nothing at all.
    Idle,
    /// It drops a share of the arrivals.
    Drops,
    /// It is slower than its plan, and later with every arrival.
    Late,
    /// It stands still for a moment every few seconds.
    Pauses,
}

impl Hindrance {
    /// Whether the k-th arrival is not sent.
    #[must_use]
    pub const fn drops(self, k: u64) -> bool {
        matches!(self, Self::Drops) && k.is_multiple_of(DROPS_EVERY)
    }

    /// Stands still before the arrival due `offset` ns after the step's begin, if it is in the way
    /// there; the last one was due after `before`.
    pub async fn hold(self, before: u64, offset: u64) {
        if let Some(held) = self.holds(before, offset) {
            tokio::time::sleep(held).await;
        }
    }

    fn holds(self, before: u64, offset: u64) -> Option<Duration> {
        let turn = |at: u64| Duration::from_nanos(at).as_millis() / PAUSES_EVERY.as_millis();
        match self {
            Self::Late => Some(LATE),
            Self::Pauses if turn(before) < turn(offset) => Some(PAUSE),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_comes_once_in_its_time_and_lateness_with_every_arrival() {
        let held = |hindrance: Hindrance| {
            let due = |k: u64| k * 5_000_000;
            let each = (1..2_000).filter_map(|k| hindrance.holds(due(k - 1), due(k)));
            each.sum::<Duration>()
        };
        assert_eq!(held(Hindrance::Pauses), PAUSE);
        assert_eq!(held(Hindrance::Late), LATE * 1_999);
        assert_eq!(held(Hindrance::None), Duration::ZERO);
        let dropped = (0..2_000).filter(|k| Hindrance::Drops.drops(*k)).count();
        assert_eq!(dropped, 200);
        assert!(!(0..2_000).any(|k| Hindrance::Late.drops(k)));
    }
}
