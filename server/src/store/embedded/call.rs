//! Kept calls, each change inside a transaction of the writer.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::sqlite_error;
use crate::store::{ALIVE_MS, CallChange, CallId, CallStep, StoreError, StoredCall, ThreadLimits};

/// Expired calls removed beside one that is begun; bounds the work and keeps the file from growing.
const SWEEP: u32 = 8;

/// Makes one change; a call that is not there can only be begun.
pub(super) fn change(
    connection: &Connection,
    change: &CallChange,
    limits: ThreadLimits,
) -> Result<(), StoreError> {
    let (id, owner, now_ms) = (change.id.to_string(), &change.owner, change.now_ms);
    let ttl_ms = i64::try_from(limits.ttl_ms).unwrap_or(i64::MAX);
    let expires_ms = now_ms.saturating_add(ttl_ms);
    let live = "WHERE id = ?1 AND owner = ?2 AND expires_ms > ?3";
    let changed = match &change.step {
        CallStep::Begin { facts } => {
            sweep(connection, now_ms)?;
            let text = "INSERT INTO calls
                 (id, owner, facts, created_ms, updated_ms, alive_ms, expires_ms)
                 VALUES (?1, ?2, ?4, ?3, ?3, ?3, ?5) ON CONFLICT (id) DO UPDATE SET alive_ms = ?3
                 WHERE owner = ?2";
            run(
                connection,
                text,
                params![id, owner, now_ms, facts, expires_ms],
            )
        }
        CallStep::Beat => {
            let text = format!("UPDATE calls SET alive_ms = ?3 {live}");
            run(connection, &text, params![id, owner, now_ms])
        }
        CallStep::Settle { outcome } => {
            let text = format!(
                "UPDATE calls SET updated_ms = iif(outcome IS NULL, ?3, updated_ms),
                     expires_ms = iif(outcome IS NULL, ?5, expires_ms),
                     outcome = coalesce(outcome, ?4) {live}"
            );
            run(
                connection,
                &text,
                params![id, owner, now_ms, outcome, expires_ms],
            )
        }
        CallStep::AskCancel => {
            let text = format!("UPDATE calls SET cancel_asked = 1, updated_ms = ?3 {live}");
            run(connection, &text, params![id, owner, now_ms])
        }
    };
    match changed? {
        0 => Err(StoreError::NotFound),
        _ => Ok(()),
    }
}

/// Reads a call of `owner` that has not expired.
pub(super) fn read(
    connection: &Connection,
    owner: &str,
    id: CallId,
    now_ms: i64,
) -> Result<StoredCall, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT facts, outcome, cancel_asked, created_ms, updated_ms, alive_ms, expires_ms
             FROM calls WHERE id = ?1 AND owner = ?2 AND expires_ms > ?3",
        )
        .and_then(|mut statement| {
            statement
                .query_row(params![id.to_string(), owner, now_ms], |row| {
                    let (alive_ms, expires_ms): (i64, i64) = (row.get(5)?, row.get(6)?);
                    let silent_ms = u64::try_from(now_ms.saturating_sub(alive_ms)).unwrap_or(0);
                    let left_ms = expires_ms.saturating_sub(now_ms);
                    Ok(StoredCall {
                        facts: row.get(0)?,
                        outcome: row.get(1)?,
                        is_cancel_asked: row.get(2)?,
                        is_alive: silent_ms < ALIVE_MS,
                        created_ms: row.get(3)?,
                        updated_ms: row.get(4)?,
                        ttl_ms: u64::try_from(left_ms).unwrap_or(0),
                    })
                })
                .optional()
        })
        .map_err(sqlite_error)?;
    found.ok_or(StoreError::NotFound)
}

fn run(
    connection: &Connection,
    text: &str,
    values: impl rusqlite::Params,
) -> Result<usize, StoreError> {
    connection
        .prepare_cached(text)
        .and_then(|mut statement| statement.execute(values))
        .map_err(sqlite_error)
}

fn sweep(connection: &Connection, now_ms: i64) -> Result<(), StoreError> {
    let text = "DELETE FROM calls WHERE id IN
         (SELECT id FROM calls WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2)";
    run(connection, text, params![now_ms, SWEEP]).map(drop)
}
