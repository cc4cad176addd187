//! Who is told when to come again, and comes exactly then, is let in.

use std::collections::BTreeMap;

use crate::checker::Seen;
use crate::criterion::{Criterion, Missing};
use crate::finding::Finding;
use crate::operation::{Call, Outcome};
use crate::rate::Rate;
use crate::tally::{self, Place};
use crate::units::MILLISECOND;
use crate::verdict::Reason;

/// One lane after the other of a scope: `retry.principal.2`. Nobody else sends in its scope.
const PHASE: &str = "retry.";
const RATE_LIMIT: &str = "rate_limit_error";

/// The tries of each lane.
pub(super) struct Retries {
    /// What the latest refusal of a lane told: when to come again, ns.
    told: BTreeMap<String, u64>,
    /// By scope.
    tries: BTreeMap<String, Rate>,
    line: f64,
    slack: u64,
}

impl Retries {
    pub(super) fn start(rows: &Criterion) -> Result<Self, Missing> {
        Ok(Self {
            told: BTreeMap::new(),
            tries: BTreeMap::new(),
            line: rows.limit("retry_errors")?,
            slack: rows.nanos("retry_slack_ms")?,
        })
    }

    /// A call of a lane: what follows a refusal at the moment that it told is a try. One that comes
    /// before is none, and one that comes later than the slack says nothing of the moment.
    pub(super) fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        let Some(lane) = call.phase.strip_prefix(PHASE) else {
            return;
        };
        let due = self.told.remove(lane);
        let is_exact = |due: u64| (due..=due.saturating_add(self.slack)).contains(&call.sent_at);
        let is_lost = call.outcome == Outcome::Unknown;
        if let Some(due) = due.filter(|due| is_exact(*due) && !is_lost) {
            let scope = lane.split('.').next().unwrap_or(lane);
            let row = || {
                let name = format!("calls refused at the moment told to scope {scope}");
                Rate::new(&format!("retry.{scope}"), &name, self.line)
            };
            let says = format!(
                "operation {} was refused, sent {} after the moment it was told",
                call.op,
                tally::millis(call.sent_at - due)
            );
            let wrong = (call.outcome == Outcome::Refused).then_some(says);
            let tries = self.tries.entry(scope.to_owned()).or_insert_with(row);
            tries.trial(seen.is_tainted, Place::Call(call), wrong);
        }
        let failure = call.failure.as_ref();
        let refused = failure.filter(|failure| failure.category == RATE_LIMIT);
        if let Some(wait) = refused.and_then(|failure| failure.retry_after_ms) {
            let due = call
                .done_at
                .saturating_add(wait.saturating_mul(MILLISECOND));
            self.told.insert(lane.to_owned(), due);
        }
    }

    pub(super) fn conclude(
        mut self,
        rows: &Criterion,
        finding: &mut Finding,
    ) -> Result<(), Missing> {
        let tried = rows.list("retry_scopes")?;
        let scopes = rows.list("rate_scopes")?.iter();
        let untried = scopes.filter(|scope| !tried.contains(scope));
        finding.not_tested.extend(untried.map(|scope| {
            format!("whether Retry-After names the moment of acceptance in scope {scope}")
        }));
        for scope in tried {
            let tries = self.tries.remove(scope);
            let seen = tries.as_ref().map_or(0, Rate::trials);
            let count = (rows.floor("retries")?, seen);
            let event = format!("calls sent exactly when told to scope {scope}");
            let id = format!("retries.{scope}");
            tally::floor(finding, &id, &event, count, Reason::BelowFloor);
            if let Some(tries) = tries {
                tries.conclude(finding);
            }
        }
        Ok(())
    }
}
