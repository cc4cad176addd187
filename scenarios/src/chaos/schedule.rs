//! A seed's schedule: what is broken, when, and what beside it. Pure: the same seed, duration,
//! store and driver give the same schedule, and a part of it keeps its faults' numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use exai_harness::topology::StoreKind;
use exai_judge::fault::FaultKind;
use serde::Serialize;

use crate::cli::arguments::Driver;

/// The first fault comes this long after traffic has begun.
const LEAD: u64 = 1_500;
/// From one beat to the next, at the least and at the most.
const GAP: (u64, u64) = (2_600, 4_200);
/// Two faults of one beat begin this far apart at the most.
const TOGETHER: u64 = 400;
/// From one kill of a container to the next: a restart, ten seconds of life and something over.
const LIFE: u64 = 15_000;
/// The second of two kills of a storm.
const AGAIN: u64 = 1_600;

const PROVIDERS: [&str; 3] = ["kimi", "glm", "minimax"];
const CLASSES: [Class; 4] = [Class::Process, Class::Link, Class::Store, Class::Provider];

/// What stands there to be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The store behind the server.
    pub store: StoreKind,
    /// Where the parts run.
    pub driver: Driver,
}

/// What kind of thing is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The server's own process.
    Process,
    /// The edge between clients and server.
    Link,
    /// The store, its edge or its lock.
    Store,
    /// A provider or the edge to it.
    Provider,
}

/// One fault to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// Its number in the seed's whole schedule, from 1.
    pub number: u32,
    /// After traffic began, ms.
    pub at_ms: u64,
    /// `server`, `clients`, `store` or a provider.
    pub component: String,
    /// What is done to it.
    pub kind: FaultKind,
    /// Which class it counts as.
    pub class: Class,
    /// Waits for the next acknowledged turn and follows it at once.
    pub after_acknowledgement: bool,
}

/// Faults in the order of their times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// The faults.
    pub faults: Vec<Planned>,
}

impl Schedule {
    /// The whole schedule of a seed. Beats of one fault, of two overlapping ones and of storms
    /// follow each other; every pair of classes comes up in turn.
    #[must_use]
    pub fn draw(seed: u64, duration: Duration, place: Place) -> Self {
        let mut dice = Dice(seed);
        let until = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut pairs = pairs();
        dice.shuffle(&mut pairs);
        let mut faults = Vec::new();
        let mut at = LEAD;
        let mut beat = 0;
        while at < until {
            let drawn = match beat % 3 {
                0 => vec![(0, CLASSES[dice.below(4)])],
                1 => {
                    let (one, other) = pairs[(beat / 3) % pairs.len()];
                    vec![(0, one), (dice.range(0, TOGETHER), other)]
                }
                _ => vec![
                    (0, Class::Process),
                    (0, Class::Store),
                    (AGAIN, Class::Process),
                ],
            };
            for (later, class) in drawn {
                faults.push(dice.fault(at + later, class, place));
            }
            at += dice.range(GAP.0, GAP.1);
            beat += 1;
        }
        faults.sort_by_key(|fault| fault.at_ms);
        if place.driver == Driver::Container {
            spare(&mut faults);
        }
        for (fault, number) in faults.iter_mut().zip(1..) {
            fault.number = number;
        }
        Self { faults }
    }

    /// The faults of these numbers, moved to the front together: their distances stay.
    ///
    /// # Errors
    /// Names a number that the schedule lacks.
    pub fn only(&self, numbers: &[u32]) -> Result<Self, String> {
        let wanted: BTreeSet<u32> = numbers.iter().copied().collect();
        let known: BTreeSet<u32> = self.numbers().into_iter().collect();
        if let Some(unknown) = wanted.difference(&known).next() {
            return Err(format!(
                "--only {unknown}: this schedule has the faults 1 to {}. Seed, duration and store \
                 must be those it was drawn with.",
                known.len()
            ));
        }
        let mut faults = self.faults.clone();
        faults.retain(|fault| wanted.contains(&fault.number));
        let first = faults.first().map_or(LEAD, |fault| fault.at_ms);
        for fault in &mut faults {
            fault.at_ms = fault.at_ms - first + LEAD;
        }
        Ok(Self { faults })
    }

