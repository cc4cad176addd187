//! Copies at a provider: one upload for each content, whoever asks and however often.
//!
//! An upload leaves its mark in the index before it begins. A mark whose process is dead is looked
//! into: the provider is asked for a file of the name that only this store gives to this content,
//! and what is found is taken over instead of sent again.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt as _;
use tokio_util::sync::CancellationToken;

use super::index::{Begun, Copy};
use super::kind::extension;
use super::route::Route;
use super::{Digest, FileError, FileStore, Held, Holder};
use crate::failure::{Category, Failure};
use crate::provider::file::{FileAnswer, FileAsk, RemoteFile, Source, Upload};

/// How often another process's upload is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A request about files that carries none.
const SHORT: Duration = Duration::from_secs(30);

/// Extensions that Kimi reads; a text under any other is sent as `txt`.
const READ: [&str; 44] = [
    "asp", "avif", "bmp", "c", "cc", "conf", "cpp", "cs", "css", "csv", "cxx", "doc", "docx",
    "epub", "gif", "go", "h", "html", "ini", "java", "jpeg", "jpg", "js", "json", "jsp", "log",
    "md", "mobi", "pdf", "php", "png", "ppt", "pptx", "py", "svg", "tif", "tiff", "ts", "tsx",
    "txt", "webp", "xls", "xlsx", "yaml",
];

/// What every name that this store gives at a provider begins with.
const MARK: &str = "exai";

