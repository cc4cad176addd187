//! Who calls, and over what. Decided before the protocol, by the transport and its middleware.

use std::sync::Arc;

use crate::spending::Spender;

/// How a call reached the server; labels metrics and decides what a path argument may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A client that started this process and speaks over its pipes.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// The WebSocket daemon.
    WebSocket,
}

impl Transport {
    /// `stdio`, `http` or `websocket`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "http",
            Self::WebSocket => "websocket",
        }
    }
}

/// The verified caller of one request. HTTP middleware puts it into the extensions of
/// `http::request::Parts`; a request without one is refused, except on stdio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The verified principal; `anonymous` where authentication is off, `local` on stdio.
    pub principal: Arc<str>,
    /// Its roles.
    pub roles: Arc<[String]>,
    /// The team whose budget it shares; `None` without one.
    pub team: Option<Arc<str>>,
    /// How the call came.
    pub transport: Transport,
    /// One id through reply, log, metric and store.
    pub correlation_id: Arc<str>,
}

impl Caller {
    /// The person who started the process.
    #[must_use]
    pub fn local() -> Self {
        Self {
            principal: "local".into(),
            roles: Arc::from(["admin".to_owned()]),
            team: None,
            transport: Transport::Stdio,
            correlation_id: fresh_correlation_id(),
        }
    }
}

impl Caller {
    /// Who pays, outside a call of a tool.
    #[must_use]
    pub fn spender(&self) -> Spender {
        Spender {
            principal: self.principal.to_string(),
            team: self.team.clone(),
            tool: "",
        }
    }
}

/// A correlation id of 122 random bits.
#[must_use]
pub fn fresh_correlation_id() -> Arc<str> {
    uuid::Uuid::new_v4().simple().to_string().into()
}
