//! From the history to the series that are drawn: latency over time, its distribution, throughput,
//! memory, descriptors and faults, criterion by criterion.
//!
//! Checkers keep what a verdict rests on; this fold keeps what an eye wants to see. It decides
//! nothing and never replaces a series that a checker gave. Limits come from the catalogue.

use std::collections::BTreeMap;

use exai_judge::criterion::Criterion;
use exai_judge::fault::{Fault, Step};
use exai_judge::observation::{PhaseMark, Sample};
use exai_judge::{Call, Event, Finding, Observation};

use crate::report::series::{self, SeriesMap};

/// Criteria whose process samples are drawn: V.3 bounds memory, V.7 judges its slope.
const SAMPLED: [&str; 2] = ["V.3", "V.7"];
/// Neighbouring buckets of the distribution differ by this factor.
const BUCKET: f64 = 1.08;
/// Fewer calls than this make no curve.
const CALLS_LEAST: usize = 20;

/// What is kept of a history for drawing: bounded by seconds, criteria and calls' latencies.
#[derive(Debug, Default)]
pub struct Plots {
    calls: BTreeMap<String, Calls>,
    phases: BTreeMap<String, (f64, f64)>,
    faults: BTreeMap<String, Vec<(f64, f64)>>,
    open: BTreeMap<String, (String, f64)>,
    memory: Vec<(f64, f64)>,
    descriptors: Vec<(f64, f64)>,
    end: f64,
}

#[derive(Debug, Default)]
struct Calls {
    /// Latency in ms of the calls intended in each second.
    by_second: BTreeMap<u64, Vec<f32>>,
    /// Calls that ended in each second.
    done: BTreeMap<u64, u32>,
    count: usize,
}

impl Plots {
    /// Takes one observation of the history.
    pub fn observe(&mut self, observation: &Observation) {
        let at = seconds(observation.at);
        self.end = self.end.max(at);
        match &observation.event {
            Event::Phase(mark) => self.phase(at, mark),
            Event::Call(call) => self.call(call),
            Event::Fault { fault, step } => self.fault(at, fault, step),
            Event::Sample(sample) if sample.process == "server" => self.sample(at, sample),
            _ => {}
        }
    }

    fn phase(&mut self, at: f64, mark: &PhaseMark) {
        let span = self
            .phases
            .entry(mark.criterion.clone())
            .or_insert((at, at));
        *span = (span.0.min(at), span.1.max(at));
    }

    fn call(&mut self, call: &Call) {
        let calls = self.calls.entry(call.criterion.clone()).or_default();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds to be drawn")]
        let latency_ms = call.latency() as f32 / 1e6;
        let intended = calls.by_second.entry(call.intended_at / 1_000_000_000);
        intended.or_default().push(latency_ms);
        *calls.done.entry(call.done_at / 1_000_000_000).or_default() += 1;
        calls.count += 1;
    }

    fn fault(&mut self, at: f64, fault: &Fault, step: &Step) {
        match step {
            Step::Injected => {
                let what = format!("{}_{}", fault.component, fault.kind.name());
                self.open.insert(fault.id.clone(), (what, at));
            }
            Step::Healed => {
                if let Some((what, from)) = self.open.remove(&fault.id) {
                    self.faults.entry(what).or_default().push((from, at));
                }
            }
            // A fault that never landed has nothing to shade.
            Step::NotLanded { .. } => {
                self.open.remove(&fault.id);
            }
            Step::Cause { .. } | Step::Effect { .. } => {}
        }
    }

    fn sample(&mut self, at: f64, sample: &Sample) {
        #[expect(clippy::cast_precision_loss, reason = "mebibytes to be drawn")]
        self.memory
            .push((at, sample.resident_bytes as f64 / f64::from(1 << 20)));
        #[expect(clippy::cast_precision_loss, reason = "a count to be drawn")]
        self.descriptors.push((at, sample.descriptors as f64));
    }

    /// Resident memory of the server in MiB: at its first sample, before any call, and at most.
    /// None without a sample.
    #[must_use]
    pub fn resident_mib(&self) -> Option<(f64, f64)> {
        let (_, idle) = *self.memory.first()?;
        let most = self.memory.iter().map(|(_, mib)| *mib).fold(idle, f64::max);
        Some((idle, most))
    }

    /// Gives each finding the series it does not have yet, and the limits of its charts.
    pub fn add_to(mut self, findings: &mut [Finding], criteria: &[Criterion]) {
        for (what, from) in std::mem::take(&mut self.open).into_values() {
            // Never healed: it lasted as long as anything was seen.
            self.faults.entry(what).or_default().push((from, self.end));
        }
        for finding in findings {
            let whole = finding
                .criterion
                .trim_end_matches(|last: char| last.is_ascii_lowercase());
            let mut drawn = SeriesMap::new();
            self.draw_calls(whole, &mut drawn);
            self.draw_faults(whole, &mut drawn);
            self.draw_samples(whole, &mut drawn);
            for (name, points) in drawn {
                finding.series.entry(name).or_insert(points);
            }
            series::rename(&mut finding.series);
            let row = criteria.iter().find(|row| row.id == finding.criterion);
            if let Some(row) = row {
                mark(row, &mut finding.series);
            }
        }
    }

