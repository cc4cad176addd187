//! Checks that count: each turns what a checker saw into one row of a finding, with taint applied.

use crate::bounds::{self, bootstrap};
use crate::finding::{Check, Finding, Floor, VIOLATIONS_KEPT, Violation, Witness};
use crate::observation::Event;
use crate::operation::Call;
use crate::verdict::{Reason, Verdict};

/// Counts trials of something that must never go wrong.
#[derive(Debug, Clone)]
pub struct Tally {
    id: String,
    name: String,
    trials: u64,
    bad: u64,
    tainted: u64,
    violations: Vec<Violation>,
}

impl Tally {
    /// A check that nothing has tried yet.
    #[must_use]
    pub fn new(id: &str, name: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            trials: 0,
            bad: 0,
            tainted: 0,
            violations: Vec::new(),
        }
    }

    /// A trial that went right.
    pub const fn good(&mut self, is_tainted: bool) {
        if !is_tainted {
            self.trials += 1;
        }
    }

    /// A trial that went wrong, at a call or elsewhere.
    pub fn bad(&mut self, is_tainted: bool, place: Place<'_>, says: String) {
        if is_tainted {
            self.tainted += 1;
        } else {
            self.trials += 1;
            self.bad += 1;
        }
        if self.violations.len() < VIOLATIONS_KEPT {
            self.violations.push(place.violation(&self.id, says));
        }
    }

    /// One trial.
    pub fn trial(&mut self, is_tainted: bool, place: Place<'_>, wrong: Option<String>) {
        match wrong {
            Some(says) => self.bad(is_tainted, place, says),
            None => self.good(is_tainted),
        }
    }

    /// Trials that went wrong outside rig faults.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.bad
    }

    /// Trials outside rig faults.
    #[must_use]
    pub const fn trials(&self) -> u64 {
        self.trials
    }

    /// Writes the row: Fail with a violation outside every rig fault, HarnessError with one only
    /// inside, Inconclusive(zero_samples) without a trial.
    pub fn conclude(self, finding: &mut Finding) {
        let verdict = if self.bad > 0 {
            Verdict::Fail
        } else if self.tainted > 0 {
            Verdict::HarnessError
        } else if self.trials == 0 {
            Verdict::Inconclusive
        } else {
            Verdict::Pass
        };
        finding.checks.push(Check {
            id: self.id,
            name: self.name,
            measured: bounds::share_text(self.bad, self.trials),
            limit: "0".to_owned(),
            verdict,
            reason: (verdict == Verdict::Inconclusive).then_some(Reason::ZeroSamples),
            n: self.trials,
        });
        finding.violations.extend(self.violations);
    }

    /// As [`Tally::conclude`], but a check that nothing tried is left out: for anomalies whose
    /// absence of trials another floor already shows.
    pub fn conclude_if_tried(self, finding: &mut Finding) {
        if self.trials > 0 || self.tainted > 0 {
            self.conclude(finding);
        }
    }
}

