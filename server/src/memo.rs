//! Values kept for a while and as many as are allowed; the one used longest ago goes first.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A bounded memory of this process, with the time as a parameter; cheap to clone.
#[derive(Debug)]
pub struct Memo<K, V> {
    shelf: Arc<Mutex<Shelf<K, V>>>,
    entries: usize,
    ttl: Duration,
}

#[derive(Debug)]
struct Shelf<K, V> {
    held: HashMap<K, Held<V>>,
    /// Counts uses, so that two at one instant have an order.
    uses: u64,
}

#[derive(Debug)]
struct Held<V> {
    value: V,
    given: Instant,
    used: u64,
}

impl<K, V> Clone for Memo<K, V> {
    fn clone(&self) -> Self {
        Self {
            shelf: Arc::clone(&self.shelf),
            ..*self
        }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Memo<K, V> {
    /// Keeps at most `entries` values, each for less than `ttl`; none when either is zero.
    #[must_use]
    pub fn new(entries: usize, ttl: Duration) -> Self {
        let held = HashMap::new();
        let shelf = Shelf { held, uses: 0 };
        Self {
            shelf: Arc::new(Mutex::new(shelf)),
            entries,
            ttl,
        }
    }

    /// Whether anything is ever kept.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.entries > 0 && !self.ttl.is_zero()
    }

    /// The value kept under `key` that is not too old at `now`. Being found does not make it last
    /// longer.
    #[must_use]
    pub fn find(&self, key: &K, now: Instant) -> Option<V> {
        let mut shelf = self.lock();
        shelf.uses += 1;
        let uses = shelf.uses;
        let held = shelf.held.get_mut(key)?;
        if now.saturating_duration_since(held.given) >= self.ttl {
            shelf.held.remove(key);
            return None;
        }
        held.used = uses;
        Some(held.value.clone())
    }

    /// Keeps a value given at `now`, in the place of an older one of its key.
    pub fn keep(&self, key: K, value: V, now: Instant) {
        if !self.is_on() {
            return;
        }
        let mut shelf = self.lock();
        if !shelf.held.contains_key(&key) && shelf.held.len() >= self.entries {
            let oldest = shelf.held.iter().min_by_key(|(_, held)| held.used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                shelf.held.remove(&oldest);
            }
        }
        shelf.uses += 1;
        let held = Held {
            value,
            given: now,
            used: shelf.uses,
        };
        shelf.held.insert(key, held);
    }

    /// Forgets every value.
    pub fn clear(&self) {
        self.lock().held.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Shelf<K, V>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TTL: Duration = Duration::from_secs(180);

    #[test]
    fn a_value_is_found_until_its_time_is_over_however_often_it_was_found() {
        let memo = Memo::new(2, TTL);
        let start = Instant::now();
        memo.keep("a", 1, start);
        let late = start + TTL - Duration::from_millis(1);
        assert_eq!(memo.find(&"a", late), Some(1));
        assert_eq!(memo.find(&"a", start + TTL), None);
        assert_eq!(memo.find(&"b", start), None);
        memo.keep("a", 2, start);
        memo.clear();
        assert_eq!(memo.find(&"a", start), None);
    }

    #[test]
    fn the_value_used_longest_ago_goes_first_and_no_more_are_held_than_allowed() {
        let memo = Memo::new(2, TTL);
        let start = Instant::now();
        for (key, value) in [("a", 1), ("b", 2)] {
            memo.keep(key, value, start);
        }
        assert_eq!(memo.find(&"a", start), Some(1));
        memo.keep("a", 3, start);
        memo.keep("c", 4, start);
        let found = ["a", "b", "c"].map(|key| memo.find(&key, start));
        assert_eq!(found, [Some(3), None, Some(4)]);
    }

    #[test]
    fn without_entries_or_time_nothing_is_kept() {
        let start = Instant::now();
        for memo in [Memo::new(0, TTL), Memo::new(2, Duration::ZERO)] {
            memo.keep("a", 1, start);
            assert!(!memo.is_on() && memo.find(&"a", start).is_none());
        }
    }

    /// What is done to a memory, and after how many milliseconds.
    #[derive(Debug, Clone, Copy)]
    enum Move {
        Find(u8, u16),
        Keep(u8, u16, u16),
        Clear,
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            8 => (0..6_u8, 0..60_u16).prop_map(|(key, wait)| Move::Find(key, wait)),
            8 => (0..6_u8, any::<u16>(), 0..60_u16).prop_map(|(k, v, w)| Move::Keep(k, v, w)),
            1 => Just(Move::Clear),
        ];
        proptest::collection::vec(one, 1..80)
    }

    /// The same as a plain list, the entry used longest ago first.
    struct Reference {
        held: Vec<(u8, u16, Instant)>,
        entries: usize,
        ttl: Duration,
    }

    impl Reference {
        fn find(&mut self, key: u8, now: Instant) -> Option<u16> {
            let place = self.held.iter().position(|entry| entry.0 == key)?;
            let entry = self.held.remove(place);
            if now - entry.2 >= self.ttl {
                return None;
            }
            self.held.push(entry);
            Some(entry.1)
        }

        fn keep(&mut self, key: u8, value: u16, now: Instant) {
            if self.entries == 0 || self.ttl.is_zero() {
                return;
            }
            self.held.retain(|entry| entry.0 != key);
            if self.held.len() == self.entries {
                self.held.remove(0);
            }
            self.held.push((key, value, now));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn it_finds_what_a_plain_list_would(
            (entries, ttl_ms) in (0..5_usize, 0..200_u64),
            moves in moves(),
        ) {
            let ttl = Duration::from_millis(ttl_ms);
            let memo = Memo::new(entries, ttl);
            let mut reference = Reference { held: Vec::new(), entries, ttl };
            let mut now = Instant::now();
            for one in moves {
                match one {
                    Move::Find(key, wait) => {
                        now += Duration::from_millis(wait.into());
                        prop_assert_eq!(memo.find(&key, now), reference.find(key, now));
                    }
                    Move::Keep(key, value, wait) => {
                        now += Duration::from_millis(wait.into());
                        memo.keep(key, value, now);
                        reference.keep(key, value, now);
                    }
                    Move::Clear => {
                        memo.clear();
                        reference.held.clear();
                    }
                }
                prop_assert_eq!(memo.lock().held.len(), reference.held.len());
            }
        }
    }
}
