//! The law of denials: the server's counter of denials moved by as many as clients saw.

use std::collections::BTreeMap;

use crate::denial::Denied;
use crate::finding::Finding;
use crate::observation::Case;
use crate::operation::{Call, Outcome, Transport};
use crate::series;
use crate::tally::{Place, Tally};

const DENIALS: &str = "exai_denials_total";
const REASON: &str = "reason";

/// Compares `exai_denials_total` around a workload with the denials that clients saw meanwhile.
#[derive(Debug, Default)]
pub struct Denials {
    before: Option<(u64, f64)>,
    after: Option<(u64, f64)>,
    /// When each call that was denied was sent and done.
    denied: Vec<(u64, u64)>,
    /// The same of calls without an answer: the server may have denied them.
    open: Vec<(u64, u64)>,
    /// When a case was denied; when it was sent nobody noted.
    cases: Vec<u64>,
}

impl Denials {
    /// Takes a scrape that brackets the criterion; the first before and the last after count.
    pub fn scrape(&mut self, at: u64, moment: &str, values: &BTreeMap<String, f64>) {
        let sum = || (at, series::by_label(values, DENIALS, REASON).values().sum());
        match moment {
            "before" if self.before.is_none() => self.before = Some(sum()),
            "after" => self.after = Some(sum()),
            _ => {}
        }
    }

    /// Takes any call of the run. A server on a pipe is a process of its own.
    pub fn call(&mut self, call: &Call) {
        if Denied::of_call(call).is_some() {
            self.denied.push((call.sent_at, call.done_at));
        } else if call.outcome == Outcome::Unknown && call.transport != Transport::Stdio {
            self.open.push((call.sent_at, call.done_at));
        }
    }

    /// Takes any case of the run.
    pub fn case(&mut self, at: u64, case: &Case) {
        self.cases
            .extend(Denied::of_case(at, case).map(|denied| denied.at));
    }

    /// Scrapes on either side of the workload: 2 are needed.
    #[must_use]
    pub fn scrapes(&self) -> u64 {
        u64::from(self.before.is_some()) + u64::from(self.after.is_some())
    }

    /// Writes the row, if the counter was read before and after any denial.
    pub fn conclude(self, finding: &mut Finding) {
        let (Some(before), Some(after)) = (self.before, self.after) else {
            return;
        };
        let inside = |(sent, done): &&(u64, u64)| before.0 <= *sent && *done <= after.0;
        let least = self.denied.iter().filter(inside).count();
        let touches = |(sent, done): &&(u64, u64)| before.0 <= *done && *sent <= after.0;
        let calls = self.denied.iter().chain(&self.open).filter(touches);
        let cases = self.cases.iter().filter(|at| before.0 <= **at);
        let most = calls.count() + cases.count();
        let moved = after.1 - before.1;
        if most == 0 && moved <= 0.0 {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "call counts are far below 2^53")]
        let is_lawful = least as f64 <= moved && moved <= most as f64;
        let says =
            format!("{DENIALS} moved by {moved} while clients saw {least} to {most} denials");
        let name = "counters of denials that did not move by what clients saw";
        let mut law = Tally::new("denials_counted", name);
        let place = Place::Moment(after.0, "metrics scraper");
        law.trial(false, place, (!is_lawful).then_some(says));
        law.conclude(finding);
    }
}
