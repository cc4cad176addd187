//! Streamable HTTP in both revisions, over our own keep-alive connections.
//!
//! A request is sent once. A connection that the peer closed stays closed until
//! [`Http::reconnect`], unless the target says that clients of its kind dial again by themselves; a
//! connection that we closed, at a deadline, is dialled again by the next request.

pub(crate) mod lane;
mod reading;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Method, header};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::Value;
use tokio::sync::Semaphore;

use self::lane::Lane;
use super::exchange::Exchange;
use super::request::{Request, Revision, initialize};
use super::{ClientError, Identity};
use crate::history::Now;

/// Says whom a proxy speaks for.
pub(crate) const FORWARDED: &str = "x-forwarded-for";

/// Where a server listens and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// Where to connect, a link included.
    pub address: SocketAddr,
    /// The `Host` header.
    pub host: String,
    /// Such as `/mcp`.
    pub path: String,
    /// The revision spoken.
    pub revision: Revision,
    /// Connections held at most; further requests wait for one.
    pub connections: u32,
    /// Whether a request may dial when the peer had closed its connection before.
    pub redial: bool,
}

/// A client on HTTP.
pub struct Http {
    target: HttpTarget,
    identity: Identity,
    now: Now,
    ids: AtomicU64,
    generation: AtomicU64,
    free: Semaphore,
    lanes: Mutex<Vec<(u64, Lane)>>,
    dials_anew: bool,
    session: Mutex<Option<HeaderValue>>,
}

impl Http {
    /// A client that has not spoken yet; see [`Http::reconnect`].
    #[must_use]
    pub fn new(target: HttpTarget, identity: Identity, now: Now) -> Self {
        let free = Semaphore::new(usize::try_from(target.connections).unwrap_or(1).max(1));
        Self {
            target,
            identity,
            now,
            ids: AtomicU64::new(1),
            generation: AtomicU64::new(0),
            free,
            lanes: Mutex::default(),
            dials_anew: false,
            session: Mutex::default(),
        }
    }

    /// The same, with a connection of its own for each request: behind a proxy that takes turns by
    /// connection, requests then take turns too.
    #[must_use]
    pub fn dialling_anew(self) -> Self {
        Self {
            dials_anew: true,
            ..self
        }
    }

    /// Who speaks.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where to and how.
    #[must_use]
    pub const fn target(&self) -> &HttpTarget {
        &self.target
    }

    /// The run's clock.
    pub(super) fn now(&self) -> u64 {
        (self.now)()
    }

    /// Forgets every connection and the session, and performs the handshake of 2025-11-25.
    ///
    /// # Errors
    /// When the handshake is not answered as the revision asks.
    pub async fn reconnect(&self, wait: Duration) -> Result<(), ClientError> {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.lanes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if self.target.revision == Revision::V2026 {
            return Ok(());
        }
        let until = self.now() + u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let exchange = self
            .exchange(&initialize(self.identity.software), until)
            .await;
        if exchange.result().is_none() {
            return Err(ClientError::handshake(&exchange));
        }
        let done = self.notify("notifications/initialized", until).await;
        match done.status {
            Some(200..=299) => Ok(()),
            _ => Err(ClientError::handshake(&done)),
        }
    }

    /// Sends a request and reads all that comes back for it until `until`, ns on the run's clock.
    pub async fn exchange(&self, request: &Request, until: u64) -> Exchange {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        self.post(request, Some(id), until).await
    }

    /// Sends a notification.
    pub async fn notify(&self, method: &str, until: u64) -> Exchange {
        self.post(&Request::new(method, Value::Null), None, until)
            .await
    }

    /// Ends the session with DELETE; a server may answer 405 and keep it.
    pub async fn leave(&self, until: u64) -> Exchange {
        let mut exchange = Exchange::begun(self.now());
        let mut wanted = http::Request::new(Full::default());
        *wanted.method_mut() = Method::DELETE;
        self.run(wanted, &Value::Null, until, &mut exchange).await;
        exchange
    }

