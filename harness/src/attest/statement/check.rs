//! Whether a signed statement may be believed for a claim: by its bytes, the trusted keys and the
//! rules of the claim, never by what it says of itself alone.

use std::collections::{BTreeMap, BTreeSet};

use exai_judge::claim::Claim;
use exai_judge::refusal::{Refusal, Why};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Binding, STATEMENT, SUMMARY, TEST_RESULT};
use crate::attest::envelope::Envelope;
use crate::attest::trust::{Trust, Trusted};

/// How far a clock may run ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(2);

/// What is asked of a statement.
#[derive(Debug)]
pub struct Demand<'a> {
    /// The claim.
    pub claim: &'a Claim,
    /// Whose word counts.
    pub trust: &'a Trust,
    /// SHA-256 (hex) of the server at hand, hashed now; None leaves it open.
    pub server: Option<&'a str>,
    /// The policy digest asked about; None leaves it open.
    pub policy: Option<&'a str>,
    /// SHA-256 (hex) of the criteria text known here.
    pub criteria: &'a str,
    /// Criterion to the seconds it must have lasted.
    pub least_seconds: &'a BTreeMap<String, u64>,
    /// Now.
    pub now: Timestamp,
}

/// A statement that may be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What it binds.
    pub binding: Binding,
    /// Whether the claim's tests all passed. A summary alone passes nothing.
    pub passed: bool,
    /// The failed tests.
    pub failed: Vec<String>,
    /// Who signed, each key once.
    pub signers: Vec<Trusted>,
}

/// Checks an envelope: signatures first, then what the same bytes say.
///
/// # Errors
/// A [`Refusal`] with the reason.
pub fn check(envelope: &Envelope, demand: &Demand<'_>) -> Result<Checked, Refusal> {
    let (statement, ids) = envelope.open(&demand.trust.keys())?;
    let is = |field: &str, wanted: &str| statement[field] == wanted;
    if !is("_type", STATEMENT) || !(is("predicateType", TEST_RESULT)) {
        let kind = statement["predicateType"]
            .as_str()
            .unwrap_or("nothing known");
        let hint = if kind == SUMMARY {
            " (the summary carries no tests)"
        } else {
            ""
        };
        let says = format!("a test result is needed, this is {kind}{hint}");
        return Err(Refusal::new(Why::StatementType, says));
    }
    let binding = serde_json::from_value(statement["predicate"]["dev.exai/binding"].clone());
    let binding: Binding = binding
        .map_err(|error| Refusal::new(Why::StatementType, format!("it binds nothing: {error}")))?;
    check_clock(&binding, demand.now)?;
    check_subject(&statement, &binding, demand)?;
    demand
        .trust
        .check_judge(&binding.harness_sha256, &binding.criteria_sha256)?;
    let failed = check_tests(&statement, &binding, demand)?;
    check_age(&binding, demand)?;
    let signers = ids
        .iter()
        .map(|id| demand.trust.signer(id, binding.signed_at));
    let signers: Vec<Trusted> = signers.collect::<Result<_, _>>()?;
    check_signers(&signers, demand.claim)?;
    Ok(Checked {
        passed: statement["predicate"]["result"] == "PASSED",
        binding,
        failed,
        signers,
    })
}

fn check_clock(binding: &Binding, now: Timestamp) -> Result<(), Refusal> {
    let refused = |says: String| Err(Refusal::new(Why::Clock, says));
    let Binding {
        started_at,
        ended_at,
        signed_at,
        ..
    } = binding;
    if signed_at.duration_since(now) > AHEAD || ended_at.duration_since(now) > AHEAD {
        return refused(format!("signed at {signed_at}, and it is {now}"));
    }
    if ended_at < started_at || signed_at < ended_at {
        return refused(format!(
            "begin {started_at}, end {ended_at} and signature {signed_at} are not in order"
        ));
    }
    Ok(())
}

