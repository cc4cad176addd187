//! Whether one record may be shown to the gate at all.

use std::collections::BTreeMap;
use std::path::Path;

use exai_judge::Finding;
use exai_judge::refusal::{Refusal, Why};
use exai_judge::verdict::{Reason, Verdict};
use jiff::{SignedDuration, Timestamp};

use crate::attest::Trust;
use crate::evidence::{Evidence, EvidenceError, Record};
use crate::report::Report;

/// How far a clock may run ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(2);
/// The checks that a run adds when it was cut short; the record itself cannot show them.
const CUT_SHORT: [&str; 2] = ["rig", "server"];

/// Judges a record again, under a profile.
pub type Judge<'a> = dyn Fn(&Record, &str) -> Result<Vec<Finding>, String> + 'a;

/// The catalogue as it is known here, and the judge.
pub struct Rules<'a> {
    /// SHA-256 (hex) of the criteria text.
    pub criteria_sha256: String,
    /// Profile to criterion to SHA-256 (hex) of its text with its numbers.
    pub texts: &'a dyn Fn(&str) -> BTreeMap<String, String>,
    /// Criterion to the seconds it must have lasted to bear its name.
    pub least_seconds: BTreeMap<String, u64>,
    /// Judges a record again, from its history alone.
    pub judge: &'a Judge<'a>,
}

/// A record that is whole, and says what its history says.
#[derive(Debug)]
pub struct Admitted {
    /// Its Merkle root.
    pub root: String,
    /// Its report.
    pub report: Report,
    /// What the judge found, then and now.
    pub findings: Vec<Finding>,
    /// The keys of the policy and their values, where the run recorded them.
    pub policy: Option<BTreeMap<String, String>>,
}

/// Opens a record and admits or refuses it.
///
/// # Errors
/// A [`Refusal`] with the reason.
pub fn admit(
    folder: &Path,
    rules: &Rules<'_>,
    trust: &Trust,
    now: Timestamp,
) -> Result<Admitted, Refusal> {
    let record = Evidence::open(folder).map_err(|error| refused(&error))?;
    let changed =
        |file: &str, error: String| Refusal::new(Why::Changed, format!("{file}: {error}"));
    let report: Report = serde_json::from_value(record.report.clone())
        .map_err(|error| changed("report.json", error.to_string()))?;
    let stored: Vec<Finding> = serde_json::from_value(record.findings.clone())
        .map_err(|error| changed("findings.json", error.to_string()))?;
    check_plan(&record, &report)?;
    check_times(&record, &report, now)?;
    check_texts(&record, &report, rules)?;
    let harness = report
        .identity
        .harness_sha256
        .as_deref()
        .unwrap_or_default();
    trust.check_judge(harness, &rules.criteria_sha256)?;
    check_findings(&record, &report, &stored, rules)?;
    check_seconds(&report, &stored, rules)?;
    let policy = std::fs::read_to_string(folder.join(crate::evidence::POLICY)).ok();
    Ok(Admitted {
        root: record.digests.root.clone(),
        policy: policy.and_then(|text| serde_json::from_str(&text).ok()),
        findings: stored,
        report,
    })
}

/// Evidence that cannot be read, as a refusal.
#[must_use]
pub fn refused(error: &EvidenceError) -> Refusal {
    match error {
        EvidenceError::Refused { file, why } => Refusal::new(Why::Changed, format!("{file} {why}")),
        other => Refusal::new(Why::Changed, other.to_string()),
    }
}

/// The report must be about what save 1 set out to judge.
fn check_plan(record: &Record, report: &Report) -> Result<(), Refusal> {
    let plan = &record.plan;
    let seed = report.run.seed.to_string();
    let said = [
        ("profile", Some(report.run.profile.as_str())),
        ("driver", Some(report.run.driver.as_str())),
        ("store", Some(report.run.store.as_str())),
        ("seed", Some(seed.as_str())),
        ("server_sha256", report.identity.server_sha256.as_deref()),
    ];
    for (key, value) in said {
        if plan[key].as_str() != value {
            let says = format!("report.json has another {key} than the plan of save 1");
            return Err(Refusal::new(Why::Changed, says));
        }
    }
    if report.run.run_id != record.intent.run {
        return Err(Refusal::new(Why::Changed, "report.json names another run"));
    }
    if !plan["spoiler"].is_null() || report.run.spoiler.is_some() {
        let says = "the server was spoiled on purpose (a row of the self-test)";
        return Err(Refusal::new(Why::ForeignIdentity, says));
    }
    Ok(())
}