    /// The numbers of its faults, in order.
    #[must_use]
    pub fn numbers(&self) -> Vec<u32> {
        self.faults.iter().map(|fault| fault.number).collect()
    }

    /// Whether a provider is broken somewhere in it.
    #[must_use]
    pub fn breaks_a_provider(&self) -> bool {
        self.faults.iter().any(|one| one.class == Class::Provider)
    }

    /// The schedule for people, under a line that says what it is.
    #[must_use]
    pub fn table(&self, title: &str) -> String {
        let mut text = format!("{title}: {} faults\n", self.faults.len());
        for fault in &self.faults {
            let seconds = fault.at_ms / 1_000;
            let tenths = fault.at_ms % 1_000 / 100;
            let what = format!("{}.{}", fault.component, fault.kind.name());
            let when = if fault.after_acknowledgement {
                "  right after an acknowledgement"
            } else {
                ""
            };
            let number = fault.number;
            text.push_str(&format!(
                "  {number:>3}  {seconds:>3}.{tenths} s  {what}{when}\n"
            ));
        }
        text
    }
}

/// An engine waits twice as long before each restart of a container that lived for less than ten
/// seconds. One that was killed is therefore left to live as long, and meanwhile taken off its
/// network instead.
fn spare(faults: &mut [Planned]) {
    let mut killed: BTreeMap<String, u64> = BTreeMap::new();
    for fault in faults.iter_mut().filter(|one| one.kind == FaultKind::Kill) {
        let before = killed.get(&fault.component);
        if before.is_some_and(|before| fault.at_ms - before < LIFE) {
            fault.kind = FaultKind::Partition;
            fault.after_acknowledgement = false;
        } else {
            killed.insert(fault.component.clone(), fault.at_ms);
        }
    }
}

/// Each unordered pair of two classes.
fn pairs() -> Vec<(Class, Class)> {
    let mut pairs = Vec::new();
    for (index, one) in CLASSES.iter().enumerate() {
        for other in CLASSES.iter().skip(index + 1) {
            pairs.push((*one, *other));
        }
    }
    pairs
}

/// splitmix64: small, and the same on every machine and in every version.
struct Dice(u64);

impl Dice {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// From 0 to one less than `bound`, which is at least 1.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    const fn range(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    fn fault(&mut self, at_ms: u64, class: Class, place: Place) -> Planned {
        let (component, kinds) = match class {
            Class::Process => ("server", &[FaultKind::Kill][..]),
            Class::Link => ("clients", &[FaultKind::Reset, FaultKind::Slow][..]),
            Class::Store => ("store", store_kinds(place.store)),
            Class::Provider => (PROVIDERS[self.below(PROVIDERS.len())], &PROVIDER_KINDS[..]),
        };
        let kinds = [kinds, off_network(class, place)].concat();
        let kind = kinds[self.below(kinds.len())];
        // Half of the server's deaths come at the boundary that is hardest to survive.
        let is_death = class == Class::Process && kind == FaultKind::Kill;
        let after_acknowledgement = is_death && self.below(2) == 0;
        Planned {
            number: 0,
            at_ms,
            component: component.to_owned(),
            kind,
            class,
            after_acknowledgement,
        }
    }
}

/// What has a network of its own can be taken off it: a container. The embedded store is in its
/// server's, and the clients' edge is no component.
const fn off_network(class: Class, place: Place) -> &'static [FaultKind] {
    match (class, place.driver, place.store) {
        (Class::Link, _, _) | (_, Driver::Local, _) => &[],
        (Class::Store, Driver::Container, StoreKind::Embedded) => &[],
        (_, Driver::Container, _) => &[FaultKind::Partition],
    }
}

const PROVIDER_KINDS: [FaultKind; 4] = [
    FaultKind::Kill,
    FaultKind::Reset,
    FaultKind::Refuse,
    FaultKind::Slow,
];

