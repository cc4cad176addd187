//! The law of permits: once every call is over, the server holds none.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::operation::{Call, Outcome, Transport};
use crate::tally::{Place, Tally};

const IN_FLIGHT: &str = "exai_in_flight";

/// Calls that the server says it is at, when nobody waits for one any more.
#[derive(Debug, Default)]
pub struct Permits {
    after: Option<(u64, f64)>,
    /// Calls whose outcome nobody knows: a server may go on with them.
    open: Vec<u64>,
}

impl Permits {
    /// Takes a scrape that brackets the criterion; the last after counts, if it tells the figure.
    pub fn scrape(&mut self, at: u64, moment: &str, values: &BTreeMap<String, f64>) {
        if let ("after", Some(held)) = (moment, values.get(IN_FLIGHT)) {
            self.after = Some((at, *held));
        }
    }

    /// Takes any call of the run. A server on a pipe is a process of its own.
    pub fn call(&mut self, call: &Call) {
        if call.outcome == Outcome::Unknown && call.transport != Transport::Stdio {
            self.open.push(call.sent_at);
        }
    }

    /// Writes the row, if the figure was read: at most as many as there are calls of which nobody
    /// knows what came.
    pub fn conclude(self, finding: &mut Finding) {
        let Some((at, held)) = self.after else {
            return;
        };
        let open = self.open.iter().filter(|sent| **sent <= at).count();
        #[expect(clippy::cast_precision_loss, reason = "call counts are far below 2^53")]
        let is_lawful = held <= open as f64;
        let says = format!("{IN_FLIGHT} is {held} when {open} calls at most are not over");
        let mut law = Tally::new("permits", "quiet points at which a call held its place");
        let place = Place::Moment(at, "metrics scraper");
        law.trial(false, place, (!is_lawful).then_some(says));
        law.conclude(finding);
    }
}
