//! A verdict for every criterion, compared with what a row of the self-test demands.

use std::collections::BTreeMap;

use exai_judge::{Finding, Reason, Verdict};
use serde::{Deserialize, Serialize};

use crate::saboteur::Saboteur;

/// One criterion's entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, for Inconclusive; sorted.
    #[serde(default)]
    pub reasons: Vec<Reason>,
}

/// The verdicts of one run, by criterion.
pub type Vector = BTreeMap<String, Entry>;

/// The committed vector of the honest control under the self-test profile.
const HONEST: &str = include_str!("../expected/honest.toml");

/// What an honest server must read like.
///
/// # Errors
/// The entry at fault, when the committed file does not parse.
pub fn honest() -> Result<Vector, toml::de::Error> {
    toml::from_str(HONEST)
}

/// The vector of a run.
#[must_use]
pub fn of(findings: &[Finding]) -> Vector {
    let entry = |finding: &Finding| Entry {
        verdict: finding.verdict,
        reasons: finding.reasons.clone(),
    };
    findings
        .iter()
        .map(|finding| (finding.criterion.clone(), entry(finding)))
        .collect()
}

/// How a run differs from what an honest server must read like; empty when it does not.
#[must_use]
pub fn differences(honest: &Vector, seen: &Vector) -> Vec<String> {
    let criteria = honest
        .keys()
        .chain(seen.keys().filter(|key| !honest.contains_key(*key)));
    criteria
        .filter_map(|criterion| {
            let (wanted, got) = (honest.get(criterion), seen.get(criterion));
            (wanted != got).then(|| {
                format!(
                    "{criterion}: {} instead of {}",
                    describe(got),
                    describe(wanted)
                )
            })
        })
        .collect()
}

/// What is wrong with a saboteur's run: demanded findings that are missing, and criteria that moved
/// although nothing was done to them. Empty when the saboteur was caught exactly.
#[must_use]
pub fn misses(row: &Saboteur, honest: &Vector, findings: &[Finding]) -> Vec<String> {
    let seen = of(findings);
    if row.void {
        return not_void(&seen);
    }
    let mut found = Vec::new();
    for (criterion, checks) in &row.fail {
        found.extend(not_failed(criterion, checks, findings));
    }
    for (criterion, reason) in &row.inconclusive {
        let is_met = seen.get(criterion).is_some_and(|entry| {
            entry.verdict == Verdict::Inconclusive
                && entry.reasons.iter().any(|seen| name(*seen) == *reason)
        });
        if !is_met {
            let got = describe(seen.get(criterion));
            found.push(format!(
                "{criterion}: {got} instead of Inconclusive({reason})"
            ));
        }
    }
    for criterion in &row.error {
        if seen.get(criterion).map(|entry| entry.verdict) != Some(Verdict::HarnessError) {
            let got = describe(seen.get(criterion));
            found.push(format!("{criterion}: {got} instead of HarnessError"));
        }
    }
    let others = |criterion: &String| {
        !row.fail.contains_key(criterion)
            && !row.inconclusive.contains_key(criterion)
            && !row.error.contains(criterion)
    };
    let keep = |vector: &Vector| -> Vector {
        vector
            .iter()
            .filter(|(criterion, _)| others(criterion) && is_run(row, criterion))
            .map(|(criterion, entry)| (criterion.clone(), entry.clone()))
            .collect()
    };
    found.extend(differences(&keep(honest), &keep(&seen)));
    found
}

/// Whether a row's run tried this criterion at all.
fn is_run(row: &Saboteur, criterion: &str) -> bool {
    row.run.is_empty()
        || row
            .run
            .iter()
            .any(|named| criterion.starts_with(named.as_str()))
}

fn not_void(seen: &Vector) -> Vec<String> {
    let wrong = seen.iter().filter(|(_, entry)| {
        entry.verdict != Verdict::Inconclusive || !entry.reasons.contains(&Reason::ForeignIdentity)
    });
    let mut found: Vec<String> = wrong
        .map(|(criterion, entry)| format!("{criterion}: {} is not void", describe(Some(entry))))
        .collect();
    if seen.is_empty() {
        found.push("no criterion was judged".to_owned());
    }
    found
}

