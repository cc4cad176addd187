//! What V.2 counts.

use crate::finding::Finding;
use crate::tally::{self, Tally};
use crate::units;

/// The check of failovers.
const FAILOVER: &str = "failover";

/// One tally a check.
pub(super) struct Rows {
    pub(super) reaction: Tally,
    pub(super) next_call: Tally,
    pub(super) failover: Tally,
    pub(super) silent: Tally,
    pub(super) flagged: Tally,
    pub(super) budget: Tally,
    pub(super) truncated: Tally,
    pub(super) typed: Tally,
    pub(super) breaker: Tally,
    pub(super) thread: Tally,
}

impl Rows {
    pub(super) fn new() -> Self {
        Self {
            reaction: Tally::new("reaction", "faults not met as their row demands"),
            next_call: Tally::new("next_call", "sessions whose next call was not good"),
            failover: Tally::new(FAILOVER, "failovers that took too long"),
            silent: Tally::new("silent", "silent providers left too late"),
            flagged: Tally::new("flagged", "providers asked again without quota"),
            budget: Tally::new("budget", "calls beyond the retry budget"),
            truncated: Tally::new("truncated", "truncated answers shown as whole"),
            typed: Tally::new("typed", "failures without one of the ten categories"),
            breaker: Tally::new("breaker", "breakers that never open or stay open"),
            thread: Tally::new("thread", "threads a fault left broken"),
        }
    }

    /// Writes the rows; those whose trials another floor counts only when tried.
    pub(super) fn conclude(self, finding: &mut Finding) {
        for tally in [self.reaction, self.next_call, self.budget, self.truncated] {
            tally.conclude(finding);
        }
        for tally in [
            self.thread,
            self.failover,
            self.silent,
            self.flagged,
            self.typed,
            self.breaker,
        ] {
            tally.conclude_if_tried(finding);
        }
    }
}

/// The middle and the longest of what failovers took, ns; nothing where there were none.
pub(super) fn spread(times: &[u64]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let (Some(middle), Some(longest)) = (units::middle(&sorted), sorted.last()) else {
        return String::new();
    };
    let (middle, longest) = (tally::millis(middle), tally::millis(*longest));
    format!(", p50 {middle}, max {longest}")
}

/// Publishes what each failover took, ns: all of them as a series, middle and longest beside the
/// count of those that took too long.
pub(super) fn time_failovers(times: &[u64], finding: &mut Finding) {
    let row = finding.checks.iter_mut().find(|check| check.id == FAILOVER);
    let Some(row) = row.filter(|_| !times.is_empty()) else {
        return;
    };
    row.measured.push_str(&spread(times));
    let mut number = 0.0;
    let points = times.iter().map(|time| {
        number += 1.0;
        (number, units::seconds(*time))
    });
    let points = points.collect();
    finding.series.insert(FAILOVER.to_owned(), points);
}
