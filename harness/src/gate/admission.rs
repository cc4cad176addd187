//! Whether one record may be shown to the gate at all.

use std::collections::BTreeMap;
use std::path::Path;

use exai_judge::Finding;
use exai_judge::refusal::{Refusal, Why};
use exai_judge::verdict::{Reason, Verdict};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::attest::Trust;
use crate::evidence::ledger::{instances, is_of_one};
use crate::evidence::{Evidence, EvidenceError, Record};
use crate::report::Report;

/// How far a clock may run ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(2);
/// The checks that a run adds when it was cut short; the record itself cannot show them.
const CUT_SHORT: [&str; 2] = ["rig", "server"];

/// Judges a record again, under a profile.
pub type Judge<'a> = dyn Fn(&Record, &str) -> Result<Vec<Finding>, String> + 'a;

/// Draws a record's report again from its findings, around what the stored one tells of the run.
pub type Draw<'a> = dyn Fn(&Record, &Report, &[Finding]) -> Result<Report, String> + 'a;

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
    /// Draws its report again.
    pub draw: &'a Draw<'a>,
}

/// A record that is whole, and says what its history says.
#[derive(Debug)]
pub struct Admitted {
    /// Its Merkle root.
    pub root: String,
    /// What save 1 set out to judge.
    pub plan: Value,
    /// Its report.
    pub report: Report,
    /// What the judge found, then and now.
    pub findings: Vec<Finding>,
    /// The keys of the policy and their values, where the run recorded them.
    pub policy: Option<BTreeMap<String, String>>,
}

/// Opens a record and admits it as evidence for a claim, or refuses it.
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
    let read = read(folder, record, rules, now)?;
    if !read.plan["spoiler"].is_null() {
        let says = "the server was spoiled on purpose (a row of the self-test)";
        return Err(Refusal::new(Why::ForeignIdentity, says));
    }
    if !is_of_one(&read.plan) {
        let says = "it judged several instances as one server, and claims are about one instance";
        return Err(Refusal::new(Why::SubjectMismatch, says));
    }
    let harness = read.report.identity.harness_sha256.as_deref();
    trust.check_judge(harness.unwrap_or_default(), &rules.criteria_sha256)?;
    Ok(read)
}

/// Reads a record whose bytes are whole, or refuses it: its findings must be what its history
/// gives, all of them and no other, and its report what the findings give.
///
/// # Errors
/// A [`Refusal`] with the reason.
pub fn read(
    folder: &Path,
    record: Record,
    rules: &Rules<'_>,
    now: Timestamp,
) -> Result<Admitted, Refusal> {
    let changed =
        |file: &str, error: String| Refusal::new(Why::Changed, format!("{file}: {error}"));
    let report: Report = serde_json::from_value(record.report.clone())
        .map_err(|error| changed("report.json", error.to_string()))?;
    let stored: Vec<Finding> = serde_json::from_value(record.findings.clone())
        .map_err(|error| changed("findings.json", error.to_string()))?;
    check_plan(&record, &report)?;
    check_times(&record, &report, now)?;
    check_texts(&record, &report, rules)?;
    check_findings(&record, &report, &stored, rules)?;
    check_report(&record, &report, &stored, rules)?;
    check_seconds(&report, &stored, rules)?;
    let policy = std::fs::read_to_string(folder.join(crate::evidence::POLICY)).ok();
    Ok(Admitted {
        root: record.digests.root,
        plan: record.plan,
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
    if plan["spoiler"].is_null() != report.run.spoiler.is_none() {
        let says = "report.json has another spoiler than the plan of save 1";
        return Err(Refusal::new(Why::Changed, says));
    }
    if instances(plan) != u64::from(report.run.instances) {
        let says = "report.json has another number of instances than the plan of save 1";
        return Err(Refusal::new(Why::Changed, says));
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
    let again = cut_short(again, stored);
    let intended = record.plan["intended"].as_array();
    let intended: Vec<&str> = intended
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (which, found) in [("findings.json has", stored), ("the history gives", &again)] {
        let judged: Vec<&str> = found.iter().map(|one| one.criterion.as_str()).collect();
        if judged != intended {
            let says = format!(
                "{which} findings of [{}], save 1 set out to judge [{}]",
                judged.join(", "),
                intended.join(", ")
            );
            return Err(Refusal::new(Why::Rejudged, says));
        }
    }
    let differs = again.iter().zip(stored).find(|(now, then)| now != then);
    differs.map_or(Ok(()), |(now, _)| {
        let says = format!("{}: the history gives another finding", now.criterion);
        Err(Refusal::new(Why::Rejudged, says))
    })
}

/// A run that was cut short adds one check to every finding, which never passes. The history cannot
/// show it, so it is taken over, with what it does to each verdict and nothing more.
fn cut_short(mut again: Vec<Finding>, stored: &[Finding]) -> Vec<Finding> {
    let last = |found: &[Finding]| found.first().and_then(|one| one.checks.last().cloned());
    let Some(added) = last(stored).filter(|added| last(&again).as_ref() != Some(added)) else {
        return again;
    };
    if CUT_SHORT.contains(&added.id.as_str()) && added.verdict != Verdict::Pass && added.n == 0 {
        for finding in &mut again {
            finding.checks.push(added.clone());
            finding.conclude();
        }
    }
    again
}

/// The claim, its heading and whatever else a report says must be what the findings give.
fn check_report(
    record: &Record,
    report: &Report,
    findings: &[Finding],
    rules: &Rules<'_>,
) -> Result<(), Refusal> {
    let drawn = (rules.draw)(record, report, findings)
        .map_err(|error| Refusal::new(Why::Rejudged, error))?;
    if drawn == *report {
        return Ok(());
    }
    let parts = |report: &Report| serde_json::to_value(report).unwrap_or_default();
    let (drawn, told) = (parts(&drawn), parts(report));
    let mut named = told.as_object().into_iter().flatten();
    let part = named.find(|(part, value)| drawn[part.as_str()] != **value);
    let part = part.map_or("content", |(part, _)| part.as_str());
    let says = format!("report.json: the findings give another {part}");
    Err(Refusal::new(Why::Rejudged, says))
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
