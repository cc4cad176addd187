//! Healthy traffic beside hostile input: as good and nearly as fast as in calm.

use crate::bounds::{self, bootstrap};
use crate::checker::Seen;
use crate::criterion::{Criterion, Missing};
use crate::finding::{Check, Finding};
use crate::operation::Call;
use crate::proof;
use crate::run_key::RunKey;
use crate::tally::{self, Place, Tally};
use crate::verdict::{Reason, Verdict};

const CALM: &str = "calm";
const HOSTILE: &str = "hostile";

pub(super) struct Healthy {
    calm: Vec<(u64, u64)>,
    hostile: Vec<(u64, u64)>,
    errors: Tally,
    gap: u64,
}

impl Healthy {
    pub(super) fn start(rows: &Criterion) -> Result<Self, Missing> {
        Ok(Self {
            calm: Vec::new(),
            hostile: Vec::new(),
            errors: Tally::new("healthy", "healthy calls that hostile input harmed"),
            gap: rows.nanos("p99_gap_ms")?,
        })
    }

    pub(super) fn call(&mut self, key: &RunKey, seen: &Seen<'_>, call: &Call) {
        let side = match call.phase.as_str() {
            CALM => &mut self.calm,
            HOSTILE => &mut self.hostile,
            _ => return,
        };
        let wrong = proof::prove(key, seen.journal, call).wrong();
        self.errors.trial(seen.is_tainted, Place::Call(call), wrong);
        if !seen.is_tainted {
            side.push((call.intended_at, call.latency()));
        }
    }

    pub(super) fn conclude(self, rows: &Criterion, finding: &mut Finding) -> Result<(), Missing> {
        self.errors.conclude_if_tried(finding);
        let needed = rows.floor("ratio_samples")?;
        let least = self.calm.len().min(self.hostile.len());
        let least = u64::try_from(least).unwrap_or(u64::MAX);
        let event = "healthy calls on each side of the comparison";
        tally::floor(
            finding,
            "ratio_samples",
            event,
            (needed, least),
            Reason::BelowFloor,
        );
        if least == 0 {
            return Ok(());
        }
        let limit = rows.limit("p99_ratio")?;
        let [hostile, calm] = [self.hostile, self.calm].map(bootstrap::closed_up);
        let Some(ratio) = bootstrap::ratio_bounds(&hostile, &calm, bounds::P99) else {
            return Ok(());
        };
        #[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53")]
        let gap = self.gap as f64;
        let verdict = if ratio.upper <= limit || ratio.gap_upper <= gap {
            Verdict::Pass
        } else if ratio.lower > limit && ratio.gap_lower > gap {
            Verdict::Fail
        } else {
            Verdict::Inconclusive
        };
        let is_thin = least < rows.count("ratio_least")?;
        let verdict = if is_thin {
            Verdict::Inconclusive
        } else {
            verdict
        };
        finding.checks.push(Check {
            id: "p99_ratio".to_owned(),
            name: "healthy p99 beside hostile input over calm".to_owned(),
            measured: format!("× {:.2} to {:.2}", ratio.lower, ratio.upper),
            limit: format!("≤ × {limit} or + {}", tally::millis(self.gap)),
            verdict,
            reason: (verdict == Verdict::Inconclusive).then_some(Reason::BelowFloor),
            n: least,
        });
        Ok(())
    }
}
