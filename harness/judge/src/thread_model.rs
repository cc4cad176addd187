//! What conversation threads must look like, whoever reads them (judging.md §5).
//!
//! An exchange is known by the digest of its answer, which no two provider requests share: the
//! journal's sequence stands in it. Reads come three ways: the thread resource, the history in the
//! next provider request, and either of them after a restart.

mod append;
mod keys;
mod lifetime;
mod spine;
mod trials;

use std::collections::{BTreeMap, BTreeSet};

use crate::criterion::{Criterion, Missing};
use crate::finding::Finding;
use crate::journal::Journal;
use crate::operation::{Call, Outcome, ThreadAction};
use crate::tally::{Place, Tally};

use append::{Append, Try};
pub use spine::Anomaly;
pub use trials::Trials;

/// Names of anomalies, in the order of the reports.
pub const ANOMALIES: [(&str, &str); 16] = [
    ("lost", "acknowledged turns that a later read lacks"),
    ("doubled", "turns stored twice"),
    (
        "doubled_by_key",
        "repeated keys that were stored, numbered or answered anew",
    ),
    ("reused_key", "keys that were taken for other words"),
    (
        "reordered",
        "turns in another order than they were acknowledged",
    ),
    ("stale", "reads that lack a turn acknowledged before"),
    ("future", "reads that show a turn not yet sent"),
    ("backwards", "reads shorter than an earlier one"),
    ("diverged", "reads that contradict another read"),
    ("phantom", "turns nobody sent, or sent to another thread"),
    ("refused_done", "refused turns that were stored"),
    ("wrong_number", "turns numbered otherwise than they stand"),
    ("torn", "turns without their answer or with another's text"),
    ("cap", "threads beyond the cap, or full before it"),
    ("resurrected", "threads that answer after their end"),
    ("early_expiry", "threads gone before their time"),
];

/// What is said of a thread that is not there.
const UNKNOWN: [&str; 4] = [
    "not_found",
    "thread_not_found",
    "unknown_thread",
    "thread_expired",
];

/// The one tool that sends a thread's history as messages of their own; others fold it into a text.
const CHAT: &str = "chat";

/// The rules' numbers.
#[derive(Debug, Clone, Copy)]
pub struct ThreadRules {
    /// Exchanges a thread holds at most.
    pub exchanges: u64,
    /// Time to live after the last acknowledged append, ns.
    pub ttl: u64,
    /// What clocks may differ by, ns.
    pub epsilon: u64,
}

impl ThreadRules {
    /// Reads `exchanges`, `ttl_s` and `clock_s`.
    ///
    /// # Errors
    /// The catalogue lacks one.
    pub fn read(rows: &Criterion) -> Result<Self, Missing> {
        Ok(Self {
            exchanges: rows.count("exchanges")?,
            ttl: rows.nanos("ttl_s")?,
            epsilon: rows.nanos("clock_s")?,
        })
    }
}

/// Everything done to threads.
#[derive(Debug, Default)]
pub struct ThreadModel {
    threads: BTreeMap<String, Thread>,
    elements: Elements,
}

/// Digests as small numbers.
#[derive(Debug, Default)]
struct Elements(BTreeMap<String, u32>);

impl Elements {
    fn id(&mut self, digest: &str) -> u32 {
        if let Some(id) = self.0.get(digest) {
            return *id;
        }
        let id = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.insert(digest.to_owned(), id);
        id
    }
}

/// One thread's operations.
#[derive(Debug, Default)]
struct Thread {
    appends: BTreeMap<String, Append>,
    reads: Vec<Read>,
    /// When a delete was acknowledged, and whether one was tried at all.
    deleted: Option<u64>,
    delete_tried: bool,
    /// Refusals that say the thread is full or unknown.
    refusals: Vec<Refusal>,
}

#[derive(Debug, Clone)]
struct Read {
    op: u64,
    start: u64,
    end: u64,
    /// Answer digests in order; None for an exchange shown without one.
    list: Vec<Option<u32>>,
    /// User digests in order, where this way of reading shows them.
    users: Option<Vec<u32>>,
    is_tainted: bool,
}

