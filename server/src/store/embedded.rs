//! The embedded home: one SQLite file in WAL mode with `synchronous = FULL`.
//!
//! One thread writes, one thread reads. The writer puts whatever waits in its queue into one
//! transaction, so that the cost of a sync to disk is shared; a caller hears of its append only
//! after that transaction is on disk. Several processes may share the file.

mod append;
mod call;
mod query;
mod schema;
mod spending;
mod waiting;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::spending::{Periods, Spent, UsageLine};
use super::{Append, Appended, CallChange, CallId, Recalled, Refusal, StoreError, ThreadId};
use super::{StoredCall, StoredThread, ThreadLimits, ThreadSummary};
use writer::Write;

/// Operations that may wait for a thread; more are refused as an outage at once.
const QUEUE: usize = 1024;

/// How long an operation waits beyond the lock's own budget before it is given up.
const GRACE: Duration = Duration::from_secs(1);

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A question for the reading thread.
enum Read {
    Thread {
        owner: String,
        id: ThreadId,
        now_ms: i64,
        reply: Reply<StoredThread>,
    },
    List {
        owner: String,
        limit: u32,
        now_ms: i64,
        reply: Reply<Vec<ThreadSummary>>,
    },
    Recall {
        owner: String,
        key: String,
        now_ms: i64,
        reply: Reply<Option<Recalled>>,
    },
    Call {
        owner: String,
        id: CallId,
        now_ms: i64,
        reply: Reply<StoredCall>,
    },
    Spent {
        account: String,
        periods: Periods,
        now_ms: i64,
        reply: Reply<Spent>,
    },
    Usage {
        days: Vec<String>,
        reply: Reply<Vec<UsageLine>>,
    },
    /// A question that is rare enough to bring its own words, and its own way to answer.
    Other(Box<dyn FnOnce(&Connection) + Send>),
}

/// The embedded home.
#[derive(Debug)]
pub struct Embedded {
    writes: mpsc::Sender<Write>,
    reads: mpsc::Sender<Read>,
    budget: Duration,
}

