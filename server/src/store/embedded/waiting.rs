//! The embedded queue for the archive, and what belongs to one owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, params};

use super::{Embedded, sqlite_error};
use crate::store::{
    Append, Belongings, Purged, StoreError, ThreadId, ThreadLimits, Ticket, Waiting,
};

/// Queues a copy of an exchange, as part of the transaction that appends it.
pub(super) fn copy(
    connection: &Connection,
    append: &Append,
    turn: u32,
    limits: ThreadLimits,
) -> Result<(), StoreError> {
    let body = serde_json::to_string(&append.exchange)
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let thread = append.thread.to_string();
    put(connection, (&append.owner, &thread, turn, &body), limits)
}

/// Queues the news that a thread was deleted.
pub(super) fn deletion(
    connection: &Connection,
    owner: &str,
    id: ThreadId,
    limits: ThreadLimits,
) -> Result<(), StoreError> {
    put(connection, (owner, &id.to_string(), 0, ""), limits)
}

fn put(
    connection: &Connection,
    (owner, thread, turn, body): (&str, &str, u32, &str),
    limits: ThreadLimits,
) -> Result<(), StoreError> {
    if limits.queue == 0 {
        return Ok(());
    }
    if backlog(connection)? >= u64::from(limits.queue) {
        tracing::error!(thread, turn, "the archive's queue is full: no copy is kept");
        return Ok(());
    }
    let text = "INSERT INTO waiting (owner, thread, turn, title, body)
        VALUES (?1, ?2, ?3, coalesce((SELECT title FROM threads WHERE id = ?2), ''), ?4)";
    connection
        .prepare_cached(text)
        .and_then(|mut statement| statement.execute(params![owner, thread, turn, body]))
        .map(drop)
        .map_err(sqlite_error)
}

/// The span of numbers in the queue, which is its length as long as it is drained from the front.
fn backlog(connection: &Connection) -> Result<u64, StoreError> {
    connection
        .prepare_cached("SELECT coalesce(max(id) - min(id) + 1, 0) FROM waiting")
        .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)))
        .map(i64::unsigned_abs)
        .map_err(sqlite_error)
}

fn waiting(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<Waiting>> {
    let text = "SELECT id, owner, thread, turn, title, body FROM waiting ORDER BY id LIMIT ?1";
    let mut statement = connection.prepare_cached(text)?;
    let rows = statement.query_map([limit], |row| {
        Ok(Waiting {
            ticket: Ticket::Row(row.get(0)?),
            owner: row.get(1)?,
            thread: row.get(2)?,
            turn: row.get(3)?,
            title: row.get(4)?,
            body: row.get(5)?,
        })
    })?;
    rows.collect()
}

fn belongings(connection: &Connection, owner: &str, now_ms: i64) -> Result<Belongings, StoreError> {
    let ids = || -> rusqlite::Result<Vec<String>> {
        let text =
            "SELECT id FROM threads WHERE owner = ?1 AND expires_ms > ?2 ORDER BY updated_ms";
        let mut found = connection.prepare(text)?;
        found
            .query_map(params![owner, now_ms], |row| row.get(0))?
            .collect()
    };
    let calls = || -> rusqlite::Result<Vec<_>> {
        let text = "SELECT facts, outcome FROM calls WHERE owner = ?1 AND expires_ms > ?2";
        let mut found = connection.prepare(text)?;
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        found.query_map(params![owner, now_ms], row)?.collect()
    };
    let corrupt = |_| StoreError::Corrupt("thread id".into());
    let threads = ids().map_err(sqlite_error)?;
    let threads = threads.iter().map(|id| id.parse().map_err(corrupt));
    Ok(Belongings {
        threads: threads.collect::<Result<_, _>>()?,
        calls: calls().map_err(sqlite_error)?,
    })
}

/// What a caller spent, in the caller's own account and in lines of usage.
const FORGET_SPENDING: [&str; 3] = [
    "DELETE FROM usage WHERE principal = ?1",
    "DELETE FROM spent WHERE account = 'user:' || ?1",
    "DELETE FROM holds WHERE account = 'user:' || ?1",
];

impl Embedded {
    pub(in crate::store) async fn waiting(&self, limit: u32) -> Result<Vec<Waiting>, StoreError> {
        self.ask(move |connection| waiting(connection, limit).map_err(sqlite_error))
            .await
    }

    pub(in crate::store) async fn backlog(&self) -> Result<u64, StoreError> {
        self.ask(backlog).await
    }

    pub(in crate::store) async fn copied(&self, tickets: &[Ticket]) -> Result<(), StoreError> {
        let rows: Vec<i64> = tickets
            .iter()
            .filter_map(|ticket| match ticket {
                Ticket::Row(row) => Some(*row),
                Ticket::Entry { .. } => None,
            })
            .collect();
        self.write(move |connection| {
            let mut statement = connection
                .prepare_cached("DELETE FROM waiting WHERE id = ?1")
                .map_err(sqlite_error)?;
            for row in rows {
                statement.execute([row]).map_err(sqlite_error)?;
            }
            Ok(())
        })
        .await
    }

    pub(in crate::store) async fn belongings(
        &self,
        owner: &str,
        now_ms: i64,
    ) -> Result<Belongings, StoreError> {
        let owner = owner.to_owned();
        self.ask(move |connection| belongings(connection, &owner, now_ms))
            .await
    }

    pub(in crate::store) async fn purges(&self) -> Result<u64, StoreError> {
        self.ask(|connection| {
            connection
                .query_row("SELECT count(*) FROM purges", [], |row| {
                    row.get::<_, i64>(0)
                })
                .map(i64::unsigned_abs)
                .map_err(sqlite_error)
        })
        .await
    }

    pub(in crate::store) async fn purge(&self, owner: &str) -> Result<Purged, StoreError> {
        let counts: Arc<[AtomicU64; 3]> = Arc::default();
        let (owner, counted) = (owner.to_owned(), Arc::clone(&counts));
        self.write(move |connection| {
            for (at, table) in ["threads", "calls", "waiting"].into_iter().enumerate() {
                let text = format!("DELETE FROM {table} WHERE owner = ?1");
                let gone = connection.execute(&text, [&owner]).map_err(sqlite_error)?;
                counted[at].store(gone as u64, Ordering::Relaxed);
            }
            for text in FORGET_SPENDING {
                connection.execute(text, [&owner]).map_err(sqlite_error)?;
            }
            let now_ms = jiff::Timestamp::now().as_millisecond();
            connection
                .execute("INSERT INTO purges (purged_ms) VALUES (?1)", [now_ms])
                .map_err(sqlite_error)?;
            Ok(())
        })
        .await?;
        let [threads, calls, waiting] = [0, 1, 2].map(|at| counts[at].load(Ordering::Relaxed));
        // What was deleted is overwritten (`secure_delete`) in the file, but the log beside it
        // still holds the pages as they were.
        self.ask(|connection| {
            connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
                .map_err(sqlite_error)
        })
        .await?;
        Ok(Purged {
            threads,
            calls,
            waiting,
        })
    }
}
