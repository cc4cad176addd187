//! The embedded schema and its version, migrated inside one transaction at start.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::sqlite_error;
use crate::store::StoreError;

/// One script per version; version n is the file after the first n scripts.
const MIGRATIONS: [&str; 4] = [
    // 1: threads, their exchanges, claimed idempotency keys.
    "CREATE TABLE threads (
         id TEXT PRIMARY KEY,
         owner TEXT NOT NULL,
         title TEXT NOT NULL,
         turns INTEGER NOT NULL,
         state TEXT,
         updated_ms INTEGER NOT NULL,
         expires_ms INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX threads_by_owner ON threads (owner, updated_ms DESC);
     CREATE INDEX threads_by_expiry ON threads (expires_ms);
     CREATE TABLE exchanges (
         thread TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
         turn INTEGER NOT NULL,
         id TEXT NOT NULL,
         body TEXT NOT NULL,
         PRIMARY KEY (thread, turn),
         UNIQUE (thread, id)
     ) STRICT;
     CREATE TABLE claims (
         owner TEXT NOT NULL,
         key TEXT NOT NULL,
         digest TEXT NOT NULL,
         thread TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
         turn INTEGER NOT NULL,
         reply TEXT NOT NULL,
         PRIMARY KEY (owner, key)
     ) STRICT;
     CREATE INDEX claims_by_thread ON claims (thread);",
    // 2: calls that outlive the request they came with.
    "CREATE TABLE calls (
         id TEXT PRIMARY KEY,
         owner TEXT NOT NULL,
         facts TEXT NOT NULL,
         outcome TEXT,
         cancel_asked INTEGER NOT NULL DEFAULT 0,
         created_ms INTEGER NOT NULL,
         updated_ms INTEGER NOT NULL,
         alive_ms INTEGER NOT NULL,
         expires_ms INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX calls_by_expiry ON calls (expires_ms);",
    // 3: what was spent, and what running calls may still spend.
    "CREATE TABLE spent (
         account TEXT NOT NULL,
         period TEXT NOT NULL,
         nano INTEGER NOT NULL,
         tokens INTEGER NOT NULL,
         PRIMARY KEY (account, period)
     ) STRICT;
     CREATE TABLE holds (
         account TEXT NOT NULL,
         id TEXT NOT NULL,
         nano INTEGER NOT NULL,
         tokens INTEGER NOT NULL,
         expires_ms INTEGER NOT NULL,
         PRIMARY KEY (account, id)
     ) STRICT;
     CREATE INDEX holds_by_expiry ON holds (expires_ms);
     CREATE TABLE settled (
         id TEXT PRIMARY KEY,
         at_ms INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX settled_by_time ON settled (at_ms);
     CREATE TABLE usage (
         day TEXT NOT NULL,
         principal TEXT NOT NULL,
         team TEXT NOT NULL,
         tool TEXT NOT NULL,
         provider TEXT NOT NULL,
         model TEXT NOT NULL,
         calls INTEGER NOT NULL,
         input INTEGER NOT NULL,
         output INTEGER NOT NULL,
         cached INTEGER NOT NULL,
         nano INTEGER NOT NULL,
         PRIMARY KEY (day, principal, team, tool, provider, model)
     ) STRICT;",
    // 4: copies that wait for the archive, in the order of the changes they copy.
    "CREATE TABLE waiting (
         id INTEGER PRIMARY KEY AUTOINCREMENT,
         owner TEXT NOT NULL,
         thread TEXT NOT NULL,
         turn INTEGER NOT NULL,
         title TEXT NOT NULL,
         body TEXT NOT NULL
     ) STRICT;
     CREATE TABLE purges (purged_ms INTEGER NOT NULL) STRICT;",
];

/// The version this program writes.
pub(super) const VERSION: u32 = MIGRATIONS.len() as u32;

/// Brings a file to [`VERSION`], or refuses one that is newer.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sqlite_error)?;
    transaction
        .execute_batch("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
        .map_err(sqlite_error)?;
    let found: u32 = transaction
        .query_row("SELECT version FROM schema_version", [], |row| row.get(0))
        .optional()
        .map_err(sqlite_error)?
        .unwrap_or(0);
    if found > VERSION {
        return Err(StoreError::NewerSchema {
            found,
            known: VERSION,
        });
    }
    for script in MIGRATIONS.iter().skip(found as usize) {
        transaction.execute_batch(script).map_err(sqlite_error)?;
    }
    if found < VERSION {
        transaction
            .execute("DELETE FROM schema_version", [])
            .map_err(sqlite_error)?;
        transaction
            .execute(
                "INSERT INTO schema_version (version) VALUES (?1)",
                [VERSION],
            )
            .map_err(sqlite_error)?;
    }
    transaction.commit().map_err(sqlite_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_newer_program_is_refused_and_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection
            .execute("UPDATE schema_version SET version = 99", [])
            .unwrap();
        assert_eq!(
            migrate(&mut connection),
            Err(StoreError::NewerSchema {
                found: 99,
                known: VERSION
            })
        );
        let kept: u32 = connection
            .query_row("SELECT version FROM schema_version", [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, 99);
    }

    #[test]
    fn migrating_twice_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        let rows: u32 = connection
            .query_row("SELECT count(*) FROM schema_version", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 1);
    }
}
