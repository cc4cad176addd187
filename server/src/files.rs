//! Files that callers have sent: each content once, known by its digest, found by its owners alone.
//!
//! A content is on disk before it is in the index, and out of the index before it is off the disk,
//! so that whatever a crash leaves behind is found by the clean-up and nothing points at nothing.
//! Copies at a provider are made once, by one process, and told apart from other people's files by
//! a name that only this store gives.

pub mod blob;
pub mod copies;
pub mod digest;
pub mod fault;
pub mod index;
pub mod intake;
pub mod kind;
pub mod release;
pub mod route;
pub mod upkeep;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::audit::{Audit, Deed};
use crate::config::{self, Config};
use crate::observe::Metrics;
use crate::router::Router;
use crate::tool::turnstile::{Pass, Turnstile};
use blob::Blobs;
pub use digest::Digest;
pub use fault::FileError;
pub use index::Held;
use index::Index;

/// On whose behalf something happens to a file.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// The verified principal.
    pub owner: &'a str,
    /// The request's id.
    pub correlation_id: &'a str,
    /// `stdio`, `http` or `websocket`.
    pub transport: &'static str,
}

impl Holder<'_> {
    /// The clean-up itself.
    pub(crate) const SELF: Self = Self {
        owner: "server",
        correlation_id: "",
        transport: "none",
    };
}

/// The stored files; cheap to clone.
#[derive(Clone)]
pub struct FileStore(Arc<Inner>);

struct Inner {
    settings: config::Files,
    blobs: Blobs,
    index: Index,
    router: Option<Arc<Router>>,
    coming_in: Semaphore,
    going_out: Semaphore,
    /// Bytes each owner is storing right now.
    storing: Mutex<HashMap<String, u64>>,
    /// One at a time for each content: what makes a copy of it, what brings and what removes it.
    turns: Turnstile,
    audit: OnceLock<Audit>,
    metrics: Metrics,
    clock: fn() -> i64,
}

impl std::fmt::Debug for FileStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileStore")
    }
}

impl FileStore {
    /// Opens the folder; copies go to the providers of `router`, where there is one, and what
    /// happens is counted in `metrics`.
    ///
    /// # Errors
    /// When folder or index cannot be used.
    pub fn open(
        config: &Config,
        router: Option<Arc<Router>>,
        metrics: Metrics,
    ) -> Result<Self, FileError> {
        let settings = config.files.clone();
        let folder = settings.folder(&config.server);
        let blobs = Blobs::open(&folder)?;
        let index = Index::open(&folder.join("index.sqlite"))?;
        let permits = settings.uploads.min(Semaphore::MAX_PERMITS);
        Ok(Self(Arc::new(Inner {
            settings,
            blobs,
            index,
            router,
            coming_in: Semaphore::new(permits),
            going_out: Semaphore::new(permits),
            storing: Mutex::default(),
            turns: Turnstile::default(),
            audit: OnceLock::new(),
            metrics,
            clock: || jiff::Timestamp::now().as_millisecond(),
        })))
    }

    /// Puts what happens to files on this record from now on; until then it is in the log alone.
    pub fn record_in(&self, audit: Audit) {
        // A second record would be a second writer of one chain.
        let _ = self.0.audit.set(audit);
    }

    /// The bounds in force.
    #[must_use]
    pub fn settings(&self) -> &config::Files {
        &self.0.settings
    }

    fn now_ms(&self) -> i64 {
        (self.0.clock)()
    }

    /// The holder's file of this content.
    ///
    /// # Errors
    /// `NotFound`, or what keeps the index from answering.
    pub async fn find(&self, holder: Holder<'_>, digest: &Digest) -> Result<Held, FileError> {
        let found = self
            .0
            .index
            .find(holder.owner, digest, self.now_ms())
            .await?;
        found.ok_or(FileError::NotFound)
    }

    /// The holder's files, the last stored first.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn list(&self, holder: Holder<'_>, most: usize) -> Result<Vec<Held>, FileError> {
        self.0.index.list(holder.owner, most).await
    }

    /// How many references there are to a content, of all owners.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn references(&self, digest: &Digest) -> Result<u64, FileError> {
        self.0.index.references(digest).await
    }

    /// Opens a found file at its beginning, after its digest was found right. One that is damaged
    /// or was dropped from disk is fetched from the provider that holds it as it is.
    ///
    /// # Errors
    /// `Damaged` when it cannot be had any more.
    pub async fn open_content(&self, holder: Holder<'_>, held: &Held) -> Result<File, FileError> {
        let blobs = &self.0.blobs;
        let action = match blobs.open_checked(&held.digest).await {
            Ok(Some(file)) => return Ok(file),
            Ok(None) => "files/refetched",
            Err(FileError::Damaged) => "files/healed",
            Err(error) => return Err(error),
        };
        let never = CancellationToken::new();
        let fetched = self.refetch(&held.digest, &never).await;
        if !fetched {
            self.record(holder, "files/damaged", &held.digest).await;
            return Err(FileError::Damaged);
        }
        self.record(holder, action, &held.digest).await;
        let file = blobs.open_checked(&held.digest).await?;
        file.ok_or(FileError::Damaged)
    }

    /// Reads a found file whole, `most` bytes at most.
    ///
    /// # Errors
    /// As [`FileStore::open_content`]; `TooLarge` above the bound.
    pub async fn read(
        &self,
        holder: Holder<'_>,
        held: &Held,
        most: usize,
    ) -> Result<Vec<u8>, FileError> {
        if held.bytes > most as u64 {
            return Err(FileError::TooLarge { most: most as u64 });
        }
        let mut file = self.open_content(holder, held).await?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    /// Takes what was removed out of the index's own files as well.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn scrub(&self) -> Result<(), FileError> {
        self.0.index.scrub().await
    }

    /// The right to bring or remove a content, until dropped.
    async fn turn_of(&self, digest: &Digest) -> Pass {
        self.0.turns.enter(format!("content\0{digest}")).await
    }

    /// One line on the record. Nothing of a file but its digest is in it.
    async fn record(&self, holder: Holder<'_>, action: &str, digest: &Digest) {
        let Holder {
            owner,
            correlation_id,
            transport,
        } = holder;
        let what = action.strip_prefix("files/").unwrap_or(action);
        self.0.metrics.file(what);
        tracing::info!(action, %digest, owner, correlation_id, "file");
        let Some(audit) = self.0.audit.get() else {
            return;
        };
        let deed = Deed {
            correlation_id: correlation_id.to_owned(),
            principal: owner.to_owned(),
            source: String::new(),
            transport: transport.to_owned(),
            action: action.to_owned(),
            resource: digest.to_string(),
            reason: String::new(),
        };
        audit.record_allowed(deed).await;
    }
}

#[cfg(test)]
mod tests;
