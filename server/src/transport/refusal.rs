//! Requests refused before the protocol sees them: one shape, one audit line where it is a denial.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::body::BodyError;
use super::envelope::BadMessage;
use super::lines::BadLine;
use super::origin::Stranger;
use super::rate::{OverRate, network};
use crate::auth::audit::{Audit, Deed};
use crate::failure::{Category, Failure};
use crate::observe::Metrics;
use crate::protocol::caller::{Transport, fresh_correlation_id};
use crate::protocol::reply;

/// Why a request goes no further.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The JSON-RPC code.
    pub code: i32,
    /// What the caller is told.
    pub failure: Box<Failure>,
    /// The audit line's reason; `None` when it is no denial but a malformed request.
    pub denial: Option<&'static str>,
}

impl Refusal {
    fn new(status: StatusCode, code: i32, failure: Failure) -> Self {
        Self {
            status,
            code,
            failure: Box::new(failure),
            denial: None,
        }
    }

    fn denied(mut self, reason: &'static str) -> Self {
        self.denial = Some(reason);
        self
    }

    /// 401; the reason is for the record alone.
    #[must_use]
    pub fn unauthorized(reason: &'static str) -> Self {
        let message = "A valid bearer token is required in the Authorization header or the hello.";
        let failure = Failure::new(Category::AuthError, "unauthorized", message);
        Self::new(StatusCode::UNAUTHORIZED, -32001, failure).denied(reason)
    }

    /// 403 by role.
    #[must_use]
    pub fn forbidden() -> Self {
        let message = "Your role does not permit this; ask the operator for one that does.";
        let failure = Failure::new(Category::AuthError, "forbidden", message);
        Self::new(StatusCode::FORBIDDEN, -32003, failure).denied("role")
    }

    /// 429 by rate.
    #[must_use]
    pub fn over_rate(over: OverRate) -> Self {
        let message = "Too many requests; wait for retry_after_ms and send it again.";
        let failure = Failure::new(Category::RateLimitError, "over_rate", message)
            .with_retry_after(over.wait.max(Duration::from_millis(1)));
        Self::new(StatusCode::TOO_MANY_REQUESTS, -32029, failure).denied(over.scope.reason())
    }

    /// 429 by a count: sessions, connections or requests of one address.
    #[must_use]
    pub fn over_count(code: &'static str, message: &str) -> Self {
        let failure = Failure::new(Category::RateLimitError, code, message)
            .with_retry_after(Duration::from_secs(1));
        Self::new(StatusCode::TOO_MANY_REQUESTS, -32029, failure).denied(code)
    }

    /// A connection that begins with a preamble and may not, or must and does not.
    #[must_use]
    pub fn misplaced() -> Self {
        let message = "The connection does not begin as server.proxy_protocol asks of its peer.";
        let failure = Failure::new(Category::ClientError, "preamble", message);
        Self::new(StatusCode::BAD_REQUEST, -32600, failure).denied("preamble")
    }

    /// 503 for a request on a connection that is being drained.
    #[must_use]
    pub fn draining() -> Self {
        let message = "This server is ending; send the call to another one, or again in a while.";
        let failure = Failure::new(Category::ServerError, "draining", message)
            .with_retry_after(Duration::from_secs(1));
        Self::new(StatusCode::SERVICE_UNAVAILABLE, -32030, failure)
    }

    /// 503 for a session that began at another instance, while Redis does not answer.
    #[must_use]
    pub fn away() -> Self {
        let message = "The store of sessions does not answer; send the same request again.";
        let failure = Failure::new(Category::ServerError, "sessions_unavailable", message)
            .with_retry_after(Duration::from_secs(1));
        Self::new(StatusCode::SERVICE_UNAVAILABLE, -32030, failure)
    }

