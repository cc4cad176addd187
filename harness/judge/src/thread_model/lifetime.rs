//! The cap, the time to live, and the end of a thread.

use super::append::Append;
use super::spine::{Anomaly, at_read, bare, of};
use super::{Thread, ThreadRules};

/// What went wrong with a thread's size and its life.
pub(super) fn anomalies(
    thread: &Thread,
    length: usize,
    rules: ThreadRules,
    found: &mut Vec<Anomaly>,
) {
    cap(thread, length, rules, found);
    early(thread, rules, found);
    for read in thread.reads.iter().filter(|read| read.users.is_some()) {
        if has_ended(thread, read.start, rules) {
            found.push(at_read(read, "resurrected", "it was read after its end"));
        }
    }
    for append in writes(thread).filter(|append| append.end.is_some()) {
        if has_ended(thread, append.start, rules) {
            let says = "it was continued after its end".to_owned();
            found.push(of(append, "resurrected", says));
        }
    }
}

/// Appends that were kept or may have been.
pub(super) fn writes(thread: &Thread) -> impl Iterator<Item = &Append> {
    thread.appends.values().filter(|append| !append.is_refused)
}

/// Acknowledged appends that began when the thread had held all it may already.
pub(super) fn past_cap(thread: &Thread, rules: ThreadRules) -> impl Iterator<Item = &Append> {
    writes(thread).filter(move |late| {
        let is_before = |append: &&Append| append.end.is_some_and(|end| end < late.start);
        let before = writes(thread).filter(is_before).count();
        late.end.is_some() && u64::try_from(before).is_ok_and(|count| count >= rules.exchanges)
    })
}

/// Whether nobody may be given the thread any more who asks from that moment on.
pub(super) fn has_ended(thread: &Thread, at: u64, rules: ThreadRules) -> bool {
    let before = || writes(thread).filter(|append| append.start < at);
    // One whose end nobody knows may have been kept at any time.
    let is_known = before().all(|append| append.end.is_some());
    let last = before().filter_map(|append| append.end).max();
    let life = rules.ttl.saturating_add(rules.epsilon);
    let expired = last
        .filter(|_| is_known)
        .map(|last| last.saturating_add(life));
    let is_past = |end: Option<u64>| end.is_some_and(|end| at > end);
    is_past(thread.deleted) || is_past(expired)
}

fn cap(thread: &Thread, length: usize, rules: ThreadRules, found: &mut Vec<Anomaly>) {
    if u64::try_from(length).is_ok_and(|length| length > rules.exchanges) {
        let read = thread.reads.iter().max_by_key(|read| read.list.len());
        let says = format!("{length} exchanges, {} at most", rules.exchanges);
        found.extend(read.map(|read| at_read(read, "cap", &says)));
    }
    for append in past_cap(thread, rules) {
        found.push(of(append, "cap", "it was taken past the cap".to_owned()));
    }
    for refusal in thread.refusals.iter().filter(|refusal| refusal.is_full) {
        let is_before = |append: &&Append| append.start <= refusal.start && append.op != refusal.op;
        let before = writes(thread).filter(is_before).count();
        if u64::try_from(before).is_ok_and(|count| count < rules.exchanges) {
            let place = (refusal.op, refusal.end, refusal.is_tainted);
            found.push(bare("cap", place, "it was called full before it was"));
        }
    }
}

/// Threads called unknown although they were to live on.
fn early(thread: &Thread, rules: ThreadRules, found: &mut Vec<Anomaly>) {
    if thread.delete_tried {
        return;
    }
    for refusal in thread.refusals.iter().filter(|refusal| refusal.is_unknown) {
        let is_before = |append: &&Append| append.end.is_some_and(|end| end < refusal.start);
        let last = writes(thread).filter(is_before).map(|append| append.start);
        let expires = last
            .max()
            .map(|last| last.saturating_add(rules.ttl).saturating_sub(rules.epsilon));
        if expires.is_some_and(|expires| refusal.end < expires) {
            let place = (refusal.op, refusal.end, refusal.is_tainted);
            found.push(bare(
                "early_expiry",
                place,
                "it was unknown before its time",
            ));
        }
    }
}