    async fn post(&self, request: &Request, id: Option<u64>, until: u64) -> Exchange {
        let message = request.message(id, self.target.revision, self.identity.software);
        let mut exchange = Exchange::begun(self.now());
        let mut wanted = http::Request::new(Full::new(Bytes::from(message.to_string())));
        *wanted.method_mut() = Method::POST;
        let headers = wanted.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if self.target.revision == Revision::V2026 {
            insert(headers, "mcp-method", &request.method);
            if let Some(name) = request.name() {
                insert(headers, "mcp-name", name);
            }
        }
        self.run(wanted, &message["id"], until, &mut exchange).await;
        exchange
    }

    async fn run(
        &self,
        mut wanted: http::Request<Full<Bytes>>,
        id: &Value,
        until: u64,
        exchange: &mut Exchange,
    ) {
        self.address(&mut wanted);
        let left = Duration::from_nanos(until.saturating_sub(self.now()));
        let attempt = self.attempt(wanted, id, exchange);
        let is_late = tokio::time::timeout(left, attempt).await.is_err();
        if is_late && exchange.reply.is_none() {
            exchange.fail(self.now(), "deadline");
        }
    }

    /// Fills in everything that does not depend on the message.
    fn address(&self, wanted: &mut http::Request<Full<Bytes>>) {
        *wanted.uri_mut() = self.target.path.parse().unwrap_or_default();
        let session = self
            .session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let revision = self.target.revision;
        let headers = wanted.headers_mut();
        let software = self.identity.software;
        insert(headers, "host", &software.host(&self.target.host));
        insert(headers, "accept", "application/json, text/event-stream");
        if let Some(agent) = software.user_agent {
            insert(headers, "user-agent", agent);
        }
        if self.identity.forwarded {
            insert(headers, FORWARDED, &self.identity.source.to_string());
        }
        if let Some(bearer) = &self.identity.bearer {
            insert(headers, "authorization", &format!("Bearer {bearer}"));
        }
        if revision == Revision::V2026 || session.is_some() {
            insert(headers, "mcp-protocol-version", revision.name());
        }
        if let Some(session) = session {
            headers.insert("mcp-session-id", session);
        }
        *headers = software.written(std::mem::take(headers));
    }

    async fn attempt(
        &self,
        wanted: http::Request<Full<Bytes>>,
        id: &Value,
        exchange: &mut Exchange,
    ) {
        let Ok(_permit) = self.free.acquire().await else {
            return exchange.fail(self.now(), "client closed");
        };
        let generation = self.generation.load(Ordering::Relaxed);
        let lane = self.take_lane(generation);
        let kept = match lane.ready(self.identity.source, &self.target).await {
            Ok(mut connection) => {
                exchange.sent_at = self.now();
                match connection.send(wanted).await {
                    Ok(reply) => self.read(reply, id, exchange).await.lane(connection),
                    Err(trouble) => {
                        exchange.fail(self.now(), trouble);
                        Lane::Broken
                    }
                }
            }
            Err((lane, trouble)) => {
                exchange.sent_at = self.now();
                exchange.fail(self.now(), trouble);
                lane
            }
        };
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = if self.dials_anew { Lane::Idle } else { kept };
        lanes.push((generation, kept));
    }

    fn take_lane(&self, generation: u64) -> Lane {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|(born, _)| *born == generation);
        lanes.pop().map_or(Lane::Idle, |(_, lane)| lane)
    }
}

/// A header from text; text that no header can hold is left out, and the server refuses.
fn insert(headers: &mut http::HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The source addresses of 127.0.0.0/8 for the `number`th identity, never 127.0.0.1 itself.
#[must_use]
pub fn loopback(number: usize) -> Ipv4Addr {
    let spread = u32::try_from(number % 0x00ff_0000).unwrap_or(0);
    Ipv4Addr::from(0x7f01_0001 + spread)
}

#[cfg(test)]
mod tests;