fn check_times(record: &Record, report: &Report, now: Timestamp) -> Result<(), Refusal> {
    let (begin, end) = (report.run.started_at, report.run.ended_at);
    if end.duration_since(now) > AHEAD {
        return Err(Refusal::new(
            Why::Clock,
            format!("it ended at {end}, and it is {now}"),
        ));
    }
    if end < begin
        || !record
            .intent
            .run
            .starts_with(&begin.strftime("%Y%m%dT%H%M%SZ").to_string())
    {
        let says = format!(
            "begin {begin} and end {end} do not fit {}",
            record.intent.run
        );
        return Err(Refusal::new(Why::Clock, says));
    }
    let wall = end.duration_since(begin).as_secs().unsigned_abs();
    if report.run.measured_seconds > wall + 1 {
        let says = format!("{} s measured within {wall} s", report.run.measured_seconds);
        return Err(Refusal::new(Why::Clock, says));
    }
    Ok(())
}

fn check_texts(record: &Record, report: &Report, rules: &Rules<'_>) -> Result<(), Refusal> {
    let texts = (rules.texts)(&report.run.profile);
    if texts.is_empty() {
        let profile = &report.run.profile;
        let says = format!("{profile} is no profile of the catalogue that this claim rests on");
        return Err(Refusal::new(Why::CriterionText, says));
    }
    for (criterion, digest) in &record.digests.criteria {
        if texts.get(criterion) != Some(digest) {
            let says = format!("{criterion} was judged by another text than the one known here");
            return Err(Refusal::new(Why::CriterionText, says));
        }
    }
    let known = Some(rules.criteria_sha256.as_str());
    let bound = report.identity.criteria_digest.as_deref();
    if record.plan["criteria_sha256"].as_str() != known || bound != known {
        let says = "judged by another text of the criteria than the one known here";
        return Err(Refusal::new(Why::CriterionText, says));
    }
    Ok(())
}

fn check_findings(
    record: &Record,
    report: &Report,
    stored: &[Finding],
    rules: &Rules<'_>,
) -> Result<(), Refusal> {
    let is_foreign = |finding: &&Finding| finding.reasons.contains(&Reason::ForeignIdentity);
    if let Some(foreign) = stored.iter().find(is_foreign) {
        let says = format!(
            "{}: another binary answered than the one named",
            foreign.criterion
        );
        return Err(Refusal::new(Why::ForeignIdentity, says));
    }
    let again = (rules.judge)(record, &report.run.profile)
        .map_err(|error| Refusal::new(Why::Rejudged, error))?;
    for then in stored {
        let now = again.iter().find(|one| one.criterion == then.criterion);
        if now.is_none_or(|now| !is_same(now, then)) {
            let says = format!("{}: the history gives another finding", then.criterion);
            return Err(Refusal::new(Why::Rejudged, says));
        }
        let shown = report
            .judged()
            .find(|one| one.finding.criterion == then.criterion);
        let verdict = shown.map(|judged| judged.finding.verdict);
        if verdict != Some(then.verdict) {
            let says = format!("{}: report.json shows another verdict", then.criterion);
            return Err(Refusal::new(Why::Rejudged, says));
        }
    }
    Ok(())
}

/// A run that was cut short adds a check of its own, which only worsens what the history gives.
fn is_same(now: &Finding, then: &Finding) -> bool {
    let mut plain = then.clone();
    plain.checks.retain(|check| {
        !(CUT_SHORT.contains(&check.id.as_str()) && check.verdict != Verdict::Pass && check.n == 0)
    });
    if plain.checks.len() == then.checks.len() {
        return now == then;
    }
    plain.verdict = now.verdict;
    plain.reasons.clone_from(&now.reasons);
    *now == plain && then.verdict >= now.verdict && then.verdict != Verdict::Pass
}

fn check_seconds(report: &Report, findings: &[Finding], rules: &Rules<'_>) -> Result<(), Refusal> {
    for (criterion, seconds) in &rules.least_seconds {
        let passed = findings
            .iter()
            .any(|one| one.criterion == *criterion && one.verdict == Verdict::Pass);
        if passed && report.run.measured_seconds < *seconds {
            let says = format!(
                "{criterion} needs {seconds} s, the run measured {} s",
                report.run.measured_seconds
            );
            return Err(Refusal::new(Why::Short, says));
        }
    }
    Ok(())
}