    /// 400 for a message that cannot be taken as it is.
    #[must_use]
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        let failure = Failure::new(Category::ClientError, code, message);
        Self::new(StatusCode::BAD_REQUEST, -32600, failure)
    }

    /// 404 for a session that is not the caller's, whether or not it exists.
    #[must_use]
    pub fn no_session(is_denial: bool) -> Self {
        let message = "This session is not known; send initialize to begin a new one.";
        let failure = Failure::new(Category::ClientError, "session_not_found", message);
        let refusal = Self::new(StatusCode::NOT_FOUND, -32001, failure);
        if is_denial {
            refusal.denied("session")
        } else {
            refusal
        }
    }

    /// 400 or 403 for a Host or Origin.
    #[must_use]
    pub fn stranger(stranger: Stranger) -> Self {
        let say = |category, code, message: &str| Failure::new(category, code, message);
        match stranger {
            Stranger::Malformed => {
                let message = "The request names no host, several, or two different ones.";
                let failure = say(Category::ClientError, "bad_host", message);
                Self::new(StatusCode::BAD_REQUEST, -32600, failure)
            }
            Stranger::Host => {
                let message = "This Host is not served here; see server.allowed_hosts.";
                let failure = say(Category::AuthError, "host_not_allowed", message);
                Self::new(StatusCode::FORBIDDEN, -32003, failure).denied("host")
            }
            Stranger::Origin => {
                let message = "This Origin is not allowed; see server.allowed_origins.";
                let failure = say(Category::AuthError, "origin_not_allowed", message);
                Self::new(StatusCode::FORBIDDEN, -32003, failure).denied("origin")
            }
        }
    }

    /// 400, 408, 413 or 415 for a body.
    #[must_use]
    pub fn body(error: BodyError) -> Self {
        let (status, code, message) = match error {
            BodyError::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "The body exceeds the limit.",
            ),
            BodyError::Broken => (
                StatusCode::BAD_REQUEST,
                "body_broken",
                "The body did not come as announced.",
            ),
            BodyError::Encoded => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "body_encoded",
                "Compressed bodies are not accepted.",
            ),
            BodyError::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                "The body did not come in time.",
            ),
        };
        Self::new(
            status,
            -32600,
            Failure::new(Category::ClientError, code, message),
        )
    }

    /// 400 for a body that is no message.
    #[must_use]
    pub fn message(bad: &BadMessage) -> Self {
        Self::new(StatusCode::BAD_REQUEST, bad.code, bad.failure())
    }

    /// A line of a pipe that could not be read.
    #[must_use]
    pub fn line(bad: BadLine) -> Self {
        let (code, failure) = bad.failure();
        Self::new(StatusCode::BAD_REQUEST, code, failure)
    }

    /// What the protocol library refused in plain text.
    #[must_use]
    pub fn plain(status: StatusCode, text: &str) -> Self {
        let failure = Failure::new(Category::ClientError, "not_accepted", text);
        Self::new(status, -32600, failure)
    }

    /// A failure of what was asked for, which the checks had nothing against.
    #[must_use]
    pub fn failed(status: StatusCode, failure: Failure) -> Self {
        Self::new(status, -32000, failure)
    }

    /// 500 for a panic on our side.
    #[must_use]
    pub fn broken() -> Self {
        let message = "The server failed on this request; the correlation id is in its log.";
        let failure = Failure::new(Category::ServerError, "panic", message);
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, -32603, failure)
    }

    /// The JSON-RPC error, with the one failure object as its data.
    #[must_use]
    pub fn to_json(&self, id: &Value, correlation_id: &str) -> Value {
        let mut failure = (*self.failure).clone();
        // Rounded up to the millisecond on the wire: who waits exactly this long is not early.
        failure.retry_after = failure
            .retry_after
            .map(|wait| Duration::from_millis(wait.as_micros().div_ceil(1000) as u64));
        let data = reply::error_object(&failure, correlation_id);
        json!({
            "jsonrpc": "2.0",
            "id": id,
            "error": {"code": self.code, "message": failure.message, "data": data},
        })
    }

    fn response(&self, id: &Value, correlation_id: &str, challenge: Option<&str>) -> Response {
        let mut response = Response::new(Body::from(self.to_json(id, correlation_id).to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(wait) = self.failure.retry_after {
            let seconds = wait.as_millis().div_ceil(1000).max(1) as u64;
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = challenge.and_then(|text| text.parse().ok());
            let plain = HeaderValue::from_static("Bearer");
            headers.insert(WWW_AUTHENTICATE, challenge.unwrap_or(plain));
        }
        response
    }
}

/// Who asked for what, for the record of a refusal.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The request's id in logs and replies.
    pub correlation_id: Arc<str>,
    /// The verified principal, or `unverified`.
    pub principal: String,
    /// The client's address.
    pub source: String,
    /// Method, or verb and path.
    pub action: String,
    /// Tool, session or nothing.
    pub resource: String,
    /// How it came.
    pub transport: Transport,
    /// The JSON-RPC id, null when unknown.
    pub id: Value,
    /// The `WWW-Authenticate` value for a 401.
    pub challenge: Option<String>,
}

impl Asked {
    /// A connection that is refused before any request.
    #[must_use]
    pub fn to_connect(peer: SocketAddr, transport: Transport) -> Self {
        Self {
            correlation_id: fresh_correlation_id(),
            principal: "unverified".to_owned(),
            source: peer.ip().to_string(),
            action: "connect".to_owned(),
            resource: String::new(),
            transport,
            id: Value::Null,
            challenge: None,
        }
    }
}

/// Turns refusals into answers, counts them and puts denials on record.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Counted here.
    pub metrics: Metrics,
    /// Recorded here; `None` before the audit file is open or where there is none.
    pub audit: Option<Audit>,
}

impl Desk {
    /// Refuses: one answer, one count, one audit line if it is a denial.
    pub async fn refuse(&self, refusal: Refusal, asked: Asked) -> Response {
        self.record(&refusal, &asked).await;
        refusal.response(&asked.id, &asked.correlation_id, asked.challenge.as_deref())
    }

    /// One count, and one audit line if it is a denial; the answer is the caller's to send.
    pub async fn record(&self, refusal: &Refusal, asked: &Asked) {
        self.metrics.failure(&refusal.failure);
        if let Some(reason) = refusal.denial {
            let source = asked.source.parse();
            let source = source.map_or(Ipv4Addr::UNSPECIFIED.into(), network);
            self.metrics.denial(reason, source);
            tracing::warn!(
                correlation_id = %asked.correlation_id,
                reason,
                source = asked.source,
                "denied"
            );
            if let Some(audit) = &self.audit {
                audit.record(Self::deed(asked, reason)).await;
            }
        }
    }

    /// An audit line for something that was allowed and is put on record all the same.
    pub async fn record_allowed(&self, asked: &Asked) {
        if let Some(audit) = &self.audit {
            audit.record_allowed(Self::deed(asked, "")).await;
        }
    }

    /// One warning and one audit line for a caller who was let in without a credential.
    pub fn note_grace(&self, asked: &Asked) {
        tracing::warn!(
            correlation_id = %asked.correlation_id,
            source = asked.source,
            "let in without a credential until auth.grace_until"
        );
        if let Some(audit) = &self.audit {
            audit.note_allowed(Self::deed(asked, "grace"));
        }
    }

    fn deed(asked: &Asked, reason: &str) -> Deed {
        Deed {
            correlation_id: asked.correlation_id.to_string(),
            principal: asked.principal.clone(),
            source: asked.source.clone(),
            transport: asked.transport.name().to_owned(),
            action: asked.action.clone(),
            resource: asked.resource.clone(),
            reason: reason.to_owned(),
        }
    }
}
