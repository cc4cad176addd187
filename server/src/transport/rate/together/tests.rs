use std::collections::BTreeMap;

use futures::FutureExt as _;
use proptest::prelude::*;

use super::*;
use crate::config::Rate;

const MILLI: Nanos = SECOND / 1000;

/// What Redis keeps, by the same steps as its script.
#[derive(Default)]
struct Ledger(BTreeMap<Key, Nanos>);

impl Ledger {
    fn add(&mut self, taken: &Taken, now: Nanos) -> Nanos {
        let full = self.0.entry(taken.key.clone()).or_default();
        *full = (*full).max(now) + taken.span;
        *full - now
    }
}

struct Instance {
    rates: Rates,
    told_at: Nanos,
}

impl Instance {
    fn new(principal: u32) -> Self {
        let rates = Rates::new(&Rate {
            global: 1_000_000,
            address: 1_000_000,
            principal,
            burst: Duration::from_secs(1),
            table: 10,
            idle: Duration::from_secs(3600),
        });
        rates.account();
        Self { rates, told_at: 0 }
    }

    fn is_taken(&self, now: Nanos) -> bool {
        let address = IpAddr::from([127, 0, 0, 1]);
        self.rates.take(now, address, Some("hot")).is_ok()
    }

    /// As [`keep`] does it, with answers that come at once.
    fn tell(&mut self, ledger: &mut Ledger, now: Nanos) {
        let since = Duration::from_nanos(now - self.told_at);
        let is_due = since >= GAP && self.rates.due.notified().now_or_never().is_some();
        if is_due || since >= PERIOD {
            self.told_at = now;
            for taken in self.rates.report(now) {
                let left = ledger.add(&taken, now);
                self.rates.settle(&taken.key, left, now..now);
            }
        }
    }
}

/// How many of the requests, each at an instance after a gap, are taken in how many seconds.
fn taken(rate: u32, count: usize, requests: &[(usize, Nanos)]) -> Vec<Nanos> {
    let mut instances: Vec<Instance> = (0..count).map(|_| Instance::new(rate)).collect();
    let (mut ledger, mut now, mut taken) = (Ledger::default(), SECOND, Vec::new());
    for (at, gap) in requests {
        now += gap;
        if instances[at % count].is_taken(now) {
            taken.push(now);
        }
        for instance in &mut instances {
            instance.tell(&mut ledger, now);
        }
    }
    taken
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn several_instances_take_one_rate_and_a_burst_each(
        rate in 10_u32..200,
        count in 2_usize..5,
        requests in prop::collection::vec((0_usize..5, 0_u64..20 * MILLI), 50..600),
    ) {
        let taken = taken(rate, count, &requests);
        let rate = f64::from(rate);
        // A report is late by up to one gap here, and what it tells is as old as the one before.
        let unseen = 2.0 * (PERIOD.as_secs_f64() + 0.02);
        let bursts = count as f64 * (rate * (1.0 + unseen) + 1.0);
        for (i, from) in taken.iter().enumerate().step_by(7) {
            let (to, held) = (taken[taken.len() - 1], taken.len() - i);
            let seconds = (to - from) as f64 / SECOND as f64;
            prop_assert!(held as f64 <= rate * seconds + bursts, "{held} in {seconds} s");
        }
    }
}

/// Each of three instances is asked for more than the whole rate, without a pause.
#[test]
fn under_pressure_three_instances_take_the_rate_of_one() {
    let rate = 50;
    let requests: Vec<_> = (0..30_000).map(|n| (n, MILLI)).collect();
    let taken = taken(rate, 3, &requests);
    let late = taken.iter().filter(|at| **at > 11 * SECOND).count() as f64;
    let whole = f64::from(rate) * 20.0;
    assert!((0.97..=1.03).contains(&(late / whole)), "{late} of {whole}");
}

/// Each of two instances is asked for just the rate, so that neither's own bucket ever fills.
#[test]
fn what_each_may_take_alone_is_too_much_for_two() {
    let rate = 50;
    let requests: Vec<_> = (0..2_000).map(|n| (n, 10 * MILLI)).collect();
    let taken = taken(rate, 2, &requests);
    let most = f64::from(rate) * 22.5;
    assert!((taken.len() as f64) < most, "{} of {most}", taken.len());
}

#[test]
fn a_report_that_fails_is_told_again_and_what_drained_long_ago_is_not() {
    let one = Instance::new(10);
    let now = 5 * SECOND;
    for _ in 0..4 {
        assert!(one.is_taken(now));
    }
    let hot = |taken: Vec<Taken>| {
        let hot = |taken: &Taken| taken.key == Key::Principal("hot".to_owned());
        taken.into_iter().find(hot).map_or(0, |taken| taken.span)
    };
    let first = one.rates.report(now);
    assert_eq!(one.rates.report(now), []);
    one.rates.put_back(&first);
    assert_eq!(hot(one.rates.report(now)), 400 * MILLI);
    one.rates.put_back(&first);
    assert_eq!(hot(one.rates.report(now + 300 * MILLI)), 200 * MILLI);
    one.rates.put_back(&first);
    assert_eq!(hot(one.rates.report(now + 9 * SECOND)), 100 * MILLI);
}

#[test]
fn an_answer_moves_a_bucket_no_further_than_it_says() {
    let one = Instance::new(10);
    let (now, key) = (5 * SECOND, Key::Principal("hot".to_owned()));
    for _ in 0..10 {
        assert!(one.is_taken(now));
    }
    one.rates.report(now);
    let full_in = |one: &Instance| one.rates.lock().principals.buckets["hot"].full_at - now;
    assert_eq!(full_in(&one), SECOND);
    // It was said within 8 ms that all is as it seems, or 5 ms less, or 20 ms more.
    let span = now..now + 8 * MILLI;
    for (said, wanted) in [(1000, 1000), (995, 1000), (1020, 1020), (900, 908)] {
        one.rates.settle(&key, said * MILLI, span.clone());
        assert_eq!(full_in(&one), wanted * MILLI, "{said}");
    }
}

#[test]
fn a_clock_that_jumped_locks_nobody_out_for_long() {
    let one = Instance::new(10);
    assert!(one.is_taken(SECOND));
    let key = Key::Principal("hot".to_owned());
    one.rates.settle(&key, 3600 * SECOND, SECOND..SECOND);
    assert!(!one.is_taken(SECOND));
    assert!(one.is_taken(SECOND + OVERDRAWN * SECOND));
}
