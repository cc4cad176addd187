//! Denials as clients saw them against the lines of the audit log: the same ones, each as often.

use std::collections::{BTreeMap, BTreeSet};

use crate::criterion::{Criterion, Missing};
use crate::denial::Denied;
use crate::finding::Finding;
use crate::observation::{AuditSeen, Case};
use crate::operation::{Call, Outcome};
use crate::tally::{Place, Tally};

const DENIED: &str = "denied";
/// What a case is called that was let in.
const LET_IN: &[&str] = &["accepted", "permitted"];
/// Criteria whose workloads kill no server. A denial just before a kill may never reach the disk.
const UNKILLED: &[&str] = &["V.3", "V.6"];

/// Both sides, by correlation id.
#[derive(Debug)]
pub(super) struct AuditBook {
    /// Denials that must leave one line each.
    demanded: BTreeMap<String, Vec<Denied>>,
    /// Audited denials whose reply named no correlation id.
    nameless: Vec<Denied>,
    /// Correlation ids of any reply a client saw: their lines are not invented.
    known: BTreeSet<String>,
    /// Those of replies that let the caller in.
    let_in: BTreeSet<String>,
    /// Lines of denials and when each was read.
    lines: BTreeMap<String, Vec<(u64, AuditSeen)>>,
    /// When a line was read that stands for others, and for how many all such lines do.
    stands_for: Option<(u64, u64)>,
    /// As many denials the log may have waiting; of more it may tell the count alone.
    flood: u64,
    reasons: BTreeSet<String>,
    unchained: Vec<u64>,
    read: u64,
}

impl AuditBook {
    /// Reads its number.
    pub(super) fn start(rows: &Criterion) -> Result<Self, Missing> {
        Ok(Self {
            demanded: BTreeMap::new(),
            nameless: Vec::new(),
            known: BTreeSet::new(),
            let_in: BTreeSet::new(),
            lines: BTreeMap::new(),
            stands_for: None,
            flood: rows.count("audit_queue")?,
            reasons: BTreeSet::new(),
            unchained: Vec::new(),
            read: 0,
        })
    }

    /// A client saw this correlation id, whatever came of the case; a denial must be on record,
    /// unless our own rig was at fault.
    pub(super) fn reply(&mut self, at: u64, is_tainted: bool, case: &Case) {
        self.known.extend(case.correlation_id.clone());
        if LET_IN.contains(&case.seen.as_str()) {
            self.let_in.extend(case.correlation_id.clone());
        }
        let denied = Denied::of_case(at, case).filter(|_| !is_tainted);
        self.demand(case.correlation_id.as_ref(), denied);
    }

    fn demand(&mut self, id: Option<&String>, denied: Option<Denied>) {
        match (denied, id) {
            (Some(denied), Some(id)) => self.demanded.entry(id.clone()).or_default().push(denied),
            (Some(denied), None) => self.nameless.push(denied),
            (None, _) => {}
        }
    }

    /// The same of a call of the run, whichever criterion planned it.
    pub(super) fn call(&mut self, is_tainted: bool, call: &Call) {
        let failure = call.failure.as_ref();
        let of_failure = failure.and_then(|failure| failure.correlation_id.as_ref());
        let meta = call.meta.as_ref();
        let of_meta = meta.and_then(|meta| meta.correlation_id.as_ref());
        self.known
            .extend(of_failure.into_iter().chain(of_meta).cloned());
        if call.outcome == Outcome::Ok && failure.is_none() {
            self.let_in.extend(of_meta.cloned());
        }
        if !is_tainted && UNKILLED.contains(&call.criterion.as_str()) {
            self.demand(of_failure, Denied::of_call(call));
        }
    }

    pub(super) fn line(&mut self, at: u64, line: &AuditSeen) {
        self.read += 1;
        if !line.chained {
            self.unchained.push(at);
        }
        if line.stands_for > 0 {
            let (_, before) = self.stands_for.unwrap_or_default();
            self.stands_for = Some((at, before.saturating_add(line.stands_for)));
        }
        if line.decision == DENIED {
            self.reasons.insert(line.reason.clone());
            let lines = self.lines.entry(line.correlation_id.clone()).or_default();
            lines.push((at, line.clone()));
        }
    }

