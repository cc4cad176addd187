//! Laws of conservation: what one witness saw leave, another saw arrive. This file holds that of
//! the call counter: what the server counted between two scrapes is what clients did.

pub mod arrivals;
pub mod denials;
pub mod permits;
pub mod requests;

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::operation::{Call, Outcome, Transport};
use crate::series;
use crate::tally::{self, Place, Tally};
use crate::verdict::Reason;

const REQUESTS: &str = "exai_requests_total";
const TOOL: &str = "tool";

/// Compares `exai_requests_total` around a criterion's workload with the calls made meanwhile.
#[derive(Debug, Default)]
pub struct Conservation {
    before: Option<(u64, BTreeMap<String, f64>)>,
    after: Option<(u64, BTreeMap<String, f64>)>,
    /// Tool to when each answered call was sent and done.
    answered: BTreeMap<String, Vec<(u64, u64)>>,
    /// Tool to when every other call was sent and done: the server may have counted it.
    others: BTreeMap<String, Vec<(u64, u64)>>,
}

impl Conservation {
    /// Takes a scrape that brackets the criterion; the first before and the last after count.
    pub fn scrape(&mut self, at: u64, moment: &str, values: &BTreeMap<String, f64>) {
        let sums = || (at, series::by_label(values, REQUESTS, TOOL));
        match moment {
            "before" if self.before.is_none() => self.before = Some(sums()),
            "after" => self.after = Some(sums()),
            _ => {}
        }
    }

    /// Takes any call of the run, whichever criterion planned it.
    ///
    /// A server on a pipe is a process of its own, whose counters nobody scrapes.
    pub fn call(&mut self, call: &Call) {
        if call.transport == Transport::Stdio {
            return;
        }
        let is_answered = call.outcome == Outcome::Ok && call.failure.is_none();
        let of = if is_answered {
            &mut self.answered
        } else {
            &mut self.others
        };
        of.entry(call.tool.clone())
            .or_default()
            .push((call.sent_at, call.done_at));
    }

    /// Writes the row and its floor.
    pub fn conclude(self, finding: &mut Finding) {
        let scrapes = u64::from(self.before.is_some()) + u64::from(self.after.is_some());
        let event = "scrapes of the counters around the workload";
        tally::floor(
            finding,
            "scrapes",
            event,
            (1 + 1, scrapes),
            Reason::EventNotSeen,
        );
        let (Some(before), Some(after)) = (&self.before, &self.after) else {
            return;
        };
        let mut law = Tally::new(
            "conservation",
            "tools whose counter did not move by the calls made",
        );
        for (tool, calls) in &self.answered {
            let inside = |(sent, done): &&(u64, u64)| before.0 <= *sent && *done <= after.0;
            let least = calls.iter().filter(inside).count();
            if least == 0 {
                continue;
            }
            let touches = |(sent, done): &&(u64, u64)| before.0 <= *done && *sent <= after.0;
            let others = self.others.get(tool).into_iter().flatten();
            let most = calls.iter().filter(touches).count() + others.filter(touches).count();
            let read = |sums: &BTreeMap<String, f64>| sums.get(tool).copied().unwrap_or_default();
            let moved = read(&after.1) - read(&before.1);
            #[expect(clippy::cast_precision_loss, reason = "call counts are far below 2^53")]
            let is_lawful = least as f64 <= moved && moved <= most as f64;
            let says = format!(
                "{REQUESTS} of {tool} moved by {moved} while clients made {least} to {most} calls"
            );
            let place = Place::Moment(after.0, "metrics scraper");
            law.trial(false, place, (!is_lawful).then_some(says));
        }
        law.conclude(finding);
    }
}
