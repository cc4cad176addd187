//! `verify ledger`: what ran, what came of it, and what somebody outside remembers of it.

mod trend;

use std::path::Path;

use exai_harness::evidence::EvidenceError;
use exai_harness::evidence::ledger::{Checkpoint, Entry, Ledger, Told};
use exai_judge::refusal::{Refusal, Why};
use exai_judge::verdict::Exit;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::evidence::{LedgerCommand, TrustArguments};
use super::{Ending, print, trust};
use crate::catalogue;

/// Runs one of the five.
///
/// # Errors
/// The user's mistakes, and a ledger that is refused.
pub fn ledger(command: &LedgerCommand) -> Result<Exit, Ending> {
    match command {
        LedgerCommand::Show(arguments) => show(arguments),
        LedgerCommand::Trend(arguments) => trend::trend(arguments),
        LedgerCommand::Publish { run, trust } => publish(run, trust),
        LedgerCommand::Checkpoint { out, trust } => checkpoint(out, trust),
        LedgerCommand::Merge { from, trust } => merge(from, trust),
    }
}

/// The ledger of the reports folder asked for.
fn own(arguments: &TrustArguments) -> Ledger {
    Ledger::at(&trust::reports(arguments).join("ledger"))
}

/// A ledger that cannot be read, as an ending.
#[must_use]
pub fn refused(error: &EvidenceError) -> Ending {
    match error {
        EvidenceError::Refused { file, why } => {
            Refusal::new(Why::Ledger, format!("{file} {why}")).into()
        }
        other => Ending::Harness(other.to_string()),
    }
}

fn show(arguments: &TrustArguments) -> Result<Exit, Ending> {
    let entries = own(arguments).entries().map_err(|error| refused(&error))?;
    let ended: Vec<&str> = entries
        .values()
        .filter(|entry| entry.told == Told::Outcome)
        .map(|entry| entry.run.as_str())
        .collect();
    let mut rows: Vec<(&str, Value)> = entries
        .values()
        .filter(|entry| entry.told != Told::Intent || !ended.contains(&entry.run.as_str()))
        .map(|entry| (entry.at.as_str(), row(entry)))
        .collect();
    rows.sort_by_key(|(at, _)| *at);
    let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    if arguments.json {
        print(&json!({"schema": "exai-verify-ledger/1", "entries": rows}).to_string());
        return Ok(Exit::Pass);
    }
    for row in &rows {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        print(&format!(
            "{:<28} {:<9} {:<8} {}",
            text("run"),
            text("told"),
            text("profile"),
            text("says")
        ));
    }
    if rows.is_empty() {
        print("the ledger is empty: cargo verify makes a run");
    }
    Ok(Exit::Pass)
}

fn row(entry: &Entry) -> Value {
    let body = &entry.body;
    let says = match entry.told {
        Told::Intent => "began and never ended: a harness error".to_owned(),
        Told::Outcome => verdicts(&body["verdicts"], until(body).as_deref()),
        Told::Decision => "a decision".to_owned(),
        Told::Selftest => "a self-test that was passed".to_owned(),
        Told::Merge => "two chains joined".to_owned(),
    };
    json!({
        "run": entry.run, "told": entry.told, "at": entry.at, "says": says,
        "profile": body["profile"], "store": body["store"], "valid_until": until(body),
        "server_sha256": body["server_sha256"], "verdicts": body["verdicts"],
    })
}

fn verdicts(told: &Value, until: Option<&str>) -> String {
    let counted = |word: &str| {
        let rows = told.as_object().into_iter().flatten();
        rows.filter(|(_, told)| told["verdict"] == word).count()
    };
    let words = [
        ("FAIL", "Fail"),
        ("HARNESS_ERROR", "HarnessError"),
        ("INCONCLUSIVE", "Inconclusive"),
        ("PASS", "Pass"),
    ];
    let said: Vec<String> = words
        .iter()
        .map(|(wire, word)| (counted(wire), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    match until {
        Some(until) => format!("{}, counts until {until}", said.join(", ")),
        None => said.join(", "),
    }
}

/// When the claim the run was asked for no longer takes it.
fn until(body: &Value) -> Option<String> {
    let claim = catalogue::named(body["claim"].as_str()?).ok()?;
    let ended: Timestamp = body["ended_at"].as_str()?.parse().ok()?;
    let until = ended + jiff::SignedDuration::from_hours(i64::from(claim.max_age_days) * 24);
    Some(until.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

fn publish(run: &Path, arguments: &TrustArguments) -> Result<Exit, Ending> {
    let folder = trust::run_folder(run, arguments)?;
    let name = folder.file_name().unwrap_or_default();
    let reports = trust::reports(arguments);
    let signed = reports.join("signed").join(name);
    let files: Vec<_> = std::fs::read_dir(&signed)
        .into_iter()
        .flatten()
        .filter_map(|file| Some(file.ok()?.path()))
        .collect();
    if files.is_empty() {
        return Err(Ending::Usage(format!(
            "{} is not signed; verify attest sign {} --signing-key KEY comes first.",
            folder.display(),
            folder.display()
        )));
    }
    let published = reports.join("published").join(name);
    let disk = |error: std::io::Error| Ending::Harness(format!("could not publish: {error}"));
    std::fs::create_dir_all(&published).map_err(disk)?;
    let mut written = Vec::new();
    for file in files {
        let to = published.join(file.file_name().unwrap_or_default());
        std::fs::copy(&file, &to).map_err(disk)?;
        written.push(to);
    }
    if arguments.json {
        let run = name.to_string_lossy();
        print(
            &json!({"schema": "exai-verify-publish/1", "run": run, "files": written}).to_string(),
        );
    } else {
        written
            .iter()
            .for_each(|file| print(&file.display().to_string()));
    }
    Ok(Exit::Pass)
}

fn checkpoint(out: &Path, arguments: &TrustArguments) -> Result<Exit, Ending> {
    let ledger = own(arguments);
    let entries = ledger.entries().map_err(|error| refused(&error))?;
    let kept = Checkpoint::read(out).map_err(|error| refused(&error))?;
    if let Some(kept) = kept {
        kept.check(&entries)?;
    }
    let now = ledger.checkpoint().map_err(|error| refused(&error))?;
    now.write(out).map_err(|error| refused(&error))?;
    if arguments.json {
        let value = json!({"schema": "exai-verify-checkpoint/1", "file": out,
            "entries": now.size, "heads": now.heads});
        print(&value.to_string());
    } else {
        print(&format!(
            "{} kept in {}",
            entries_in_words(now.size),
            out.display()
        ));
    }
    Ok(Exit::Pass)
}

fn merge(from: &Path, arguments: &TrustArguments) -> Result<Exit, Ending> {
    if !from.is_dir() {
        return Err(Ending::Usage(format!(
            "{} is no ledger; name the folder with its entries.",
            from.display()
        )));
    }
    let at = Timestamp::now().to_string();
    let merged = own(arguments).merge(&Ledger::at(from), &at);
    let new = merged.map_err(|error| refused(&error))?;
    if arguments.json {
        print(&json!({"schema": "exai-verify-merge/1", "from": from, "taken": new}).to_string());
    } else {
        print(&format!("{} taken", entries_in_words(new)));
    }
    Ok(Exit::Pass)
}

fn entries_in_words(count: usize) -> String {
    match count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    }
}
