//! One request over HTTP: sent, read whole or streamed, classified.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Response;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Provider;
use super::fault::{FaultClass, ProviderFailure, Reaction};
use super::frame::{self, FrameReader, Taken};
use super::key::Key;
use super::refusal::Refusal;
use super::reply::{Ended, Reply};
use super::request::Request;
use super::running::Running;
use super::sse::SseReader;
use crate::router::clock::AttemptClocks;

/// Largest whole body read, in bytes.
const BODY_BYTES: usize = 8 * 1024 * 1024;
/// Largest body of a refusal read, in bytes.
const REFUSAL_BYTES: usize = 64 * 1024;
/// Largest stream read, in bytes: a hundred thousand tokens with their frames around them.
const STREAM_BYTES: usize = 64 * 1024 * 1024;

/// What an attempt runs under and who watches it.
#[derive(Debug)]
pub struct Watch<'a> {
    /// The three clocks.
    pub clocks: AttemptClocks,
    /// Ends the attempt at once.
    pub cancel: &'a CancellationToken,
    /// Receives text as it arrives.
    pub on_text: Option<&'a mpsc::Sender<String>>,
    /// Set as soon as text was handed over: from then on no attempt may start afresh.
    pub shown: &'a AtomicBool,
}

/// One exchange with one provider.
pub(super) struct Exchange<'a> {
    pub provider: &'a Provider,
    pub key: &'a Key,
    pub request: &'a Request<'a>,
    pub watch: &'a Watch<'a>,
}

impl Exchange<'_> {
    /// Sends the request and reads the answer.
    pub async fn run(&self) -> Result<Reply, ProviderFailure> {
        let mut running = Running::begin(self.watch.clocks, self.watch.cancel);
        let sending = self.provider.post(self.request, self.key).send();
        let sent = running.wait(sending).await?;
        let response = sent.map_err(|error| unreachable_because(&error))?;
        let status = response.status().as_u16();
        if !response.status().is_success() {
            let headers = response.headers().clone();
            // A refusal is known by its status already, so its body is not worth a failure.
            let body = running.read(response, REFUSAL_BYTES).await;
            let refusal = Refusal::read(status, &headers, &body.unwrap_or_default());
            return Err(frame::classify(self.provider.dialect(), &refusal));
        }
        if self.request.stream && is_event_stream(&response) {
            return self.stream(running, response).await;
        }
        let headers = response.headers().clone();
        let body = running.read(response, BODY_BYTES).await?;
        let mut reader = FrameReader::new(self.provider.dialect());
        let gain = reader.body(Refusal::read(status, &headers, &body))?;
        let reply = reader.close(Ended::Marked, &self.request.model.name)?;
        self.show(&running, gain.text).await?;
        Ok(reply)
    }

    async fn stream(
        &self,
        mut running: Running<'_>,
        mut response: Response,
    ) -> Result<Reply, ProviderFailure> {
        let mut bytes_read = 0;
        let mut sse = SseReader::default();
        let mut reader = FrameReader::new(self.provider.dialect());
        let ended = loop {
            let chunk = match running.wait(response.chunk()).await {
                Ok(chunk) => chunk,
                Err(failure) if failure.class == FaultClass::Cancelled => return Err(failure),
                Err(failure) => break Ended::Broken(failure),
            };
            let events = match chunk {
                Ok(Some(bytes)) => {
                    bytes_read += bytes.len();
                    sse.push(&bytes)
                }
                Ok(None) => {
                    let events = sse.finish();
                    let is_marked = self.take(&mut running, &mut reader, events).await?;
                    break if is_marked {
                        Ended::Marked
                    } else {
                        Ended::Closed
                    };
                }
                Err(error) => break Ended::Broken(interrupted_because(&error)),
            };
            if self.take(&mut running, &mut reader, events).await? {
                break Ended::Marked;
            }
            if bytes_read > STREAM_BYTES {
                return Err(oversize(STREAM_BYTES));
            }
        };
        reader.close(ended, &self.request.model.name)
    }

    /// Takes the events into the reader and shows their text; true at the end marker.
    async fn take(
        &self,
        running: &mut Running<'_>,
        reader: &mut FrameReader,
        events: Vec<super::sse::Event>,
    ) -> Result<bool, ProviderFailure> {
        for event in events {
            match reader.event(&event)? {
                Taken::End => return Ok(true),
                Taken::Gain(gain) => {
                    running.note(&gain, reader.has_finished());
                    self.show(running, gain.text).await?;
                }
            }
        }
        Ok(false)
    }

    async fn show(&self, running: &Running<'_>, text: String) -> Result<(), ProviderFailure> {
        let Some(listener) = self.watch.on_text.filter(|_| !text.is_empty()) else {
            return Ok(());
        };
        self.watch.shown.store(true, Ordering::Relaxed);
        // A listener that has gone is no failure: the answer is still wanted whole.
        let _gone = running.wait(listener.send(text)).await?;
        Ok(())
    }
}

/// The failure of a call that nobody waits for any more.
#[must_use]
pub fn cancelled() -> ProviderFailure {
    ProviderFailure::new(FaultClass::Cancelled, Reaction::Refuse, "")
}

fn is_event_stream(response: &Response) -> bool {
    let kind = response
        .headers()
        .get("content-type")
        .and_then(|kind| kind.to_str().ok());
    // Gateways forget the type of a stream; they do not forget the type of a page or of JSON.
    kind.is_none_or(|kind| !kind.contains("json") && !kind.contains("html"))
}

pub(super) fn unreachable_because(error: &reqwest::Error) -> ProviderFailure {
    ProviderFailure::new(FaultClass::Unreachable, Reaction::Retry, chain(error))
}

pub(super) fn interrupted_because(error: &reqwest::Error) -> ProviderFailure {
    ProviderFailure::new(FaultClass::Interrupted, Reaction::Retry, chain(error))
}

/// A body read to its end, of at most so many bytes.
pub(super) async fn whole(mut response: Response, most: usize) -> Result<Vec<u8>, ProviderFailure> {
    let mut bytes = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let Some(chunk) = chunk.map_err(|error| interrupted_because(&error))? else {
            return Ok(bytes);
        };
        if bytes.len() + chunk.len() > most {
            return Err(oversize(most));
        }
        bytes.extend_from_slice(&chunk);
    }
}

pub(super) fn oversize(limit: usize) -> ProviderFailure {
    let said = format!("the body is larger than {limit} bytes");
    ProviderFailure::new(FaultClass::Malformed, Reaction::FailOver, said)
}

/// The deepest cause, which names neither address nor header.
fn chain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if std::ptr::eq(cause, error as &dyn std::error::Error) {
        return "the connection failed".to_owned();
    }
    cause.to_string()
}
