//! Whether the load generator was able to ask what the plan wanted asked.

use crate::bounds;
use crate::criterion::{Criterion, Missing};
use crate::finding::{Check, Finding};
use crate::observation::LoadAccount;
use crate::tally;
use crate::verdict::{Reason, Verdict};

/// The generator's limits.
#[derive(Debug, Clone, Copy)]
pub struct Generator {
    lag: u64,
    share: f64,
}

impl Generator {
    /// Reads the limits `lag_p99_ms` and `ceiling_share`.
    ///
    /// # Errors
    /// The catalogue lacks one.
    pub fn start(rows: &Criterion) -> Result<Self, Missing> {
        Ok(Self {
            lag: rows.nanos("lag_p99_ms")?,
            share: rows.limit("ceiling_share")?,
        })
    }

    /// The most lag, ns, with which the generator still keeps its plan.
    #[must_use]
    pub const fn lag(self) -> u64 {
        self.lag
    }

    /// Writes a row each for dropped arrivals, lag and, unless its limit is 0, saturation. None of
    /// them is the server's; without an account of the load they are open.
    pub fn conclude(self, loads: &[LoadAccount], finding: &mut Finding) {
        let planned: u64 = loads.iter().map(|load| load.planned).sum();
        let unsent = |load: &LoadAccount| load.dropped.max(load.planned.saturating_sub(load.sent));
        let dropped: u64 = loads.iter().map(unsent).sum();
        row(
            finding,
            ("dropped", "planned arrivals that were not sent"),
            (bounds::share_text(dropped, planned), "0".to_owned()),
            match loads {
                [] => Some(Reason::EventNotSeen),
                _ => (dropped > 0).then_some(Reason::DroppedArrivals),
            },
            planned,
        );
        let lag = loads.iter().map(|load| load.lag_p99).max();
        row(
            finding,
            ("lag", "99th percentile of the generator's own lag"),
            (
                lag.map_or_else(unmeasured, tally::millis),
                format!("≤ {}", tally::millis(self.lag)),
            ),
            beyond(lag, |lag| lag > self.lag),
            planned,
        );
        if self.share <= 0.0 {
            return;
        }
        let used = loads
            .iter()
            .filter_map(|load| Some(load.rate / load.ceiling?));
        let used = used.reduce(f64::max);
        row(
            finding,
            (
                "ceiling",
                "offered rate as a share of the generator's ceiling",
            ),
            (
                used.map_or_else(unmeasured, bounds::percent_up),
                format!("≤ {}", bounds::percent_up(self.share)),
            ),
            beyond(used, |used| used > self.share),
            planned,
        );
    }
}

fn unmeasured() -> String {
    "not measured".to_owned()
}

/// What a figure leaves open: all where nobody measured it, its limit where it is beyond that.
fn beyond<T>(figure: Option<T>, is_beyond: impl Fn(T) -> bool) -> Option<Reason> {
    match figure {
        None => Some(Reason::EventNotSeen),
        Some(figure) => is_beyond(figure).then_some(Reason::RigLimit),
    }
}

fn row(
    finding: &mut Finding,
    (id, name): (&str, &str),
    (measured, limit): (String, String),
    reason: Option<Reason>,
    n: u64,
) {
    finding.checks.push(Check {
        id: id.to_owned(),
        name: name.to_owned(),
        measured,
        limit,
        verdict: if reason.is_some() {
            Verdict::Inconclusive
        } else {
            Verdict::Pass
        },
        reason,
        n,
    });
}