impl FileStore {
    /// The provider's copy of a content, uploaded first where there is none; whether it was.
    ///
    /// # Errors
    /// What the provider refuses, a file that is damaged, or a wait that is too long.
    pub async fn copy_at(
        &self,
        provider: &str,
        (holder, held): (Holder<'_>, &Held),
        route: Route,
        cancel: &CancellationToken,
    ) -> Result<(Copy, bool), Failure> {
        let key = format!("{provider}\0{}", held.digest);
        let _pass = self.0.turns.enter(key).await;
        let limit = self.0.settings.upload_timeout;
        let making = self.make_copy(provider, (holder, held), route, cancel);
        match tokio::time::timeout(limit, making).await {
            Ok(made) => made,
            Err(_) => {
                let _ = self.0.index.drop_copy(provider, &held.digest).await;
                let message = "The file was not at the provider in time. Try again.";
                Err(Failure::new(
                    Category::TimeoutError,
                    "file_upload_slow",
                    message,
                ))
            }
        }
    }

    async fn make_copy(
        &self,
        provider: &str,
        (holder, held): (Holder<'_>, &Held),
        route: Route,
        cancel: &CancellationToken,
    ) -> Result<(Copy, bool), Failure> {
        let index = &self.0.index;
        loop {
            let now = self.now_ms();
            let begun = index.begin_copy(provider, &held.digest, now).await;
            match begun.map_err(|error| error.at(""))? {
                Begun::Ready(copy) => {
                    self.0.metrics.cache_hit("file_copy");
                    return Ok((copy, false));
                }
                Begun::Mine => {
                    self.0.metrics.cache_miss("file_copy");
                    break;
                }
                Begun::Others(copy) if self.is_dead(&copy) => {
                    self.look_into(&copy, cancel).await?;
                }
                Begun::Others(_) => tokio::time::sleep(LOOK).await,
            }
        }
        match self.upload(provider, held, route, cancel).await {
            Ok(copy) => {
                index
                    .finish_copy(&copy)
                    .await
                    .map_err(|error| error.at(""))?;
                self.record(holder, "files/copied", &held.digest).await;
                Ok((copy, true))
            }
            Err(failure) => {
                // The next call may try; a mark that stays is looked into when it is stale.
                let _ = index.drop_copy(provider, &held.digest).await;
                Err(failure)
            }
        }
    }

    async fn upload(
        &self,
        provider: &str,
        held: &Held,
        route: Route,
        cancel: &CancellationToken,
    ) -> Result<Copy, Failure> {
        let Ok(_permit) = self.0.going_out.acquire().await else {
            return Err(FileError::Broken("no place to send from".to_owned()).at(""));
        };
        let mut file = self
            .open_content(Holder::SELF, held)
            .await
            .map_err(|error| error.at(""))?;
        let from = if route == Route::Gateway {
            Source::Piecewise(file)
        } else {
            let mut bytes = Vec::new();
            let read = file.read_to_end(&mut bytes).await;
            read.map_err(|error| FileError::from(error).at(""))?;
            Source::Whole(bytes.into())
        };
        let upload = Upload {
            name: self.remote_name(held),
            length: held.bytes,
            from,
        };
        let limit = self.0.settings.upload_timeout;
        match self
            .ask(provider, FileAsk::Upload(upload), limit, cancel)
            .await?
        {
            FileAnswer::Kept(remote) => self.checked(provider, &held.digest, remote, cancel).await,
            _ => Err(unexpected(provider)),
        }
    }

    /// A copy with what the provider gives back of it.
    async fn checked(
        &self,
        provider: &str,
        digest: &Digest,
        remote: RemoteFile,
        cancel: &CancellationToken,
    ) -> Result<Copy, Failure> {
        let text = self.fetch(provider, &remote.id, cancel).await?;
        let is_verbatim = text.is_some_and(|text| Digest::of(&text) == *digest);
        Ok(Copy {
            provider: provider.to_owned(),
            digest: digest.clone(),
            file_id: Some(remote.id),
            is_verbatim,
            pid: std::process::id(),
            begun_ms: self.now_ms(),
        })
    }

    /// The text of a copy; `None` when the provider has lost it.
    ///
    /// # Errors
    /// `Damaged` when the provider used to give back the very bytes and does not now.
    pub async fn text_of(
        &self,
        copy: &Copy,
        cancel: &CancellationToken,
    ) -> Result<Option<Bytes>, Failure> {
        let id = copy.file_id.clone().unwrap_or_default();
        let text = self.fetch(&copy.provider, &id, cancel).await?;
        let is_other = |text: &Bytes| copy.is_verbatim && Digest::of(text) != copy.digest;
        if text.as_ref().is_some_and(is_other) {
            self.record(Holder::SELF, "files/damaged", &copy.digest)
                .await;
            return Err(FileError::Damaged.at(""));
        }
        Ok(text)
    }

    async fn fetch(
        &self,
        provider: &str,
        id: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<Bytes>, Failure> {
        let most = usize::try_from(self.0.settings.stored_bytes).unwrap_or(usize::MAX);
        let ask = FileAsk::Content {
            id: id.to_owned(),
            most,
        };
        let limit = self.0.settings.upload_timeout;
        match self.ask(provider, ask, limit, cancel).await? {
            FileAnswer::Content(text) => Ok(Some(text)),
            FileAnswer::Missing => Ok(None),
            _ => Err(unexpected(provider)),
        }
    }

    /// Puts a content back on disk from a provider that gives back the very bytes.
    pub(super) async fn refetch(&self, digest: &Digest, cancel: &CancellationToken) -> bool {
        let copies = self.0.index.copies(Some(digest)).await;
        for copy in copies.unwrap_or_default() {
            if !copy.is_verbatim || copy.file_id.is_none() {
                continue;
            }
            let Ok(Some(text)) = self.text_of(&copy, cancel).await else {
                continue;
            };
            let kept = async {
                let mut incoming = self.0.blobs.begin().await?;
                incoming.take(&text).await?;
                self.0.blobs.keep(incoming).await
            };
            if kept.await.is_ok() {
                return self.0.index.set_here(digest, true).await.is_ok();
            }
        }
        false
    }

    /// What became of an upload whose process is dead: taken over where the provider has the
    /// file, forgotten where it has not.
    pub(super) async fn look_into(
        &self,
        copy: &Copy,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let start = self.remote_start(&copy.digest);
        let remote = self.remote_files(&copy.provider, cancel).await?;
        let found = remote
            .into_iter()
            .find(|one| one.filename.starts_with(&start));
        let index = &self.0.index;
        let action = match found {
            Some(remote) => {
                let taken = self.checked(&copy.provider, &copy.digest, remote, cancel);
                let taken = taken.await?;
                let done = index.finish_copy(&taken).await;
                done.map_err(|error| error.at(""))?;
                "files/recovered"
            }
            None => {
                let done = index.drop_copy(&copy.provider, &copy.digest).await;
                done.map_err(|error| error.at(""))?;
                "files/abandoned"
            }
        };
        self.record(Holder::SELF, action, &copy.digest).await;
        Ok(())
    }

    /// Every file of this provider that this store has put there.
    ///
    /// # Errors
    /// What the provider refuses.
    pub async fn remote_files(
        &self,
        provider: &str,
        cancel: &CancellationToken,
    ) -> Result<Vec<RemoteFile>, Failure> {
        match self.ask(provider, FileAsk::List, SHORT, cancel).await? {
            FileAnswer::Listed(all) => {
                let start = format!("{MARK}-{}-", self.0.index.store());
                let own = |one: &RemoteFile| one.filename.starts_with(&start);
                Ok(all.into_iter().filter(own).collect())
            }
            _ => Err(unexpected(provider)),
        }
    }

    /// Deletes a provider's file; one that is gone already is as good.
    ///
    /// # Errors
    /// What the provider refuses.
    pub(super) async fn delete_at(
        &self,
        provider: &str,
        id: &str,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let ask = FileAsk::Delete { id: id.to_owned() };
        self.ask(provider, ask, SHORT, cancel).await.map(drop)
    }

    async fn ask(
        &self,
        provider: &str,
        ask: FileAsk,
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<FileAnswer, Failure> {
        let Some(router) = &self.0.router else {
            let message = "No provider keeps files here. Send a smaller file, or its text.";
            return Err(Failure::new(
                Category::ToolError,
                "file_keeper_missing",
                message,
            ));
        };
        router.file(provider, ask, limit, cancel).await
    }

    /// Whether whoever was uploading is gone: an upload takes no longer than its bound, and a
    /// process id equal to one's own is from an earlier life unless this process is at it.
    pub(super) fn is_dead(&self, copy: &Copy) -> bool {
        let bound = i64::try_from(self.0.settings.upload_timeout.as_millis()).unwrap_or(i64::MAX);
        if self.now_ms() - copy.begun_ms > bound || copy.pid == std::process::id() {
            // Within this process the turnstile lets one at a time through.
            return true;
        }
        let pid = i32::try_from(copy.pid).map(nix::unistd::Pid::from_raw);
        let is_gone = |pid| nix::sys::signal::kill(pid, None) == Err(nix::errno::Errno::ESRCH);
        pid.is_ok_and(is_gone)
    }

    fn remote_start(&self, digest: &Digest) -> String {
        format!("{MARK}-{}-{digest}.", self.0.index.store())
    }

    fn remote_name(&self, held: &Held) -> String {
        let own = extension(&held.name);
        let extension = if READ.contains(&own.as_str()) {
            &own
        } else {
            "txt"
        };
        format!("{}{extension}", self.remote_start(&held.digest))
    }

    /// The content a provider's name of ours stands for.
    #[must_use]
    pub fn digest_of(&self, remote: &RemoteFile) -> Option<Digest> {
        let start = format!("{MARK}-{}-", self.0.index.store());
        let rest = remote.filename.strip_prefix(&start)?;
        rest.split('.').next()?.parse().ok()
    }
}

fn unexpected(provider: &str) -> Failure {
    let message = format!("{provider} gave an unfit answer about a file. Try again.");
    Failure::new(Category::ProviderError, "provider_malformed_reply", message)
}
