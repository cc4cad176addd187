//! Threads that outlive their time to live, or do not reach it.

use std::collections::BTreeMap;

use crate::criterion::{Criterion, Missing};
use crate::operation::{Call, Outcome, ThreadAction};

/// The owner's reads of a thread, against when it was last written.
pub(super) struct Expiry {
    ttl: u64,
    /// What the clocks may differ by, ns.
    slack: u64,
    /// Thread to its last acknowledged write: sent and acknowledged, ns.
    written: BTreeMap<String, (u64, u64)>,
    expired: u64,
}

/// What a read says about its thread's age.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Nothing: it is no read, or it says what it should.
    Ordinary,
    /// The thread is gone, and it was time.
    Expired,
    /// A sentence: gone before its time, or there after it.
    Wrong(String),
}

impl Expiry {
    pub(super) fn start(rows: &Criterion) -> Result<Self, Missing> {
        Ok(Self {
            ttl: rows.nanos("ttl_s")?,
            slack: rows.nanos("clock_s")?,
            written: BTreeMap::new(),
            expired: 0,
        })
    }

    pub(super) const fn expired(&self) -> u64 {
        self.expired
    }

    pub(super) fn note(&mut self, call: &Call) -> Read {
        let Some(part) = &call.thread else {
            return Read::Ordinary;
        };
        match (part.action, call.outcome) {
            (ThreadAction::Create | ThreadAction::Append, Outcome::Ok) => {
                let moment = (call.sent_at, call.done_at);
                self.written.insert(part.thread.clone(), moment);
                Read::Ordinary
            }
            (ThreadAction::Read, _) => self.read(call, &part.thread),
            _ => Read::Ordinary,
        }
    }

    fn read(&mut self, call: &Call, thread: &str) -> Read {
        let Some((sent, acknowledged)) = self.written.get(thread).copied() else {
            return Read::Ordinary;
        };
        let code = call.failure.as_ref().map_or("", |failure| &failure.code);
        if call.outcome == Outcome::Refused && code.contains("not_found") {
            if call.done_at + self.slack < sent.saturating_add(self.ttl) {
                return Read::Wrong(format!("thread {thread} was gone before its time"));
            }
            self.written.remove(thread);
            self.expired += 1;
            return Read::Expired;
        }
        let end = acknowledged.saturating_add(self.ttl + self.slack);
        if call.outcome == Outcome::Ok && call.sent_at > end {
            return Read::Wrong(format!("thread {thread} was there after its time"));
        }
        Read::Ordinary
    }
}