fn not_failed(criterion: &str, checks: &[String], findings: &[Finding]) -> Vec<String> {
    let Some(finding) = findings
        .iter()
        .find(|finding| finding.criterion == criterion)
    else {
        return vec![format!("{criterion}: not judged")];
    };
    if finding.verdict != Verdict::Fail {
        return vec![format!(
            "{criterion}: {} instead of Fail",
            finding.verdict.word()
        )];
    }
    let failed: Vec<&str> = finding
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Fail)
        .map(|check| check.id.as_str())
        .collect();
    let missing = checks
        .iter()
        .filter(|check| !failed.contains(&check.as_str()));
    missing
        .map(|check| {
            format!(
                "{criterion}: {check} did not fail (failed: {})",
                failed.join(", ")
            )
        })
        .collect()
}

fn describe(entry: Option<&Entry>) -> String {
    let Some(entry) = entry else {
        return "nothing".to_owned();
    };
    if entry.reasons.is_empty() {
        return entry.verdict.word().to_owned();
    }
    let reasons: Vec<String> = entry.reasons.iter().map(|reason| name(*reason)).collect();
    format!("{}({})", entry.verdict.word(), reasons.join(", "))
}

/// The reason's wire spelling.
fn name(reason: Reason) -> String {
    serde_json::to_value(reason)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use exai_judge::finding::Check;

    use super::*;

    fn finding(criterion: &str, verdict: Verdict, failed: &[&str]) -> Finding {
        let check = |id: &&str| Check {
            id: (*id).to_owned(),
            name: (*id).to_owned(),
            measured: String::new(),
            limit: String::new(),
            verdict: Verdict::Fail,
            reason: None,
            n: 1,
        };
        Finding {
            criterion: criterion.to_owned(),
            verdict,
            reasons: Vec::new(),
            headline: String::new(),
            floors: Vec::new(),
            checks: failed.iter().map(check).collect(),
            violations: Vec::new(),
            not_tested: Vec::new(),
            series: BTreeMap::new(),
        }
    }

    fn row() -> Saboteur {
        let text = "id = '9'\nname = 'one turn lost'\nspoil = 'lost-turn'\nedge = 'client'\n\
            fail = { 'V.4' = ['lost'] }";
        toml::from_str(text).unwrap()
    }

    fn pass(criterion: &str) -> Finding {
        finding(criterion, Verdict::Pass, &[])
    }

    #[test]
    fn a_saboteur_is_caught_only_by_its_own_check() {
        let honest = of(&[pass("V.1"), pass("V.4")]);
        let caught = [pass("V.1"), finding("V.4", Verdict::Fail, &["lost"])];
        assert!(misses(&row(), &honest, &caught).is_empty());
        let by_another = [pass("V.1"), finding("V.4", Verdict::Fail, &["p95"])];
        assert_eq!(misses(&row(), &honest, &by_another).len(), 1);
        let unseen = [pass("V.1"), pass("V.4")];
        assert_eq!(misses(&row(), &honest, &unseen).len(), 1);
    }

    #[test]
    fn a_criterion_that_moves_without_reason_is_a_false_alarm() {
        let honest = of(&[pass("V.1"), pass("V.4")]);
        let alarmed = [
            finding("V.1", Verdict::Fail, &["seal"]),
            finding("V.4", Verdict::Fail, &["lost"]),
        ];
        assert_eq!(misses(&row(), &honest, &alarmed).len(), 1);
    }

    #[test]
    fn a_harness_error_is_met_by_nothing_else() {
        let mut row = row();
        row.fail.clear();
        row.error = vec!["V.4".to_owned()];
        let honest = of(&[pass("V.4")]);
        let ended = |verdict| misses(&row, &honest, &[finding("V.4", verdict, &[])]).len();
        assert_eq!(ended(Verdict::HarnessError), 0);
        for verdict in [Verdict::Pass, Verdict::Inconclusive, Verdict::Fail] {
            assert_eq!(ended(verdict), 1, "{verdict:?}");
        }
        assert_eq!(misses(&row, &honest, &[]).len(), 1);
    }

    #[test]
    fn a_void_row_is_not_met_by_a_verdict_or_by_silence() {
        let mut void = row();
        void.void = true;
        let honest = of(&[pass("V.1")]);
        assert_eq!(misses(&void, &honest, &[pass("V.1")]).len(), 1);
        assert_eq!(misses(&void, &honest, &[]).len(), 1);
        let mut foreign = finding("V.1", Verdict::Inconclusive, &[]);
        foreign.reasons = vec![Reason::ForeignIdentity];
        assert!(misses(&void, &honest, &[foreign]).is_empty());
    }
}
