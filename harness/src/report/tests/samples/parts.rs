//! Parts that sample findings are made of.

use std::collections::BTreeMap;

use exai_judge::finding::{Check, Finding, Floor};
use exai_judge::{Reason, Verdict};

pub fn empty(criterion: &str, headline: &str) -> Finding {
    Finding {
        criterion: criterion.to_owned(),
        verdict: Verdict::Inconclusive,
        reasons: Vec::new(),
        headline: headline.to_owned(),
        floors: Vec::new(),
        checks: Vec::new(),
        violations: Vec::new(),
        not_tested: Vec::new(),
        series: BTreeMap::new(),
    }
}

pub fn floor(event: &str, needed: u64, seen: u64) -> Floor {
    let id = event.replace(' ', "_");
    Floor {
        id,
        event: event.to_owned(),
        needed,
        seen,
        reason: Reason::BelowFloor,
    }
}

pub fn check(name: &str, measured: &str, limit: &str, verdict: Verdict) -> Check {
    Check {
        id: name.replace(' ', "_"),
        name: name.to_owned(),
        measured: measured.to_owned(),
        limit: limit.to_owned(),
        verdict,
        reason: None,
        n: 1000,
    }
}

pub fn concluded(mut finding: Finding) -> Finding {
    finding.conclude();
    finding
}

/// A finding with one check that passes.
pub fn pass(criterion: &str, headline: &str, name: &str, (is, limit): (&str, &str)) -> Finding {
    let mut finding = empty(criterion, headline);
    finding.checks.push(check(name, is, limit, Verdict::Pass));
    concluded(finding)
}
