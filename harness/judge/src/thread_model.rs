//! What conversation threads must look like, whoever reads them (judging.md §5).
//!
//! An exchange is known by the digest of its answer, which no two provider requests share: the
//! journal's sequence stands in it. Reads come three ways: the thread resource, the history in the
//! next provider request, and either of them after a restart.

mod spine;

use std::collections::{BTreeMap, BTreeSet};

use crate::criterion::{Criterion, Missing};
use crate::finding::Finding;
use crate::journal::Journal;
use crate::operation::{Call, Outcome, ThreadAction};
use crate::tally::{Place, Tally};

pub use spine::Anomaly;

/// Names of anomalies, in the order of the reports.
pub const ANOMALIES: [(&str, &str); 14] = [
    ("lost", "acknowledged turns that a later read lacks"),
    ("doubled", "turns stored or numbered twice"),
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

/// All attempts with one idempotency key.
#[derive(Debug, Clone)]
struct Append {
    op: u64,
    start: u64,
    /// First acknowledgement; None while none came.
    end: Option<u64>,
    /// Whether every attempt was refused.
    is_refused: bool,
    user: Option<u32>,
    /// Digests of answers a provider gave for it.
    answers: BTreeSet<u32>,
    /// Digests of answers its caller was given.
    told: BTreeSet<u32>,
    numbers: BTreeSet<u32>,
    is_tainted: bool,
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
}

impl ThreadReport {
    /// Writes a row for each anomaly, tried once for each acknowledged turn.
    pub fn conclude(&self, finding: &mut Finding) {
        for (id, name) in ANOMALIES {
            let mut tally = Tally::new(id, name);
            let of_name = |anomaly: &&Anomaly| anomaly.name == id;
            let found: Vec<_> = self.anomalies.iter().filter(of_name).collect();
            let bad = u64::try_from(found.len()).unwrap_or(u64::MAX);
            (bad..self.acknowledged).for_each(|_| tally.good(false));
            for anomaly in found {
                let place = Place::Operation(anomaly.op, anomaly.at, "thread model");
                tally.bad(anomaly.is_tainted, place, anomaly.says.clone());
            }
            tally.conclude(finding);
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
        let told: BTreeSet<u32> = if is_ok {
            call.answers
                .iter()
                .map(|answer| self.elements.id(&answer.text_sha256))
                .collect()
        } else {
            BTreeSet::new()
        };
        let mut answers = told.clone();
        for attempt in journal.attempts(call) {
            let sent = attempt
                .delivered()
                .and_then(|delivered| delivered.answer_sha256.as_ref());
            answers.extend(sent.map(|sent| self.elements.id(sent)));
        }
        let number = call
            .meta
            .as_ref()
            .and_then(|meta| meta.turn)
            .filter(|_| is_ok);
        let thread = self.threads.entry(part.thread.clone()).or_default();
        if let Some(refusal) = refusal(call, is_tainted) {
            thread.refusals.push(refusal);
        }
        let key = part.key.clone().unwrap_or_else(|| format!("\0{}", call.op));
        let append = thread.appends.entry(key).or_insert_with(|| Append {
            op: call.op,
            start: call.sent_at,
            end: None,
            is_refused: true,
            user,
            answers: BTreeSet::new(),
            told: BTreeSet::new(),
            numbers: BTreeSet::new(),
            is_tainted: false,
        });
        append.start = append.start.min(call.sent_at);
        append.is_refused &= call.outcome == Outcome::Refused;
        append.answers.extend(answers);
        append.told.extend(told);
        append.numbers.extend(number);
        append.is_tainted |= is_tainted;
        if is_ok {
            append.end = Some(append.end.map_or(call.done_at, |end| end.min(call.done_at)));
        }
    }

    /// The history a simulator received is a read at that moment.
    fn contexts(&mut self, call: &Call, journal: &Journal, is_tainted: bool) {
        let Some(part) = call.thread.as_ref().filter(|_| call.tool == CHAT) else {
            return;
        };
        for attempt in journal.attempts(call) {
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
    let is_unknown = failure.code.contains("not_found") || failure.code.contains("unknown_thread");
    Some(Refusal {
        op: call.op,
        start: call.sent_at,
        end: call.done_at,
        is_full: failure.code.contains("thread_full"),
        is_unknown,
        is_tainted,
    })
}
