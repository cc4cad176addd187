//! Clean-up: what has had its time goes, what a crash left is looked into, and each step is one
//! line on the record.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Digest, FileStore, Holder};
use crate::failure::Failure;

/// Orphans removed in one round; the next round takes more.
const ROUND: usize = 1000;

/// The longest wait between two looks at whether a clean-up is due.
const LOOK: Duration = Duration::from_secs(600);

/// What a clean-up did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Swept {
    /// References whose time was over.
    pub expired: u64,
    /// Contents that nobody refers to any more.
    pub removed: u64,
    /// Local copies that a provider can give back.
    pub uncached: u64,
    /// Uploads of a dead process that were taken over or forgotten.
    pub recovered: u64,
    /// Files of this store, on disk or at a provider, that nothing points at.
    pub orphaned: u64,
    /// Files that never became whole.
    pub abandoned: u64,
}

impl FileStore {
    /// Looks into what an earlier life left, then cleans up every `files.sweep`, until `ending`.
    pub async fn watch(self, ending: CancellationToken) {
        if let Err(failure) = self.recover(false, &ending).await {
            tracing::warn!(cause = ?failure.cause, "files of an earlier life were left for later");
        }
        let every = self.0.settings.sweep;
        let every_ms = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
        loop {
            match self.0.index.claim_sweep(every_ms, self.now_ms()).await {
                Ok(true) => self.sweep_all(&ending).await,
                Ok(false) => {}
                Err(error) => tracing::warn!(cause = %error, "no clean-up of files"),
            }
            tokio::select! {
                () = ending.cancelled() => return,
                () = tokio::time::sleep(every.min(LOOK)) => {}
            }
        }
    }

    async fn sweep_all(&self, cancel: &CancellationToken) {
        let rounds = [
            self.sweep_expired(false, cancel).await,
            self.sweep_orphans(false, cancel).await,
        ];
        for swept in rounds {
            match swept {
                Ok(swept) if swept == Swept::default() => {}
                Ok(swept) => tracing::info!(?swept, "files cleaned up"),
                Err(failure) => tracing::warn!(cause = ?failure.cause, "files not cleaned up"),
            }
        }
    }

    /// Drops what was unused for too long, and the copies of what nobody refers to after that.
    ///
    /// # Errors
    /// What the index or a provider refuses; what was done until then is done.
    pub async fn sweep_expired(
        &self,
        is_dry: bool,
        cancel: &CancellationToken,
    ) -> Result<Swept, Failure> {
        let (index, settings) = (&self.0.index, &self.0.settings);
        let before = |span: Duration| {
            let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
            self.now_ms().saturating_sub(span)
        };
        let mut swept = Swept::default();
        let told = |error: super::FileError| error.at("");
        for (owner, digest) in index
            .expired(before(settings.retention))
            .await
            .map_err(told)?
        {
            swept.expired += 1;
            if is_dry {
                continue;
            }
            index.release(&owner, &digest).await.map_err(told)?;
            let holder = Holder {
                owner: &owner,
                ..Holder::SELF
            };
            self.record(holder, "files/expired", &digest).await;
        }
        for unheld in index.unheld().await.map_err(told)? {
            swept.removed += 1;
            if !is_dry {
                self.remove(&unheld.0, cancel).await?;
            }
        }
        for digest in index
            .replaceable(before(settings.cache))
            .await
            .map_err(told)?
        {
            swept.uncached += 1;
            if !is_dry {
                index.set_here(&digest, false).await.map_err(told)?;
                let removed = self.0.blobs.remove(&digest).await;
                removed.map_err(|error| told(error.into()))?;
                self.record(Holder::SELF, "files/uncached", &digest).await;
            }
        }
        Ok(swept)
    }