fn check_subject(statement: &Value, binding: &Binding, demand: &Demand<'_>) -> Result<(), Refusal> {
    let subjects = statement["subject"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let is_subject = |sha256: &str| {
        subjects
            .iter()
            .any(|subject| subject["digest"]["sha256"] == sha256)
    };
    if !is_subject(&binding.server_sha256) || !is_subject(&binding.harness_sha256) {
        let says = "its subjects are not the server and the harness that it binds";
        return Err(Refusal::new(Why::SubjectMismatch, says));
    }
    if let Some(server) = demand
        .server
        .filter(|server| *server != binding.server_sha256)
    {
        let says = format!(
            "it is about {}, the server here is {server}",
            binding.server_sha256
        );
        return Err(Refusal::new(Why::SubjectMismatch, says));
    }
    if binding.claim != demand.claim.id {
        let says = format!(
            "it speaks for {}, not for {}",
            binding.claim, demand.claim.id
        );
        return Err(Refusal::new(Why::SubjectMismatch, says));
    }
    if demand.policy.is_some() && demand.policy != binding.policy_digest.as_deref() {
        let says = "it is about another policy than the one asked about";
        return Err(Refusal::new(Why::ForeignIdentity, says));
    }
    if binding.criteria_sha256 != demand.criteria {
        let says = format!(
            "judged by criteria {}, the text here is {}",
            binding.criteria_sha256, demand.criteria
        );
        return Err(Refusal::new(Why::CriterionText, says));
    }
    Ok(())
}

/// The required set is the claim's, not the statement's.
fn check_tests(
    statement: &Value,
    binding: &Binding,
    demand: &Demand<'_>,
) -> Result<Vec<String>, Refusal> {
    let predicate = &statement["predicate"];
    let list = |field: &str| -> Vec<String> {
        let names = predicate[field].as_array().map_or(&[][..], Vec::as_slice);
        names
            .iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect()
    };
    let (passed, failed) = (list("passedTests"), list("failedTests"));
    let names: BTreeSet<&str> = passed
        .iter()
        .chain(&failed)
        .map(|name| name.split(" [").next().unwrap_or(name))
        .collect();
    let claim = demand.claim;
    let may_tolerate = !claim.tolerates.is_empty();
    let is_let_be = |id: &String| may_tolerate && binding.tolerated.contains(id);
    let criteria = claim.criteria.iter().filter(|id| !is_let_be(id));
    for wanted in criteria.chain(&claim.checks).chain(&claim.floors) {
        if !names.contains(wanted.as_str()) {
            let says = format!(
                "{wanted} is required by {} and is not in it",
                demand.claim.id
            );
            return Err(Refusal::new(Why::MissingCriterion, says));
        }
    }
    if let Some(both) = binding
        .tolerated
        .iter()
        .find(|id| names.contains(id.as_str()))
    {
        let says = format!("{both} is bound as tolerated and stands among the tests");
        return Err(Refusal::new(Why::Contradiction, says));
    }
    let is_passed = predicate["result"] == "PASSED";
    if is_passed != failed.is_empty() {
        let says = format!(
            "its result is {} beside {} failed tests",
            predicate["result"],
            failed.len()
        );
        return Err(Refusal::new(Why::Contradiction, says));
    }
    for (criterion, seconds) in demand.least_seconds {
        if passed.contains(criterion) && binding.measured_seconds < *seconds {
            let says = format!(
                "{criterion} needs {seconds} s, the run measured {} s",
                binding.measured_seconds
            );
            return Err(Refusal::new(Why::Short, says));
        }
    }
    Ok(failed)
}

/// The end of the run counts, not the moment of signing: an old run does not grow young by it.
fn check_age(binding: &Binding, demand: &Demand<'_>) -> Result<(), Refusal> {
    let allowed = SignedDuration::from_hours(i64::from(demand.claim.max_age_days) * 24);
    if demand.now.duration_since(binding.ended_at) <= allowed {
        return Ok(());
    }
    let says = format!(
        "{} ended at {}; {} takes evidence of {} days",
        binding.run, binding.ended_at, demand.claim.id, demand.claim.max_age_days
    );
    Err(Refusal::new(Why::Expired, says))
}

fn check_signers(signers: &[Trusted], claim: &Claim) -> Result<(), Refusal> {
    let Some(role) = claim.signed_by else {
        return Ok(());
    };
    let fit = signers.iter().filter(|signer| signer.role >= role).count();
    if fit >= claim.keys {
        return Ok(());
    }
    let who: Vec<String> = signers
        .iter()
        .map(|signer| format!("{} ({:?})", signer.owner, signer.role))
        .collect();
    let says = format!(
        "{} needs {} distinct keys of role {role:?}; it is signed by {}",
        claim.id,
        claim.keys,
        who.join(", ")
    );
    Err(Refusal::new(Why::UntrustedKey, says))
}
