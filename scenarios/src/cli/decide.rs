//! `verify decide`: what a person decides, signed, bound to a build and to an end. The gate says it
//! and ends with 6; it is never a pass.

use exai_harness::attest::Envelope;
use exai_harness::attest::decision::Written;
use exai_harness::attest::trust::moment;
use exai_harness::evidence::ledger::{Ledger, Told};
use exai_harness::gate::admit;
use exai_judge::gate::Course;
use exai_judge::verdict::Exit;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::arguments::evidence::{CourseWord, DecideArguments};
use super::{Ending, print, trust};
use crate::catalogue;
use crate::rules::Catalogue;

/// The most days a decision may hold.
const DAYS: i64 = 90;

/// Signs the decision and enters it into the ledger.
///
/// # Errors
/// The user's mistakes, and a record that is refused.
pub fn decide(arguments: &DecideArguments) -> Result<Exit, Ending> {
    let claim = catalogue::named(&arguments.claim)?;
    let now = trust::now(&arguments.trust)?;
    let until = end(arguments, now)?;
    let signer = trust::signer(&arguments.signer)?;
    let folder = trust::run_folder(&arguments.run, &arguments.trust)?;
    let trusted = trust::trust(&arguments.trust)?;
    let admitted = trust::with_rules(&Catalogue::read()?, |rules| {
        Ok(admit(&folder, &rules, &trusted, now)?)
    })?;
    let identity = &admitted.report.identity;
    let written = Written {
        course: match arguments.course {
            CourseWord::Go => Course::Go,
            CourseWord::NoGo => Course::NoGo,
        },
        claim: claim.id.clone(),
        server_sha256: identity.server_sha256.clone().unwrap_or_default(),
        run: admitted.report.run.run_id.clone(),
        root: admitted.root.clone(),
        by: arguments.by.clone(),
        reason: arguments.reason.clone(),
        at: now,
        until,
    };
    let mut envelope = Envelope::around(&written.statement());
    signer.sign(&mut envelope)?;
    let ledger = Ledger::at(&trust::reports(&arguments.trust).join("ledger"));
    let body = json!({"envelope": envelope});
    let entry = ledger.append(Told::Decision, &written.run, &now.to_string(), body);
    let entry = entry.map_err(|error| super::ledger::refused(&error))?;
    if arguments.trust.json {
        let value = json!({
            "schema": "exai-verify-decision/1", "entry": entry, "decision": written,
            "key_id": signer.public().id(),
        });
        print(&value.to_string());
    } else {
        print(&format!(
            "{:?} for {} by {} until {until}, entry {entry}\n\
             the gate counts it where it trusts key {}",
            written.course,
            written.claim,
            written.by,
            signer.public().id()
        ));
    }
    Ok(Exit::Pass)
}

/// The decision's end, after its owner and reason were looked at.
fn end(arguments: &DecideArguments, now: Timestamp) -> Result<Timestamp, Ending> {
    for (flag, text) in [("--by", &arguments.by), ("--reason", &arguments.reason)] {
        if text.trim().is_empty() {
            return Err(Ending::Usage(format!(
                "{flag} is empty; a decision has an owner and a reason."
            )));
        }
    }
    let until =
        moment(&arguments.until).ok_or_else(|| trust::no_time("--until", &arguments.until))?;
    if until <= now || until.duration_since(now) > SignedDuration::from_hours(DAYS * 24) {
        return Err(Ending::Usage(format!(
            "--until {until} must lie ahead, by {DAYS} days at most."
        )));
    }
    Ok(until)
}
