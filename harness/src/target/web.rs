//! A server at an address: each message is a POST of its own, on a connection of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;

use super::heard::{End, Heard};
use crate::client::sse::{Frame, SseReader};
use crate::raw::{RawRequest, send_request};

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebTarget {
    /// Where to connect.
    pub address: SocketAddr,
    /// The `Host` header.
    pub host: String,
    /// Such as `/mcp`.
    pub path: String,
    /// The bearer token, where one is needed.
    pub bearer: Option<String>,
}

/// A way to it.
#[derive(Debug, Clone)]
pub struct Web {
    target: WebTarget,
    session: Option<String>,
    revision: Option<String>,
    extra: Vec<(String, String)>,
}

impl Web {
    /// A way without a session.
    #[must_use]
    pub const fn new(target: WebTarget) -> Self {
        Self {
            target,
            session: None,
            revision: None,
            extra: Vec::new(),
        }
    }

    /// The session the server gave, if it gave one.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Whether a token goes along.
    #[must_use]
    pub const fn has_bearer(&self) -> bool {
        self.target.bearer.is_some()
    }

    /// The same way with another session.
    #[must_use]
    pub fn with_session(mut self, session: &str) -> Self {
        self.session = Some(session.to_owned());
        self
    }

    /// The same way without its token.
    #[must_use]
    pub fn without_bearer(mut self) -> Self {
        self.target.bearer = None;
        self
    }

    /// The same way with a header more.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes session and revision from the answer to a handshake.
    pub fn keep_session(&mut self, heard: &Heard) {
        self.session.clone_from(&heard.session);
        let revision = heard.result().map(|result| &result["protocolVersion"]);
        self.revision = revision.and_then(Value::as_str).map(str::to_owned);
    }

    /// Sends a body and reads one reply; see [`super::Door::send`].
    pub async fn send(&self, bytes: &[u8], id: Option<&Value>, wait: Duration) -> Heard {
        let request = self.request(bytes);
        let reply = send_request(self.target.address, Ipv4Addr::LOCALHOST, &request, wait).await;
        let mut heard = Heard::listening(id);
        heard.status = reply.status;
        heard.session = reply.header("mcp-session-id").map(str::to_owned);
        let is_stream = reply
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/event-stream"));
        if is_stream {
            for frame in SseReader::default().push(&reply.body) {
                if let Frame::Data(text) = frame {
                    heard.take(text.as_bytes());
                }
            }
        } else {
            heard.take(&reply.body);
        }
        heard.end = match reply.trouble.as_deref() {
            None => None,
            Some("refused") => Some(End::Absent),
            Some("timeout") => Some(End::Silence),
            Some(_) => Some(End::Closed),
        };
        heard
    }

    fn request(&self, body: &[u8]) -> RawRequest {
        let mut request = RawRequest::line(&format!("POST {} HTTP/1.1", self.target.path))
            .header("Host", &self.target.host)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("Connection", "close");
        if let Some(bearer) = &self.target.bearer {
            request = request.header("Authorization", format!("Bearer {bearer}"));
        }
        if let Some(session) = &self.session {
            request = request.header("Mcp-Session-Id", session);
        }
        if let Some(revision) = &self.revision {
            request = request.header("MCP-Protocol-Version", revision);
        }
        for (name, value) in &self.extra {
            request = request.header(name, value);
        }
        request.body(body)
    }
}
