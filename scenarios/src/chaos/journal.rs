//! The Chaos Toolkit's journal of a run, for tools that read it.
//!
//! `completed` says that the run went to its end, not that it went well: `deviated` and the two
//! steady states say that. A steady state that could not be judged is null.

use std::path::{Path, PathBuf};

use exai_judge::Call;
use exai_judge::Outcome;
use exai_judge::ground::FaultLife;
use exai_judge::verdict::Verdict;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::attempt::Attempt;
use super::schedule::Schedule;
use super::steady::{AFTER, BEFORE};

/// Writes `journal.json` and `schedule.json`; gives the journal's path.
///
/// # Errors
/// The operating system's.
pub fn write(folder: &Path, schedule: &Schedule, attempt: &Attempt) -> std::io::Result<PathBuf> {
    let path = folder.join("journal.json");
    let text = |value: &Value| format!("{value:#}\n");
    std::fs::write(&path, text(&journal(schedule, attempt)))?;
    std::fs::write(folder.join("schedule.json"), text(&json!(schedule)))?;
    Ok(path)
}

/// The journal as data.
#[must_use]
pub fn journal(schedule: &Schedule, attempt: &Attempt) -> Value {
    let at = |nanos: u64| moment(attempt.started, nanos);
    let faults = attempt.ground.faults.iter();
    let run: Vec<Value> = faults.clone().map(|life| action(life, attempt)).collect();
    let rollbacks: Vec<Value> = faults.map(|life| rollback(life, attempt)).collect();
    json!({
        "chaoslib-version": concat!("exai-verify ", env!("CARGO_PKG_VERSION")),
        "platform": std::env::consts::OS,
        "node": "localhost",
        "experiment": experiment(schedule),
        "start": at(0),
        "end": at(attempt.took),
        "duration": seconds(attempt.took),
        "status": status(attempt),
        "deviated": attempt.finding.verdict == Verdict::Fail,
        "steady_states": {
            "before": steady(attempt, BEFORE, "steady_before"),
            "after": steady(attempt, AFTER, "steady_after"),
        },
        "run": run,
        "rollbacks": rollbacks,
    })
}

fn status(attempt: &Attempt) -> &'static str {
    if attempt.interrupted {
        return "interrupted";
    }
    match attempt.finding.verdict {
        Verdict::Pass | Verdict::Fail => "completed",
        Verdict::Inconclusive => "aborted",
        Verdict::HarnessError => "failed",
    }
}

fn experiment(schedule: &Schedule) -> Value {
    let method: Vec<Value> = schedule
        .faults
        .iter()
        .map(|fault| {
            json!({
                "type": "action",
                "name": format!("{}.{}", fault.component, fault.kind.name()),
                "background": true,
                "provider": {
                    "type": "process",
                    "path": "verify",
                    "arguments": ["chaos", "--only", fault.number.to_string()],
                },
            })
        })
        .collect();
    json!({
        "version": "1.0.0",
        "title": "nothing acknowledged is lost, whatever breaks",
        "description": "faults over processes, links, store and providers beside traffic",
        "steady-state-hypothesis": {
            "title": "on every wire each provider answers and a thread remembers",
            "probes": [],
        },
        "method": method,
        "rollbacks": [],
    })
}

fn steady(attempt: &Attempt, phase: &str, check: &str) -> Value {
    let judged = attempt.finding.checks.iter().find(|one| one.id == check);
    let is_met = judged.and_then(|check| match check.verdict {
        Verdict::Pass => Some(true),
        Verdict::Fail => Some(false),
        Verdict::Inconclusive | Verdict::HarnessError => None,
    });
    let calls = attempt.steady.iter().filter(|call| call.phase == phase);
    let probes: Vec<Value> = calls.map(|call| probe(call, attempt.started)).collect();
    json!({"steady_state_met": is_met, "probes": probes})
}

fn probe(call: &Call, started: Timestamp) -> Value {
    let is_answered = call.outcome == Outcome::Ok;
    json!({
        "activity": {
            "type": "probe",
            "name": format!("{} over {}", call.tool, call.transport.name()),
            "tolerance": "answered, with a provider's proof",
        },
        "status": if is_answered { "succeeded" } else { "failed" },
        "output": call.failure.as_ref().map(|failure| failure.code.clone()),
        "start": moment(started, call.sent_at),
        "end": moment(started, call.done_at),
        "duration": seconds(call.done_at.saturating_sub(call.sent_at)),
        "tolerance_met": is_answered,
    })
}

/// An injection succeeded when its cause was proven and nothing spoke against it.
fn action(life: &FaultLife, attempt: &Attempt) -> Value {
    let begun = life.injected.unwrap_or(life.first);
    let end = life.healed.or(life.effect).or(life.cause).unwrap_or(begun);
    json!({
        "activity": {"type": "action", "name": life.fault.id},
        "status": if life.has_landed() { "succeeded" } else { "failed" },
        "start": moment(attempt.started, begun),
        "end": moment(attempt.started, end),
        "duration": seconds(end.saturating_sub(begun)),
        "output": {"cause_proven": life.cause.is_some(), "effect_felt": life.effect.is_some()},
        "exception": life.not_landed,
    })
}

fn rollback(life: &FaultLife, attempt: &Attempt) -> Value {
    let at = life.healed.unwrap_or(attempt.took);
    json!({
        "activity": {"type": "action", "name": format!("{} healed", life.fault.id)},
        "status": if life.healed.is_some() { "succeeded" } else { "failed" },
        "start": moment(attempt.started, at),
        "end": moment(attempt.started, at),
        "duration": 0.0,
        "output": null,
        "exception": null,
    })
}

fn moment(started: Timestamp, nanos: u64) -> String {
    let later = SignedDuration::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
    let at = started.checked_add(later).unwrap_or(started);
    at.to_string()
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests;