    fn draw_calls(&self, criterion: &str, drawn: &mut SeriesMap) {
        let Some(calls) = self
            .calls
            .get(criterion)
            .filter(|calls| calls.count >= CALLS_LEAST)
        else {
            return;
        };
        for (name, share) in [
            (series::LATENCY_P50, 0.50),
            (series::LATENCY_P95, 0.95),
            (series::LATENCY_P99, 0.99),
        ] {
            drawn.insert(name.to_owned(), calls.percentile(share));
        }
        drawn.insert(series::LATENCY_HISTOGRAM.to_owned(), calls.buckets());
        drawn.insert(series::THROUGHPUT.to_owned(), calls.rate());
    }

    /// Faults belong to the criterion in whose phases they fell; without phases it saw them all.
    fn draw_faults(&self, criterion: &str, drawn: &mut SeriesMap) {
        let (begin, end) = self
            .phases
            .get(criterion)
            .copied()
            .unwrap_or((0.0, self.end));
        for (what, spans) in &self.faults {
            let inside: Vec<(f64, f64)> = spans
                .iter()
                .filter(|span| span.1 >= begin && span.0 <= end)
                .copied()
                .collect();
            if !inside.is_empty() {
                drawn.insert(format!("{}.{what}", series::FAULTS), inside);
            }
        }
    }

    fn draw_samples(&self, criterion: &str, drawn: &mut SeriesMap) {
        if !SAMPLED.contains(&criterion) {
            return;
        }
        let (begin, end) = self
            .phases
            .get(criterion)
            .copied()
            .unwrap_or((0.0, self.end));
        let inside = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
            points
                .iter()
                .filter(|(at, _)| (begin..=end).contains(at))
                .copied()
                .collect()
        };
        for (prefix, points) in [
            (series::MEMORY, &self.memory),
            (series::DESCRIPTORS, &self.descriptors),
        ] {
            let points = inside(points);
            if !points.is_empty() {
                drawn.insert(format!("{prefix}server"), points);
            }
        }
    }
}

impl Calls {
    /// The nearest-rank percentile of each second, which is what happened to some caller.
    fn percentile(&self, share: f64) -> Vec<(f64, f64)> {
        let of_second = |(second, latencies): (&u64, &Vec<f32>)| {
            let mut sorted = latencies.clone();
            sorted.sort_by(f32::total_cmp);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a rank within one second's calls"
            )]
            let rank = (share * sorted.len() as f64).ceil() as usize;
            let latency = sorted
                .get(rank.saturating_sub(1))
                .copied()
                .unwrap_or_default();
            (whole(*second), f64::from(latency))
        };
        self.by_second.iter().map(of_second).collect()
    }

    fn buckets(&self) -> Vec<(f64, f64)> {
        let mut counts: BTreeMap<i32, u32> = BTreeMap::new();
        for latency in self.by_second.values().flatten() {
            // A hundredth of a millisecond is the least a chart tells apart.
            let latency = f64::from(*latency).max(0.01);
            #[expect(clippy::cast_possible_truncation, reason = "a small bucket number")]
            let bucket = (latency.ln() / BUCKET.ln()).ceil() as i32;
            *counts.entry(bucket).or_default() += 1;
        }
        let (Some(first), Some(last)) = (counts.keys().next(), counts.keys().next_back()) else {
            return Vec::new();
        };
        let count = |bucket| f64::from(counts.get(&bucket).copied().unwrap_or(0));
        (*first..=*last)
            .map(|bucket| (BUCKET.powi(bucket), count(bucket)))
            .collect()
    }

    /// Calls ended in each second, the empty ones between included.
    fn rate(&self) -> Vec<(f64, f64)> {
        let (Some(first), Some(last)) = (self.done.keys().next(), self.done.keys().next_back())
        else {
            return Vec::new();
        };
        let count = |second| f64::from(self.done.get(&second).copied().unwrap_or(0));
        (*first..=*last)
            .map(|second| (whole(second), count(second)))
            .collect()
    }
}

/// Limits and floors of the catalogue beside the charts they belong to.
fn mark(row: &Criterion, series: &mut SeriesMap) {
    let limit = |name: &str| row.numbers.limits.get(name).copied();
    #[expect(clippy::cast_precision_loss, reason = "a count to be drawn")]
    let in_flight = row
        .numbers
        .floors
        .get("in_flight")
        .map(|floor| *floor as f64);
    let memory = limit("memory_mib")
        .zip(limit("memory_share"))
        .map(|(mib, share)| mib * share);
    let marks = [
        (series::LATENCY_P95, "latency.limit", limit("p95_ms")),
        (series::RECOVERY, "recovery.limit", limit("ttsr_s")),
        (series::INFLIGHT, "inflight.floor", in_flight),
        (series::MEMORY, "memory.limit", memory),
    ];
    for (chart, name, value) in marks {
        let is_drawn = series.keys().any(|key| key.starts_with(chart));
        if let Some(value) = value.filter(|_| is_drawn) {
            series
                .entry(name.to_owned())
                .or_insert_with(|| vec![(0.0, value)]);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a moment to be drawn")]
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "a moment to be drawn")]
fn whole(second: u64) -> f64 {
    second as f64
}
