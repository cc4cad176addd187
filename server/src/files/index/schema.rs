//! The index's schema and its version.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use crate::files::fault::FileError;

/// One script per version; version n is the file after the first n scripts.
const MIGRATIONS: [&str; 1] = [
    // 1: contents, who holds them, copies at providers, one row about the store itself.
    "CREATE TABLE store (id TEXT NOT NULL, swept_ms INTEGER NOT NULL) STRICT;
     CREATE TABLE contents (
         digest TEXT PRIMARY KEY,
         bytes INTEGER NOT NULL,
         kind TEXT NOT NULL,
         is_here INTEGER NOT NULL,
         used_ms INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE holdings (
         owner TEXT NOT NULL,
         digest TEXT NOT NULL REFERENCES contents (digest),
         name TEXT NOT NULL,
         stored_ms INTEGER NOT NULL,
         used_ms INTEGER NOT NULL,
         PRIMARY KEY (owner, digest, name)
     ) STRICT;
     CREATE INDEX holdings_by_digest ON holdings (digest);
     CREATE INDEX holdings_by_use ON holdings (used_ms);
     CREATE TABLE copies (
         provider TEXT NOT NULL,
         digest TEXT NOT NULL,
         file_id TEXT,
         is_verbatim INTEGER NOT NULL DEFAULT 0,
         pid INTEGER NOT NULL,
         begun_ms INTEGER NOT NULL,
         PRIMARY KEY (provider, digest)
     ) STRICT;",
];

/// Brings a file up to date; the random word that names the store.
pub(super) fn migrate(connection: &mut Connection) -> Result<String, FileError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: usize = transaction.query_row("PRAGMA user_version", [], |row| {
        row.get::<_, u32>(0).map(|version| version as usize)
    })?;
    let known = MIGRATIONS.len();
    if found > known {
        return Err(FileError::Broken(format!(
            "the index has schema version {found}, this program knows {known}"
        )));
    }
    for script in MIGRATIONS.iter().skip(found) {
        transaction.execute_batch(script)?;
    }
    transaction.pragma_update(None, "user_version", known as u32)?;
    let query = "SELECT id FROM store";
    let named: Option<String> = transaction
        .query_row(query, [], |row| row.get(0))
        .optional()?;
    let id = match named {
        Some(id) => id,
        None => {
            let id = uuid::Uuid::new_v4().simple().to_string();
            let id: String = id.chars().take(12).collect();
            // An empty store has nothing to clean up, and asks no provider on its first day.
            let put = "INSERT INTO store (id, swept_ms) VALUES (?1, unixepoch() * 1000)";
            transaction.execute(put, [&id])?;
            id
        }
    };
    transaction.commit()?;
    Ok(id)
}