/// Where something went wrong.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// At a client's operation.
    Call(&'a Call),
    /// At an operation of that number, at a moment, as seen by a witness.
    Operation(u64, u64, &'a str),
    /// At a moment, as seen by a witness.
    Moment(u64, &'a str),
}

impl Place<'_> {
    /// Who saw it.
    #[must_use]
    pub fn actor(self) -> String {
        match self {
            Self::Call(call) => {
                format!("client {} over {}", call.identity, call.transport.name())
            }
            Self::Operation(_, _, actor) | Self::Moment(_, actor) => actor.to_owned(),
        }
    }

    /// A violation of that check here.
    #[must_use]
    pub fn violation(self, check: &str, says: String) -> Violation {
        let (op, at) = match self {
            Self::Call(call) => (Some(call.op), call.done_at),
            Self::Operation(op, at, _) => (Some(op), at),
            Self::Moment(at, _) => (None, at),
        };
        let actor = self.actor();
        let witnesses = vec![Witness {
            at,
            actor,
            what: says.clone(),
        }];
        Violation {
            check: check.to_owned(),
            op,
            at,
            says,
            witnesses,
        }
    }
}

/// Latencies whose quantile must stay under a line.
#[derive(Debug, Clone)]
pub struct Latency {
    /// Stable id.
    pub id: String,
    /// In words.
    pub name: String,
    /// Which quantile.
    pub quantile: f64,
    /// The line, ns.
    pub line: u64,
    /// Fewer samples say nothing.
    pub least: u64,
}

impl Latency {
    /// Writes the row for samples given as (when, ns): Pass when the upper bound is under the line,
    /// Fail when the lower is over it; of order statistics and block bootstrap the wider counts.
    pub fn conclude(&self, samples: &[(u64, u64)], finding: &mut Finding) -> Verdict {
        let mut sorted: Vec<u64> = samples.iter().map(|(_, value)| *value).collect();
        sorted.sort_unstable();
        let quantile = bounds::quantile(&sorted, self.quantile);
        let (verdict, measured) = match quantile {
            None => (Verdict::Inconclusive, "no samples".to_owned()),
            Some(seen) => {
                let blocks = bootstrap::quantile_bounds(samples, self.quantile);
                let upper = seen
                    .upper
                    .map(|upper| upper.max(blocks.map_or(0, |bound| bound.1)));
                let lower = seen
                    .lower
                    .map(|lower| lower.min(blocks.map_or(u64::MAX, |bound| bound.0)));
                let verdict = if seen.n < self.least {
                    Verdict::Inconclusive
                } else if upper.is_some_and(|upper| upper < self.line) {
                    Verdict::Pass
                } else if lower.is_some_and(|lower| lower >= self.line) {
                    Verdict::Fail
                } else {
                    Verdict::Inconclusive
                };
                let bounds = format!("{} to {}", span_text(lower), span_text(upper));
                (verdict, format!("{} ({bounds})", millis(seen.value)))
            }
        };
        let reason = match (verdict, sorted.is_empty()) {
            (Verdict::Inconclusive, true) => Some(Reason::ZeroSamples),
            (Verdict::Inconclusive, false) => Some(Reason::BelowFloor),
            _ => None,
        };
        finding.checks.push(Check {
            id: self.id.clone(),
            name: self.name.clone(),
            measured,
            limit: format!("< {}", millis(self.line)),
            verdict,
            reason,
            n: u64::try_from(sorted.len()).unwrap_or(u64::MAX),
        });
        verdict
    }

    /// As [`Latency::conclude`]; `own` are the same samples without what our generator was late
    /// by. What is too slow with that alone is the rig's doing: Inconclusive, never Fail.
    pub fn conclude_with(
        &self,
        samples: &[(u64, u64)],
        own: &[(u64, u64)],
        finding: &mut Finding,
    ) -> Verdict {
        let verdict = self.conclude(samples, finding);
        let is_own = || self.conclude(own, &mut blank(&self.id)) == Verdict::Fail;
        if verdict != Verdict::Fail || is_own() {
            return verdict;
        }
        if let Some(check) = finding.checks.last_mut() {
            check.verdict = Verdict::Inconclusive;
            check.reason = Some(Reason::RigLimit);
        }
        Verdict::Inconclusive
    }
}

/// One figure with its unit against an inclusive limit.
pub fn at_most(
    finding: &mut Finding,
    (id, name): (&str, &str),
    (seen, unit): (Option<f64>, &str),
    limit: f64,
) {
    let verdict = match seen {
        None => Verdict::Inconclusive,
        Some(seen) if seen <= limit => Verdict::Pass,
        Some(_) => Verdict::Fail,
    };
    let said = |seen: f64| {
        let text = format!("{seen:.2}");
        format!(
            "{} {unit}",
            text.trim_end_matches('0').trim_end_matches('.')
        )
    };
    finding.checks.push(Check {
        id: id.to_owned(),
        name: name.to_owned(),
        measured: seen.map_or_else(|| "not seen".to_owned(), said),
        limit: format!("≤ {limit} {unit}"),
        verdict,
        reason: (verdict == Verdict::Inconclusive).then_some(Reason::ZeroSamples),
        n: u64::from(seen.is_some()),
    });
}

/// A finding with nothing in it yet.
#[must_use]
pub fn blank(criterion: &str) -> Finding {
    Finding {
        criterion: criterion.to_owned(),
        verdict: Verdict::Inconclusive,
        reasons: Vec::new(),
        headline: String::new(),
        floors: Vec::new(),
        checks: Vec::new(),
        violations: Vec::new(),
        not_tested: Vec::new(),
        series: std::collections::BTreeMap::new(),
    }
}

/// Adds a floor.
pub fn floor(finding: &mut Finding, id: &str, event: &str, count: (u64, u64), reason: Reason) {
    let (needed, seen) = count;
    finding.floors.push(Floor {
        id: id.to_owned(),
        event: event.to_owned(),
        needed,
        seen,
        reason,
    });
}

/// The call of an observation, if it is one of that criterion's.
#[must_use]
pub fn call_of<'a>(event: &'a Event, criterion: &str) -> Option<&'a Call> {
    match event {
        Event::Call(call) if call.criterion == criterion => Some(call),
        _ => None,
    }
}

/// Nanoseconds as milliseconds for people.
#[must_use]
pub fn millis(nanos: u64) -> String {
    let tenths = nanos / 100_000;
    if tenths < 100 {
        format!("{}.{} ms", tenths / 10, tenths % 10)
    } else {
        format!("{} ms", bounds::grouped(nanos / 1_000_000))
    }
}

fn span_text(nanos: Option<u64>) -> String {
    nanos.map_or_else(|| "?".to_owned(), millis)
}
