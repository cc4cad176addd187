//! One request in a provider's own form, answered in its own form: for tools that hand a
//! provider's interface to their caller. One attempt under the clocks of any attempt, whole, never
//! streamed.

use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::fault::ProviderFailure;
use super::key::Key;
use super::refusal::Refusal;
use super::running::Running;
use super::{Provider, exchange, frame};
use crate::router::clock::AttemptClocks;

/// Largest body read, in bytes.
const BODY_BYTES: usize = 8 * 1024 * 1024;

/// What is sent, and what the attempt runs under.
#[derive(Debug)]
pub struct Direct<'a> {
    /// Below the root of the API, such as `/chat/completions`.
    pub path: &'a str,
    /// The JSON body.
    pub body: &'a Value,
    /// Sent as `x-request-id`.
    pub id: &'a str,
    /// The three clocks.
    pub clocks: AttemptClocks,
    /// Ends the attempt at once.
    pub cancel: &'a CancellationToken,
}

/// What came back. Headers that may hold a secret are masked.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectReply {
    /// The JSON body.
    pub body: Value,
    /// The request's headers.
    pub sent: BTreeMap<String, String>,
    /// The answer's headers.
    pub received: BTreeMap<String, String>,
}

impl Provider {
    /// Makes one attempt.
    ///
    /// # Errors
    /// Classified as any answer of the dialect; no text of it holds the key.
    pub async fn direct(&self, direct: &Direct<'_>) -> Result<DirectReply, ProviderFailure> {
        let key = self.key();
        let answer = self.exchange(direct, &key).await;
        answer.map_err(|failure| key.hidden_from(failure))
    }

    async fn exchange(
        &self,
        direct: &Direct<'_>,
        key: &Key,
    ) -> Result<DirectReply, ProviderFailure> {
        let _permit = self.permit(&direct.clocks, direct.cancel).await?;
        let mut running = Running::begin(direct.clocks, direct.cancel);
        let url = format!("{}{}", self.base, direct.path);
        let request = self
            .authorised(self.client.post(url), key)
            .header("accept", "application/json")
            .header("x-request-id", direct.id)
            .json(direct.body)
            .build()
            .map_err(|error| exchange::unreachable_because(&error))?;
        let sent = shown(request.headers());
        let response = running.wait(self.client.execute(request)).await?;
        let response = response.map_err(|error| exchange::unreachable_because(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = running.read(response, BODY_BYTES).await?;
        let refusal = Refusal::read(status.as_u16(), &headers, &bytes);
        match &refusal.json {
            Some(body) if status.is_success() && !frame::is_error(body) => Ok(DirectReply {
                body: body.clone(),
                sent,
                received: shown(&headers),
            }),
            _ => Err(frame::classify(self.dialect, &refusal)),
        }
    }
}

/// Headers as text; a value that is or may be a secret is masked.
fn shown(headers: &HeaderMap) -> BTreeMap<String, String> {
    let is_secret = |name: &str| {
        let words = ["auth", "key", "token", "secret", "cookie", "credential"];
        words.iter().any(|word| name.contains(word))
    };
    headers
        .iter()
        .map(|(name, value)| {
            let text = match value.to_str() {
                Ok(text) if !value.is_sensitive() && !is_secret(name.as_str()) => text,
                _ => "(masked)",
            };
            (name.as_str().to_owned(), text.to_owned())
        })
        .collect()
}
