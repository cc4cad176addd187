//! What a checker concludes about one criterion.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::verdict::{Reason, Verdict};

/// How many violations of one check a finding keeps in full; the rest is counted.
pub const VIOLATIONS_KEPT: usize = 20;

/// A conclusion with everything a reader needs to believe it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Such as `V.4` or `V.8g`.
    pub criterion: String,
    /// The conclusion.
    pub verdict: Verdict,
    /// Why, for Inconclusive; empty otherwise.
    pub reasons: Vec<Reason>,
    /// One line with its limit beside each number.
    pub headline: String,
    /// Events that had to happen.
    pub floors: Vec<Floor>,
    /// What was measured against what limit.
    pub checks: Vec<Check>,
    /// What went wrong, first come first kept, at most [`VIOLATIONS_KEPT`] a check.
    pub violations: Vec<Violation>,
    /// What this criterion asks for that this run did not try.
    pub not_tested: Vec<String>,
    /// Named series for charts, points of (x, y); the report draws them.
    pub series: BTreeMap<String, Vec<(f64, f64)>>,
}

/// An event that must have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// Stable id, such as `operations` or `fault.K02`.
    pub id: String,
    /// In words.
    pub event: String,
    /// How often at least.
    pub needed: u64,
    /// How often a witness other than the planner saw it.
    pub seen: u64,
    /// The reason code when unmet.
    pub reason: Reason,
}

impl Floor {
    /// Whether it happened often enough.
    #[must_use]
    pub const fn is_met(&self) -> bool {
        self.seen >= self.needed
    }
}

/// One measured thing beside its limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Stable id, such as `lost` or `p95`.
    pub id: String,
    /// In words.
    pub name: String,
    /// For people: `41 ms`, `1 of 1 933`, `0 of 3 000: < 0.1 %`.
    pub measured: String,
    /// For people: `< 100 ms`, `0`.
    pub limit: String,
    /// What this check alone concludes.
    pub verdict: Verdict,
    /// Why, for Inconclusive.
    pub reason: Option<Reason>,
    /// Sample count behind it.
    pub n: u64,
}

/// One thing that went wrong, with its witnesses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The check's id.
    pub check: String,
    /// The operation, if one is at fault.
    pub op: Option<u64>,
    /// When, ns.
    pub at: u64,
    /// A full sentence for people.
    pub says: String,
    /// Who saw what.
    pub witnesses: Vec<Witness>,
}

/// One witness' statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// When, ns.
    pub at: u64,
    /// `client 12`, `nemesis`, `kimi simulator`, `link server-store`.
    pub actor: String,
    /// What was seen.
    pub what: String,
}

impl Finding {
    /// Folds floors and checks into the verdict and its reasons: the worst of all of them, where an
    /// unmet floor counts as Inconclusive, and nothing at all as Inconclusive(zero_samples).
    pub fn conclude(&mut self) {
        let unmet = self.floors.iter().filter(|floor| !floor.is_met());
        let mut reasons: Vec<Reason> = unmet.map(|floor| floor.reason).collect();
        reasons.extend(self.checks.iter().filter_map(|check| {
            (check.verdict == Verdict::Inconclusive)
                .then_some(check.reason)
                .flatten()
        }));
        if self.floors.is_empty() && self.checks.is_empty() {
            reasons.push(Reason::ZeroSamples);
        }
        reasons.sort_unstable();
        reasons.dedup();
        let of_checks = self.checks.iter().map(|check| check.verdict);
        let of_floors = reasons.iter().map(|_| Verdict::Inconclusive);
        self.verdict = of_checks
            .chain(of_floors)
            .max()
            .unwrap_or(Verdict::Inconclusive);
        self.reasons = if self.verdict == Verdict::Inconclusive {
            reasons
        } else {
            Vec::new()
        };
    }
}
