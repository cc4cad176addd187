//! Arrivals at each simulator, gathered for the life of the breaker in front of it.

use std::collections::BTreeMap;

use crate::breaker_life::{Arrival, Arrived, BreakerRules, live};
use crate::ground::Ground;
use crate::observation::{Delivered, Served};
use crate::tally::{self, Place, Tally};
use crate::units::SERVER_ERRORS;

/// Arrivals by provider, and the calls that wanted it.
#[derive(Debug, Default)]
pub(super) struct Breakers {
    arrivals: BTreeMap<String, BTreeMap<String, Visit>>,
    wanted: BTreeMap<String, Vec<u64>>,
}

#[derive(Debug, Clone, Copy)]
struct Visit {
    began: u64,
    ended: Option<(u64, Arrived)>,
}

impl Breakers {
    /// A call that asks for this provider first.
    pub(super) fn want(&mut self, provider: &str, at: u64) {
        self.wanted.entry(provider.to_owned()).or_default().push(at);
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

    /// Judges every life; gives the number of whole cycles.
    pub(super) fn judge(mut self, ground: &Ground, rules: BreakerRules, row: &mut Tally) -> u64 {
        let mut cycles = 0;
        for (provider, visits) in self.arrivals {
            let finished = visits.into_values().filter_map(|visit| {
                let (ended, result) = visit.ended?;
                Some(Arrival {
                    began: visit.began,
                    ended,
                    result,
                })
            });
            let mut order: Vec<Arrival> = finished.collect();
            order.sort_by_key(|arrival| arrival.began);
            let mut wanted = self.wanted.remove(&provider).unwrap_or_default();
            wanted.sort_unstable();
            let life = live(&order, &wanted, rules);
            cycles += life.cycles;
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