#[derive(Debug, Clone)]
struct Refusal {
    op: u64,
    start: u64,
    end: u64,
    is_full: bool,
    is_unknown: bool,
    is_tainted: bool,
}

/// What a thread model concludes.
#[derive(Debug, Clone, Default)]
pub struct ThreadReport {
    /// Everything wrong.
    pub anomalies: Vec<Anomaly>,
    /// Threads with an acknowledged append.
    pub threads: u64,
    /// Of these, threads read after their last acknowledgement.
    pub settled: u64,
    /// Acknowledged appends.
    pub acknowledged: u64,
    /// Reads through the history in a provider's request.
    pub contexts: u64,
    /// How often each anomaly could have shown.
    pub trials: Trials,
    /// Turns of which nobody knew what became and whose key was sent again until they were
    /// acknowledged: from the first try to the last, ns.
    pub retried: Vec<(u64, u64)>,
}

impl ThreadReport {
    /// Writes a row for each anomaly that something tried, with as many trials as there were; the
    /// others are told as not tested.
    pub fn conclude(&self, finding: &mut Finding) {
        let mut untried = Vec::new();
        for (id, name) in ANOMALIES {
            let mut tally = Tally::new(id, name);
            let of_name = |anomaly: &&Anomaly| anomaly.name == id;
            let found: Vec<_> = self.anomalies.iter().filter(of_name).collect();
            let bad = u64::try_from(found.len()).unwrap_or(u64::MAX);
            let trials = self.trials.of(id);
            if found.is_empty() && trials == 0 {
                untried.push(name);
            }
            (bad..trials).for_each(|_| tally.good(false));
            for anomaly in found {
                let place = Place::Operation(anomaly.op, anomaly.at, "thread model");
                tally.bad(anomaly.is_tainted, place, anomaly.says.clone());
            }
            tally.conclude_if_tried(finding);
        }
        if !untried.is_empty() {
            let what = format!("not tried: {}", untried.join("; "));
            finding.not_tested.push(what);
        }
    }
}

impl ThreadModel {
    /// Takes one call; those without a part in a thread are ignored.
    pub fn call(&mut self, call: &Call, journal: &Journal, is_tainted: bool) {
        let Some(part) = &call.thread else { return };
        match part.action {
            ThreadAction::Create | ThreadAction::Append => {
                self.append(call, journal, is_tainted);
                self.contexts(call, journal, is_tainted);
            }
            ThreadAction::Read => self.read(call, is_tainted),
            ThreadAction::Delete => {
                let thread = self.threads.entry(part.thread.clone()).or_default();
                thread.delete_tried = true;
                if call.outcome == Outcome::Ok {
                    thread.deleted = thread.deleted.or(Some(call.done_at));
                }
            }
        }
    }

    fn append(&mut self, call: &Call, journal: &Journal, is_tainted: bool) {
        let Some(part) = &call.thread else { return };
        let user = part.user_sha256.as_ref().map(|user| self.elements.id(user));
        let is_ok = call.outcome == Outcome::Ok;
        let shown = call.answers.iter().filter(|_| is_ok);
        let told: BTreeSet<u32> = shown
            .map(|answer| self.elements.id(&answer.text_sha256))
            .collect();
        let attempts = journal.attempts(call);
        let own = |began: u64| call.sent_at <= began && began <= call.done_at;
        let is_asked = attempts.iter().any(|attempt| own(attempt.began));
        let mut answers = told.clone();
        for attempt in attempts {
            let sent = attempt
                .delivered()
                .and_then(|delivered| delivered.answer_sha256.as_ref());
            answers.extend(sent.map(|sent| self.elements.id(sent)));
        }
        let thread = self.threads.entry(part.thread.clone()).or_default();
        let refusal = refusal(call, is_tainted);
        let is_full = refusal.as_ref().is_some_and(|refusal| refusal.is_full);
        thread.refusals.extend(refusal);
        let mut key = part.key.clone().unwrap_or_else(|| format!("\0{}", call.op));
        let first = thread.appends.get(&key);
        let is_reuse = first.is_some_and(|first| first.user != user);
        if is_reuse {
            key = format!("{key}\0{}", call.op);
        }
        let new = || Append::of(call, user, is_reuse);
        let append = thread.appends.entry(key).or_insert_with(new);
        append.answers.extend(answers);
        append.told.extend(told);
        append.take(call, Try::of(call, (is_asked, is_full), is_tainted));
    }

