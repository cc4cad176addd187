//! Copies of contents at providers: one of each, uploaded by one process.

use rusqlite::{OptionalExtension as _, Row, params};

use super::{Index, digest};
use crate::files::digest::Digest;
use crate::files::fault::FileError;

/// A copy at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The provider row.
    pub provider: String,
    /// Its content.
    pub digest: Digest,
    /// The provider's id; `None` while it is being uploaded.
    pub file_id: Option<String>,
    /// Whether the provider gives back the same bytes.
    pub is_verbatim: bool,
    /// The process that uploads it, or did.
    pub pid: u32,
    /// When that began.
    pub begun_ms: i64,
}

impl Copy {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            provider: row.get(0)?,
            digest: digest(row, 1)?,
            file_id: row.get(2)?,
            is_verbatim: row.get(3)?,
            pid: row.get(4)?,
            begun_ms: row.get(5)?,
        })
    }
}

const SELECT: &str = "SELECT provider, digest, file_id, is_verbatim, pid, begun_ms FROM copies";

/// Who is to make a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The caller; nobody else will until it says how that went.
    Mine,
    /// It is there.
    Ready(Copy),
    /// Another is at it, or was when it died.
    Others(Copy),
}

impl Index {
    /// Asks to make a copy.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn begin_copy(
        &self,
        provider: &str,
        digest: &Digest,
        now_ms: i64,
    ) -> Result<Begun, FileError> {
        let (provider, digest) = (provider.to_owned(), digest.clone());
        self.change(move |index| {
            let query = format!("{SELECT} WHERE provider = ?1 AND digest = ?2");
            let key = params![provider, digest.as_str()];
            match index.query_row(&query, key, Copy::read).optional()? {
                Some(copy) if copy.file_id.is_some() => Ok(Begun::Ready(copy)),
                Some(copy) => Ok(Begun::Others(copy)),
                None => {
                    let put = "INSERT INTO copies (provider, digest, pid, begun_ms)
                        VALUES (?1, ?2, ?3, ?4)";
                    let (digest, pid) = (digest.as_str(), std::process::id());
                    index.execute(put, params![provider, digest, pid, now_ms])?;
                    Ok(Begun::Mine)
                }
            }
        })
        .await
    }

    /// Puts down that a copy is there.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn finish_copy(&self, copy: &Copy) -> Result<(), FileError> {
        let copy = copy.clone();
        self.change(move |index| {
            let set = "UPDATE copies SET file_id = ?3, is_verbatim = ?4
                WHERE provider = ?1 AND digest = ?2";
            let key = (copy.provider, copy.digest.to_string());
            index.execute(set, params![key.0, key.1, copy.file_id, copy.is_verbatim])?;
            Ok(())
        })
        .await
    }

    /// Forgets a copy.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn drop_copy(&self, provider: &str, digest: &Digest) -> Result<(), FileError> {
        let (provider, digest) = (provider.to_owned(), digest.clone());
        self.change(move |index| {
            let drop = "DELETE FROM copies WHERE provider = ?1 AND digest = ?2";
            index.execute(drop, params![provider, digest.as_str()])?;
            Ok(())
        })
        .await
    }

    /// Every copy, of one content where one is named.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn copies(&self, of: Option<&Digest>) -> Result<Vec<Copy>, FileError> {
        let of = of.map(|digest| digest.to_string());
        self.change(move |index| {
            let query = format!("{SELECT} WHERE ?1 IS NULL OR digest = ?1 ORDER BY begun_ms");
            let mut query = index.prepare(&query)?;
            let rows = query.query_map(params![of], Copy::read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}