    /// Removes a content that nobody refers to: its copies, its place in the index, its bytes.
    ///
    /// # Errors
    /// What the index or a provider refuses.
    pub async fn remove(&self, digest: &Digest, cancel: &CancellationToken) -> Result<(), Failure> {
        let index = &self.0.index;
        let told = |error: super::FileError| error.at("");
        for copy in index.copies(Some(digest)).await.map_err(told)? {
            if let Some(id) = &copy.file_id {
                self.delete_at(&copy.provider, id, cancel).await?;
                self.record(Holder::SELF, "files/uncopied", digest).await;
            }
            index
                .drop_copy(&copy.provider, digest)
                .await
                .map_err(told)?;
        }
        let _turn = self.turn_of(digest).await;
        if index.forget(digest).await.map_err(told)? {
            let removed = self.0.blobs.remove(digest).await;
            removed.map_err(|error| told(error.into()))?;
            self.record(Holder::SELF, "files/removed", digest).await;
        }
        Ok(())
    }

    /// Looks into uploads whose process is dead.
    ///
    /// # Errors
    /// What the index or a provider refuses.
    pub async fn recover(&self, is_dry: bool, cancel: &CancellationToken) -> Result<u64, Failure> {
        let copies = self.0.index.copies(None).await;
        let mut recovered = 0;
        for copy in copies.map_err(|error| error.at(""))? {
            if copy.file_id.is_some() || !self.is_dead(&copy) {
                continue;
            }
            let key = format!("{}\0{}", copy.provider, copy.digest);
            // A call of this process may be at it.
            let _pass = self.0.turns.enter(key).await;
            recovered += 1;
            if !is_dry {
                self.look_into(&copy, cancel).await?;
            }
        }
        Ok(recovered)
    }

    /// Removes what nothing points at: files of this store at the provider that keeps them,
    /// contents on disk that the index does not know, and files that never became whole.
    ///
    /// # Errors
    /// What the index or the provider refuses.
    pub async fn sweep_orphans(
        &self,
        is_dry: bool,
        cancel: &CancellationToken,
    ) -> Result<Swept, Failure> {
        let told = |error: super::FileError| error.at("");
        let (index, blobs) = (&self.0.index, &self.0.blobs);
        let mut swept = Swept {
            recovered: self.recover(is_dry, cancel).await?,
            ..Swept::default()
        };
        let age = self.0.settings.upload_timeout;
        let older = blobs.older(age, ROUND).await;
        for digest in older.map_err(|error| told(error.into()))? {
            let _turn = self.turn_of(&digest).await;
            if index.knows(&digest).await.map_err(told)? {
                continue;
            }
            swept.orphaned += 1;
            if !is_dry {
                let removed = blobs.remove(&digest).await;
                removed.map_err(|error| told(error.into()))?;
                self.record(Holder::SELF, "files/orphan", &digest).await;
            }
        }
        if !is_dry {
            let abandoned = blobs.remove_abandoned(age).await;
            swept.abandoned = abandoned.map_err(|error| told(error.into()))?;
        }
        if let Some(provider) = self.keeper() {
            swept.orphaned += self.sweep_remote(&provider, is_dry, cancel).await?;
        }
        Ok(swept)
    }

    async fn sweep_remote(
        &self,
        provider: &str,
        is_dry: bool,
        cancel: &CancellationToken,
    ) -> Result<u64, Failure> {
        let remote = self.remote_files(provider, cancel).await?;
        // Asked for after the list: a copy finished meanwhile is no orphan.
        let copies = self
            .0
            .index
            .copies(None)
            .await
            .map_err(|error| error.at(""))?;
        let mut orphans = 0;
        for one in remote {
            let Some(digest) = self.digest_of(&one) else {
                continue;
            };
            let is_known = |copy: &super::index::Copy| {
                let is_it = copy.file_id.as_deref() == Some(&*one.id);
                // One that is being uploaded has no id yet.
                copy.provider == provider
                    && (is_it || copy.file_id.is_none() && copy.digest == digest)
            };
            if copies.iter().any(is_known) {
                continue;
            }
            orphans += 1;
            if !is_dry {
                self.delete_at(provider, &one.id, cancel).await?;
                self.record(Holder::SELF, "files/orphan", &digest).await;
            }
        }
        Ok(orphans)
    }

    /// The provider row that keeps files, where one has a key.
    #[must_use]
    pub fn keeper(&self) -> Option<String> {
        self.0.router.as_ref()?.file_keeper()
    }
}
