//! The two writes, each inside a transaction of the writer.

use rusqlite::{Connection, OptionalExtension, params};

use super::{query, sqlite_error, waiting};
use crate::store::{Append, Appended, StoreError, Target, ThreadId, ThreadLimits};

/// Expired threads removed beside one append; bounds the work and keeps the file from growing.
const SWEEP: u32 = 8;

/// Appends one exchange, or finds that it was appended before.
pub(super) fn append(
    connection: &Connection,
    append: &Append,
    limits: ThreadLimits,
) -> Result<Appended, StoreError> {
    let now_ms = append.exchange.created_ms;
    if let Some(turn) = turn_of(connection, append)? {
        return Ok(Appended::Stored { turn });
    }
    if let Some((claim, _)) = &append.claim
        && let Some(recalled) = query::recall(connection, &append.owner, &claim.key, now_ms)?
    {
        return if recalled.digest == claim.digest {
            Ok(Appended::Replayed(recalled))
        } else {
            Err(StoreError::KeyReused)
        };
    }
    sweep(connection, now_ms)?;
    let turns = place(connection, append, limits, now_ms)?;
    insert(connection, append, turns + 1)?;
    touch(connection, append, turns + 1, limits)?;
    waiting::copy(connection, append, turns + 1, limits)?;
    Ok(Appended::Stored { turn: turns + 1 })
}

/// The number of the exchange if this very exchange is stored already.
fn turn_of(connection: &Connection, append: &Append) -> Result<Option<u32>, StoreError> {
    connection
        .prepare_cached(
            "SELECT turn FROM exchanges JOIN threads ON threads.id = exchanges.thread
             WHERE exchanges.thread = ?1 AND exchanges.id = ?2 AND threads.owner = ?3",
        )
        .and_then(|mut statement| {
            let id = append.exchange.id.to_string();
            statement
                .query_row(
                    params![append.thread.to_string(), id, append.owner],
                    |row| row.get(0),
                )
                .optional()
        })
        .map_err(sqlite_error)
}

/// Checks the target and returns how many exchanges stand before the new one.
fn place(
    connection: &Connection,
    append: &Append,
    limits: ThreadLimits,
    now_ms: i64,
) -> Result<u32, StoreError> {
    let found: Option<u32> = connection
        .prepare_cached(
            "SELECT turns FROM threads WHERE id = ?1 AND owner = ?2 AND expires_ms > ?3",
        )
        .and_then(|mut statement| {
            statement
                .query_row(
                    params![append.thread.to_string(), append.owner, now_ms],
                    |row| row.get(0),
                )
                .optional()
        })
        .map_err(sqlite_error)?;
    match (&append.target, found) {
        (Target::New { title }, None) => {
            connection
                .prepare_cached(
                    "INSERT INTO threads (id, owner, title, turns, updated_ms, expires_ms)
                     VALUES (?1, ?2, ?3, 0, ?4, ?4)",
                )
                .and_then(|mut statement| {
                    statement.execute(params![
                        append.thread.to_string(),
                        append.owner,
                        title,
                        now_ms
                    ])
                })
                .map_err(sqlite_error)?;
            Ok(0)
        }
        (Target::New { .. }, Some(turns)) => Err(StoreError::Moved { turns }),
        (Target::Existing { .. }, None) => Err(StoreError::NotFound),
        (Target::Existing { .. }, Some(turns)) if turns >= limits.exchanges => {
            Err(StoreError::Full {
                cap: limits.exchanges,
            })
        }
        (
            Target::Existing {
                expected: Some(expected),
            },
            Some(turns),
        ) if *expected != turns => Err(StoreError::Moved { turns }),
        (Target::Existing { .. }, Some(turns)) => Ok(turns),
    }
}

fn insert(connection: &Connection, append: &Append, turn: u32) -> Result<(), StoreError> {
    let body = serde_json::to_string(&append.exchange)
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let thread = append.thread.to_string();
    connection
        .prepare_cached("INSERT INTO exchanges (thread, turn, id, body) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut statement| {
            statement.execute(params![thread, turn, append.exchange.id.to_string(), body])
        })
        .map_err(sqlite_error)?;
    let Some((claim, reply)) = &append.claim else {
        return Ok(());
    };
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO claims (owner, key, digest, thread, turn, reply)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                append.owner,
                claim.key,
                claim.digest,
                thread,
                turn,
                reply
            ])
        })
        .map(drop)
        .map_err(sqlite_error)
}

fn touch(
    connection: &Connection,
    append: &Append,
    turn: u32,
    limits: ThreadLimits,
) -> Result<(), StoreError> {
    let now_ms = append.exchange.created_ms;
    let ttl_ms = i64::try_from(limits.ttl_ms).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "UPDATE threads SET turns = ?2, updated_ms = ?3, expires_ms = ?4,
                 state = coalesce(?5, state) WHERE id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                append.thread.to_string(),
                turn,
                now_ms,
                now_ms.saturating_add(ttl_ms),
                append.state
            ])
        })
        .map(drop)
        .map_err(sqlite_error)
}

/// Removes a few expired threads, their exchanges and claims with them.
fn sweep(connection: &Connection, now_ms: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM threads WHERE id IN
                 (SELECT id FROM threads WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2)",
        )
        .and_then(|mut statement| statement.execute(params![now_ms, SWEEP]))
        .map(drop)
        .map_err(sqlite_error)
}

/// Deletes a live thread of `owner`.
pub(super) fn delete(
    connection: &Connection,
    owner: &str,
    id: ThreadId,
    now_ms: i64,
    limits: ThreadLimits,
) -> Result<(), StoreError> {
    let gone = connection
        .prepare_cached("DELETE FROM threads WHERE id = ?1 AND owner = ?2 AND expires_ms > ?3")
        .and_then(|mut statement| statement.execute(params![id.to_string(), owner, now_ms]))
        .map_err(sqlite_error)?;
    if gone == 0 {
        return Err(StoreError::NotFound);
    }
    waiting::deletion(connection, owner, id, limits)
}
