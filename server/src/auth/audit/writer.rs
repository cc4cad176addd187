//! The task that writes the audit file. What cannot be written waits, up to a bound, and what finds
//! no room even there is counted; both are written once the file takes lines again.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::ledger::{Entry, Ledger};
use super::{Decision, Deed, harmless};
use crate::observe::health::{Health, Report, Status};
use crate::observe::manifest::now_utc;

/// How often a file that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Lines taken from the queue at once.
const BATCH: usize = 64;

pub(super) enum Order {
    Record(Deed, Decision),
    End,
}

pub(super) struct Writer {
    ledger: Ledger,
    waiting: VecDeque<Entry>,
    /// Most lines that wait while the file cannot be written.
    bound: usize,
    lost: Arc<AtomicU64>,
    health: Health,
    is_well: bool,
}

impl Writer {
    pub(super) fn new(
        ledger: Ledger,
        bound: usize,
        (lost, health): (Arc<AtomicU64>, Health),
    ) -> Self {
        let mut writer = Self {
            ledger,
            waiting: VecDeque::new(),
            bound,
            lost,
            health,
            is_well: true,
        };
        writer.report(Ok(()));
        writer
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        loop {
            let mut orders = Vec::new();
            let taking = inbox.recv_many(&mut orders, BATCH.min(self.bound));
            let is_over = matches!(tokio::time::timeout(RETRY, taking).await, Ok(0));
            for order in orders {
                match order {
                    Order::Record(deed, decision) => self.take(deed, decision),
                    // What is in the queue already is still given out.
                    Order::End => inbox.close(),
                }
            }
            if self.is_behind() {
                let writing = tokio::task::spawn_blocking(move || self.write());
                // Without its writer, each line that comes is reported lost.
                let Ok(again) = writing.await else { return };
                self = again;
            }
            if is_over {
                break;
            }
        }
        if self.is_behind() {
            let lost = self.waiting.len() as u64 + self.lost.load(Ordering::Relaxed);
            tracing::error!(
                severity = "critical",
                lost,
                "audit lines were never written"
            );
        }
        self.ledger.sync();
    }

    fn take(&mut self, deed: Deed, decision: Decision) {
        if self.waiting.len() >= self.bound {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let deed = Deed {
            principal: harmless(&deed.principal),
            action: harmless(&deed.action),
            resource: harmless(&deed.resource),
            ..deed
        };
        self.waiting.push_back(Entry {
            time: now_utc(),
            deed,
            decision,
        });
    }

    fn is_behind(&self) -> bool {
        !self.waiting.is_empty() || self.lost.load(Ordering::Relaxed) > 0
    }

    fn write(mut self) -> Self {
        let written = self.catch_up();
        self.report(written);
        self
    }

    fn catch_up(&mut self) -> io::Result<()> {
        while let Some(entry) = self.waiting.front() {
            self.ledger.append(entry)?;
            self.waiting.pop_front();
        }
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            self.ledger.append(&loss(lost))?;
            self.lost.fetch_sub(lost, Ordering::Relaxed);
        }
        Ok(())
    }

    fn report(&mut self, written: io::Result<()>) {
        let was_well = std::mem::replace(&mut self.is_well, written.is_ok());
        let report = match written {
            Ok(()) => {
                let anchor = self.ledger.end().to_string();
                Report::new(Status::Healthy, "").fact("anchor", anchor)
            }
            Err(error) => {
                if was_well {
                    tracing::error!(severity = "critical", cause = %error, "audit write failed");
                }
                Report::new(Status::Unhealthy, "the audit file cannot be written")
                    .fact("waiting", self.waiting.len())
                    .fact("lost", self.lost.load(Ordering::Relaxed))
            }
        };
        self.health.report("audit", report.local());
    }
}

/// The line that stands for those that were lost before it.
fn loss(lines: u64) -> Entry {
    Entry {
        time: now_utc(),
        deed: Deed {
            correlation_id: String::new(),
            principal: "server".to_owned(),
            source: "local".to_owned(),
            transport: "file".to_owned(),
            action: "audit/lost".to_owned(),
            resource: format!("{lines} lines"),
            reason: "no_room".to_owned(),
        },
        decision: Decision::Allow,
    }
}
