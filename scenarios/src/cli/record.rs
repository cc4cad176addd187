//! `verify judge` and `verify report`: from a stored record alone.

use std::path::Path;

use exai_harness::evidence::{Evidence, EvidenceError, Record};
use exai_harness::report::files::Format;
use exai_harness::report::{Report, terminal};
use exai_judge::verdict::{Exit, Verdict};
use exai_judge::{Finding, Reason, Refusal, Why};
use serde_json::{Value, json};

use super::arguments::{RecordArguments, ReportArguments};
use super::{Ending, print};
use crate::{catalogue, conclude};

/// A record, every byte of it checked.
///
/// # Errors
/// [`Ending::Usage`] when there is none, [`Ending::Refused`] when it was touched.
pub fn open(folder: &Path) -> Result<Record, Ending> {
    if !folder.is_dir() {
        return Err(Ending::Usage(format!(
            "there is no record at {}. Runs are listed in reports/runs/.",
            folder.display()
        )));
    }
    Evidence::open(folder).map_err(|error| match error {
        EvidenceError::Refused { .. } => Ending::Refused(error.to_string()),
        other => Ending::Harness(other.to_string()),
    })
}

/// Judges a record again and compares with what was found then.
///
/// # Errors
/// [`Ending::Refused`] when the record was touched, or gives other verdicts than it claims.
pub fn judge(arguments: &RecordArguments) -> Result<Exit, Ending> {
    let record = open(&arguments.run)?;
    let stored = found_again(&record)?;
    if arguments.json {
        print(&as_json(&stored, &record).to_string());
    } else {
        tell(&stored, &record);
    }
    Ok(exit(&stored))
}

/// What a record gave when it was judged again.
#[must_use]
pub fn as_json(findings: &[Finding], record: &Record) -> Value {
    json!({"schema": "exai-verify-judgement/1", "run": record.intent.run,
        "root": record.digests.root, "findings": findings})
}

/// The verdicts of a record, a line each, and its root.
pub fn tell(findings: &[Finding], record: &Record) {
    for finding in findings {
        let (id, word) = (&finding.criterion, finding.verdict.word());
        print(&format!("{id:<5} {word:<13} {}", finding.headline));
    }
    print(&format!("root  {}", record.digests.root));
}

/// How a record's verdicts end a process.
#[must_use]
pub fn exit(findings: &[Finding]) -> Exit {
    Verdict::worst(findings.iter().map(|finding| finding.verdict)).exit()
}

/// What a record claims to have found, once its history gave the same again.
///
/// # Errors
/// [`Ending::Refused`] when it gives anything else, was judged by other criteria, or another binary
/// answered than the one named.
pub fn found_again(record: &Record) -> Result<Vec<Finding>, Ending> {
    let profile = record.plan["profile"].as_str().unwrap_or_default();
    let (text, criteria, profile) = catalogue::of_record(profile)?;
    let same_text = record.plan["criteria_sha256"] == exai_judge::hex::sha256(text.as_bytes());
    if !same_text {
        return Err(Ending::Refused(
            "the record was judged by another text of the criteria".to_owned(),
        ));
    }
    let stored: Vec<Finding> = serde_json::from_value(record.findings.clone())
        .map_err(|error| Ending::Refused(format!("findings.json: {error}")))?;
    let is_foreign = |one: &&Finding| one.reasons.contains(&Reason::ForeignIdentity);
    if let Some(foreign) = stored.iter().find(is_foreign) {
        let says = format!(
            "{}: another binary answered than the one named",
            foreign.criterion
        );
        return Err(Refusal::new(Why::ForeignIdentity, says).into());
    }
    let again = conclude::judge(&criteria, profile, &record.key, &record.history)?;
    let again: Vec<&Finding> = again
        .iter()
        .filter(|finding| {
            stored
                .iter()
                .any(|then| then.criterion == finding.criterion)
        })
        .collect();
    let differs = again.iter().zip(&stored).find(|(now, then)| **now != *then);
    // A rig that stopped early adds its own check to every finding; the record cannot show that.
    let had_trouble = stored
        .iter()
        .any(|finding| finding.checks.iter().any(|check| check.id == "rig"));
    if let Some((now, _)) = differs.filter(|_| !had_trouble) {
        return Err(Ending::Refused(format!(
            "{}: the record gives another finding than it claims",
            now.criterion
        )));
    }
    Ok(stored)
}

/// Renders a record in one format.
///
/// # Errors
/// [`Ending::Usage`] for an unknown format, [`Ending::Refused`] for a touched record.
pub fn report(arguments: &ReportArguments) -> Result<Exit, Ending> {
    let format = Format::named(&arguments.format).ok_or_else(|| {
        let known: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        Ending::Usage(format!(
            "there is no format \"{}\". Known: {}.",
            arguments.format,
            known.join(", ")
        ))
    })?;
    let record = open(&arguments.run)?;
    let report = reported(&record)?;
    if let Some(file) = &arguments.check {
        return check(&report, format, file);
    }
    if format == Format::Terminal {
        print(&terminal::render(&report, super::style()));
    } else {
        print(
            &format
                .render(&report)
                .map_err(|error| Ending::Bug(error.to_string()))?,
        );
    }
    Ok(Exit::Pass)
}

/// The report a record holds.
///
/// # Errors
/// [`Ending::Refused`] when it is none.
pub fn reported(record: &Record) -> Result<Report, Ending> {
    let mut report: Report = serde_json::from_value(record.report.clone())
        .map_err(|error| Ending::Refused(format!("report.json: {error}")))?;
    report.identity.merkle_root = Some(record.digests.root.clone());
    Ok(report)
}

/// Whether a report file is what the record gives.
fn check(report: &Report, format: Format, file: &Path) -> Result<Exit, Ending> {
    let found = std::fs::read_to_string(file)
        .map_err(|error| Ending::Usage(format!("--check {}: {error}", file.display())))?;
    let given = format.render(report);
    let given = given.map_err(|error| Ending::Bug(error.to_string()))?;
    if found == given {
        print(&format!("{} is what the record gives", file.display()));
        return Ok(Exit::Pass);
    }
    let line = found
        .lines()
        .zip(given.lines())
        .take_while(|(one, other)| one == other);
    let says = format!("{} differs from line {}", file.display(), line.count() + 1);
    Err(Refusal::new(Why::Regenerated, says).into())
}
