//! V.5p: no append is acknowledged before its write was synced, as a trace of system calls shows.
//!
//! It is a row beside V.5 and no part of it: a kill says nothing of writes that were not synced.

use std::collections::BTreeMap;

use super::{Brief, Checker, Seen};
use crate::bounds;
use crate::criterion::Missing;
use crate::finding::{Check, Finding};
use crate::observation::{Event, TraceSeen};
use crate::operation::{Outcome, ThreadAction};
use crate::tally::{self, Place, Tally};
use crate::verdict::{Reason, Verdict};

/// The witness.
const ACTOR: &str = "system-call trace";

/// The checker of V.5p.
pub struct Power<'a> {
    brief: Brief<'a>,
    needed: u64,
    /// Operation of an acknowledged append to when it was, and whether the rig was at fault.
    acknowledged: BTreeMap<u64, (u64, bool)>,
    traces: Vec<TraceSeen>,
}

impl<'a> Power<'a> {
    /// Starts.
    ///
    /// # Errors
    /// The catalogue lacks `appends`.
    pub fn start(brief: Brief<'a>) -> Result<Self, Missing> {
        Ok(Self {
            brief,
            needed: brief.criterion.floor("appends")?,
            acknowledged: BTreeMap::new(),
            traces: Vec::new(),
        })
    }

    /// Judges every acknowledged append that the traces show whole; how many outside rig faults.
    fn judge(&self, finding: &mut Finding) -> u64 {
        let mut synced = Tally::new(
            "synced",
            "appends acknowledged before their write was synced to the store's file",
        );
        for append in self.traces.iter().flat_map(|trace| &trace.appends) {
            let call = self.acknowledged.get(&append.op);
            let Some((at, is_tainted)) = call.filter(|_| append.is_whole()) else {
                continue;
            };
            let place = Place::Operation(append.op, *at, ACTOR);
            let wrong = append.fault();
            let says = wrong.map(|wrong| format!("operation {} {wrong}", append.op));
            synced.trial(*is_tainted, place, says);
        }
        let (bad, judged) = (synced.count(), synced.trials());
        finding.headline = format!(
            "{bad} of {} traced appends acknowledged before they were synced",
            bounds::grouped(judged)
        );
        synced.conclude_if_tried(finding);
        judged
    }
}

impl Checker for Power<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        let id = &self.brief.criterion.id;
        match seen.event {
            Event::Traced(trace) if trace.criterion == *id => self.traces.push(trace.clone()),
            Event::Call(call) if call.criterion == *id && call.outcome == Outcome::Ok => {
                let action = call.thread.as_ref().map(|thread| thread.action);
                if matches!(action, Some(ThreadAction::Create | ThreadAction::Append)) {
                    self.acknowledged
                        .insert(call.op, (call.done_at, seen.is_tainted));
                }
            }
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> Result<Finding, Missing> {
        let mut finding = tally::blank(&self.brief.criterion.id);
        let judged = self.judge(&mut finding);
        let mut reason = Reason::BelowFloor;
        let refusals = self.traces.iter().filter_map(|trace| {
            let why = trace.refused.as_ref()?;
            Some((trace, why))
        });
        for (trace, why) in refusals {
            reason = Reason::MissingDependency;
            finding.headline = format!("no trace of the {}: {why}", trace.process);
            finding.checks.push(Check {
                id: "trace".to_owned(),
                name: format!("the system calls of the {} were traced", trace.process),
                measured: why.clone(),
                limit: "a trace".to_owned(),
                verdict: Verdict::Inconclusive,
                reason: Some(reason),
                n: judged,
            });
        }
        let event = "acknowledged appends whose write and acknowledgement a trace shows";
        let count = (self.needed, judged);
        tally::floor(&mut finding, "appends", event, count, reason);
        finding.conclude();
        Ok(finding)
    }
}
