//! What has had its time.

use rusqlite::{OptionalExtension as _, params};

use super::{Index, digest};
use crate::files::digest::Digest;
use crate::files::fault::FileError;

/// A content that nobody refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unheld(pub Digest);

impl Index {
    /// Whether it is time for a clean-up; the first process to ask is the one that makes it.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn claim_sweep(&self, every_ms: i64, now_ms: i64) -> Result<bool, FileError> {
        self.change(move |index| {
            let claim = "UPDATE store SET swept_ms = ?1 WHERE swept_ms <= ?2";
            Ok(index.execute(claim, params![now_ms, now_ms - every_ms])? == 1)
        })
        .await
    }

    /// References unused since `before_ms`, as owner and content.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn expired(&self, before_ms: i64) -> Result<Vec<(String, Digest)>, FileError> {
        self.change(move |index| {
            let query = "SELECT DISTINCT owner, digest FROM holdings WHERE used_ms < ?1";
            let mut query = index.prepare(query)?;
            let rows = query.query_map([before_ms], |row| Ok((row.get(0)?, digest(row, 1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Contents that nobody refers to.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn unheld(&self) -> Result<Vec<Unheld>, FileError> {
        self.change(|index| {
            let query = "SELECT digest FROM contents c
                WHERE NOT EXISTS (SELECT 1 FROM holdings h WHERE h.digest = c.digest)
                UNION SELECT digest FROM copies p
                WHERE NOT EXISTS (SELECT 1 FROM holdings h WHERE h.digest = p.digest)";
            let mut query = index.prepare(query)?;
            let rows = query.query_map([], |row| digest(row, 0).map(Unheld))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Contents on disk, unused since `before_ms`, that a provider gives back as they are.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn replaceable(&self, before_ms: i64) -> Result<Vec<Digest>, FileError> {
        self.change(move |index| {
            let query = "SELECT c.digest FROM contents c WHERE c.is_here AND c.used_ms < ?1
                AND EXISTS (SELECT 1 FROM copies p WHERE p.digest = c.digest
                    AND p.is_verbatim AND p.file_id IS NOT NULL)";
            let mut query = index.prepare(query)?;
            let rows = query.query_map([before_ms], |row| digest(row, 0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Forgets a content that nobody has come to refer to meanwhile; whether it did.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn forget(&self, digest: &Digest) -> Result<bool, FileError> {
        let digest = digest.clone();
        self.change(move |index| {
            let query = "SELECT 1 FROM holdings WHERE digest = ?1";
            let held: Option<i64> = index
                .query_row(query, [digest.as_str()], |row| row.get(0))
                .optional()?;
            if held.is_some() {
                return Ok(false);
            }
            index.execute("DELETE FROM contents WHERE digest = ?1", [digest.as_str()])?;
            Ok(true)
        })
        .await
    }

    /// Whether a content is known at all.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn knows(&self, digest: &Digest) -> Result<bool, FileError> {
        let digest = digest.clone();
        self.change(move |index| {
            let query = "SELECT EXISTS (SELECT 1 FROM contents WHERE digest = ?1)";
            Ok(index.query_row(query, [digest.as_str()], |row| row.get(0))?)
        })
        .await
    }
}
