//! Denials of the last minute by the address they came from, bounded. No address becomes a label:
//! a caller could make as many series as it has addresses.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a denial counts.
const SPAN: Duration = Duration::from_secs(60);

/// Denials that are remembered; of more in one span the oldest are forgotten.
const KEPT: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Sources(Mutex<VecDeque<(Instant, IpAddr)>>);

impl Sources {
    /// A denial of a client at this address.
    pub(super) fn note(&self, address: IpAddr, now: Instant) {
        let mut denials = self.recent(now);
        if denials.len() == KEPT {
            denials.pop_front();
        }
        denials.push_back((now, address));
    }

    /// Denials of the address that has most of them.
    pub(super) fn most(&self, now: Instant) -> usize {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (_, address) in self.recent(now).iter() {
            *counts.entry(*address).or_default() += 1;
        }
        counts.into_values().max().unwrap_or_default()
    }

    fn recent(&self, now: Instant) -> MutexGuard<'_, VecDeque<(Instant, IpAddr)>> {
        let mut denials = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |at: &Instant| now.saturating_duration_since(*at) >= SPAN;
        while denials.front().is_some_and(|(at, _)| is_old(at)) {
            denials.pop_front();
        }
        denials
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_counted_for_a_minute_and_apart_from_others() {
        let (sources, start) = (Sources::default(), Instant::now());
        for n in 0..4_u8 {
            let later = start + Duration::from_secs(n.into());
            sources.note([203, 0, 113, 8 + n].into(), start);
            sources.note([203, 0, 113, 7].into(), later);
        }
        assert_eq!(sources.most(start + Duration::from_secs(59)), 4);
        assert_eq!(sources.most(start + Duration::from_secs(61)), 2);
        assert_eq!(sources.most(start + Duration::from_secs(63)), 0);
    }

    #[test]
    fn a_flood_takes_bounded_memory_and_is_counted_up_to_the_bound() {
        let (sources, now) = (Sources::default(), Instant::now());
        for _ in 0..2 * KEPT {
            sources.note([203, 0, 113, 7].into(), now);
        }
        assert_eq!(sources.most(now), KEPT);
    }
}
