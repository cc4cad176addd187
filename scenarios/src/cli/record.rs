//! `verify judge` and `verify report`: from a stored record alone.

use std::path::Path;

use exai_harness::evidence::{Evidence, EvidenceError, Record};
use exai_harness::gate::{self, Admitted};
use exai_harness::report::files::Format;
use exai_harness::report::{Report, terminal};
use exai_judge::verdict::Exit;
use exai_judge::{Refusal, Why};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::{RecordArguments, ReportArguments};
use super::{Ending, print, trust};
use crate::rules::Catalogue;

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

/// What a record says, once its history gave the same again: findings, all that were set out for
/// and no other, and the report.
///
/// # Errors
/// [`Ending::Usage`] when there is none, [`Ending::Refused`] when it was touched, or says anything
/// that its history does not give.
pub fn read(folder: &Path) -> Result<Admitted, Ending> {
    let record = open(folder)?;
    let profile = record.plan["profile"].as_str().unwrap_or_default();
    let catalogue = Catalogue::of_profile(profile)?;
    let mut read = trust::with_rules(&catalogue, |rules| {
        Ok(gate::read(folder, record, &rules, Timestamp::now())?)
    })?;
    read.report.identity.merkle_root = Some(read.root.clone());
    Ok(read)
}

/// Judges a record again and compares with what was found then.
///
/// # Errors
/// As [`read`].
pub fn judge(arguments: &RecordArguments) -> Result<Exit, Ending> {
    let read = read(&arguments.run)?;
    if arguments.json {
        print(&as_json(&read).to_string());
    } else {
        tell(&read);
    }
    Ok(exit(&read))
}

/// What a record gave when it was judged again.
#[must_use]
pub fn as_json(read: &Admitted) -> Value {
    json!({"schema": "exai-verify-judgement/1", "run": read.report.run.run_id,
        "root": read.root, "findings": read.findings})
}

/// The verdicts of a record, a line each, and its root.
pub fn tell(read: &Admitted) {
    for finding in &read.findings {
        let (id, word) = (&finding.criterion, finding.verdict.word());
        print(&format!("{id:<5} {word:<13} {}", finding.headline));
    }
    let claim = &read.report.claim;
    print(&format!(
        "claim {:<13} {}",
        claim.verdict.word(),
        claim.printed
    ));
    print(&format!("root  {}", read.root));
}

/// How a record ends a process: by its claim, as the run that made it did.
#[must_use]
pub const fn exit(read: &Admitted) -> Exit {
    read.report.claim.verdict.exit()
}

/// Renders a record in one format.
///
/// # Errors
/// [`Ending::Usage`] for an unknown format, and as [`read`].
pub fn report(arguments: &ReportArguments) -> Result<Exit, Ending> {
    let format = Format::named(&arguments.format).ok_or_else(|| {
        let known: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        Ending::Usage(format!(
            "there is no format \"{}\". Known: {}.",
            arguments.format,
            known.join(", ")
        ))
    })?;
    let report = read(&arguments.run)?.report;
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
