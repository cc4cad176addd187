//! What tests ask of a finding.

use exai_judge::finding::{Check, Finding};
use exai_judge::{Reason, Verdict};

pub fn check<'a>(finding: &'a Finding, id: &str) -> &'a Check {
    let found = finding.checks.iter().find(|check| check.id == id);
    found.unwrap_or_else(|| panic!("{} has no check {id}: {finding:#?}", finding.criterion))
}

/// The ids of the checks that failed.
pub fn failed(finding: &Finding) -> Vec<&str> {
    let failed = finding
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Fail);
    failed.map(|check| check.id.as_str()).collect()
}

/// Asserts a Pass and shows what stands in its way.
pub fn assert_pass(finding: &Finding) {
    let unmet: Vec<_> = finding
        .floors
        .iter()
        .filter(|floor| !floor.is_met())
        .collect();
    let checks: Vec<_> = finding
        .checks
        .iter()
        .filter(|check| check.verdict != Verdict::Pass)
        .collect();
    assert_eq!(
        finding.verdict,
        Verdict::Pass,
        "{} {:?}\nunmet {unmet:#?}\nchecks {checks:#?}\nviolations {:#?}",
        finding.criterion,
        finding.reasons,
        finding.violations
    );
}

pub fn assert_inconclusive(finding: &Finding, reason: Reason) {
    assert_eq!(finding.verdict, Verdict::Inconclusive, "{finding:#?}");
    assert!(finding.reasons.contains(&reason), "{:?}", finding.reasons);
}
