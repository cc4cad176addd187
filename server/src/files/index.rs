//! Who holds which content under which name, and where copies of it are: one SQLite file, which
//! any number of processes may share.
//!
//! A reference is an owner, a content and a name. A content is kept while anybody refers to it.

mod copy;
mod schema;
mod upkeep;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};

pub use copy::{Begun, Copy};
pub use upkeep::Unheld;

use super::digest::Digest;
use super::fault::FileError;
use crate::config::Files;
use crate::sqlite;

/// How long a change waits for one that another process is making.
const BUSY: Duration = Duration::from_secs(3);

/// The span of the daily bounds, in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A file as one owner knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its content.
    pub digest: Digest,
    /// The name it was last stored under.
    pub name: String,
    /// Its type, such as `text/plain`.
    pub kind: String,
    /// Its length.
    pub bytes: u64,
}

impl Held {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            digest: digest(row, 0)?,
            name: row.get(1)?,
            kind: row.get(2)?,
            bytes: count(row, 3)?,
        })
    }
}

fn digest(row: &Row<'_>, at: usize) -> rusqlite::Result<Digest> {
    let text: String = row.get(at)?;
    text.parse().map_err(|error: super::digest::NoDigest| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, error.into())
    })
}

/// A count or length, which SQLite keeps with a sign.
fn count(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get(at).map(|number: i64| number.unsigned_abs())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What storing a file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// Whether nobody had this content before.
    pub is_new: bool,
    /// Whether the owner did not have it under this name.
    pub is_reference: bool,
}

/// The index; cheap to clone.
#[derive(Debug, Clone)]
pub struct Index {
    connection: Arc<Mutex<Connection>>,
    store: Arc<str>,
}

impl Index {
    /// Opens or creates the file and brings its schema up to date.
    ///
    /// # Errors
    /// When it cannot be opened, or belongs to a newer program.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let mut connection = sqlite::open(path, BUSY)?;
        let store = schema::migrate(&mut connection)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            store: store.into(),
        })
    }

    /// A random word that no other store has.
    #[must_use]
    pub fn store(&self) -> &str {
        &self.store
    }

    /// Runs one change in one transaction, away from the threads that serve calls.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, FileError> {
        let connection = Arc::clone(&self.connection);
        let work = move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let immediate = TransactionBehavior::Immediate;
            let transaction = connection.transaction_with_behavior(immediate)?;
            let made = work(&transaction)?;
            transaction.commit()?;
            sqlite::shorten_log(&connection);
            Ok(made)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(FileError::Broken(error.to_string())))
    }

    /// Takes what was removed out of the log beside the file; the file is overwritten where it was.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn scrub(&self) -> Result<(), FileError> {
        let connection = Arc::clone(&self.connection);
        let work = move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| FileError::Broken(error.to_string()))??;
        Ok(())
    }

    /// Refuses what would go over a bound; the answer may change until the file is added.
    ///
    /// # Errors
    /// `OverQuota`, or what keeps the index from answering.
    pub async fn room(
        &self,
        owner: &str,
        bytes: u64,
        limits: &Files,
        now_ms: i64,
    ) -> Result<(), FileError> {
        let (owner, limits) = (owner.to_owned(), limits.clone());
        self.change(move |index| room(index, (&owner, bytes), &limits, now_ms))
            .await
    }

    /// Puts down that `owner` has stored a content that is on disk.
    ///
    /// # Errors
    /// As [`Index::room`].
    pub async fn add(
        &self,
        owner: &str,
        held: &Held,
        limits: &Files,
        now_ms: i64,
    ) -> Result<Added, FileError> {
        let (owner, held, limits) = (owner.to_owned(), held.clone(), limits.clone());
        self.change(move |index| add(index, (&owner, &held), &limits, now_ms))
            .await
    }

    /// The owner's file of this content, its life prolonged; `None` when the owner has none.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn find(
        &self,
        owner: &str,
        digest: &Digest,
        now_ms: i64,
    ) -> Result<Option<Held>, FileError> {
        let (owner, digest) = (owner.to_owned(), digest.clone());
        self.change(move |index| {
            let touch = "UPDATE holdings SET used_ms = ?3 WHERE owner = ?1 AND digest = ?2";
            index.execute(touch, params![owner, digest.as_str(), now_ms])?;
            let touch = "UPDATE contents SET used_ms = ?2 WHERE digest = ?1
                AND EXISTS (SELECT 1 FROM holdings WHERE owner = ?3 AND digest = ?1)";
            index.execute(touch, params![digest.as_str(), now_ms, owner])?;
            let query = "SELECT c.digest, h.name, c.kind, c.bytes FROM contents c
                JOIN holdings h ON h.digest = c.digest
                WHERE h.owner = ?1 AND c.digest = ?2 ORDER BY h.stored_ms DESC LIMIT 1";
            let found = index.query_row(query, params![owner, digest.as_str()], Held::read);
            Ok(found.optional()?)
        })
        .await
    }

    /// The owner's files, the last stored first.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn list(&self, owner: &str, most: usize) -> Result<Vec<Held>, FileError> {
        let owner = owner.to_owned();
        self.change(move |index| {
            let query = "SELECT c.digest, h.name, c.kind, c.bytes FROM contents c
                JOIN holdings h ON h.digest = c.digest
                WHERE h.owner = ?1 ORDER BY h.stored_ms DESC LIMIT ?2";
            let mut query = index.prepare(query)?;
            let rows = query.query_map(params![owner, signed(most as u64)], Held::read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Drops the owner's references to a content: how many there were, and how many others are
    /// left.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn release(&self, owner: &str, digest: &Digest) -> Result<(u64, u64), FileError> {
        let (owner, digest) = (owner.to_owned(), digest.clone());
        self.change(move |index| {
            let drop = "DELETE FROM holdings WHERE owner = ?1 AND digest = ?2";
            let dropped = index.execute(drop, params![owner, digest.as_str()])?;
            Ok((dropped as u64, references(index, &digest)?))
        })
        .await
    }

    /// How many references there are to a content.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn references(&self, digest: &Digest) -> Result<u64, FileError> {
        let digest = digest.clone();
        self.change(move |index| references(index, &digest)).await
    }

    /// How many references one owner has to a content.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn references_of(&self, owner: &str, digest: &Digest) -> Result<u64, FileError> {
        let (owner, digest) = (owner.to_owned(), digest.clone());
        self.change(move |index| {
            let query = "SELECT count(*) FROM holdings WHERE owner = ?1 AND digest = ?2";
            let key = params![owner, digest.as_str()];
            Ok(index.query_row(query, key, |row| count(row, 0))?)
        })
        .await
    }

    /// Puts down whether the content is on disk.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn set_here(&self, digest: &Digest, is_here: bool) -> Result<(), FileError> {
        let digest = digest.clone();
        self.change(move |index| {
            let set = "UPDATE contents SET is_here = ?2 WHERE digest = ?1";
            index.execute(set, params![digest.as_str(), is_here])?;
            Ok(())
        })
        .await
    }
}

