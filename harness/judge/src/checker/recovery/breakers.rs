//! Arrivals at each simulator, gathered for the life of the breaker in front of it.

use std::collections::BTreeMap;

use crate::breaker_life::{Arrival, Arrived, BreakerRules, live};
use crate::ground::Ground;
use crate::journal::Attempt;
use crate::observation::{Delivered, Served};
use crate::tally::{self, Place, Tally};
use crate::units::SERVER_ERRORS;

/// Arrivals by provider, and the calls that wanted it.
#[derive(Debug, Default)]
pub(super) struct Breakers {
    arrivals: BTreeMap<String, BTreeMap<String, Visit>>,
    /// By provider, when a call wanted it, and of which instance.
    wanted: BTreeMap<String, Vec<(Instance, u64)>>,
    /// By request, the instance that made it.
    made_by: BTreeMap<String, Instance>,
}

/// Of several instances the one that has the breaker; None where there is one, or none is known.
pub(super) type Instance = Option<String>;

#[derive(Debug, Clone, Copy)]
struct Visit {
    began: u64,
    ended: Option<(u64, Arrived)>,
}

impl Breakers {
    /// A call that asks for this provider first.
    pub(super) fn want(&mut self, provider: &str, at: u64, of: Instance) {
        let wanted = self.wanted.entry(provider.to_owned()).or_default();
        wanted.push((of, at));
    }

    /// One of several instances answered the call that these requests were made for.
    pub(super) fn made(&mut self, attempts: &[&Attempt], by: &Instance) {
        let seqs = attempts.iter().map(|attempt| attempt.served.seq.clone());
        self.made_by.extend(seqs.map(|seq| (seq, by.clone())));
    }

    pub(super) fn serve(&mut self, at: u64, served: &Served) {
        let of = self.arrivals.entry(served.provider.clone()).or_default();
        of.entry(served.seq.clone())
            .or_insert(Visit {
                began: at,
                ended: None,
            })
            .began = at;
    }

    pub(super) fn deliver(&mut self, at: u64, delivered: &Delivered) {
        let result = arrived(delivered);
        let Some(provider) = delivered.seq.split('.').next() else {
            return;
        };
        let of = self.arrivals.entry(provider.to_owned()).or_default();
        let visit = of.entry(delivered.seq.clone()).or_insert(Visit {
            began: at,
            ended: None,
        });
        visit.ended = Some((at, result));
    }

    /// Judges every life; gives the number of whole cycles, by instance.
    pub(super) fn judge(
        self,
        ground: &Ground,
        rules: BreakerRules,
        row: &mut Tally,
    ) -> BTreeMap<Instance, u64> {
        let mut cycles = BTreeMap::new();
        for ((provider, of), mut order) in self.by_breaker() {
            order.sort_by_key(|arrival| arrival.began);
            let wanted = self.wanted.get(&provider).into_iter().flatten();
            let wanted = wanted.filter(|(own, _)| *own == of);
            let mut wanted: Vec<u64> = wanted.map(|(_, at)| *at).collect();
            wanted.sort_unstable();
            let life = live(&order, &wanted, rules);
            *cycles.entry(of).or_default() += life.cycles;
            let never = life.never_opened.map(|(at, failures)| {
                (
                    at,
                    format!("{provider} was asked on after {failures} failures in a row"),
                )
            });
            let stuck = life.stuck.map(|(at, waited)| {
                let waited = tally::millis(waited);
                (
                    at,
                    format!("{provider} was left alone for {waited} in spite of demand"),
                )
            });
            let wrong = never.or(stuck);
            let at = wrong.as_ref().map_or(0, |(at, _)| *at);
            let is_tainted = wrong.is_some() && ground.is_tainted(at, at);
            let place = Place::Moment(at, "simulators");
            row.trial(is_tainted, place, wrong.map(|(_, says)| says));
        }
        cycles
    }

    /// The finished visits of each visited provider, by the instance that made them.
    fn by_breaker(&self) -> BTreeMap<(String, Instance), Vec<Arrival>> {
        let mut lives: BTreeMap<(String, Instance), Vec<Arrival>> = BTreeMap::new();
        for (provider, visits) in &self.arrivals {
            for (seq, visit) in visits {
                let of = self.made_by.get(seq).cloned().flatten();
                let life = lives.entry((provider.clone(), of)).or_default();
                life.extend(visit.ended.map(|(ended, result)| Arrival {
                    began: visit.began,
                    ended,
                    result,
                }));
            }
        }
        lives
    }
}

/// What a breaker may learn from how a simulator ended a request.
pub(super) fn arrived(delivered: &Delivered) -> Arrived {
    match delivered.outcome.as_str() {
        "answered" => Arrived::Good,
        // A fault inside a whole answer, such as an odd chunk, is no failure of the provider.
        _ if delivered.answer_sha256.is_some() => Arrived::Good,
        "client_closed" => Arrived::Bad,
        _ if delivered.status >= SERVER_ERRORS || delivered.status == 0 => Arrived::Bad,
        _ => Arrived::Neither,
    }
}

/// The cycles of the one breaker; of several instances, those of the one that showed the fewest.
pub(super) fn everywhere(ground: &Ground, cycles: &BTreeMap<Instance, u64>) -> u64 {
    let several = ground.several();
    if several == 1 {
        return cycles.values().sum();
    }
    let at = |place: u64| {
        let of_place = cycles.iter().filter(|(id, _)| {
            let found = id.as_ref().and_then(|id| ground.places.get(id));
            found.is_some_and(|found| u64::from(*found) == place)
        });
        of_place.map(|(_, count)| count).sum()
    };
    (1..=several).map(at).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::{RUN, Span};

    #[test]
    fn of_several_instances_the_one_with_the_fewest_cycles_counts_through_all_its_lives() {
        let of = |several: &str, cycles: &[(Option<&str>, u64)]| {
            let mut ground = Ground::default();
            ground.summary.spans.push(Span {
                criterion: RUN.to_owned(),
                phase: several.to_owned(),
                from: 0,
                until: None,
            });
            for (id, place) in [("a", 1), ("a again", 1), ("b", 2), ("c", 3)] {
                ground.places.insert(id.to_owned(), place);
            }
            let cycles = cycles.iter();
            let cycles = cycles.map(|(id, count)| (id.map(str::to_owned), *count));
            everywhere(&ground, &cycles.collect())
        };
        let all = [
            (Some("a"), 1),
            (Some("a again"), 2),
            (Some("b"), 2),
            (Some("c"), 4),
            (None, 9),
        ];
        assert_eq!(of("instances.3", &all), 2);
        assert_eq!(of("instances.3", &all[..3]), 0, "the third showed none");
        assert_eq!(of("instances.2", &all[..2]), 0);
        assert_eq!(of("instances.1", &all), 18);
    }
}