impl Embedded {
    /// Opens or creates the file, migrates it and starts the two threads, which end when the
    /// value is dropped and their queues are empty.
    ///
    /// # Errors
    /// `NewerSchema`, or whatever keeps the file from being opened.
    pub fn open(
        path: PathBuf,
        busy_timeout: Duration,
        limits: ThreadLimits,
    ) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| unavailable(&format!("create {}", folder.display()), error))?;
        }
        let mut writer = connect(&path, busy_timeout)?;
        schema::migrate(&mut writer)?;
        let reader = connect(&path, busy_timeout)?;
        let (writes, write_queue) = mpsc::channel(QUEUE);
        let (reads, read_queue) = mpsc::channel(QUEUE);
        spawn("store-write", move || {
            writer::run(writer, write_queue, limits)
        })?;
        spawn("store-read", move || answer(&reader, read_queue))?;
        Ok(Self {
            writes,
            reads,
            budget: busy_timeout + GRACE,
        })
    }

    pub(super) async fn append(&self, append: &Append) -> Result<Appended, StoreError> {
        let (reply, result) = oneshot::channel();
        self.write(
            Write::Append {
                append: Box::new(append.clone()),
                reply,
            },
            result,
        )
        .await
    }

    pub(super) async fn delete(
        &self,
        owner: &str,
        id: ThreadId,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let (reply, result) = oneshot::channel();
        self.write(
            Write::Delete {
                owner: owner.to_owned(),
                id,
                now_ms,
                reply,
            },
            result,
        )
        .await
    }

    pub(super) async fn change_call(&self, change: &CallChange) -> Result<(), StoreError> {
        let (reply, result) = oneshot::channel();
        let change = Box::new(change.clone());
        self.write(Write::Call { change, reply }, result).await
    }

    pub(super) async fn read_call(
        &self,
        owner: &str,
        id: CallId,
        now_ms: i64,
    ) -> Result<StoredCall, StoreError> {
        let (reply, result) = oneshot::channel();
        let owner = owner.to_owned();
        self.ask(
            Read::Call {
                owner,
                id,
                now_ms,
                reply,
            },
            result,
        )
        .await
    }

    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        let (reply, result) = oneshot::channel();
        self.write(Write::Probe { reply }, result).await
    }

    pub(super) async fn read(
        &self,
        owner: &str,
        id: ThreadId,
        now_ms: i64,
    ) -> Result<StoredThread, StoreError> {
        let (reply, result) = oneshot::channel();
        self.ask(
            Read::Thread {
                owner: owner.to_owned(),
                id,
                now_ms,
                reply,
            },
            result,
        )
        .await
    }

    pub(super) async fn list(
        &self,
        owner: &str,
        limit: u32,
        now_ms: i64,
    ) -> Result<Vec<ThreadSummary>, StoreError> {
        let (reply, result) = oneshot::channel();
        self.ask(
            Read::List {
                owner: owner.to_owned(),
                limit,
                now_ms,
                reply,
            },
            result,
        )
        .await
    }

    pub(super) async fn recall(
        &self,
        owner: &str,
        key: &str,
        now_ms: i64,
    ) -> Result<Option<Recalled>, StoreError> {
        let (reply, result) = oneshot::channel();
        let (owner, key) = (owner.to_owned(), key.to_owned());
        self.ask(
            Read::Recall {
                owner,
                key,
                now_ms,
                reply,
            },
            result,
        )
        .await
    }

    async fn write<T>(
        &self,
        write: Write,
        result: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.writes
            .try_send(write)
            .map_err(|error| unavailable("queue a write", error))?;
        self.wait(result).await
    }

    async fn ask<T>(
        &self,
        read: Read,
        result: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.reads
            .try_send(read)
            .map_err(|error| unavailable("queue a read", error))?;
        self.wait(result).await
    }

    async fn wait<T>(
        &self,
        result: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.budget, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(StoreError::Unavailable(
                "the store's thread has ended".into(),
            )),
            Err(_) => Err(StoreError::Unavailable(format!(
                "no reply within {:?}",
                self.budget
            ))),
        }
    }
}

fn connect(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    crate::sqlite::open(path, busy_timeout).map_err(sqlite_error)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(drop)
        .map_err(|error| unavailable("start a thread", error))
}

/// Answers questions until the queue is closed; a caller that has gone is skipped.
fn answer(connection: &Connection, mut queue: mpsc::Receiver<Read>) {
    while let Some(read) = queue.blocking_recv() {
        match read {
            Read::Thread {
                owner,
                id,
                now_ms,
                reply,
            } if !reply.is_closed() => {
                drop(reply.send(query::thread(connection, &owner, id, now_ms)));
            }
            Read::List {
                owner,
                limit,
                now_ms,
                reply,
            } if !reply.is_closed() => {
                drop(reply.send(query::list(connection, &owner, limit, now_ms)));
            }
            Read::Recall {
                owner,
                key,
                now_ms,
                reply,
            } if !reply.is_closed() => {
                drop(reply.send(query::recall(connection, &owner, &key, now_ms)));
            }
            Read::Call {
                owner,
                id,
                now_ms,
                reply,
            } if !reply.is_closed() => {
                drop(reply.send(call::read(connection, &owner, id, now_ms)));
            }
            Read::Spent {
                account,
                periods,
                now_ms,
                reply,
            } if !reply.is_closed() => {
                drop(reply.send(spending::spent(connection, &account, &periods, now_ms)));
            }
            Read::Usage { days, reply } if !reply.is_closed() => {
                drop(reply.send(spending::usage(connection, &days)));
            }
            Read::Other(work) => work(connection),
            // Whoever asked has gone.
            _ => {}
        }
    }
}

fn unavailable(doing: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("{doing}: {error}"))
}

/// Sorts what SQLite says into the store's own words.
fn sqlite_error(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    let refused = |reason| StoreError::Refused {
        reason,
        cause: error.to_string(),
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => refused(Refusal::Full),
        Some(ErrorCode::ReadOnly) => refused(Refusal::ReadOnly),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt(error.to_string())
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}
