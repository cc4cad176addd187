//! An append: all attempts with one idempotency key and the same words.

use std::collections::BTreeSet;

use crate::operation::{Call, Outcome};

/// The category of a refusal by the rules of keys and threads.
const VALIDATION: &str = "validation_error";

/// All attempts with one idempotency key.
#[derive(Debug, Clone)]
pub(super) struct Append {
    pub(super) op: u64,
    pub(super) start: u64,
    /// First acknowledgement; None while none came.
    pub(super) end: Option<u64>,
    /// Whether every attempt was refused.
    pub(super) is_refused: bool,
    /// Whether the key was that of other words before.
    pub(super) is_reuse: bool,
    pub(super) user: Option<u32>,
    /// Digests of answers a provider gave for it.
    pub(super) answers: BTreeSet<u32>,
    /// Digests of answers its caller was given.
    pub(super) told: BTreeSet<u32>,
    pub(super) numbers: BTreeSet<u32>,
    /// In the order in which they ended.
    pub(super) tries: Vec<Try>,
    pub(super) is_tainted: bool,
}

/// One attempt.
#[derive(Debug, Clone)]
pub(super) struct Try {
    pub(super) op: u64,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) outcome: Outcome,
    /// The reply says itself that it is a stored one.
    pub(super) is_replayed: bool,
    /// A provider was asked while it was open.
    pub(super) is_asked: bool,
    /// Refused by the rules of keys and threads, not for want of room or time.
    pub(super) is_turned_down: bool,
    pub(super) is_tainted: bool,
}

impl Append {
    /// One that nothing was tried of yet.
    pub(super) fn of(call: &Call, user: Option<u32>, is_reuse: bool) -> Self {
        Self {
            op: call.op,
            start: call.sent_at,
            end: None,
            is_refused: true,
            is_reuse,
            user,
            answers: BTreeSet::new(),
            told: BTreeSet::new(),
            numbers: BTreeSet::new(),
            tries: Vec::new(),
            is_tainted: false,
        }
    }

    /// Adds an attempt.
    pub(super) fn take(&mut self, call: &Call, one: Try) {
        self.start = self.start.min(one.start);
        self.is_refused &= one.outcome == Outcome::Refused;
        self.is_tainted |= one.is_tainted;
        if one.outcome == Outcome::Ok {
            self.numbers
                .extend(call.meta.as_ref().and_then(|meta| meta.turn));
            self.end = Some(self.end.map_or(one.end, |end| end.min(one.end)));
        }
        self.tries.push(one);
    }

    /// Whether the key was sent again, and answered, after a try that may have been kept.
    pub(super) fn is_repeated(&self) -> bool {
        let is_answered = |one: &Try| one.outcome == Outcome::Ok || one.is_turned_down;
        let may_be_kept = |one: &Try| one.outcome != Outcome::Refused;
        self.tries.iter().any(|later| {
            let mut earlier = self.tries.iter().filter(|one| one.start < later.start);
            is_answered(later) && earlier.any(may_be_kept)
        })
    }

    /// From the first try that nobody knows the end of to the one that was acknowledged after it.
    pub(super) fn retried(&self) -> Option<(u64, u64)> {
        let of = |outcome: Outcome| self.tries.iter().filter(move |one| one.outcome == outcome);
        let from = of(Outcome::Unknown).map(|one| one.start).min()?;
        let until = of(Outcome::Ok).map(|one| one.start).min()?;
        (from < until).then_some((from, until))
    }
}

impl Try {
    pub(super) fn of(call: &Call, (is_asked, is_full): (bool, bool), is_tainted: bool) -> Self {
        let is_refused = call.outcome == Outcome::Refused;
        let failure = call.failure.as_ref().filter(|_| is_refused);
        let is_invalid = failure.is_some_and(|failure| failure.category == VALIDATION);
        Self {
            op: call.op,
            start: call.sent_at,
            end: call.done_at,
            outcome: call.outcome,
            is_replayed: call.meta.as_ref().is_some_and(|meta| meta.replayed),
            is_asked,
            is_turned_down: is_full || is_invalid,
            is_tainted,
        }
    }
}
