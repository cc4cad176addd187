//! Several instances restarted one after the other while calls go on: none that an instance
//! accepted may fail, and none that was turned away may stay without an answer.
//!
//! That an instance accepted a call shows by its reply or by a provider that was asked; a call
//! without either counts as turned away, and its caller has to make it again with the same key.

use std::collections::{BTreeMap, BTreeSet};

use crate::checker::{Brief, Seen};
use crate::finding::Finding;
use crate::ground::Span;
use crate::operation::{Call, Outcome};
use crate::proof::Proof;
use crate::tally::{self, Place, Tally};
use crate::verdict::Reason;

/// The phase of such a restart.
const PHASE: &str = "rolling";
/// What an instance that is ending says to a call that it does not take.
const DRAINING: &str = "draining";

/// What came of the calls.
pub(super) struct Rolling {
    accepted: Tally,
    /// By key, the last try of a call that nobody has answered yet.
    open: BTreeMap<String, (u64, u64)>,
    /// The instances that answered one right.
    answered: BTreeSet<String>,
}

impl Rolling {
    pub(super) fn start() -> Self {
        let name = "calls failed or lost while the instances were restarted in turn";
        Self {
            accepted: Tally::new(PHASE, name),
            open: BTreeMap::new(),
            answered: BTreeSet::new(),
        }
    }

    /// Takes a call; false when it is none of this phase.
    pub(super) fn call(&mut self, (seen, call): (&Seen<'_>, &Call), proof: &Proof) -> bool {
        if call.phase != PHASE {
            return false;
        }
        let key = call.thread.as_ref().and_then(|part| part.key.clone());
        let key = key.unwrap_or_else(|| call.op.to_string());
        let wrong = proof.wrong();
        let is_right = wrong.is_none() && call.outcome == Outcome::Ok;
        if !is_right && is_turned_away(seen, call) {
            self.open.insert(key, (call.op, call.done_at));
            return true;
        }
        if is_right {
            self.open.remove(&key);
            self.answered.extend(call.instance.clone());
        }
        let says = || format!("operation {} was accepted and not answered right", call.op);
        let wrong = (!is_right).then(|| wrong.unwrap_or_else(says));
        self.accepted
            .trial(seen.is_tainted, Place::Call(call), wrong);
        true
    }

    /// Writes the row, and the floor that each instance was restarted meanwhile and answered again.
    pub(super) fn conclude(self, brief: Brief<'_>, finding: &mut Finding) {
        let Self {
            mut accepted,
            open,
            answered,
        } = self;
        for (op, at) in open.into_values() {
            let says = format!("operation {op} was turned away and never answered");
            let place = Place::Operation(op, at, "clients");
            accepted.bad(brief.ground.is_tainted(at, at), place, says);
        }
        let ground = brief.ground;
        let spans: Vec<&Span> = ground.spans(&brief.criterion.id, PHASE).collect();
        let is_within = |at: u64| {
            let ends = |span: &Span| span.until.unwrap_or(ground.summary.until);
            spans.iter().any(|span| span.from <= at && at <= ends(span))
        };
        let new = answered.iter().filter(|id| {
            let identified = ground.instances.get(*id);
            identified.is_some_and(|(at, _)| is_within(*at))
        });
        let places: BTreeSet<u32> = new
            .filter_map(|id| ground.places.get(id).copied())
            .collect();
        let seen = u64::try_from(places.len()).unwrap_or(u64::MAX);
        let event = "instances restarted under load that answered again";
        let count = (ground.several(), seen);
        tally::floor(finding, "restarted", event, count, Reason::EventNotSeen);
        accepted.conclude(finding);
    }
}

/// Neither a reply nor a provider's journal shows that an instance took it.
fn is_turned_away(seen: &Seen<'_>, call: &Call) -> bool {
    let attempts = seen.journal.attempts(call);
    // What came after it ended may be of the next try, which carries the same words.
    let own = |began: u64| call.sent_at <= began && began <= call.done_at;
    if attempts.iter().any(|one| own(one.began)) {
        return false;
    }
    match &call.failure {
        Some(failure) => failure.code.contains(DRAINING),
        None => call.outcome == Outcome::Unknown && call.replies == 0,
    }
}
