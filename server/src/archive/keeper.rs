//! Drains the store's queue into the archive, in order, for as long as the server runs.
//!
//! A copy leaves the queue only after the archive holds it, so a crash in between copies it twice,
//! which the archive takes for once. An outage leaves the queue as it is; a copy that can never be
//! archived is kept aside among the dead letters, and those behind it go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Archive, Deed, Entry, Fault, Letter};
use crate::store::{Store, StoreError, Waiting};

/// Copies that share one transaction at most.
const BATCH: u32 = 128;

/// After the first change, others are awaited for so long, so that they share a transaction.
const GATHER: Duration = Duration::from_millis(100);

/// How long the last copies may take at the end of the process.
const LAST: Duration = Duration::from_secs(2);

/// How often what is too old is looked for.
const SWEEP: Duration = Duration::from_secs(3600);

/// Why a round of copying ended early.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The queue cannot be read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The archive does not take copies.
    #[error("{0}")]
    Archive(#[from] Fault),
}

/// When the keeper looks.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two looks at a queue that nobody said anything about.
    pub idle: Duration,
    /// After an outage, before the next try.
    pub retry: Duration,
    /// How long an archived thread is kept after its last exchange.
    pub retention: Duration,
}

/// The keeper; cheap to clone.
#[derive(Debug, Clone)]
pub struct Keeper {
    archive: Archive,
    store: Store,
    changed: Arc<Notify>,
    waiting: Arc<AtomicU64>,
    buried: Arc<AtomicU64>,
    clock: fn() -> i64,
}

impl Keeper {
    /// Between this store and this archive; `changed` is told of each change.
    #[must_use]
    pub fn new(archive: Archive, store: Store, changed: Arc<Notify>) -> Self {
        Self {
            archive,
            store,
            changed,
            waiting: Arc::default(),
            buried: Arc::default(),
            clock: || jiff::Timestamp::now().as_millisecond(),
        }
    }

    /// The archive.
    #[must_use]
    pub const fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Copies waiting, as last counted.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Copies kept aside, as last counted.
    #[must_use]
    pub fn buried(&self) -> u64 {
        self.buried.load(Ordering::Relaxed)
    }

    /// Counts what waits and what is kept aside, for health.
    ///
    /// # Errors
    /// What keeps the archive from answering; a queue that cannot be counted is the store's to
    /// report.
    pub async fn look(&self) -> Result<(), Fault> {
        if let Ok(waiting) = self.store.backlog().await {
            self.waiting.store(waiting, Ordering::Relaxed);
        }
        self.archive.probe().await?;
        let buried = self.archive.dead_letters().await?;
        self.buried.store(buried, Ordering::Relaxed);
        Ok(())
    }

    /// Copies until told to stop, then once more what is left.
    pub async fn run(self, pace: Pace, stop: CancellationToken) {
        let mut is_failing = false;
        let mut swept: Option<Instant> = None;
        while !stop.is_cancelled() {
            let drained = self.drain().await;
            self.log_turn(&drained, &mut is_failing);
            if drained.is_ok() && swept.is_none_or(|at| at.elapsed() >= SWEEP) {
                self.sweep(pace.retention).await;
                swept = Some(Instant::now());
            }
            let told = async {
                if is_failing {
                    tokio::time::sleep(pace.retry).await;
                } else {
                    let _ = tokio::time::timeout(pace.idle, self.changed.notified()).await;
                    tokio::time::sleep(GATHER).await;
                }
            };
            tokio::select! {
                () = told => {}
                () = stop.cancelled() => {}
            }
        }
        let _ = tokio::time::timeout(LAST, self.drain()).await;
    }

    /// Copies everything that waits; how many copies left the queue.
    ///
    /// # Errors
    /// An outage of either side; what was not copied waits on.
    pub async fn drain(&self) -> Result<u64, Stopped> {
        let mut drained = 0;
        loop {
            let waiting = self.store.waiting(BATCH).await?;
            if waiting.is_empty() {
                return Ok(drained);
            }
            self.copy(&waiting).await?;
            let tickets: Vec<_> = waiting.iter().map(|one| one.ticket.clone()).collect();
            self.store.copied(&tickets).await?;
            drained += waiting.len() as u64;
        }
    }

    async fn copy(&self, waiting: &[Waiting]) -> Result<(), Fault> {
        let read: Result<Vec<Entry>, _> = waiting.iter().map(entry_of).collect();
        if let Ok(entries) = &read {
            match self.archive.copy(entries, (self.clock)()).await {
                Err(Fault::Poison(_)) => {}
                settled => return settled,
            }
        }
        // One of them cannot be copied: each goes alone.
        for one in waiting {
            let copied = match entry_of(one) {
                Ok(entry) => self.archive.copy(&[entry], (self.clock)()).await,
                Err(reason) => Err(Fault::Poison(reason)),
            };
            match copied {
                Err(Fault::Poison(reason)) => self.bury(one, reason).await?,
                settled => settled?,
            }
        }
        Ok(())
    }

    async fn bury(&self, one: &Waiting, reason: String) -> Result<(), Fault> {
        let (thread, turn) = (&one.thread, one.turn);
        tracing::error!(%thread, turn, %reason, "a copy cannot be archived and is kept aside");
        let letter = Letter {
            owner: one.owner.clone(),
            thread: one.thread.clone(),
            turn: one.turn,
            body: one.body.clone(),
            reason,
        };
        self.archive.bury(&letter, (self.clock)()).await
    }

    async fn sweep(&self, retention: Duration) {
        let age_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        let before_ms = (self.clock)().saturating_sub(age_ms);
        match self.archive.expire(before_ms).await {
            Ok(0) => {}
            Ok(threads) => tracing::info!(threads, "archived threads were dropped by their age"),
            Err(cause) => tracing::warn!(%cause, "the archive was not swept"),
        }
    }

    fn log_turn(&self, drained: &Result<u64, Stopped>, is_failing: &mut bool) {
        match drained {
            Ok(copies) if *is_failing => {
                tracing::info!(copies, "the archive takes copies again");
            }
            Err(cause) if !*is_failing => {
                tracing::warn!(%cause, "copies wait for the archive");
            }
            _ => {}
        }
        *is_failing = drained.is_err();
    }
}

fn entry_of(waiting: &Waiting) -> Result<Entry, String> {
    let thread = waiting.thread.parse();
    let thread = thread.map_err(|_| "the thread's handle cannot be read".to_owned())?;
    let deed = match waiting.turn {
        0 => Deed::Deleted,
        turn => Deed::Appended {
            turn,
            exchange: serde_json::from_str(&waiting.body)
                .map_err(|error| format!("the exchange cannot be read: {error}"))?,
        },
    };
    Ok(Entry {
        owner: waiting.owner.clone(),
        thread,
        title: waiting.title.clone(),
        deed,
    })
}