    /// The history a simulator received is a read at that moment.
    fn contexts(&mut self, call: &Call, journal: &Journal, is_tainted: bool) {
        let Some(part) = call.thread.as_ref().filter(|_| call.tool == CHAT) else {
            return;
        };
        // What was asked before is of an earlier try, whose answer the call was given.
        let attempts = journal.attempts(call).into_iter();
        for attempt in attempts.filter(|attempt| call.sent_at <= attempt.began) {
            let said = attempt.served.messages.iter();
            let said = said.filter(|message| message.role == "assistant");
            let list: Vec<_> = said
                .map(|message| Some(self.elements.id(&message.sha256)))
                .collect();
            let thread = self.threads.entry(part.thread.clone()).or_default();
            // The server read the store somewhere between the call's start and this moment.
            thread.reads.push(Read {
                op: call.op,
                start: call.sent_at,
                end: attempt.began,
                list,
                users: None,
                is_tainted,
            });
        }
    }

    fn read(&mut self, call: &Call, is_tainted: bool) {
        let Some(part) = &call.thread else { return };
        let shown = call.turns.as_ref().filter(|_| call.outcome == Outcome::Ok);
        let read = shown.map(|turns| Read {
            op: call.op,
            start: call.sent_at,
            end: call.done_at,
            list: turns
                .iter()
                .map(|turn| {
                    turn.answer_sha256
                        .as_ref()
                        .map(|digest| self.elements.id(digest))
                })
                .collect(),
            users: Some(
                turns
                    .iter()
                    .map(|turn| self.elements.id(&turn.user_sha256))
                    .collect(),
            ),
            is_tainted,
        });
        let thread = self.threads.entry(part.thread.clone()).or_default();
        thread.reads.extend(read);
        thread.refusals.extend(refusal(call, is_tainted));
    }

    /// Judges every thread.
    #[must_use]
    pub fn finish(self, rules: ThreadRules) -> ThreadReport {
        let mut report = ThreadReport::default();
        let mut owners: BTreeMap<u32, &str> = BTreeMap::new();
        for (name, thread) in &self.threads {
            for append in thread.appends.values() {
                owners.extend(append.answers.iter().map(|answer| (*answer, name.as_str())));
            }
        }
        for (name, thread) in &self.threads {
            let acknowledged = thread.appends.values().filter_map(|append| append.end);
            let last = acknowledged.clone().max();
            report.acknowledged += u64::try_from(acknowledged.count()).unwrap_or_default();
            let (api, context): (Vec<_>, Vec<_>) =
                thread.reads.iter().partition(|read| read.users.is_some());
            report.contexts += u64::try_from(context.len()).unwrap_or_default();
            if let Some(last) = last {
                report.threads += 1;
                let is_read = api.iter().any(|read| read.start >= last);
                report.settled += u64::from(is_read || thread.deleted.is_some());
            }
            report.trials.note(thread, rules);
            let appends = thread.appends.values();
            report.retried.extend(appends.filter_map(Append::retried));
            report
                .anomalies
                .extend(spine::anomalies(name, thread, &owners, rules));
        }
        report
    }
}

fn refusal(call: &Call, is_tainted: bool) -> Option<Refusal> {
    let failure = call
        .failure
        .as_ref()
        .filter(|_| call.outcome == Outcome::Refused)?;
    // Exactly these: a session is not found either when its server has gone, and says so.
    let is_unknown = UNKNOWN.contains(&failure.code.as_str());
    Some(Refusal {
        op: call.op,
        start: call.sent_at,
        end: call.done_at,
        is_full: failure.code.contains("thread_full"),
        is_unknown,
        is_tainted,
    })
}
