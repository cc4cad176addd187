//! A provider's files, as Kimi keeps them: sent as a form, listed, read back as text, deleted.
//!
//! GLM keeps files too, but for purposes that no chat can read, so its dialect lacks the method.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Body, Method};
use serde::Deserialize;
use serde_json::Value;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

use super::fault::{FaultClass, ProviderFailure, Reaction};
use super::key::Key;
use super::method::Method as Needed;
use super::refusal::Refusal;
use super::{PERMIT, Provider, exchange, frame};

/// Largest body read of an answer that is no file, in bytes; a list of 1000 files is below.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// What the text of a file is wanted for, in Kimi's word.
const PURPOSE: &str = "file-extract";

/// A request about files.
#[derive(Debug)]
pub enum FileAsk {
    /// Keep this file.
    Upload(Upload),
    /// Name every file.
    List,
    /// The text of a file.
    Content {
        /// The provider's id.
        id: String,
        /// Bytes that are read; more is an error.
        most: usize,
    },
    /// Forget a file.
    Delete {
        /// The provider's id.
        id: String,
    },
}

/// A file on its way to a provider.
#[derive(Debug)]
pub struct Upload {
    /// The name it gets there; plain ASCII without quotes.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// Where its bytes come from.
    pub from: Source,
}

/// Where the bytes of an upload come from.
#[derive(Debug)]
pub enum Source {
    /// Held in memory.
    Whole(Bytes),
    /// Read piece by piece.
    Piecewise(tokio::fs::File),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileAnswer {
    /// The file is kept.
    Kept(RemoteFile),
    /// Every file.
    Listed(Vec<RemoteFile>),
    /// The text of a file.
    Content(Bytes),
    /// It is forgotten.
    Deleted,
    /// There is no such file.
    Missing,
}

/// A file as a provider tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RemoteFile {
    /// The provider's id.
    pub id: String,
    /// The name it was given.
    #[serde(default)]
    pub filename: String,
    /// Its length in bytes.
    #[serde(default)]
    pub bytes: u64,
    /// Seconds since 1970.
    #[serde(default)]
    pub created_at: i64,
}

impl Provider {
    /// Makes one attempt.
    ///
    /// # Errors
    /// Classified as any answer of the dialect; no text of it holds the key.
    pub async fn file(
        &self,
        ask: FileAsk,
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<FileAnswer, ProviderFailure> {
        let key = self.key();
        let exchange = tokio::time::timeout(limit, self.exchange_file(ask, &key));
        let answer = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(exchange::cancelled()),
            answer = exchange => answer.unwrap_or_else(|_| {
                let said = format!("no answer about a file within {} ms", limit.as_millis());
                Err(ProviderFailure::new(FaultClass::Silent, Reaction::FailOver, said))
            }),
        };
        answer.map_err(|failure| key.hidden_from(failure))
    }

    async fn exchange_file(&self, ask: FileAsk, key: &Key) -> Result<FileAnswer, ProviderFailure> {
        let _permit = self.free_permit(PERMIT).await?;
        let base = format!("{}{}", self.base, self.dialect.spell(Needed::Files)?);
        let (kind, most) = match &ask {
            FileAsk::Content { most, .. } => (Kind::Content, *most),
            FileAsk::Upload(_) => (Kind::Upload, ANSWER_BYTES),
            FileAsk::List => (Kind::List, ANSWER_BYTES),
            FileAsk::Delete { .. } => (Kind::Delete, ANSWER_BYTES),
        };
        let request = match ask {
            FileAsk::Upload(upload) => form(self.client.post(&base), upload),
            FileAsk::List => self.client.get(&base),
            FileAsk::Content { id, .. } => self.client.get(format!("{base}/{id}/content")),
            FileAsk::Delete { id } => self.client.request(Method::DELETE, format!("{base}/{id}")),
        };
        let sent = self.authorised(request, key).send().await;
        let response = sent.map_err(|error| exchange::unreachable_because(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = exchange::whole(response, most).await?;
        if status.as_u16() == 404 {
            return Ok(FileAnswer::Missing);
        }
        if kind == Kind::Content && status.is_success() {
            return Ok(FileAnswer::Content(bytes.into()));
        }
        let refusal = Refusal::read(status.as_u16(), &headers, &bytes);
        let body = refusal.json.clone();
        match body.filter(|body| status.is_success() && !frame::is_error(body)) {
            Some(body) => understood(kind, body),
            None => Err(frame::classify(self.dialect, &refusal)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Upload,
    List,
    Content,
    Delete,
}

fn understood(kind: Kind, mut body: Value) -> Result<FileAnswer, ProviderFailure> {
    let unfit = |what: &str| {
        let said = format!("an answer about files holds no {what}");
        ProviderFailure::new(FaultClass::Malformed, Reaction::FailOver, said)
    };
    match kind {
        Kind::Upload => serde_json::from_value(body)
            .map(FileAnswer::Kept)
            .map_err(|_| unfit("file")),
        Kind::Delete if body["deleted"] == true => Ok(FileAnswer::Deleted),
        Kind::Delete => Err(unfit("deletion")),
        Kind::List | Kind::Content => serde_json::from_value(body["data"].take())
            .map(FileAnswer::Listed)
            .map_err(|_| unfit("list")),
    }
}

/// The file as a form of two fields, its length known beforehand.
fn form(request: reqwest::RequestBuilder, upload: Upload) -> reqwest::RequestBuilder {
    let boundary = format!("exai-{}", uuid::Uuid::new_v4().simple());
    let head = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\n{PURPOSE}\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{}\"\r\n\
         content-type: application/octet-stream\r\n\r\n",
        upload.name
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let length = head.len() as u64 + upload.length + tail.len() as u64;
    let (head, tail) = (Bytes::from(head), Bytes::from(tail));
    let body = match upload.from {
        Source::Whole(bytes) => Body::from([head, bytes, tail].concat()),
        Source::Piecewise(file) => {
            use futures::{StreamExt as _, stream};
            let edge = |bytes| stream::once(std::future::ready(Ok(bytes)));
            Body::wrap_stream(edge(head).chain(ReaderStream::new(file)).chain(edge(tail)))
        }
    };
    request
        .header(
            "content-type",
            format!("multipart/form-data; boundary={boundary}"),
        )
        .header("content-length", length)
        .body(body)
}
