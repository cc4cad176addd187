//! in-toto statements about one run and one claim: a test result, and the summary of what passed.
//!
//! A statement speaks for one claim. A test result has no word for "not known", so everything that
//! is not a Pass stands among the failed tests; only a criterion that the claim tolerates stands in
//! neither list and is bound by its name, beside those of its floors and checks that the claim
//! names.

mod check;

use std::collections::BTreeSet;

use exai_judge::claim::{Claim, ClaimVerdict};
use exai_judge::{Finding, Verdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::evidence::ledger::Checkpoint;
use crate::report::Report;

pub use check::{Checked, Demand, check};

/// `_type` of every statement.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// A test result.
pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
/// A simple verification result.
pub const SUMMARY: &str = "https://in-toto.io/attestation/svr/v0.2";
/// Who verifies; the version changes when its rules do.
const VERIFIER: &str = "https://exai.dev/verify/v1";

/// What a statement binds together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The claim it speaks for.
    pub claim: String,
    /// The run.
    pub run: String,
    /// The Merkle root of its record.
    pub root: String,
    /// SHA-256 (hex) of the server judged.
    pub server_sha256: String,
    /// SHA-256 (hex) of the harness.
    pub harness_sha256: String,
    /// Digest of the server's policy; None where it was not told.
    pub policy_digest: Option<String>,
    /// SHA-256 (hex) of the criteria text.
    pub criteria_sha256: String,
    /// The profile.
    pub profile: String,
    /// The driver.
    pub driver: String,
    /// The store.
    pub store: String,
    /// The seed, as decimal text.
    pub seed: String,
    /// Begin of the run.
    pub started_at: Timestamp,
    /// End of the run.
    pub ended_at: Timestamp,
    /// When the signer signed, by its own clock.
    pub signed_at: Timestamp,
    /// Seconds the run measured.
    pub measured_seconds: u64,
    /// Settings changed for some checks.
    pub overrides: Vec<String>,
    /// Criteria that were not decided, for reasons that the claim tolerates: neither passed nor
    /// failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerated: Vec<String>,
    /// Whether the providers were simulated.
    pub simulated_providers: bool,
    /// The ledger as the signer saw it.
    pub ledger: Checkpoint,
}

/// What a statement is made of.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The report of the record, judged again.
    pub report: &'a Report,
    /// The claim.
    pub claim: &'a Claim,
    /// What the findings say of it.
    pub answer: &'a ClaimVerdict,
    /// The record's root.
    pub root: &'a str,
    /// The ledger now.
    pub ledger: Checkpoint,
    /// Now.
    pub signed_at: Timestamp,
}

