//! A file on its way in: bounded before its first byte, looked at while it comes, kept whole or
//! not at all.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::SemaphorePermit;

use super::blob::Incoming;
use super::{Digest, FileError, FileStore, Held, Holder, kind};

/// How long a file waits for one of the places of those that come in at once.
const TURN: Duration = Duration::from_secs(10);

/// A file that is coming in.
#[derive(Debug)]
pub struct Intake<'a> {
    store: &'a FileStore,
    holder: Holder<'a>,
    incoming: Incoming,
    announced: u64,
    _permit: SemaphorePermit<'a>,
    _share: Share<'a>,
}

/// A file that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// As its owner knows it.
    pub held: Held,
    /// Whether nobody had this content before.
    pub is_new: bool,
}

/// What an owner is storing, given back in the end.
#[derive(Debug)]
struct Share<'a> {
    store: &'a FileStore,
    owner: &'a str,
    bytes: u64,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let storing = self.store.0.storing.lock();
        let mut storing = storing.unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = storing.get_mut(self.owner) {
            *held = held.saturating_sub(self.bytes);
            if *held == 0 {
                storing.remove(self.owner);
            }
        }
    }
}

impl FileStore {
    /// Begins to store a file of at most `announced` bytes.
    ///
    /// # Errors
    /// What it would go over, or what keeps it from being written.
    pub async fn begin<'a>(
        &'a self,
        holder: Holder<'a>,
        announced: u64,
    ) -> Result<Intake<'a>, FileError> {
        let limits = &self.0.settings;
        if announced > limits.stored_bytes {
            let most = limits.stored_bytes;
            return Err(FileError::TooLarge { most });
        }
        let share = self.share(holder.owner, announced)?;
        let index = &self.0.index;
        index
            .room(holder.owner, announced, limits, self.now_ms())
            .await?;
        let turn = tokio::time::timeout(TURN, self.0.coming_in.acquire());
        let Ok(Ok(permit)) = turn.await else {
            let what = format!(
                "{} files come in already. Try again shortly.",
                limits.uploads
            );
            return Err(FileError::OverQuota(what));
        };
        let incoming = self.0.blobs.begin().await?;
        Ok(Intake {
            store: self,
            holder,
            incoming,
            announced,
            _permit: permit,
            _share: share,
        })
    }

    fn share<'a>(&'a self, owner: &'a str, bytes: u64) -> Result<Share<'a>, FileError> {
        let most = self.0.settings.set_bytes;
        let storing = self.0.storing.lock();
        let mut storing = storing.unwrap_or_else(PoisonError::into_inner);
        let held = storing.get(owner).copied().unwrap_or(0);
        if held.saturating_add(bytes) > most {
            return Err(FileError::OverQuota(format!(
                "one caller may store {most} bytes at one time. Try again when the others are in."
            )));
        }
        storing.insert(owner.to_owned(), held + bytes);
        let store = self;
        Ok(Share {
            store,
            owner,
            bytes,
        })
    }

    /// Stores bytes that are at hand.
    ///
    /// # Errors
    /// As [`FileStore::begin`] and [`Intake::keep`].
    pub async fn put(
        &self,
        holder: Holder<'_>,
        name: &str,
        bytes: &[u8],
    ) -> Result<Stored, FileError> {
        let mut intake = self.begin(holder, bytes.len() as u64).await?;
        intake.take(bytes).await?;
        intake.keep(name, None).await
    }
}

impl Intake<'_> {
    /// Takes the next piece.
    ///
    /// # Errors
    /// `TooLarge` beyond what was announced, or when it cannot be written.
    pub async fn take(&mut self, piece: &[u8]) -> Result<(), FileError> {
        let bytes = self.incoming.look().bytes() + piece.len() as u64;
        if bytes > self.announced {
            let most = self.announced;
            return Err(FileError::TooLarge { most });
        }
        Ok(self.incoming.take(piece).await?)
    }

    /// Keeps the whole file under a name, if its digest is the one that was announced.
    ///
    /// # Errors
    /// `Digest`, what its name or content forbid, or what keeps it from being put on disk.
    pub async fn keep(self, name: &str, announced: Option<&Digest>) -> Result<Stored, FileError> {
        let store = self.store;
        let known = if name.is_empty() {
            // Sent again without a name it keeps the one it has.
            let found = store.find(self.holder, &self.incoming.digest()).await;
            found.ok().map(|held| held.name)
        } else {
            None
        };
        let name = known.unwrap_or_else(|| kind::harmless(name));
        let look = self.incoming.look();
        let held = Held {
            kind: look.kind(&name, &store.0.settings)?,
            bytes: look.bytes(),
            digest: self.incoming.digest(),
            name,
        };
        if announced.is_some_and(|digest| *digest != held.digest) {
            return Err(FileError::Digest);
        }
        let _turn = store.turn_of(&held.digest).await;
        // On disk first: an index that names what is not there would be believed.
        store.0.blobs.keep(self.incoming).await?;
        let (index, limits) = (&store.0.index, &store.0.settings);
        let owner = self.holder.owner;
        let added = index.add(owner, &held, limits, store.now_ms()).await?;
        if !store.0.blobs.has(&held.digest).await {
            // Another process removed what nobody referred to, just before this did.
            let what = "a clean-up removed the content while it came in";
            return Err(FileError::Broken(what.to_owned()));
        }
        if added.is_new {
            store.0.metrics.file_bytes(held.bytes);
            store.0.metrics.cache_miss("file_content");
        } else {
            store.0.metrics.cache_hit("file_content");
        }
        if added.is_reference {
            store
                .record(self.holder, "files/stored", &held.digest)
                .await;
        }
        Ok(Stored {
            held,
            is_new: added.is_new,
        })
    }
}
