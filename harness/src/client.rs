//! The judge's own wire clients: raw JSON over our own framing, never a library's client.
//!
//! Nothing here retries or reuses a result; each attempt is one operation of the history.

pub mod answer;
mod duplex;
pub mod exchange;
pub mod http;
pub mod listing;
pub mod reply;
pub mod request;
pub mod software;
pub mod sse;
pub mod stdio;
pub mod trouble;
pub mod websocket;

use std::net::Ipv4Addr;
use std::time::Duration;

use exai_judge::{Call, Transport};
use serde_json::{Value, json};

pub use self::exchange::Exchange;
pub use self::http::{Http, HttpTarget};
pub use self::request::{Request, Revision};
pub use self::software::Software;
pub use self::stdio::Stdio;
pub use self::websocket::{WebSocket, WebSocketTarget};
use crate::operation::OperationPlan;

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name in the history: the principal.
    pub name: String,
    /// The address it speaks from, on loopback.
    pub source: Ipv4Addr,
    /// Whether it speaks through a proxy that the server trusts, and says that address itself in
    /// `X-Forwarded-For`.
    pub forwarded: bool,
    /// The bearer token, where authentication is on.
    pub bearer: Option<String>,
    /// The program it says it is.
    pub software: Software,
}

impl Identity {
    /// The `number`th identity: a loopback address and a client program of its own, no token.
    #[must_use]
    pub fn numbered(name: impl Into<String>, number: usize) -> Self {
        Self {
            name: name.into(),
            source: http::loopback(number),
            forwarded: false,
            bearer: None,
            software: Software::numbered(number),
        }
    }

    /// The same identity with a token.
    #[must_use]
    pub fn with_bearer(mut self, token: impl Into<String>) -> Self {
        self.bearer = Some(token.into());
        self
    }
}

/// Why a client could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The process was started without pipes, or they belong to somebody else.
    #[error("could not take the server's pipes")]
    NoPipe,
    /// The handshake was not answered as the revision asks.
    #[error("could not shake hands: {0}")]
    Handshake(String),
    /// Pipes cannot be opened again; start another client.
    #[error("could not reconnect on pipes")]
    Pipes,
    /// A list could not be read.
    #[error("could not read {what}: {why}")]
    List {
        /// The method.
        what: String,
        /// What came instead.
        why: String,
    },
}

impl ClientError {
    fn handshake(exchange: &Exchange) -> Self {
        Self::Handshake(what_came(exchange))
    }
}

/// What came instead of a result, for people.
pub(crate) fn what_came(exchange: &Exchange) -> String {
    if let Some(trouble) = &exchange.trouble {
        return trouble.clone();
    }
    let error = exchange.reply.as_ref().and_then(|reply| reply.get("error"));
    match (error, exchange.status) {
        (Some(error), _) => error.to_string().chars().take(300).collect(),
        (None, Some(status)) => format!("status {status}"),
        (None, None) => "no result".to_owned(),
    }
}

/// A client on any wire.
pub enum Client {
    /// On a pair of pipes.
    Stdio(Stdio),
    /// On HTTP.
    Http(Http),
    /// On WebSocket.
    WebSocket(WebSocket),
}

impl Client {
    /// The wire, as the history names it.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        match self {
            Self::Stdio(_) => Transport::Stdio,
            Self::Http(http) => match http.target().revision {
                Revision::V2025 => Transport::Http2025,
                Revision::V2026 => Transport::Http2026,
            },
            Self::WebSocket(_) => Transport::WebSocket,
        }
    }

    /// Who speaks.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        match self {
            Self::Stdio(stdio) => stdio.identity(),
            Self::Http(http) => http.identity(),
            Self::WebSocket(websocket) => websocket.identity(),
        }
    }

    /// The revision spoken.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        match self {
            Self::Stdio(stdio) => stdio.revision(),
            Self::Http(http) => http.target().revision,
            Self::WebSocket(_) => WebSocket::REVISION,
        }
    }

    /// Ns since the run began.
    #[must_use]
    pub fn now(&self) -> u64 {
        match self {
            Self::Stdio(stdio) => stdio.now(),
            Self::Http(http) => http.now(),
            Self::WebSocket(websocket) => websocket.now(),
        }
    }

    /// Performs what must precede the first call: the handshake where the revision has one.
    ///
    /// # Errors
    /// When it is not answered as the revision asks.
    pub async fn greet(&self, wait: Duration) -> Result<(), ClientError> {
        match self {
            Self::Stdio(stdio) => stdio.greet(wait).await,
            Self::Http(http) => http.reconnect(wait).await,
            Self::WebSocket(websocket) => websocket.reconnect(wait).await,
        }
    }

    /// Forgets connections and session and begins anew.
    ///
    /// # Errors
    /// On pipes always: a new process is a new client. Elsewhere when the handshake fails.
    pub async fn reconnect(&self, wait: Duration) -> Result<(), ClientError> {
        match self {
            Self::Stdio(_) => Err(ClientError::Pipes),
            Self::Http(http) => http.reconnect(wait).await,
            Self::WebSocket(websocket) => websocket.reconnect(wait).await,
        }
    }

    /// Sends a request and reads all that comes back for it until `until`, ns on the run's clock.
    pub async fn exchange(&self, request: &Request, until: u64) -> Exchange {
        match self {
            Self::Stdio(stdio) => stdio.exchange(request, until).await,
            Self::Http(http) => http.exchange(request, until).await,
            Self::WebSocket(websocket) => websocket.exchange(request, until).await,
        }
    }

    /// Sends any method and waits at most `wait`.
    pub async fn request(&self, method: &str, params: Value, wait: Duration) -> Exchange {
        let wait = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let until = self.now().saturating_add(wait);
        self.exchange(&Request::new(method, params), until).await
    }

    /// Performs a planned operation that was due at `due`, ns on the run's clock.
    pub async fn call(&self, plan: &OperationPlan, due: u64) -> Call {
        let until = due.saturating_add(plan.deadline);
        let exchange = self.exchange(&plan.request(), until).await;
        let sender = reply::Sender {
            transport: self.transport(),
            identity: &self.identity().name,
        };
        reply::call(plan, sender, due, exchange)
    }

    /// What the server says of itself: the handshake's result, or `server/discover`'s.
    ///
    /// # Errors
    /// When there is no result.
    pub async fn facts(&self, wait: Duration) -> Result<Value, ClientError> {
        let software = self.identity().software;
        let request = match self.revision() {
            Revision::V2025 => request::initialize(software),
            Revision::V2026 => Request::new("server/discover", json!({})),
        };
        let wait = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let until = self.now().saturating_add(wait);
        let exchange = self.exchange(&request, until).await;
        match exchange.result() {
            Some(result) => Ok(result.clone()),
            None => Err(ClientError::handshake(&exchange)),
        }
    }
}
