//! What stands between a run and its claim, each in one sentence, worst first.

use exai_judge::finding::{Check, Floor};
use exai_judge::{Finding, Verdict};

use crate::report::model::{Blocker, ClaimAnswer, Judged};
use crate::report::wording;

/// Every criterion of the claim that is not Pass, then the claim's own unmet rules.
#[must_use]
pub fn blockers(claim: &ClaimAnswer, criteria: &[Judged]) -> Vec<Blocker> {
    let mut found: Vec<Blocker> = criteria
        .iter()
        .filter(|judged| judged.finding.verdict != Verdict::Pass && !judged.tolerated)
        .map(of_criterion)
        .collect();
    // A stable sort: within one verdict the claim's own order stays.
    found.sort_by_key(|blocker| std::cmp::Reverse(blocker.verdict));
    let says = |says: String| Blocker {
        criterion: "claim".to_owned(),
        verdict: Verdict::Inconclusive,
        reasons: Vec::new(),
        says,
        more: 0,
        anchor: None,
    };
    found.extend(claim.reasons.iter().cloned().map(says));
    if found.is_empty() && claim.verdict != Verdict::Pass {
        found.push(Blocker {
            verdict: claim.verdict,
            ..says(format!(
                "{} is not carried by the rules of its claim",
                claim.name
            ))
        });
    }
    found
}

fn of_criterion(judged: &Judged) -> Blocker {
    let finding = &judged.finding;
    let mut said = sentences(finding);
    let says = if said.is_empty() {
        finding.headline.clone()
    } else {
        said.remove(0)
    };
    Blocker {
        criterion: finding.criterion.clone(),
        verdict: finding.verdict,
        reasons: finding.reasons.clone(),
        says,
        more: said.len(),
        anchor: Some(judged.anchor.clone()),
    }
}

/// Everything that keeps the finding from Pass: what explains its verdict first.
fn sentences(finding: &Finding) -> Vec<String> {
    let mut said: Vec<String> = finding
        .violations
        .iter()
        .map(|violation| violation.says.clone())
        .collect();
    let explained: Vec<&str> = finding
        .violations
        .iter()
        .map(|violation| violation.check.as_str())
        .collect();
    let failing = finding.checks.iter().filter(|check| {
        check.verdict == finding.verdict && !explained.contains(&check.id.as_str())
    });
    if finding.verdict == Verdict::HarnessError {
        said.insert(0, finding.headline.clone());
    }
    if finding.verdict == Verdict::Inconclusive {
        said.extend(
            finding
                .floors
                .iter()
                .filter(|floor| !floor.is_met())
                .map(of_floor),
        );
    }
    said.extend(failing.map(of_check));
    said
}

fn of_floor(floor: &Floor) -> String {
    let (seen, needed) = (wording::count(floor.seen), wording::count(floor.needed));
    format!("{}: {seen} seen of {needed} needed", floor.event)
}

fn of_check(check: &Check) -> String {
    format!(
        "{}: {}, the limit is {}",
        check.name, check.measured, check.limit
    )
}
