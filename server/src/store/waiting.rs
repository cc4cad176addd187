//! What waits to be copied to the archive: written in the same step as the change it copies.

use std::time::Instant;

use super::record::ThreadId;
use super::{Kind, Store, StoreError};

/// Where a waiting copy stands in its home's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ticket {
    /// A row of the embedded queue.
    Row(i64),
    /// An entry of one owner's stream in Redis.
    Entry {
        /// The stream.
        stream: String,
        /// Its id there.
        id: String,
    },
}

/// One copy that waits. Text as it was queued: who drains the queue judges whether it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Settles it.
    pub ticket: Ticket,
    /// The verified principal.
    pub owner: String,
    /// The thread's handle, printed.
    pub thread: String,
    /// The number of the exchange from 1; 0 means that the thread was deleted.
    pub turn: u32,
    /// The thread's title.
    pub title: String,
    /// The exchange as JSON text; empty for a deletion.
    pub body: String,
}

/// How much a purge removed from the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Threads, with their exchanges and keys.
    pub threads: u64,
    /// Kept calls.
    pub calls: u64,
    /// Copies that waited for the archive.
    pub waiting: u64,
}

/// Every thread and kept call of one owner, for an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belongings {
    /// Handles of threads.
    pub threads: Vec<ThreadId>,
    /// What is kept of calls: facts and outcome as JSON text.
    pub calls: Vec<(String, Option<String>)>,
}

impl Store {
    /// The copies that wait for the archive, at most `limit`: those of one thread in their order.
    ///
    /// # Errors
    /// An outage.
    pub async fn waiting(&self, limit: u32) -> Result<Vec<Waiting>, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.waiting(limit).await,
            Kind::Redis(home) => home.waiting(limit).await,
        };
        self.report("waiting", started, result)
    }

    /// How many copies wait for the archive.
    ///
    /// # Errors
    /// An outage.
    pub async fn backlog(&self) -> Result<u64, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.backlog().await,
            Kind::Redis(home) => home.backlog().await,
        };
        self.report("backlog", started, result)
    }

    /// Takes copies that the archive holds out of the queue.
    ///
    /// # Errors
    /// An outage.
    pub async fn copied(&self, tickets: &[Ticket]) -> Result<(), StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.copied(tickets).await,
            Kind::Redis(home) => home.copied(tickets).await,
        };
        self.report("copied", started, result)
    }

    /// Every thread and kept call of `owner`.
    ///
    /// # Errors
    /// An outage.
    pub async fn belongings(&self, owner: &str, now_ms: i64) -> Result<Belongings, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.belongings(owner, now_ms).await,
            Kind::Redis(home) => home.belongings(owner).await,
        };
        self.report("belongings", started, result)
    }

    /// Removes everything of `owner`, also from pages and logs of the home that would otherwise
    /// keep what was deleted.
    ///
    /// # Errors
    /// An outage.
    pub async fn purge(&self, owner: &str) -> Result<Purged, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.purge(owner).await,
            Kind::Redis(home) => home.purge(owner).await,
        };
        self.report("purge", started, result)
    }

    /// How often something was purged, for whoever holds more than the store does.
    ///
    /// # Errors
    /// An outage.
    pub async fn purges(&self) -> Result<u64, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.purges().await,
            Kind::Redis(home) => home.purges().await,
        };
        self.report("purges", started, result)
    }
}