impl Subject<'_> {
    /// Everything the statement binds.
    #[must_use]
    pub fn binding(&self) -> Binding {
        let (run, identity) = (&self.report.run, &self.report.identity);
        let known = |digest: &Option<String>| digest.clone().unwrap_or_default();
        let overrides = run.overrides.iter();
        Binding {
            claim: self.claim.id.clone(),
            run: run.run_id.clone(),
            root: self.root.to_owned(),
            server_sha256: known(&identity.server_sha256),
            harness_sha256: known(&identity.harness_sha256),
            policy_digest: identity.policy_digest.clone(),
            criteria_sha256: known(&identity.criteria_digest),
            profile: run.profile.clone(),
            driver: run.driver.clone(),
            store: run.store.clone(),
            seed: run.seed.to_string(),
            started_at: run.started_at,
            ended_at: run.ended_at,
            signed_at: self.signed_at,
            measured_seconds: run.measured_seconds,
            overrides: overrides
                .map(|one| format!("{}={}", one.key, one.value))
                .collect(),
            tolerated: self.claim.tolerated(&self.findings()),
            simulated_providers: true,
            ledger: self.ledger.clone(),
        }
    }

    /// The test result: the claim's criteria, their floors and checks, each passed or failed.
    #[must_use]
    pub fn test_result(&self) -> Value {
        let binding = self.binding();
        let (mut passed, mut failed) = (Vec::new(), Vec::new());
        for id in &self.claim.criteria {
            match self.finding(id) {
                Some(_) if binding.tolerated.contains(id) => {}
                Some(finding) => sort(finding, (&mut passed, &mut failed)),
                None => failed.push(format!("{id} [inconclusive:not_selected]")),
            }
        }
        for because in &self.answer.because {
            let is_rule = |word: &str| word.contains('/');
            let path = because.split(' ').next().unwrap_or_default();
            if is_rule(path) {
                failed.push(format!("{path} [rule]"));
            }
        }
        // The claim's own floors and checks must hold in what it tolerates, too.
        let rules = self.claim.rules(&self.findings()).into_iter();
        let held = rules.filter(|(_, verdict)| *verdict == Verdict::Pass);
        passed.extend(held.map(|(path, _)| path.to_owned()));
        passed.sort();
        passed.dedup();
        let is_whole = self.answer.verdict == Verdict::Pass && failed.is_empty();
        let predicate = json!({
            "result": if is_whole { "PASSED" } else { "FAILED" },
            "configuration": configuration(&binding),
            "passedTests": passed,
            "warnedTests": [],
            "failedTests": failed,
            "dev.exai/binding": binding,
        });
        statement(TEST_RESULT, &binding, predicate)
    }

    /// The summary: properties that hold, each with its profile in its name.
    #[must_use]
    pub fn summary(&self) -> Value {
        let binding = self.binding();
        let passed = self.claim.criteria.iter().filter(|id| {
            let finding = self.finding(id);
            finding.is_some_and(|finding| finding.verdict == Verdict::Pass)
        });
        let profile = binding.profile.to_uppercase();
        let mut properties: BTreeSet<String> = passed
            .map(|id| format!("EXAI_{}_{profile}", id.replace('.', "").to_uppercase()))
            .collect();
        if self.answer.verdict == Verdict::Pass {
            let word = self.claim.id.to_uppercase();
            let word: String = word.chars().map(word_character).collect();
            properties.insert(format!("EXAI_CLAIM_{word}"));
        }
        let predicate = json!({
            "verifier": {"id": VERIFIER, "policies": configuration(&binding)},
            "timeCreated": binding.signed_at,
            "properties": properties,
            "dev.exai/binding": binding,
        });
        statement(SUMMARY, &binding, predicate)
    }

    fn findings(&self) -> Vec<Finding> {
        let judged = self.report.judged();
        judged.map(|judged| judged.finding.clone()).collect()
    }

    fn finding(&self, id: &str) -> Option<&Finding> {
        let mut judged = self.report.judged().map(|judged| &judged.finding);
        judged.find(|finding| finding.criterion == id)
    }
}

/// A criterion with its floors and checks, each passed or failed.
fn sort(finding: &Finding, (passed, failed): (&mut Vec<String>, &mut Vec<String>)) {
    let id = &finding.criterion;
    let mut tests = vec![(id.clone(), finding.verdict, reason_of(finding))];
    tests.extend(finding.floors.iter().map(|floor| {
        let met = floor.is_met();
        let verdict = if met {
            Verdict::Pass
        } else {
            Verdict::Inconclusive
        };
        (
            format!("{id}/floor {}", floor.id),
            verdict,
            word(&floor.reason),
        )
    }));
    tests.extend(finding.checks.iter().map(|check| {
        let reason = check.reason.as_ref().map(word).unwrap_or_default();
        (format!("{id}/{}", check.id), check.verdict, reason)
    }));
    for (name, verdict, reason) in tests {
        match verdict {
            Verdict::Pass => passed.push(name),
            Verdict::Fail => failed.push(name),
            Verdict::HarnessError => failed.push(format!("{name} [harness]")),
            Verdict::Inconclusive => failed.push(format!("{name} [inconclusive:{reason}]")),
        }
    }
}

fn reason_of(finding: &Finding) -> String {
    finding.reasons.first().map(word).unwrap_or_default()
}

fn word(reason: &exai_judge::Reason) -> String {
    let value = serde_json::to_value(reason).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

const fn word_character(character: char) -> char {
    if character.is_ascii_alphanumeric() {
        character
    } else {
        '_'
    }
}

fn statement(kind: &str, binding: &Binding, predicate: Value) -> Value {
    json!({
        "_type": STATEMENT,
        "subject": [
            described("exai", &binding.server_sha256),
            described("verify", &binding.harness_sha256),
        ],
        "predicateType": kind,
        "predicate": predicate,
    })
}

fn configuration(binding: &Binding) -> Value {
    let mut rows = vec![
        described("claim", &exai_judge::hex::sha256(binding.claim.as_bytes())),
        described("criteria", &binding.criteria_sha256),
        described("record", &binding.root),
    ];
    if let Some(policy) = &binding.policy_digest {
        rows.push(described("policy", policy));
    }
    Value::Array(rows)
}

fn described(name: &str, sha256: &str) -> Value {
    json!({"name": name, "digest": {"sha256": sha256}})
}

#[cfg(test)]
mod tests;
