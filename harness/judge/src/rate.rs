//! A rate that must stay under a line, and what of it others on the machine may have done.

use crate::bounds;
use crate::crowding;
use crate::finding::{Check, Finding, VIOLATIONS_KEPT, Violation};
use crate::operation::Call;
use crate::tally::Place;
use crate::verdict::{Reason, Verdict};

/// A rate that must stay under a line.
#[derive(Debug, Clone)]
pub struct Rate {
    id: String,
    name: String,
    line: f64,
    n: u64,
    bad: u64,
    /// Those of them that want of processors would explain.
    starved: u64,
    tainted: u64,
    violations: Vec<Violation>,
}

impl Rate {
    /// A rate of which nothing is known.
    #[must_use]
    pub fn new(id: &str, name: &str, line: f64) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            line,
            n: 0,
            bad: 0,
            starved: 0,
            tainted: 0,
            violations: Vec::new(),
        }
    }

    /// One trial.
    pub fn trial(&mut self, is_tainted: bool, place: Place<'_>, wrong: Option<String>) {
        let by_time = matches!(place, Place::Call(call) if crowding::explains(call));
        self.note(is_tainted, place, wrong, by_time);
    }

    /// One trial of a right answer that may have come too late.
    pub fn trial_late(&mut self, is_tainted: bool, call: &Call, late: Option<String>) {
        self.note(is_tainted, Place::Call(call), late, true);
    }

    fn note(&mut self, is_tainted: bool, place: Place<'_>, wrong: Option<String>, by_time: bool) {
        if is_tainted {
            self.tainted += 1;
            return;
        }
        self.n += 1;
        if let Some(says) = wrong {
            self.bad += 1;
            self.starved += u64::from(by_time);
            if self.violations.len() < VIOLATIONS_KEPT {
                self.violations.push(place.violation(&self.id, says));
            }
        }
    }

    /// Trials outside rig faults.
    #[must_use]
    pub const fn trials(&self) -> u64 {
        self.n
    }

    /// Trials that went wrong outside rig faults.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.bad
    }

    /// Writes the row, which others on the machine leave open who kept the server from running, if
    /// what they do not explain is no failure by itself.
    pub fn conclude_beside(self, crowded: Option<&str>, finding: &mut Finding) {
        let unexplained = bounds::rate_verdict(self.bad - self.starved, self.n, self.line);
        let id = self.id.clone();
        self.conclude(finding);
        if let Some(crowded) = crowded.filter(|_| unexplained != Verdict::Fail) {
            crowding::doubt(finding, &[&id], crowded);
        }
    }

    /// Writes the row.
    pub fn conclude(self, finding: &mut Finding) {
        let verdict = bounds::rate_verdict(self.bad, self.n, self.line);
        let reason = match (verdict, self.n, self.tainted) {
            (Verdict::Inconclusive, 0, 0) => Some(Reason::ZeroSamples),
            (Verdict::Inconclusive, _, 0) => Some(Reason::BelowFloor),
            (Verdict::Inconclusive, ..) => Some(Reason::RigLimit),
            _ => None,
        };
        let upper = bounds::percent_up(bounds::rate_upper(self.bad, self.n));
        let measured = if self.bad == 0 || self.n == 0 {
            bounds::share_text(self.bad, self.n)
        } else {
            format!("{}: < {upper}", bounds::share_text(self.bad, self.n))
        };
        finding.checks.push(Check {
            id: self.id,
            name: self.name,
            measured,
            limit: format!("< {}", bounds::percent_up(self.line)),
            verdict,
            reason,
            n: self.n,
        });
        finding.violations.extend(self.violations);
    }
}
