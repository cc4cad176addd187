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

    /// Writes a row each for dropped arrivals, lag and saturation. None of them is the server's.
    pub fn conclude(self, loads: &[LoadAccount], finding: &mut Finding) {
        if loads.is_empty() {
            return;
        }
        let planned: u64 = loads.iter().map(|load| load.planned).sum();
        let unsent = |load: &LoadAccount| load.dropped.max(load.planned.saturating_sub(load.sent));
        let dropped: u64 = loads.iter().map(unsent).sum();
        row(
            finding,
            ("dropped", "planned arrivals that were not sent"),
            (bounds::share_text(dropped, planned), "0".to_owned()),
            (dropped > 0).then_some(Reason::DroppedArrivals),
            planned,
        );
        let lag = loads
            .iter()
            .map(|load| load.lag_p99)
            .max()
            .unwrap_or_default();
        row(
            finding,
            ("lag", "99th percentile of the generator's own lag"),
            (tally::millis(lag), format!("≤ {}", tally::millis(self.lag))),
            (lag > self.lag).then_some(Reason::RigLimit),
            planned,
        );
        let used = loads
            .iter()
            .filter_map(|load| Some(load.rate / load.ceiling?));
        let Some(used) = used.reduce(f64::max) else {
            return;
        };
        row(
            finding,
            (
                "ceiling",
                "offered rate as a share of the generator's ceiling",
            ),
            (
                bounds::percent_up(used),
                format!("≤ {}", bounds::percent_up(self.share)),
            ),
            (used > self.share).then_some(Reason::RigLimit),
            planned,
        );
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