    /// Denials that have their line, and kinds of denial among the lines.
    pub(super) fn counts(&self) -> (u64, u64) {
        let of = |(id, denials): (&String, &Vec<Denied>)| {
            let lines = self.lines.get(id).map_or(0, Vec::len);
            denials.len().min(lines)
        };
        let audited = self.demanded.iter().map(of).sum();
        (count(audited), count(self.reasons.len()))
    }

    pub(super) fn conclude(self, finding: &mut Finding) {
        self.compare().conclude(finding);
        self.invented().conclude_if_tried(finding);
        let mut chain = Tally::new("chain", "audit lines that do not chain to the one before");
        for at in &self.unchained {
            let says = "an audit line does not chain to the one before".to_owned();
            chain.bad(false, Place::Moment(*at, "audit log"), says);
        }
        (count(self.unchained.len())..self.read).for_each(|_| chain.good(false));
        chain.conclude_if_tried(finding);
    }

    /// Each denial beside its line.
    fn compare(&self) -> Tally {
        let name = "denials not audited exactly once, as what they were";
        let mut audit = Tally::new("audit", name);
        let mut floods: Vec<&Denied> = Vec::new();
        for (id, denials) in &self.demanded {
            let lines = self.lines.get(id).map_or(&[][..], Vec::as_slice);
            let surplus = lines.len().saturating_sub(denials.len());
            for (number, denied) in denials.iter().enumerate() {
                let what = &denied.what;
                let wrong = match lines.get(number) {
                    None if denied.is_by_rate() && self.stands_for.is_some() => {
                        floods.push(denied);
                        continue;
                    }
                    None => Some(format!("the denial of {what} left no audit line")),
                    Some((_, line)) => denied
                        .differs(line)
                        .map(|how| format!("the audit line of {what} {how}")),
                };
                audit.trial(false, Place::Moment(denied.at, "audit log"), wrong);
            }
            if let (Some(denied), true) = (denials.first(), surplus > 0) {
                let (what, lines) = (&denied.what, lines.len());
                let says = format!("the denial of {what} left {lines} audit lines");
                audit.bad(false, Place::Moment(denied.at, "audit log"), says);
            }
        }
        for denied in &self.nameless {
            let says = format!("the denial of {} named no correlation id", denied.what);
            audit.bad(false, Place::Moment(denied.at, "client"), says);
        }
        self.summed(&floods, &mut audit);
        audit
    }

    /// Refusals by rate that have no line of their own beside the lines that count some.
    fn summed(&self, floods: &[&Denied], audit: &mut Tally) {
        let Some((at, told)) = self.stands_for else {
            return;
        };
        let (unlined, all) = (count(floods.len()), self.denials());
        let place = Place::Moment(at, "audit log");
        if told != unlined {
            let says = format!("{told} refusals are told by their count, and {unlined} were so");
            audit.bad(false, place, says);
        } else if all <= self.flood {
            let flood = self.flood;
            let says = format!("{told} of {all} denials are counted alone, and {flood} may wait");
            audit.bad(false, place, says);
        } else {
            floods.iter().for_each(|_| audit.good(false));
        }
    }

    fn denials(&self) -> u64 {
        count(self.demanded.values().map(Vec::len).sum())
    }

    /// Each line beside what clients saw.
    fn invented(&self) -> Tally {
        let mut invented = Tally::new("invented", "audit lines of denials no client saw");
        for (id, lines) in &self.lines {
            let Some((at, _)) = lines.first() else {
                continue;
            };
            let wrong = if id.is_empty() || self.demanded.contains_key(id) {
                None
            } else if self.let_in.contains(id) {
                Some(format!(
                    "the audit log denies {id}, and the client was let in"
                ))
            } else if self.known.contains(id) {
                None
            } else {
                Some(format!("the audit log denies {id}, which no client saw"))
            };
            invented.trial(false, Place::Moment(*at, "audit log"), wrong);
        }
        invented
    }
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}
