//! Finds appends in a trace: the write of each to the store's file, the sync behind it, and the
//! acknowledgement. Pure; what it means is for the judge.

use std::path::PathBuf;

use exai_judge::observation::AppendTraced;

use super::SystemCall;

/// Where a store writes, and where it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What the paths of its files begin with, links resolved.
    pub file: PathBuf,
    /// The port that its acknowledgements leave from.
    pub port: u16,
    /// Whether an acknowledgement carries the append's mark. Where it does not, as Redis' does
    /// not, the first answer after the write counts: the acknowledgement or an earlier one, unless
    /// the store answered before it wrote.
    pub echoes: bool,
}

/// An acknowledged append and a text that occurs in its write alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The client's operation.
    pub op: u64,
    /// The text.
    pub mark: String,
}

/// Follows appends that were made one after the other.
#[must_use]
pub fn follow(calls: &[SystemCall], place: &Place, appends: &[Marked]) -> Vec<AppendTraced> {
    let file = place.file.display().to_string();
    let of_store = |call: &&SystemCall| {
        call.target.starts_with(&file) || call.local_port() == Some(place.port)
    };
    let calls: Vec<&SystemCall> = calls.iter().filter(of_store).collect();
    // No text of an append exists before the one before it was acknowledged. Where nobody knows
    // which answer that was, both may stand in one write that came after their answers.
    let mut from = 0;
    let one = |append: &Marked| {
        let (traced, seen) = trace(&calls[from..], place, append);
        from += seen;
        traced
    };
    appends.iter().map(one).collect()
}

/// One append, and how many of these calls belong to it and those before.
fn trace(calls: &[&SystemCall], place: &Place, append: &Marked) -> (AppendTraced, usize) {
    let is_sent = |call: &SystemCall| call.local_port() == Some(place.port);
    let is_marked = |call: &SystemCall| call.data.contains(&append.mark);
    let write = calls
        .iter()
        .find(|call| !is_sent(call) && !call.is_sync() && is_marked(call));
    let written = write.map(|write| write.returned);
    let answer = calls.iter().position(|call| {
        let is_after = || written.is_some_and(|written| call.began > written);
        is_sent(call)
            && if place.echoes {
                is_marked(call)
            } else {
                is_after()
            }
    });
    let sync = write.and_then(|write| {
        let is_behind = |call: &&&SystemCall| {
            call.is_sync() && call.target == write.target && call.began > write.returned
        };
        calls.iter().find(is_behind)
    });
    let traced = AppendTraced {
        op: append.op,
        written,
        synced: sync.map(|sync| (sync.began, sync.returned)),
        acknowledged: answer.map(|at| calls[at].began),
    };
    let behind = match place.echoes {
        true => answer.map(|at| at + 1),
        false => calls.iter().position(|call| Some(*call) == write.copied()),
    };
    (traced, behind.unwrap_or_default())
}
