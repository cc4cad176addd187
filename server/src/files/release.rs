//! Giving files up: by their owners, and by administrators who clear a provider.

use tokio_util::sync::CancellationToken;

use super::index::Copy;
use super::{Digest, FileError, FileStore, Holder};
use crate::failure::{Category, Failure};

impl FileStore {
    /// Drops the holder's references to a content, and the content with its copies when there are
    /// no others: how many were dropped, how many are left.
    ///
    /// # Errors
    /// What the index or a provider refuses.
    pub async fn release(
        &self,
        holder: Holder<'_>,
        digest: &Digest,
        is_dry: bool,
        cancel: &CancellationToken,
    ) -> Result<(u64, u64), Failure> {
        let told = |error: FileError| error.at("");
        let index = &self.0.index;
        if is_dry {
            let own = index
                .references_of(holder.owner, digest)
                .await
                .map_err(told)?;
            let all = index.references(digest).await.map_err(told)?;
            return Ok((own, all - own.min(all)));
        }
        let (own, others) = index.release(holder.owner, digest).await.map_err(told)?;
        if own > 0 {
            self.record(holder, "files/released", digest).await;
        }
        if others == 0 {
            self.remove(digest, cancel).await?;
            self.remove_remote(digest, cancel).await?;
        }
        Ok((own, others))
    }

    /// Files of this content at the provider that the index did not know.
    async fn remove_remote(
        &self,
        digest: &Digest,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let Some(provider) = self.keeper() else {
            return Ok(());
        };
        for one in self.remote_files(&provider, cancel).await? {
            if self.digest_of(&one).as_ref() == Some(digest) {
                self.delete_at(&provider, &one.id, cancel).await?;
            }
        }
        Ok(())
    }

    /// Deletes every copy of this store at a provider and leaves the contents here: the ids.
    ///
    /// # Errors
    /// What the index or the provider refuses; what was deleted until then is deleted.
    pub async fn forget_copies(
        &self,
        holder: Holder<'_>,
        provider: &str,
        is_dry: bool,
        cancel: &CancellationToken,
    ) -> Result<Vec<String>, Failure> {
        let mut ids = Vec::new();
        for one in self.remote_files(provider, cancel).await? {
            let digest = self.digest_of(&one);
            if !is_dry {
                if let Some(digest) = &digest {
                    self.bring_home(digest, cancel).await?;
                }
                self.delete_at(provider, &one.id, cancel).await?;
                if let Some(digest) = &digest {
                    let dropped = self.0.index.drop_copy(provider, digest).await;
                    dropped.map_err(|error| error.at(""))?;
                    self.record(holder, "files/uncopied", digest).await;
                }
            }
            ids.push(one.id);
        }
        Ok(ids)
    }

    /// Makes sure that a content which somebody refers to does not go with its last copy.
    async fn bring_home(&self, digest: &Digest, cancel: &CancellationToken) -> Result<(), Failure> {
        let is_held = self
            .references(digest)
            .await
            .map_err(|error| error.at(""))?
            > 0;
        let is_here = self.0.blobs.has(digest).await;
        if !is_held || is_here || self.refetch(digest, cancel).await {
            return Ok(());
        }
        let message = "A file is at the provider alone and could not be fetched, so its copy \
                       stays. Try again.";
        Err(Failure::new(
            Category::ProviderError,
            "file_at_provider_alone",
            message,
        ))
    }

    /// Forgets a copy that the provider has lost.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn lose(&self, holder: Holder<'_>, copy: &Copy) -> Result<(), FileError> {
        self.0.index.drop_copy(&copy.provider, &copy.digest).await?;
        self.record(holder, "files/lost", &copy.digest).await;
        Ok(())
    }

    /// The content of a copy, by the provider's id.
    ///
    /// # Errors
    /// What keeps the index from answering.
    pub async fn digest_of_copy(&self, id: &str) -> Result<Option<Digest>, FileError> {
        let copies = self.0.index.copies(None).await?;
        let found = copies
            .into_iter()
            .find(|copy| copy.file_id.as_deref() == Some(id));
        Ok(found.map(|copy| copy.digest))
    }
}
