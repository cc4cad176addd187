//! SARIF 2.1.0 as code hosts read it: what stands between the run and its claim, as alerts.
//!
//! An empty list of results reads as clean, so an Inconclusive of the claim is a warning; criteria
//! outside the claim stand in properties alone, since an alert that nobody can close teaches people
//! to pass over alerts. A finding at run time has no source file: it points at its criterion.

use exai_judge::Verdict;
use serde_json::{Value, json};

use crate::report::model::{Blocker, Judged, Report};
use crate::report::wording;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Where the criteria stand, relative to the workspace.
const CRITERIA: &str = "scenarios/criteria.toml";
/// What stands for them in the workspace of a server that is not exai.
const TARGET: &str = "target.toml";

/// The rules that are no criterion's.
const INCONCLUSIVE: &str = "inconclusive";
const HARNESS: &str = "harness";
const CLAIM: &str = "claim";

/// The document, with a final newline.
#[must_use]
pub fn render(report: &Report) -> String {
    let rules = rules(report);
    let place = report.run.target.as_ref().map_or(CRITERIA, |_| TARGET);
    let results: Vec<Value> = report
        .criteria
        .iter()
        .filter(|judged| !judged.tolerated)
        .flat_map(results_of)
        .chain(report.blockers.iter().filter_map(result_of_rule))
        .map(|result| placed(result, &rules, place))
        .collect();
    let outside: Vec<Value> = report.outside_claim.iter().map(outside).collect();
    let mut run = json!({
        "tool": {"driver": {
            "name": "exai verify",
            "semanticVersion": report.run.version,
            "rules": rules,
        }},
        "automationDetails": {"id": format!("exai-verify/{}/", report.claim.name)},
        "invocations": [{
            "executionSuccessful": report.claim.verdict != Verdict::HarnessError
                && report.run.cut_short.is_none(),
            "exitCode": report.claim.exit_code,
            "commandLine": report.run.replay,
            "startTimeUtc": report.run.started_at.to_string(),
            "endTimeUtc": report.run.ended_at.to_string(),
        }],
        "results": results,
        "properties": {"decision": report.opening.heading, "outside_claim": outside},
    });
    if !report.not_applicable.is_empty() {
        run["properties"]["not_applicable"] = json!(report.not_applicable);
    }
    let document = json!({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]});
    format!("{document:#}\n")
}

/// A result before it knows its rule's place in the list.
struct Alert {
    rule: String,
    /// What it is about, the same in every run: neither a time nor a figure.
    about: String,
    level: &'static str,
    says: String,
    line: u32,
}

/// The same rules in every run: ids that code hosts keep alerts by.
fn rules(report: &Report) -> Vec<Value> {
    let own = [
        (INCONCLUSIVE, "what the claim asks for was not shown"),
        (HARNESS, "the harness could not do its work"),
        (CLAIM, "a rule of the claim itself is not met"),
    ];
    let mut criteria: Vec<&Judged> = report.judged().collect();
    criteria.sort_by(|one, other| one.finding.criterion.cmp(&other.finding.criterion));
    let of_criterion = criteria.into_iter().map(|judged| {
        let id = &judged.finding.criterion;
        rule(id, &judged.title, &judged.text, "error")
    });
    let own = own
        .into_iter()
        .map(|(id, title)| rule(id, title, title, "warning"));
    of_criterion.chain(own).collect()
}

fn rule(id: &str, title: &str, text: &str, level: &str) -> Value {
    let text = if text.is_empty() { title } else { text };
    json!({
        "id": id,
        "name": title,
        "shortDescription": {"text": title},
        "fullDescription": {"text": text},
        "help": {"text": format!("cargo verify explain {id}")},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["readiness"], "precision": "very-high"},
    })
}

fn results_of(judged: &Judged) -> Vec<Alert> {
    let finding = &judged.finding;
    let alert = |rule: &str, check: &str, says: String| Alert {
        rule: rule.to_owned(),
        about: format!("{} {check}", finding.criterion),
        level: if finding.verdict == Verdict::Fail {
            "error"
        } else {
            "warning"
        },
        says: format!("{}: {says}. Repeat: {}", finding.criterion, judged.repeat),
        line: judged.line,
    };
    match finding.verdict {
        Verdict::Pass => Vec::new(),
        Verdict::Fail if finding.violations.is_empty() => {
            vec![alert(&finding.criterion, "", finding.headline.clone())]
        }
        Verdict::Fail => {
            // One alert a check: a thousand violations of one rule are one thing to mend.
            let mut told: Vec<&str> = Vec::new();
            let mut alerts = Vec::new();
            for violation in &finding.violations {
                if !told.contains(&violation.check.as_str()) {
                    told.push(&violation.check);
                    let says = format!("{}: {}", violation.check, trimmed(&violation.says));
                    alerts.push(alert(&finding.criterion, &violation.check, says));
                }
            }
            alerts
        }
        Verdict::Inconclusive => {
            let codes: Vec<&str> = finding
                .reasons
                .iter()
                .map(|reason| wording::reason_code(*reason))
                .collect();
            let says = format!("{} ({})", trimmed(&finding.headline), codes.join(", "));
            vec![alert(INCONCLUSIVE, &codes.join(" "), says)]
        }
        Verdict::HarnessError => vec![alert(HARNESS, "", finding.headline.clone())],
    }
}

/// A rule of the claim that was not met has no criterion behind it.
fn result_of_rule(blocker: &Blocker) -> Option<Alert> {
    let of_claim = blocker.anchor.is_none();
    of_claim.then(|| Alert {
        rule: CLAIM.to_owned(),
        about: blocker.says.clone(),
        level: "warning",
        says: blocker.says.clone(),
        line: 1,
    })
}

fn trimmed(says: &str) -> &str {
    says.trim_end_matches('.')
}

fn placed(alert: Alert, rules: &[Value], place: &str) -> Value {
    let is_own = |rule: &Value| rule["id"] == alert.rule.as_str();
    let index = rules.iter().position(is_own);
    let print = format!("{}\n{}", alert.rule, alert.about);
    let print = exai_judge::hex::sha256(print.as_bytes());
    json!({
        "ruleId": alert.rule,
        "ruleIndex": index,
        "level": alert.level,
        "message": {"text": alert.says},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": place},
            "region": {"startLine": alert.line.max(1)},
        }}],
        "partialFingerprints": {"primaryLocationLineHash": print},
    })
}

fn outside(judged: &Judged) -> Value {
    let codes: Vec<&str> = judged
        .finding
        .reasons
        .iter()
        .map(|reason| wording::reason_code(*reason))
        .collect();
    json!({
        "criterion": judged.finding.criterion,
        "verdict": wording::machine_word(judged.finding.verdict),
        "reasons": codes,
    })
}
