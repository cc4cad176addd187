//! Counts eligible operations and picks every k-th: never at random, so that a run of twice the
//! interval is certain to be hit.

use std::sync::atomic::{AtomicU64, Ordering};

/// Which eligible operations are spoiled.
#[derive(Debug)]
pub struct Trigger {
    every: u64,
    offset: u64,
    eligible: AtomicU64,
    spoiled: AtomicU64,
}

impl Trigger {
    /// The operations `offset`, `offset + every`, … counted from 0. An interval of 0 counts as 1.
    #[must_use]
    pub fn new(every: u64, offset: u64) -> Self {
        Self {
            every: every.max(1),
            offset,
            eligible: AtomicU64::new(0),
            spoiled: AtomicU64::new(0),
        }
    }

    /// Counts one eligible operation; its number, if it is to be spoiled.
    pub fn due(&self) -> Option<u64> {
        let number = self.eligible.fetch_add(1, Ordering::Relaxed);
        let past = number.checked_sub(self.offset)?;
        past.is_multiple_of(self.every).then_some(past / self.every)
    }

    /// Counts one operation as spoiled.
    pub fn count_spoiled(&self) {
        self.spoiled.fetch_add(1, Ordering::Relaxed);
    }

    /// Eligible and spoiled operations so far.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (
            self.eligible.load(Ordering::Relaxed),
            self.spoiled.load(Ordering::Relaxed),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Trigger;

    #[test]
    fn every_kth_from_the_offset_is_due() {
        let trigger = Trigger::new(3, 1);
        let due: Vec<_> = (0..8).map(|_| trigger.due()).collect();
        assert_eq!(
            due,
            [None, Some(0), None, None, Some(1), None, None, Some(2)]
        );
        assert_eq!(trigger.counts(), (8, 0));
        let each = Trigger::new(0, 0);
        assert_eq!((each.due(), each.due()), (Some(0), Some(1)));
    }
}
