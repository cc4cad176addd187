//! The law of store commands: while nothing is broken, a store that can be asked has processed as
//! many commands at least as turns were acknowledged, or the server answers from memory alone.

use crate::checker::{Brief, Seen};
use crate::finding::Finding;
use crate::operation::{Call, Outcome, ThreadAction};
use crate::tally::{self, Place, Tally};
use crate::verdict::Reason;

/// The store's own count, at two moments with no fault between them.
const BEFORE: &str = "commands the store had processed before";
const AFTER: &str = "commands the store had processed after";
/// The store that can be asked.
const REDIS: &str = "redis";

/// What the store counted and what clients were told.
#[derive(Default)]
pub(super) struct Commands {
    before: Option<(u64, f64)>,
    after: Option<(u64, f64)>,
    /// When each acknowledged turn was sent and answered.
    turns: Vec<(u64, u64)>,
}

impl Commands {
    /// Takes one of the two counts; other figures are none of its business.
    pub(super) fn figure(&mut self, seen: &Seen<'_>, name: &str, value: f64) {
        match name {
            BEFORE => self.before = Some((seen.at, value)),
            AFTER => self.after = Some((seen.at, value)),
            _ => {}
        }
    }

    /// Takes a call of the criterion. A stored answer that is told again need not be written.
    pub(super) fn call(&mut self, call: &Call) {
        let action = call.thread.as_ref().map(|part| part.action);
        let is_turn = matches!(action, Some(ThreadAction::Create | ThreadAction::Append));
        let is_told = call.outcome == Outcome::Ok && call.failure.is_none();
        let is_again = call.meta.as_ref().is_some_and(|meta| meta.replayed);
        if is_turn && is_told && !is_again {
            self.turns.push((call.sent_at, call.done_at));
        }
    }

    /// Writes the floor, and the row where both counts are of one life of the store and that store
    /// is the one in use: what another one keeps is no command of this one.
    pub(super) fn conclude(self, brief: Brief<'_>, is_in_use: bool, finding: &mut Finding) {
        if brief.ground.store() == Some(REDIS) {
            let counts = u64::from(self.before.is_some()) + u64::from(self.after.is_some());
            let event = "counts of the store's commands around paired calls";
            let counted = (1 + 1, counts);
            tally::floor(finding, "commands", event, counted, Reason::EventNotSeen);
        }
        let (Some(before), Some(after)) = (self.before, self.after) else {
            return;
        };
        let inside = |(sent, done): &&(u64, u64)| before.0 <= *sent && *done <= after.0;
        let turns = self.turns.iter().filter(inside).count();
        let moved = after.1 - before.1;
        if turns == 0 || moved < 0.0 || !is_in_use {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "turn counts are far below 2^53")]
        let is_lawful = turns as f64 <= moved;
        let says = format!("the store processed {moved} commands while {turns} turns were kept");
        let mut law = Tally::new("commands", "times the store saw less than was acknowledged");
        let place = Place::Moment(after.0, "store");
        let is_tainted = brief.ground.is_tainted(before.0, after.0);
        law.trial(is_tainted, place, (!is_lawful).then_some(says));
        law.conclude(finding);
    }
}
