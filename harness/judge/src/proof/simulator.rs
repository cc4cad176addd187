//! Whether a simulator, and not the server, is what is wrong with an answer.

use std::collections::BTreeSet;

use crate::journal::{Attempt, Journal};
use crate::operation::{AnswerSeen, Call};
use crate::run_key::RunKey;
use crate::tracer;

/// Whether an answer of this call is just what a healthy simulator sent, and was not made by the
/// key: the server passed on what our own rig got wrong.
#[must_use]
pub fn is_at_fault(key: &RunKey, journal: &Journal, call: &Call) -> bool {
    let answers = call.answers.iter();
    answers
        .filter_map(|answer| {
            Some((
                answer,
                journal.entry(&tracer::read_line(&answer.first)?.seq)?,
            ))
        })
        .any(|(answer, entry)| is_as_sent(answer, entry) && !is_by_key(key, answer, entry))
}

/// A fault on purpose may change an answer; what the server makes of it is its own matter.
fn is_as_sent(answer: &AnswerSeen, entry: &Attempt) -> bool {
    let sent = entry.delivered().and_then(|end| end.answer_sha256.as_ref());
    entry.served.fault.is_none() && sent == Some(&answer.text_sha256)
}

fn is_by_key(key: &RunKey, answer: &AnswerSeen, entry: &Attempt) -> bool {
    let served = &entry.served;
    let mac = |text: &String| tracer::answer_mac(key, &served.provider, &served.model, text);
    let due: BTreeSet<String> = served.tracers.iter().map(mac).collect();
    let macs = tracer::read_line(&answer.first).map(|line| line.macs);
    let seal = tracer::seal(key, &served.request_sha256, &served.seq);
    macs == Some(due) && answer.seal.split(' ').nth(1) == Some(&seal)
}
