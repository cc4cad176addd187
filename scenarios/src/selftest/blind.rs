//! A row's history judged again without the checker that must fail: its finding must go, and no
//! other may move, or another checker stands in for it.

use exai_harness::evidence::Record;
use exai_judge::judge::{Handicap, is_tier};
use exai_judge::{Finding, Reason, Verdict};

use crate::rules::Catalogue;
use crate::saboteur::Saboteur;

/// What a cut-short run adds to its findings, which no history tells.
const CUT_SHORT: [&str; 2] = ["rig", "server"];

/// What does not hang on the checker it should hang on; nothing for rows that demand no Fail.
///
/// # Errors
/// In words, when the record cannot be judged.
pub(super) fn misses(
    row: &Saboteur,
    record: &Record,
    findings: &[Finding],
) -> Result<Vec<String>, String> {
    let catalogue = Catalogue::read().map_err(|error| error.to_string())?;
    let profile = record.plan["profile"].as_str().unwrap_or_default();
    let judged = |handicap: &Handicap| catalogue.judge_with(record, profile, handicap);
    let is_cut = |finding: &Finding| {
        let mut checks = finding.checks.iter();
        checks.any(|check| CUT_SHORT.contains(&check.id.as_str()))
    };
    let whole = if findings.iter().any(is_cut) {
        judged(&Handicap::default())?
    } else {
        findings.to_vec()
    };
    let mut found = Vec::new();
    // One that is the worse of its tiers has no checker of its own.
    let is_above = |name: &str| row.fail.keys().any(|tier| is_tier(name, tier));
    for criterion in row.fail.keys().filter(|name| !is_above(name)) {
        let blind = judged(&Handicap {
            disabled: [criterion.clone()].into(),
            ..Handicap::default()
        })?;
        found.extend(shadows(criterion, &whole, &blind));
    }
    Ok(found)
}

/// What is wrong with findings without the checker of `criterion`, beside those with it.
fn shadows(criterion: &str, whole: &[Finding], blind: &[Finding]) -> Vec<String> {
    let find = |id: &str| blind.iter().find(|one| one.criterion == id);
    let is_skipped = |finding: &Finding| {
        finding.verdict == Verdict::Inconclusive && finding.reasons.contains(&Reason::SkippedCheck)
    };
    let mut found = Vec::new();
    if !find(criterion).is_some_and(is_skipped) {
        let word = find(criterion).map_or("nothing", |finding| finding.verdict.word());
        found.push(format!("{criterion}: {word} though its checker was off"));
    }
    let others = whole
        .iter()
        .filter(|one| one.criterion != criterion && !is_tier(&one.criterion, criterion));
    let moved = others.filter(|one| find(&one.criterion) != Some(*one));
    found.extend(moved.map(|one| {
        let id = &one.criterion;
        format!("{id}: another finding when the checker of {criterion} was off")
    }));
    found
}

#[cfg(test)]
mod tests {
    use exai_judge::tally::blank;

    use super::*;

    fn finding(criterion: &str, verdict: Verdict, reasons: &[Reason]) -> Finding {
        Finding {
            verdict,
            reasons: reasons.to_vec(),
            ..blank(criterion)
        }
    }

    #[test]
    fn a_finding_must_go_with_its_checker() {
        let whole = [
            finding("V.1", Verdict::Pass, &[]),
            finding("V.4", Verdict::Fail, &[]),
        ];
        let skipped = finding("V.4", Verdict::Inconclusive, &[Reason::SkippedCheck]);
        let blind = [whole[0].clone(), skipped.clone()];
        assert!(shadows("V.4", &whole, &blind).is_empty());
        assert_eq!(shadows("V.4", &whole, &whole).len(), 1, "it stays Fail");
        assert_eq!(shadows("V.4", &whole, &whole[..1]).len(), 1, "it is gone");
        for verdict in [Verdict::Pass, Verdict::HarnessError] {
            let blind = [whole[0].clone(), finding("V.4", verdict, &[])];
            assert_eq!(shadows("V.4", &whole, &blind).len(), 1, "{verdict:?}");
        }
        let mut moved = whole[0].clone();
        moved.headline = "one answer less".to_owned();
        assert_eq!(shadows("V.4", &whole, &[moved, skipped]).len(), 1);
    }

    #[test]
    fn what_rests_on_its_tiers_moves_with_them() {
        let whole = ["V.8g", "V.8t", "V.8"].map(|id| finding(id, Verdict::Fail, &[]));
        let mut blind = whole.clone();
        blind[0] = finding("V.8g", Verdict::Inconclusive, &[Reason::SkippedCheck]);
        blind[2].headline = "V.8g Inconclusive, V.8t Fail".to_owned();
        assert!(shadows("V.8g", &whole, &blind).is_empty());
        blind[1].verdict = Verdict::Inconclusive;
        assert_eq!(shadows("V.8g", &whole, &blind).len(), 1);
    }
}
