//! Hot state: threads, their exchanges, idempotency keys, calls that outlive their request. One
//! `Store`, two homes.
//!
//! Everything is keyed by its owner; what belongs to another principal is not found. An append is
//! durable when it returns. Losing the store is an error on every call that needs it: there is no
//! second home to fall back to. This module knows nothing of tools or of the protocol.

pub mod call;
pub mod embedded;
pub mod fault;
pub mod record;
pub mod redis;
pub mod shared;
pub mod spending;
pub mod waiting;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod model;
#[cfg(test)]
mod outage;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;

use crate::guard::Guarding;
use spending::{Held, Hold, Periods, Settlement, Spent, UsageLine};

pub use call::{ALIVE_MS, CALL_PREFIX, CallChange, CallId, CallStep, StoredCall};
pub use fault::{Refusal, StoreError};
pub use record::{
    Append, Appended, Claim, Exchange, Recalled, StoredThread, Target, ThreadId, ThreadLimits,
    ThreadSummary,
};
pub use waiting::{Belongings, Purged, Ticket, Waiting};

/// Which home, and how long to wait for it.
#[derive(Debug, Clone)]
pub enum Home {
    /// A SQLite file.
    Embedded {
        /// The database file; its folder is created.
        path: PathBuf,
        /// Wait for a lock that another process holds.
        busy_timeout: Duration,
    },
    /// A Redis server.
    Redis {
        /// `redis://` or `rediss://`, password included.
        url: SecretString,
        /// One attempt to connect.
        connect_timeout: Duration,
        /// One command.
        command_timeout: Duration,
        /// The breaker before it.
        guarding: Guarding,
    },
}

/// One finished operation, for the metrics.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// `append`, `read`, `delete`, `list`, `recall`, `call_change`, `call_read`, `hold`,
    /// `settle`, `spent`, `usage`, `waiting`, `backlog`, `copied`, `belongings`, `purge`, `purges`,
    /// `session_keep`, `session_look`, `session_read`, `session_end`, `rates` or `probe`.
    pub name: &'static str,
    /// From the call to its result.
    pub elapsed: Duration,
    /// Whether the store itself failed; a refusal by its rules is not a failure.
    pub is_outage: bool,
}

/// Told of every operation.
pub type Watch = Arc<dyn Fn(Operation) + Send + Sync>;

/// The store: one of two homes, behind one set of operations.
#[derive(Clone)]
pub struct Store {
    home: Kind,
    watch: Watch,
}

#[derive(Clone)]
enum Kind {
    Embedded(Arc<embedded::Embedded>),
    Redis(Arc<redis::Redis>),
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a home, migrates and checks its schema.
    ///
    /// # Errors
    /// `NewerSchema` for either home; for the embedded one everything that keeps the file from
    /// being opened. A Redis server that cannot be reached is no error here: the store starts
    /// degraded, and operations try again.
    pub async fn open(home: Home, limits: ThreadLimits, watch: Watch) -> Result<Self, StoreError> {
        let home = match home {
            Home::Embedded { path, busy_timeout } => Kind::Embedded(Arc::new(
                embedded::Embedded::open(path, busy_timeout, limits)?,
            )),
            Home::Redis {
                url,
                connect_timeout,
                command_timeout,
                guarding,
            } => {
                let clocks = redis::Clocks {
                    connect: connect_timeout,
                    command: command_timeout,
                };
                Kind::Redis(Arc::new(
                    redis::Redis::open(&url, clocks, guarding, limits).await?,
                ))
            }
        };
        Ok(Self { home, watch })
    }

