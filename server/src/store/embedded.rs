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

use super::{Append, Appended, CallChange, CallId, Recalled, Refusal, StoreError, ThreadId};
use super::{StoredCall, StoredThread, ThreadLimits, ThreadSummary};
use writer::{Job, Write};

/// Operations that may wait for a thread; more are refused as an outage at once.
const QUEUE: usize = 1024;

/// How long an operation waits beyond the lock's own budget before it is given up.
const GRACE: Duration = Duration::from_secs(1);

/// A question for the reading thread, with its own way to answer.
type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The embedded home.
#[derive(Debug)]
pub struct Embedded {
    writes: mpsc::Sender<Box<dyn Write>>,
    reads: mpsc::Sender<Read>,
    limits: ThreadLimits,
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
        let (reads, mut read_queue): (mpsc::Sender<Read>, _) = mpsc::channel(QUEUE);
        spawn("store-write", move || writer::run(writer, write_queue))?;
        spawn("store-read", move || {
            while let Some(read) = read_queue.blocking_recv() {
                read(&reader);
            }
        })?;
        Ok(Self {
            writes,
            reads,
            limits,
            budget: busy_timeout + GRACE,
        })
    }

    pub(super) async fn append(&self, append: &Append) -> Result<Appended, StoreError> {
        let (append, limits) = (append.clone(), self.limits);
        self.write(move |connection| append::append(connection, &append, limits))
            .await
    }

    pub(super) async fn delete(
        &self,
        owner: &str,
        id: ThreadId,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let (owner, limits) = (owner.to_owned(), self.limits);
        self.write(move |connection| append::delete(connection, &owner, id, now_ms, limits))
            .await
    }

    pub(super) async fn change_call(&self, change: &CallChange) -> Result<(), StoreError> {
        let (change, limits) = (change.clone(), self.limits);
        self.write(move |connection| call::change(connection, &change, limits))
            .await
    }

    pub(super) async fn read_call(
        &self,
        owner: &str,
        id: CallId,
        now_ms: i64,
    ) -> Result<StoredCall, StoreError> {
        let owner = owner.to_owned();
        self.ask(move |connection| call::read(connection, &owner, id, now_ms))
            .await
    }

    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        // That the transaction begins proves the lock can be had.
        self.write(|_| Ok(())).await
    }

    pub(super) async fn read(
        &self,
        owner: &str,
        id: ThreadId,
        now_ms: i64,
    ) -> Result<StoredThread, StoreError> {
        let owner = owner.to_owned();
        self.ask(move |connection| query::thread(connection, &owner, id, now_ms))
            .await
    }

    pub(super) async fn list(
        &self,
        owner: &str,
        limit: u32,
        now_ms: i64,
    ) -> Result<Vec<ThreadSummary>, StoreError> {
        let owner = owner.to_owned();
        self.ask(move |connection| query::list(connection, &owner, limit, now_ms))
            .await
    }

    pub(super) async fn recall(
        &self,
        owner: &str,
        key: &str,
        now_ms: i64,
    ) -> Result<Option<Recalled>, StoreError> {
        let (owner, key) = (owner.to_owned(), key.to_owned());
        self.ask(move |connection| query::recall(connection, &owner, &key, now_ms))
            .await
    }

    /// Lets the writing thread work inside a savepoint; the answer comes after the commit.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        self.writes
            .try_send(Box::new(Job::new(work, reply)))
            .map_err(|error| unavailable("queue a write", error))?;
        self.wait(result).await
    }

    /// Asks the reading thread, which passes over what nobody waits for any more.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        let read = move |connection: &Connection| {
            if !reply.is_closed() {
                drop(reply.send(question(connection)));
            }
        };
        self.reads
            .try_send(Box::new(read))
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
