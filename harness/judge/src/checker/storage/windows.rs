//! How much of the criterion's own time lies inside fault windows.

use super::outage;
use crate::bounds;
use crate::checker::Brief;
use crate::finding::{Check, Finding};
use crate::ground::FaultLife;
use crate::timeline::Timeline;
use crate::verdict::{Reason, Verdict};

/// Fault windows as a share of the criterion's own time; too large a share is our planning. A long
/// absence of the store has a phase of its own and counts for neither.
pub(super) fn share(brief: Brief<'_>, limit: f64, finding: &mut Finding) {
    let ground = brief.ground;
    let id = &brief.criterion.id;
    let mine = || {
        let lives = ground.faults_of(id);
        lives.filter(|life| !outage::is_of(ground, id, life))
    };
    let spans = ground
        .summary
        .spans
        .iter()
        .filter(|span| span.criterion == *id && span.phase != outage::PHASE);
    let ends = |until: Option<u64>| until.unwrap_or(ground.summary.until);
    let from = spans.clone().map(|span| span.from).min();
    let until = spans.map(|span| ends(span.until)).max();
    let (Some(from), Some(until)) = (from, until) else {
        return;
    };
    let windows =
        mine().filter_map(|life: &FaultLife| Some((life.injected?, life.until.min(until))));
    let line = Timeline::new(windows);
    #[expect(
        clippy::cast_precision_loss,
        reason = "ns of one run are far below 2^53"
    )]
    let share = line.busy() as f64 / until.saturating_sub(from).max(1) as f64;
    let verdict = if share <= limit {
        Verdict::Pass
    } else {
        Verdict::Inconclusive
    };
    finding.checks.push(Check {
        id: "window_share".to_owned(),
        name: "share of the time inside fault windows".to_owned(),
        measured: bounds::percent_up(share),
        limit: format!("≤ {}", bounds::percent_up(limit)),
        verdict,
        reason: (verdict != Verdict::Pass).then_some(Reason::RigLimit),
        n: u64::try_from(mine().count()).unwrap_or(u64::MAX),
    });
}