    /// `sqlite` or `redis`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.home {
            Kind::Embedded(_) => "sqlite",
            Kind::Redis(_) => "redis",
        }
    }

    /// Appends one exchange, creating the thread when it is new.
    ///
    /// # Errors
    /// See [`StoreError`]; after `Unavailable` the append may or may not have happened, and the
    /// same value may be sent again.
    pub async fn append(&self, append: &Append) -> Result<Appended, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.append(append).await,
            Kind::Redis(home) => home.append(append).await,
        };
        self.report("append", started, result)
    }

    /// Reads a thread of `owner` at `now_ms`; a read does not prolong its life.
    ///
    /// # Errors
    /// `NotFound`, or an outage.
    pub async fn read(
        &self,
        owner: &str,
        id: ThreadId,
        now_ms: i64,
    ) -> Result<StoredThread, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.read(owner, id, now_ms).await,
            Kind::Redis(home) => home.read(owner, id).await,
        };
        self.report("read", started, result)
    }

    /// Deletes a thread and the keys claimed in it, for good.
    ///
    /// # Errors
    /// `NotFound`, or an outage.
    pub async fn delete(&self, owner: &str, id: ThreadId, now_ms: i64) -> Result<(), StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.delete(owner, id, now_ms).await,
            Kind::Redis(home) => home.delete(owner, id).await,
        };
        self.report("delete", started, result)
    }

    /// Lists the threads of `owner`, the last appended first, at most `limit`.
    ///
    /// # Errors
    /// An outage.
    pub async fn list(
        &self,
        owner: &str,
        limit: u32,
        now_ms: i64,
    ) -> Result<Vec<ThreadSummary>, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.list(owner, limit, now_ms).await,
            Kind::Redis(home) => home.list(owner, limit).await,
        };
        self.report("list", started, result)
    }

    /// Looks an idempotency key of `owner` up; `None` when it was never used or its thread is gone.
    ///
    /// # Errors
    /// An outage.
    pub async fn recall(
        &self,
        owner: &str,
        key: &str,
        now_ms: i64,
    ) -> Result<Option<Recalled>, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.recall(owner, key, now_ms).await,
            Kind::Redis(home) => home.recall(owner, key).await,
        };
        self.report("recall", started, result)
    }

    /// Changes what is kept of a call.
    ///
    /// # Errors
    /// `NotFound` when the call is not kept for this owner, or an outage.
    pub async fn change_call(&self, change: &CallChange) -> Result<(), StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.change_call(change).await,
            Kind::Redis(home) => home.change_call(change).await,
        };
        self.report("call_change", started, result)
    }

    /// Reads what is kept of a call of `owner`.
    ///
    /// # Errors
    /// `NotFound`, or an outage.
    pub async fn read_call(
        &self,
        owner: &str,
        id: CallId,
        now_ms: i64,
    ) -> Result<StoredCall, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.read_call(owner, id, now_ms).await,
            Kind::Redis(home) => home.read_call(owner, id).await,
        };
        self.report("call_read", started, result)
    }

    /// Takes a hold on an account, unless a bound of it is reached.
    ///
    /// # Errors
    /// An outage, after which the hold may stand until it expires.
    pub async fn hold(&self, hold: &Hold) -> Result<Held, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.hold(hold).await,
            Kind::Redis(home) => home.hold(hold).await,
        };
        self.report("hold", started, result)
    }

    /// Ends a hold and charges what was spent; gives what each account has spent then. The same
    /// value may be sent again within the hour: it counts once.
    ///
    /// # Errors
    /// An outage, after which it may or may not have counted.
    pub async fn settle(&self, settlement: &Settlement) -> Result<Vec<Spent>, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.settle(settlement).await,
            Kind::Redis(home) => home.settle(settlement).await,
        };
        self.report("settle", started, result)
    }

    /// What an account has spent in the two periods, and what is held.
    ///
    /// # Errors
    /// An outage.
    pub async fn spent(
        &self,
        account: &str,
        periods: &Periods,
        now_ms: i64,
    ) -> Result<Spent, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.spent(account, periods, now_ms).await,
            Kind::Redis(home) => home.spent(account, periods, now_ms).await,
        };
        self.report("spent", started, result)
    }

    /// The lines of usage of some days, such as `2026-11-21`.
    ///
    /// # Errors
    /// An outage.
    pub async fn usage(&self, days: &[String]) -> Result<Vec<UsageLine>, StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.usage(days).await,
            Kind::Redis(home) => home.usage(days).await,
        };
        self.report("usage", started, result)
    }

    /// Asks the home whether it can serve a write and a read, for health.
    ///
    /// # Errors
    /// An outage.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let started = Instant::now();
        let result = match &self.home {
            Kind::Embedded(home) => home.probe().await,
            Kind::Redis(home) => home.probe().await,
        };
        self.report("probe", started, result)
    }

    fn report<T>(
        &self,
        name: &'static str,
        started: Instant,
        result: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let is_outage = result.as_ref().is_err_and(StoreError::is_outage);
        (self.watch)(Operation {
            name,
            elapsed: started.elapsed(),
            is_outage,
        });
        if let Err(error) = &result
            && is_outage
        {
            tracing::warn!(operation = name, cause = %error, "the store failed");
        }
        result
    }
}