/// What can be done to a store of that kind from outside. The embedded one dies with its server.
const fn store_kinds(store: StoreKind) -> &'static [FaultKind] {
    match store {
        StoreKind::Embedded => &[FaultKind::Pause, FaultKind::Slow, FaultKind::Refuse],
        StoreKind::Redis => &[
            FaultKind::Kill,
            FaultKind::Reset,
            FaultKind::Pause,
            FaultKind::Slow,
            FaultKind::Refuse,
            FaultKind::Full,
            FaultKind::ReadOnly,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const EMBEDDED: Place = Place {
        store: StoreKind::Embedded,
        driver: Driver::Local,
    };
    const REDIS: Place = Place {
        store: StoreKind::Redis,
        driver: Driver::Local,
    };

    #[test]
    fn one_seed_gives_one_schedule_and_another_seed_another() {
        let draw = |seed| Schedule::draw(seed, MINUTE, REDIS);
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn three_minutes_overlap_every_pair_of_classes_for_every_seed() {
        for seed in 0..50 {
            let schedule = Schedule::draw(seed, 3 * MINUTE, EMBEDDED);
            let mut seen = BTreeSet::new();
            for one in &schedule.faults {
                for other in &schedule.faults {
                    let is_near = one.at_ms.abs_diff(other.at_ms) <= TOGETHER;
                    if is_near && one.class < other.class {
                        seen.insert((one.class, other.class));
                    }
                }
            }
            assert_eq!(seen.len(), pairs().len(), "seed {seed}: {seen:?}");
        }
    }

    #[test]
    fn containers_are_taken_off_their_network_and_processes_never() {
        let partitioned = |place: Place| -> BTreeSet<String> {
            let drawn = (0..20).flat_map(|seed| Schedule::draw(seed, 3 * MINUTE, place).faults);
            drawn
                .filter(|one| one.kind == FaultKind::Partition)
                .map(|one| one.component)
                .collect()
        };
        let contained = |place: Place| Place {
            driver: Driver::Container,
            ..place
        };
        let all = ["glm", "kimi", "minimax", "server", "store"];
        assert!(partitioned(contained(REDIS)).iter().eq(all.iter()));
        assert!(partitioned(contained(EMBEDDED)).iter().eq(all[..4].iter()));
        assert!(partitioned(REDIS).is_empty() && partitioned(EMBEDDED).is_empty());
    }

    #[test]
    fn a_container_lives_long_enough_between_two_kills_that_its_engine_restarts_it_at_once() {
        let place = Place {
            driver: Driver::Container,
            ..REDIS
        };
        let mut kills = 0;
        for seed in 0..20 {
            let mut before = BTreeMap::new();
            for one in Schedule::draw(seed, MINUTE, place).faults {
                if one.kind == FaultKind::Kill {
                    kills += 1;
                    let last = before.insert(one.component, one.at_ms);
                    assert!(
                        last.is_none_or(|last| one.at_ms - last >= LIFE),
                        "seed {seed}"
                    );
                }
            }
        }
        assert!(kills > 60, "{kills}");
    }

    #[test]
    fn half_a_minute_kills_the_server_twice_within_two_seconds_for_every_seed() {
        for seed in 0..50 {
            let schedule = Schedule::draw(seed, MINUTE / 2, EMBEDDED);
            let kills = schedule
                .faults
                .iter()
                .filter(|one| one.component == "server");
            let kills: Vec<u64> = kills.map(|one| one.at_ms).collect();
            assert!(
                kills.windows(2).any(|two| two[1] - two[0] <= 2_000),
                "seed {seed}"
            );
        }
    }

    #[test]
    fn a_part_keeps_numbers_and_distances_and_begins_at_once() {
        let whole = Schedule::draw(7, MINUTE, EMBEDDED);
        let part = whole.only(&[5, 3]).unwrap();
        assert_eq!(part.numbers(), [3, 5]);
        assert_eq!(part.faults[0].at_ms, LEAD);
        let apart = |of: &Schedule, a: usize, b: usize| of.faults[b].at_ms - of.faults[a].at_ms;
        assert_eq!(apart(&part, 0, 1), apart(&whole, 2, 4));
        assert_eq!(part.only(&[3, 5]).unwrap(), part);
        assert!(whole.only(&[]).unwrap().faults.is_empty());
        let unknown = whole.only(&[999]).unwrap_err();
        assert!(unknown.contains("999"), "{unknown}");
    }
}
