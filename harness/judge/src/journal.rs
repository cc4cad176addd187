//! The simulators' journals joined to calls: which provider requests an operation caused.
//!
//! Entries are kept as long as an open call may still claim them, not for the whole run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::observation::{Delivered, Served};
use crate::operation::{Call, Outcome, ProofKind};
use crate::tracer;

/// One provider request, from receipt to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When the simulator had received it, ns.
    pub began: u64,
    /// What it received.
    pub served: Served,
    /// How it ended, once it has: when, ns, and what was sent.
    pub ended: Option<(u64, Delivered)>,
}

impl Attempt {
    /// How the simulator ended it, if the journal says.
    #[must_use]
    pub fn delivered(&self) -> Option<&Delivered> {
        self.ended.as_ref().map(|(_, delivered)| delivered)
    }
}

/// The window of journal entries that open calls may refer to.
#[derive(Debug, Default)]
pub struct Journal {
    entries: BTreeMap<String, Attempt>,
    by_tracer: BTreeMap<String, BTreeSet<String>>,
    early_ends: BTreeMap<String, (u64, Delivered)>,
    order: VecDeque<(u64, String)>,
}

impl Journal {
    /// Notes a request; the end may already have been seen.
    pub fn serve(&mut self, at: u64, served: &Served) {
        let ended = self.early_ends.remove(&served.seq);
        for tracer in &served.tracers {
            let seqs = self.by_tracer.entry(tracer.clone()).or_default();
            seqs.insert(served.seq.clone());
        }
        self.order.push_back((at, served.seq.clone()));
        let attempt = Attempt {
            began: at,
            served: served.clone(),
            ended,
        };
        self.entries.insert(served.seq.clone(), attempt);
    }

    /// Notes the end of a request.
    pub fn deliver(&mut self, at: u64, delivered: &Delivered) {
        match self.entries.get_mut(&delivered.seq) {
            Some(attempt) => attempt.ended = Some((at, delivered.clone())),
            None => {
                self.early_ends
                    .insert(delivered.seq.clone(), (at, delivered.clone()));
            }
        }
    }

    /// Forgets what began before `before`.
    pub fn forget(&mut self, before: u64) {
        while self.order.front().is_some_and(|(at, _)| *at < before) {
            let Some((_, seq)) = self.order.pop_front() else {
                break;
            };
            let Some(attempt) = self.entries.remove(&seq) else {
                continue;
            };
            for tracer in &attempt.served.tracers {
                let Some(seqs) = self.by_tracer.get_mut(tracer) else {
                    continue;
                };
                seqs.remove(&seq);
                if seqs.is_empty() {
                    self.by_tracer.remove(tracer);
                }
            }
        }
    }

    /// The request of that sequence, if it is still held.
    #[must_use]
    pub fn entry(&self, seq: &str) -> Option<&Attempt> {
        self.entries.get(seq)
    }

    /// The provider requests a call caused, in order of arrival: those named in its answers, and
    /// those that carry a tracer of one of its own slots and began while it was open.
    ///
    /// Slots called `turn.N` belong to earlier calls of the thread and claim nothing.
    #[must_use]
    pub fn attempts(&self, call: &Call) -> Vec<&Attempt> {
        let mut seqs: BTreeSet<&str> = BTreeSet::new();
        if let ProofKind::Keyed { tracers, .. } | ProofKind::Twin { tracers } = &call.proof {
            let own = tracers
                .iter()
                .filter(|planted| !planted.slot.starts_with("turn."));
            for planted in own {
                let found = self.by_tracer.get(&planted.text);
                let found = found.into_iter().flatten().map(String::as_str);
                seqs.extend(found.filter(|seq| self.is_during(seq, call)));
            }
        }
        for answer in &call.answers {
            let named = tracer::read_line(&answer.first).map(|line| line.seq);
            let held = named.and_then(|seq| self.entries.get_key_value(&seq));
            seqs.extend(held.map(|(seq, _)| seq.as_str()));
        }
        let mut attempts: Vec<&Attempt> = seqs
            .into_iter()
            .filter_map(|seq| self.entries.get(seq))
            .collect();
        attempts
            .sort_by(|one, two| (one.began, &one.served.seq).cmp(&(two.began, &two.served.seq)));
        attempts
    }

    /// A call whose outcome nobody knows may go on after its caller has stopped waiting: a server
    /// does not give up what a lost connection asked for.
    fn is_during(&self, seq: &str, call: &Call) -> bool {
        let began = self.entries.get(seq).map(|attempt| attempt.began);
        let may_go_on = call.outcome == Outcome::Unknown;
        began.is_some_and(|began| call.sent_at <= began && (may_go_on || began <= call.done_at))
    }
}
