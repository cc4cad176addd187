//! The gate's answer on the screen and as JSON: the decision first, then what it rests on.

use exai_judge::Verdict;
use exai_judge::gate::{Answer, Course, Row};
use exai_judge::verdict::Exit;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Told;

/// From this long before the evidence ends, the answer says so.
const WARNING_S: i64 = 48 * 3_600;

/// The heading that reports open with too.
fn heading(answer: &Answer) -> String {
    let claim = &answer.claim;
    let decided = answer
        .decision
        .as_ref()
        .map(|decision| format!("{} until {}", decision.by, date(decision.until)));
    match (answer.exit, decided) {
        (Exit::Pass, _) => format!("Go: {claim} is carried{}", waived(answer)),
        (Exit::Overridden, Some(by)) => {
            format!("No-go: {claim} is not carried, overridden by {by}")
        }
        _ => format!("No-go: {claim} is not carried"),
    }
}

fn waived(answer: &Answer) -> String {
    let stands = |row: &&Row| row.waiver.is_some() && row.verdict != Verdict::Pass;
    match answer.rows.iter().filter(stands).count() {
        0 => String::new(),
        count => format!(", with {count} waived"),
    }
}

/// The answer for people.
pub(super) fn lines(answer: &Answer, told: &Told, now: i64) -> Vec<String> {
    let mut lines = vec![heading(answer), String::new()];
    lines.push(labelled("Claim", &told.text));
    let server = if told.server.is_empty() {
        "none on record"
    } else {
        &told.server
    };
    lines.push(labelled("Server", server));
    let (have, need) = (answer.identity.words(), answer.identity_needed.words());
    lines.push(labelled(
        "Identity",
        &format!("{have}; the claim needs {need}"),
    ));
    for (id, one) in &told.instances {
        lines.push(labelled("Running", &format!("{id} at {}", one.url)));
    }
    lines.push(labelled("Valid until", &valid(answer, now)));
    for reason in &answer.reasons {
        lines.push(labelled("Blocker", reason));
    }
    for changed in &told.changed {
        lines.push(labelled("Changed", changed));
    }
    for note in &answer.notes {
        lines.push(labelled("Note", note));
    }
    lines.push(String::new());
    lines.extend(answer.rows.iter().map(row));
    lines
}

fn labelled(label: &str, text: &str) -> String {
    format!("{label:<12} {text}")
}

fn row(row: &Row) -> String {
    let word = match (&row.waiver, &row.refusal) {
        (Some(_), _) => "waived",
        (None, Some(_)) => "refused",
        (None, None) if is_tolerated(row) => "tolerated",
        (None, None) => row.verdict.word(),
    };
    let run = row.run.as_deref().unwrap_or("no run");
    format!("{:<16} {word:<13} {run:<28} {}", row.label(), row.says)
}

/// Open for reasons that the claim takes.
fn is_tolerated(row: &Row) -> bool {
    let found = row.finding.as_ref().map(|finding| finding.verdict);
    row.verdict == Verdict::Pass && found.is_some_and(|found| found != Verdict::Pass)
}

fn valid(answer: &Answer, now: i64) -> String {
    let Some(until) = answer.valid_until else {
        return "nothing is carried".to_owned();
    };
    let hours = (until - now) / 3_600;
    if until - now < WARNING_S {
        format!("{}: it ends in {hours} hours, repeat the run", date(until))
    } else {
        date(until)
    }
}

fn date(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(
        |_| second.to_string(),
        |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

/// The answer for programs.
pub(super) fn json(answer: &Answer, told: &Told, now: i64) -> Value {
    let course = answer
        .decision
        .as_ref()
        .map(|decision| match decision.course {
            Course::Go => "go",
            Course::NoGo => "no-go",
        });
    json!({
        "schema": "exai-verify-gate/1",
        "heading": heading(answer),
        "as_of": date(now),
        "server_sha256": told.server,
        "exit_code": answer.exit as u8,
        "identity": {"proven": answer.identity, "needed": answer.identity_needed},
        "instances": told.instances.iter().map(|(id, one)| json!({
            "instance": id, "url": one.url, "server_sha256": one.server_sha256,
            "policy_digest": one.policy_digest,
        })).collect::<Vec<_>>(),
        "policy_differences": told.differences,
        "changed_since_baseline": told.changed,
        "override": course,
        "answer": answer,
    })
}