fn references(index: &Connection, digest: &Digest) -> Result<u64, FileError> {
    let query = "SELECT count(*) FROM holdings WHERE digest = ?1";
    Ok(index.query_row(query, [digest.as_str()], |row| count(row, 0))?)
}

fn room(
    index: &Connection,
    (owner, bytes): (&str, u64),
    limits: &Files,
    now_ms: i64,
) -> Result<(), FileError> {
    let over = |what: String| Err(FileError::OverQuota(what));
    let query = "SELECT coalesce(sum(bytes), 0) FROM contents WHERE is_here";
    let total = index.query_row(query, [], |row| count(row, 0))?;
    if total.saturating_add(bytes) > limits.total_bytes {
        return over(format!(
            "all stored files may hold {} bytes together. Tell the operator, or try when some \
             have been dropped.",
            limits.total_bytes
        ));
    }
    let query = "SELECT count(*), coalesce(sum(bytes), 0) FROM contents c
        JOIN holdings h ON h.digest = c.digest WHERE h.owner = ?1 AND h.stored_ms > ?2";
    let since = now_ms.saturating_sub(DAY_MS);
    let of_day = |row: &Row<'_>| Ok((count(row, 0)?, count(row, 1)?));
    let (files, day) = index.query_row(query, params![owner, since], of_day)?;
    if files >= limits.day_files || day.saturating_add(bytes) > limits.day_bytes {
        return over(format!(
            "one caller may store {} files and {} bytes in 24 hours. Try again later.",
            limits.day_files, limits.day_bytes
        ));
    }
    Ok(())
}

fn add(
    index: &Connection,
    (owner, held): (&str, &Held),
    limits: &Files,
    now_ms: i64,
) -> Result<Added, FileError> {
    let digest = held.digest.as_str();
    let touch = "UPDATE holdings SET used_ms = ?4, stored_ms = stored_ms
        WHERE owner = ?1 AND digest = ?2 AND name = ?3";
    let known = index.execute(touch, params![owner, digest, held.name, now_ms])?;
    let query = "SELECT is_here FROM contents WHERE digest = ?1";
    let is_here: Option<bool> = index
        .query_row(query, [digest], |row| row.get(0))
        .optional()?;
    if known == 0 {
        let bytes = if is_here == Some(true) { 0 } else { held.bytes };
        room(index, (owner, bytes), limits, now_ms)?;
    }
    let put = "INSERT INTO contents (digest, bytes, kind, is_here, used_ms)
        VALUES (?1, ?2, ?3, TRUE, ?4)
        ON CONFLICT (digest) DO UPDATE SET is_here = TRUE, used_ms = excluded.used_ms";
    index.execute(put, params![digest, signed(held.bytes), held.kind, now_ms])?;
    if known == 0 {
        let put = "INSERT INTO holdings (owner, digest, name, stored_ms, used_ms)
            VALUES (?1, ?2, ?3, ?4, ?4)";
        index.execute(put, params![owner, digest, held.name, now_ms])?;
    }
    Ok(Added {
        is_new: is_here.is_none(),
        is_reference: known == 0,
    })
}

#[cfg(test)]
mod tests;
