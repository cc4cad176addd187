//! V.8g and V.8t: the benchmark tiers. The worst repetition counts; none is averaged away.

use std::collections::BTreeMap;

use super::{Brief, Checker, Seen};
use crate::bounds;
use crate::conservation::Conservation;
use crate::criterion::Missing;
use crate::crowding;
use crate::finding::{Check, Finding};
use crate::generator::Generator;
use crate::longest::Longest;
use crate::observation::{Event, LoadAccount};
use crate::operation::Call;
use crate::proof;
use crate::rate::Rate;
use crate::series;
use crate::tally::{self, Latency, Place, Tally};
use crate::timeline::Timeline;
use crate::verdict::{Reason, Verdict};

/// Both tiers belong to this criterion's workload.
const BENCHMARK: &str = "V.8";
const BASELINE: &str = "null server";

/// The checker of one tier.
pub struct Benchmark<'a> {
    brief: Brief<'a>,
    generator: Generator,
    tier: String,
    p95: Line,
    p99: Line,
    longest: Longest,
    errors: f64,
    late: f64,
    repetitions: BTreeMap<u32, Repetition>,
    conservation: Conservation,
    baseline: u64,
}

/// Where a percentile must stay below, ns, and how few samples say nothing of it.
#[derive(Clone, Copy)]
struct Line {
    at: u64,
    least: u64,
}

struct Repetition {
    latencies: Vec<(u64, u64)>,
    /// The same without what the generator was late by.
    own: Vec<(u64, u64)>,
    stays: Vec<(u64, u64)>,
    slow: Tally,
    errors: Rate,
    available: Rate,
    load: Option<LoadAccount>,
}

impl<'a> Benchmark<'a> {
    /// Reads its numbers.
    ///
    /// # Errors
    /// The catalogue lacks one.
    pub fn start(brief: Brief<'a>) -> Result<Self, Missing> {
        let rows = brief.criterion;
        Ok(Self {
            generator: Generator::start(rows)?,
            tier: rows.list("phase")?.first().cloned().unwrap_or_default(),
            p95: Line {
                at: rows.nanos("p95_ms")?,
                least: rows.count("least")?,
            },
            p99: Line {
                at: rows.nanos("p99_ms")?,
                least: rows.count("p99_least")?,
            },
            longest: Longest::read(rows)?,
            errors: rows.limit("errors")?,
            late: rows.limit("availability_errors")?,
            repetitions: BTreeMap::new(),
            conservation: Conservation::default(),
            baseline: 0,
            brief,
        })
    }

    /// The repetition a phase such as `gate.2` names; None for another tier's.
    fn repetition(&mut self, phase: &str) -> Option<&mut Repetition> {
        let (tier, number) = phase.split_once('.')?;
        let number: u32 = number.parse().ok().filter(|_| tier == self.tier)?;
        let (errors, late) = (self.errors, self.late);
        Some(
            self.repetitions
                .entry(number)
                .or_insert_with(|| Repetition {
                    latencies: Vec::new(),
                    own: Vec::new(),
                    stays: Vec::new(),
                    slow: Longest::tally(&format!("maximum.{number}")),
                    errors: Rate::new(&format!("errors.{number}"), "calls not right", errors),
                    available: Rate::new(
                        &format!("availability.{number}"),
                        "calls not right within their deadline",
                        late,
                    ),
                    load: None,
                }),
        )
    }

    fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        let wrong = proof::prove(self.brief.key, seen.journal, call).wrong();
        let is_tainted = seen.is_tainted;
        let late_by = self.brief.ground.lateness(call, self.generator.lag());
        let own = call.latency().saturating_sub(late_by);
        let longest = self.longest;
        let Some(repetition) = self.repetition(&call.phase) else {
            return;
        };
        let late =
            (own > call.deadline).then(|| format!("operation {} came after its deadline", call.op));
        let place = Place::Call(call);
        match &wrong {
            Some(_) => repetition.available.trial(is_tainted, place, wrong.clone()),
            None => repetition.available.trial_late(is_tainted, call, late),
        }
        repetition.errors.trial(is_tainted, place, wrong);
        longest.trial(&mut repetition.slow, is_tainted, (call, own));
        if !is_tainted {
            repetition
                .latencies
                .push((call.intended_at, call.latency()));
            repetition.own.push((call.intended_at, own));
            repetition.stays.push((call.sent_at, call.done_at));
        }
    }

    fn floors(&self, finding: &mut Finding) -> Result<(), Missing> {
        let rows = self.brief.criterion;
        let mut floor = |id: &str, event: &str, seen: u64, reason: Reason| -> Result<(), Missing> {
            tally::floor(finding, id, event, (rows.floor(id)?, seen), reason);
            Ok(())
        };
        let count = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
        let each = || self.repetitions.values();
        floor(
            "repetitions",
            "repetitions",
            count(self.repetitions.len()),
            Reason::BelowFloor,
        )?;
        let fewest = each()
            .map(|one| count(one.latencies.len()))
            .min()
            .unwrap_or_default();
        floor(
            "operations",
            "operations of the smallest repetition",
            fewest,
            Reason::BelowFloor,
        )?;
        let peak = |one: &Repetition| Timeline::new(one.stays.iter().copied()).peak();
        let at_once = each().map(peak).min().unwrap_or_default();
        floor(
            "concurrency",
            "calls open at once at the clients",
            at_once,
            Reason::BelowFloor,
        )?;
        floor(
            "baseline",
            "figures of the null server in this run",
            self.baseline,
            Reason::EventNotSeen,
        )?;
        self.offer(finding)
    }

    /// The rate that was offered and for how long.
    fn offer(&self, finding: &mut Finding) -> Result<(), Missing> {
        let rows = self.brief.criterion;
        let loads = || {
            self.repetitions
                .values()
                .filter_map(|one| one.load.as_ref())
        };
        let offered = loads()
            .map(|load| load.rate)
            .reduce(f64::min)
            .unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate"
        )]
        let count = (rows.count("rate")?, libm::round(offered) as u64);
        let event = "operations a second offered, in the slowest repetition";
        tally::floor(finding, "rate", event, count, Reason::BelowFloor);
        let spans = loads().map(|load| load.until.saturating_sub(load.from));
        let shortest = spans.min().unwrap_or_default();
        let needed = rows.nanos("seconds_s")?;
        let is_short = shortest < needed;
        finding.checks.push(Check {
            id: "duration".to_owned(),
            name: "shortest repetition".to_owned(),
            measured: tally::millis(shortest),
            limit: format!("≥ {}", tally::millis(needed)),
            verdict: if is_short {
                Verdict::Inconclusive
            } else {
                Verdict::Pass
            },
            reason: is_short.then_some(Reason::DurationShort),
            n: u64::try_from(self.repetitions.len()).unwrap_or(u64::MAX),
        });
        Ok(())
    }
}

fn percentile(id: &str, repetition: u32, quantile: f64, line: Line) -> Latency {
    Latency {
        id: format!("{id}.{repetition}"),
        name: format!("{id} with providers that answer at once, repetition {repetition}"),
        quantile,
        line: line.at,
        least: line.least,
    }
}

impl Checker for Benchmark<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Call(call) => {
                self.conservation.call(call);
                if call.criterion.starts_with(BENCHMARK) {
                    self.call(seen, call);
                }
            }
            Event::Metrics { mark, values } => {
                let (moment, of) = series::mark(mark);
                if of == Some(BENCHMARK) {
                    self.conservation.scrape(seen.at, moment, values);
                }
            }
            Event::Load(load) if load.criterion.starts_with(BENCHMARK) => {
                if let Some(repetition) = self.repetition(&load.phase) {
                    repetition.load = Some(load.clone());
                }
            }
            Event::Figure { name, .. } if name.starts_with(BASELINE) => self.baseline += 1,
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> Result<Finding, Missing> {
        let rows = self.brief.criterion;
        let mut finding = tally::blank(&rows.id);
        self.floors(&mut finding)?;
        let judges_availability = self.late < 1.0;
        let mut worst: Option<bounds::Quantile> = None;
        let mut loads = Vec::new();
        for (number, repetition) in self.repetitions {
            let percentiles = [
                percentile("p95", number, bounds::P95, self.p95),
                percentile("p99", number, bounds::P99, self.p99),
            ];
            for latency in &percentiles {
                latency.conclude_with(&repetition.latencies, &repetition.own, &mut finding);
            }
            repetition.slow.conclude(&mut finding);
            let crowding = &self.brief.ground.crowding;
            let crowded = repetition.load.as_ref().and_then(|load| crowding.of(load));
            if let Some(crowded) = &crowded {
                let of_time = ["p95", "p99", "maximum"].map(|name| format!("{name}.{number}"));
                crowding::doubt(&mut finding, &of_time.each_ref().map(|id| &**id), crowded);
            }
            let mut sorted: Vec<u64> = repetition.latencies.iter().map(|(_, took)| *took).collect();
            sorted.sort_unstable();
            let seen = bounds::quantile(&sorted, bounds::P95);
            worst = worst
                .into_iter()
                .chain(seen)
                .max_by_key(|quantile| quantile.value);
            let crowded = crowded.as_deref();
            repetition.errors.conclude_beside(crowded, &mut finding);
            if judges_availability {
                repetition.available.conclude_beside(crowded, &mut finding);
            }
            loads.extend(repetition.load);
        }
        self.generator.conclude(&loads, &mut finding);
        self.conservation.conclude(&mut finding);
        let is_indicative = rows.limit("indicative")? > 0.0;
        finding.headline = format!(
            "p95 {} in the worst repetition (< {}){}",
            worst.map_or_else(
                || "not measured".to_owned(),
                |worst| tally::millis(worst.value)
            ),
            tally::millis(self.p95.at),
            if is_indicative { ", indicative" } else { "" }
        );
        finding.conclude();
        Ok(finding)
    }
}
