//! Denials as clients saw them against the lines of the audit log.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Finding;
use crate::observation::{AuditSeen, Case};
use crate::operation::Call;
use crate::tally::{Place, Tally};

const DENIED: &str = "denied";

/// Both sides, by correlation id.
#[derive(Debug, Default)]
pub(super) struct AuditBook {
    /// Denials that must leave one line: correlation id to (when, what).
    demanded: BTreeMap<String, (u64, String)>,
    /// Audited denials whose reply named no correlation id.
    nameless: Vec<(u64, String)>,
    /// Correlation ids of any reply a client saw: their lines are not invented.
    known: BTreeSet<String>,
    /// Lines of denials: correlation id to (first seen, how many).
    lines: BTreeMap<String, (u64, u64)>,
    reasons: BTreeSet<String>,
    unchained: Vec<u64>,
    read: u64,
}

impl AuditBook {
    /// A client saw this correlation id, whatever came of the case.
    pub(super) fn reply(&mut self, case: &Case) {
        self.known.extend(case.correlation_id.clone());
    }

    pub(super) fn denied(&mut self, at: u64, case: &Case) {
        if !case.audited {
            return;
        }
        let what = format!("{} over {}", case.id, case.edge);
        match &case.correlation_id {
            Some(id) => {
                self.demanded.insert(id.clone(), (at, what));
            }
            None => self.nameless.push((at, what)),
        }
    }

    pub(super) fn call(&mut self, call: &Call) {
        let of_failure = call
            .failure
            .as_ref()
            .and_then(|failure| failure.correlation_id.clone());
        let of_meta = call
            .meta
            .as_ref()
            .and_then(|meta| meta.correlation_id.clone());
        self.known.extend(of_failure.into_iter().chain(of_meta));
    }

    pub(super) fn line(&mut self, at: u64, line: &AuditSeen) {
        self.read += 1;
        if !line.chained {
            self.unchained.push(at);
        }
        if line.decision == DENIED {
            self.reasons.insert(line.reason.clone());
            self.lines
                .entry(line.correlation_id.clone())
                .or_insert((at, 0))
                .1 += 1;
        }
    }

    /// Denials that have their line, and kinds of denial among the lines.
    pub(super) fn counts(&self) -> (u64, u64) {
        let audited = self
            .demanded
            .keys()
            .filter(|id| self.lines.contains_key(*id))
            .count();
        let count = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
        (count(audited), count(self.reasons.len()))
    }

    pub(super) fn conclude(self, finding: &mut Finding) {
        let mut audit = Tally::new("audit", "denials not audited exactly once");
        for (id, (at, what)) in &self.demanded {
            let lines = self.lines.get(id).map_or(0, |(_, count)| *count);
            let says = format!("the denial of {what} left {lines} audit lines");
            audit.trial(
                false,
                Place::Moment(*at, "audit log"),
                (lines != 1).then_some(says),
            );
        }
        for (at, what) in &self.nameless {
            let says = format!("the denial of {what} named no correlation id");
            audit.bad(false, Place::Moment(*at, "client"), says);
        }
        audit.conclude(finding);
        let mut invented = Tally::new("invented", "audit lines of denials no client saw");
        for (id, (at, _)) in &self.lines {
            let is_known =
                id.is_empty() || self.known.contains(id) || self.demanded.contains_key(id);
            let says = format!("the audit log denies {id}, which no client saw");
            invented.trial(
                false,
                Place::Moment(*at, "audit log"),
                (!is_known).then_some(says),
            );
        }
        invented.conclude_if_tried(finding);
        let mut chain = Tally::new("chain", "audit lines that do not chain to the one before");
        for at in &self.unchained {
            let says = "an audit line does not chain to the one before".to_owned();
            chain.bad(false, Place::Moment(*at, "audit log"), says);
        }
        let unchained = u64::try_from(self.unchained.len()).unwrap_or(u64::MAX);
        (unchained..self.read).for_each(|_| chain.good(false));
        chain.conclude_if_tried(finding);
    }
}
