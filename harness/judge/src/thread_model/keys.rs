//! Idempotency keys: one key is one turn, one number and one answer, however often it is sent.

use super::append::{Append, Try};
use super::spine::{Anomaly, bare, of};
use super::{Thread, ThreadRules};
use crate::operation::Outcome;

/// What went wrong with the keys of a thread.
pub(super) fn anomalies(thread: &Thread, rules: ThreadRules, found: &mut Vec<Anomaly>) {
    for append in thread.appends.values() {
        if append.is_reuse {
            let is_taken = append.tries.iter().any(|one| one.outcome == Outcome::Ok);
            let says = || "its key was that of another turn, and it was answered".to_owned();
            found.extend(is_taken.then(|| of(append, "reused_key", says())));
            continue;
        }
        if append.numbers.len() > 1 || append.told.len() > 1 {
            let says = "one idempotency key was given two numbers or two answers";
            found.push(of(append, "doubled_by_key", says.to_owned()));
            continue;
        }
        let wrong = |one: &Try| {
            let says = wrong(append, one, rules).filter(|_| !thread.delete_tried)?;
            let place = (one.op, one.end, append.is_tainted);
            Some(bare("doubled_by_key", place, says))
        };
        found.extend(append.tries.iter().filter_map(wrong));
    }
}

/// What is wrong with a try whose key had been acknowledged before, while keys were still kept.
fn wrong(append: &Append, one: &Try, rules: ThreadRules) -> Option<&'static str> {
    let acknowledged = append.end.filter(|end| *end < one.start)?;
    let kept = acknowledged
        .saturating_add(rules.ttl)
        .saturating_sub(rules.epsilon);
    if one.end >= kept {
        return None;
    }
    match one.outcome {
        Outcome::Ok if one.is_asked => Some("its key had an answer, and a provider was asked"),
        Outcome::Ok if !one.is_replayed => Some("its key had an answer, and it does not say so"),
        Outcome::Refused if one.is_turned_down => Some("its key had an answer, and it was refused"),
        _ => None,
    }
}
