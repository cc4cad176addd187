//! The three reads. An expired thread is not there, whether or not it has been swept.

use rusqlite::{Connection, OptionalExtension, params};

use super::sqlite_error;
use crate::store::{Exchange, Recalled, StoreError, StoredThread, ThreadId, ThreadSummary};

/// Reads a live thread of `owner` from one snapshot.
pub(super) fn thread(
    connection: &Connection,
    owner: &str,
    id: ThreadId,
    now_ms: i64,
) -> Result<StoredThread, StoreError> {
    // Both statements must see the same state, so they share a transaction.
    let snapshot = connection.unchecked_transaction().map_err(sqlite_error)?;
    let head = snapshot
        .prepare_cached(
            "SELECT title, state, expires_ms FROM threads
             WHERE id = ?1 AND owner = ?2 AND expires_ms > ?3",
        )
        .and_then(|mut statement| {
            statement
                .query_row(params![id.to_string(), owner, now_ms], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?))
                })
                .optional()
        })
        .map_err(sqlite_error)?;
    let Some((title, state, expires_ms)) = head else {
        return Err(StoreError::NotFound);
    };
    let bodies: Vec<String> = snapshot
        .prepare_cached("SELECT body FROM exchanges WHERE thread = ?1 ORDER BY turn")
        .and_then(|mut statement| {
            statement
                .query_map([id.to_string()], |row| row.get(0))?
                .collect()
        })
        .map_err(sqlite_error)?;
    let exchanges = bodies
        .iter()
        .map(|body| serde_json::from_str(body))
        .collect::<Result<Vec<Exchange>, _>>()
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let ttl_ms = u64::try_from(expires_ms.saturating_sub(now_ms)).unwrap_or(0);
    Ok(StoredThread {
        id,
        title,
        exchanges,
        state,
        ttl_ms,
    })
}

/// Lists live threads, the last appended first.
pub(super) fn list(
    connection: &Connection,
    owner: &str,
    limit: u32,
    now_ms: i64,
) -> Result<Vec<ThreadSummary>, StoreError> {
    connection
        .prepare_cached(
            "SELECT id, title, turns, updated_ms FROM threads
             WHERE owner = ?1 AND expires_ms > ?2 ORDER BY updated_ms DESC, id LIMIT ?3",
        )
        .and_then(|mut statement| {
            statement
                .query_map(params![owner, now_ms, limit], |row| {
                    Ok(ThreadSummary {
                        id: row.get(0)?,
                        title: row.get(1)?,
                        turns: row.get(2)?,
                        updated_ms: row.get(3)?,
                    })
                })?
                .collect()
        })
        .map_err(sqlite_error)
}

/// Looks a claimed key up, as long as its thread lives.
pub(super) fn recall(
    connection: &Connection,
    owner: &str,
    key: &str,
    now_ms: i64,
) -> Result<Option<Recalled>, StoreError> {
    let found: Option<(String, String, u32, String)> = connection
        .prepare_cached(
            "SELECT claims.digest, claims.thread, claims.turn, claims.reply
             FROM claims JOIN threads ON threads.id = claims.thread
             WHERE claims.owner = ?1 AND claims.key = ?2 AND threads.expires_ms > ?3",
        )
        .and_then(|mut statement| {
            statement
                .query_row(params![owner, key, now_ms], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })
                .optional()
        })
        .map_err(sqlite_error)?;
    found
        .map(|(digest, thread, turn, reply)| {
            let thread = thread
                .parse()
                .map_err(|_| StoreError::Corrupt(format!("thread id {thread}")))?;
            Ok(Recalled {
                digest,
                thread,
                turn,
                reply,
            })
        })
        .transpose()
}
