//! The one middleware before the protocol: who asks, how often, for what, in which session.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt as _;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::body::{self, BodyError};
use super::envelope::Envelope;
use super::held::Held;
use super::origin::Origins;
use super::rate::Rates;
use super::refusal::{Asked, Desk, Refusal};
use super::session::{Place, Sessions};
use super::{address, patience, public};
use crate::auth::Principal;
use crate::auth::policy::Policy;
use crate::auth::token::TokenCheck;
use crate::config::{Cidr, Limits};
use crate::protocol::caller::{Caller, Transport};

/// The session header of revision 2025-11-25.
pub const SESSION: &str = "mcp-session-id";

/// A refused request's body is read up to this size, so that its id can be answered and the
/// connection kept.
const DRAINED: usize = 64 * 1024;

/// The address of the TCP peer, put into a request's extensions by the listener.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// What the checks need; one per listener.
#[derive(Clone)]
pub struct Gate {
    /// Answers, counts and records refusals.
    pub desk: Desk,
    /// Hosts and origins.
    pub origins: Arc<Origins>,
    /// Verifies tokens; `None` when authentication is off.
    pub tokens: Option<Arc<TokenCheck>>,
    /// What roles may do.
    pub policy: Arc<Policy>,
    /// Sustained rates.
    pub rates: Arc<Rates>,
    /// Sessions and their owners.
    pub sessions: Sessions,
    /// Peers whose forwarding header is believed.
    pub trusted: Arc<[Cidr]>,
    /// Sizes and clocks.
    pub limits: Arc<Limits>,
    /// Calls being answered, for the drain.
    pub calls: TaskTracker,
    /// The zero of the rate clock.
    pub epoch: Instant,
}

/// A request that passed the checks on its head.
struct Admitted {
    principal: Principal,
    asked: Asked,
}

type Checked<T> = Result<T, (Refusal, Asked)>;

impl Gate {
    /// The request's record, before anything about it is known to be true.
    pub(super) fn asked(&self, request: &Request, correlation_id: &Arc<str>) -> (Asked, IpAddr) {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
        let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let source = address::client(peer, request.headers(), &self.trusted);
        let asked = Asked {
            correlation_id: Arc::clone(correlation_id),
            principal: "unverified".to_owned(),
            source: source.to_string(),
            action: format!("{} {}", request.method(), request.uri().path()),
            resource: String::new(),
            id: Value::Null,
            challenge: self.tokens.is_some().then(|| challenge(request.headers())),
        };
        (asked, source)
    }

    /// Who asks; without authentication everybody is `anonymous`.
    ///
    /// # Errors
    /// The refusal of a missing or bad token.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, Refusal> {
        let Some(tokens) = &self.tokens else {
            return Ok(Principal::anonymous(Arc::clone(&self.policy)));
        };
        let token = bearer(headers).map_err(Refusal::unauthorized)?;
        tokens
            .check(token, now_seconds())
            .map_err(|error| Refusal::unauthorized(error.0))
    }

    /// Takes from the address's and everybody's rate, for requests without a principal.
    pub(super) fn take_rate(&self, source: IpAddr) -> Result<(), Refusal> {
        self.rates
            .take(self.now(), source, None)
            .map_err(Refusal::over_rate)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Host, Origin, credential and rate.
    fn admit(&self, request: &Request, correlation_id: &Arc<str>) -> Checked<Admitted> {
        let (mut asked, source) = self.asked(request, correlation_id);
        if let Err(stranger) = self.origins.check(request.uri(), request.headers()) {
            return Err((Refusal::stranger(stranger), asked));
        }
        let authenticated = self.authenticate(request.headers());
        let verified = authenticated
            .as_ref()
            .ok()
            .filter(|_| self.tokens.is_some());
        let paced = self
            .rates
            .take(self.now(), source, verified.map(Principal::name));
        if let Ok(principal) = &authenticated {
            asked.principal = principal.name().to_owned();
        }
        match (authenticated, paced) {
            (_, Err(over)) => Err((Refusal::over_rate(over), asked)),
            (Err(refusal), Ok(())) => Err((refusal, asked)),
            (Ok(principal), Ok(())) => Ok(Admitted { principal, asked }),
        }
    }

    fn may(principal: &Principal, envelope: &Envelope) -> bool {
        match (envelope.method.as_deref(), envelope.name.as_deref()) {
            (Some("tools/call"), Some(tool)) => principal.may_call(tool),
            (Some("tools/call"), None) => principal.may_use_tools(),
            (Some(method), _) => {
                let is_open = ["resources/", "prompts/", "completion/", "tasks/"]
                    .iter()
                    .all(|family| !method.starts_with(family) || method.ends_with("/list"));
                is_open || principal.may_use_tools()
            }
            (None, _) => true,
        }
    }

    /// Role and session, once the body is known.
    fn permit(
        &self,
        admitted: &Admitted,
        headers: &HeaderMap,
        envelope: &Envelope,
    ) -> Result<Option<Place>, Refusal> {
        if !Self::may(&admitted.principal, envelope) {
            return Err(Refusal::forbidden());
        }
        self.check_session(&admitted.principal, headers)?;
        if envelope.method.as_deref() != Some("initialize") {
            return Ok(None);
        }
        let place = self.sessions.begin(Instant::now());
        place.map(Some).ok_or_else(|| {
            let message = "This server has as many sessions as it may; end one or wait.";
            Refusal::over_count("too_many_sessions", message)
        })
    }

    fn check_session(&self, principal: &Principal, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(id) = headers.get(SESSION) else {
            return Ok(());
        };
        let id = id.to_str().unwrap_or_default();
        if self.sessions.is_own(id, principal.name(), Instant::now()) {
            return Ok(());
        }
        Err(Refusal::no_session(self.tokens.is_some()))
    }

    fn caller(principal: &Principal, correlation_id: &Arc<str>) -> Caller {
        Caller {
            principal: principal.name().into(),
            roles: principal.roles().into(),
            transport: Transport::Http,
            correlation_id: Arc::clone(correlation_id),
        }
    }
}

fn now_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The token of exactly one `Authorization: Bearer` header.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, &'static str> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let line = match (lines.next(), lines.next()) {
        (None, _) => return Err("token_missing"),
        (Some(line), None) => line.to_str().map_err(|_| "token_malformed")?,
        (Some(_), Some(_)) => return Err("token_twice"),
    };
    let (scheme, token) = line.split_once(' ').ok_or("token_missing")?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err("token_scheme");
    }
    let token = token.trim_matches(' ');
    if token.is_empty() {
        Err("token_missing")
    } else {
        Ok(token)
    }
}

fn challenge(headers: &HeaderMap) -> String {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("localhost");
    format!(
        "Bearer resource_metadata=\"http://{host}{}\"",
        public::METADATA_MCP
    )
}

/// The outermost layer of every route: correlation id, instance header, panic isolation.
pub async fn outermost(
    State((desk, instance)): State<(Desk, Arc<str>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let correlation_id = crate::protocol::caller::fresh_correlation_id();
    request
        .extensions_mut()
        .insert(CorrelationId(Arc::clone(&correlation_id)));
    let action = format!("{} {}", request.method(), request.uri().path());
    let span = tracing::info_span!("request", %correlation_id);
    let answering = std::panic::AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match answering.instrument(span).await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(severity = "critical", %correlation_id, action, "panic");
            let asked = Asked {
                correlation_id: Arc::clone(&correlation_id),
                principal: String::new(),
                source: String::new(),
                action,
                resource: String::new(),
                id: Value::Null,
                challenge: None,
            };
            desk.refuse(Refusal::broken(), asked).await
        }
    };
    for (name, value) in [
        ("exai-instance", &*instance),
        ("exai-correlation-id", &*correlation_id),
    ] {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The id given by [`outermost`].
#[derive(Debug, Clone)]
pub struct CorrelationId(pub Arc<str>);

pub(super) fn correlation_of(request: &Request) -> Arc<str> {
    let id = request.extensions().get::<CorrelationId>();
    id.map_or_else(crate::protocol::caller::fresh_correlation_id, |id| {
        Arc::clone(&id.0)
    })
}

/// The checks on `/mcp`.
pub async fn mcp(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let correlation_id = correlation_of(&request);
    if request.method() == Method::OPTIONS {
        let (asked, _) = gate.asked(&request, &correlation_id);
        return match gate.origins.check(request.uri(), request.headers()) {
            Ok(()) => public::preflight(&request),
            Err(stranger) => gate.desk.refuse(Refusal::stranger(stranger), asked).await,
        };
    }
    let origin = request.headers().get(http::header::ORIGIN).cloned();
    let mut response = match gate.admit(&request, &correlation_id) {
        Ok(admitted) => pass(&gate, admitted, request, next).await,
        Err((refusal, mut asked)) => {
            asked.id = drained_id(&gate, request).await;
            gate.desk.refuse(refusal, asked).await
        }
    };
    if let Some(origin) = origin.filter(|origin| gate.origins.is_origin(origin.as_bytes())) {
        public::allow_reading(response.headers_mut(), origin);
    }
    response
}

/// Reads what is left of a small body, so that the refusal can name its id.
async fn drained_id(gate: &Gate, request: Request) -> Value {
    if body::announced(request.headers(), DRAINED).is_err() {
        return Value::Null;
    }
    match body::read(request.into_body(), DRAINED, gate.limits.body_timeout).await {
        Ok(body) => Envelope::read(&body, gate.limits.json_depth)
            .map_or_else(|bad| bad.id, |envelope| envelope.id),
        Err(_) => Value::Null,
    }
}

async fn pass(gate: &Gate, admitted: Admitted, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        return match gate.check_session(&admitted.principal, &parts.headers) {
            Ok(()) => pass_other(gate, admitted, Request::from_parts(parts, body), next).await,
            Err(refusal) => gate.desk.refuse(refusal, admitted.asked).await,
        };
    }
    let limits = &gate.limits;
    let whole = match body::announced(&parts.headers, limits.body_bytes) {
        Ok(()) => body::read(body, limits.body_bytes, limits.body_timeout).await,
        Err(error) => Err(error),
    };
    let whole = match whole {
        Ok(whole) => whole,
        Err(error) => return refuse_body(gate, error, admitted.asked).await,
    };
    let mut asked = admitted.asked.clone();
    let envelope = match Envelope::read(&whole, limits.json_depth) {
        Ok(envelope) => envelope,
        Err(bad) => {
            asked.id = bad.id.clone();
            return gate.desk.refuse(Refusal::message(&bad), asked).await;
        }
    };
    asked.id = envelope.id.clone();
    asked.action = envelope
        .method
        .clone()
        .unwrap_or_else(|| "response".to_owned());
    asked.resource = envelope.name.clone().unwrap_or_default();
    match gate.permit(&admitted, &parts.headers, &envelope) {
        Err(refusal) => gate.desk.refuse(refusal, asked).await,
        Ok(place) => {
            let admitted = Admitted { asked, ..admitted };
            let request = Request::from_parts(parts, Body::from(whole));
            pass_message(gate, admitted, (envelope, place), (request, next)).await
        }
    }
}

async fn refuse_body(gate: &Gate, error: BodyError, asked: Asked) -> Response {
    let mut response = gate.desk.refuse(Refusal::body(error), asked).await;
    // The rest of the body will not be read, so the connection cannot be used again.
    response.headers_mut().insert(
        http::header::CONNECTION,
        http::HeaderValue::from_static("close"),
    );
    response
}

/// One JSON-RPC message into the protocol and its answer back.
async fn pass_message(
    gate: &Gate,
    admitted: Admitted,
    (envelope, place): (Envelope, Option<Place>),
    (mut request, next): (Request, Next),
) -> Response {
    let Admitted { principal, asked } = admitted;
    request
        .extensions_mut()
        .insert(Gate::caller(&principal, &asked.correlation_id));
    request.extensions_mut().insert(principal.clone());
    let is_call = envelope.method.as_deref() == Some("tools/call");
    let token = envelope.is_request().then(|| gate.calls.token());
    let desk = gate.desk.clone();
    let answer = async move {
        let response = next.run(request).await;
        explain(&desk, response, asked).await
    };
    let response = if is_call {
        let limits = &gate.limits;
        let answer = Box::pin(answer.in_current_span());
        patience::patient(answer, limits.stream_after, limits.stream_comment).await
    } else {
        answer.await
    };
    if let (Some(place), Some(id)) = (place, session_of(response.headers())) {
        place.take(&id, principal.name(), Instant::now());
    }
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, Held::body(body, token))
}

/// GET and DELETE: the standing stream and the end of a session.
async fn pass_other(gate: &Gate, admitted: Admitted, request: Request, next: Next) -> Response {
    let ending = (request.method() == Method::DELETE)
        .then(|| session_of(request.headers()))
        .flatten();
    let response = next.run(request).await;
    if let Some(id) = ending.filter(|_| response.status().is_success()) {
        gate.sessions.end(&id);
    }
    explain(&gate.desk, response, admitted.asked).await
}

fn session_of(headers: &HeaderMap) -> Option<String> {
    headers
        .get(SESSION)
        .and_then(|id| id.to_str().ok())
        .map(str::to_owned)
}

/// Gives a plain-text refusal of the protocol library the one shape of all failures.
async fn explain(desk: &Desk, response: Response, asked: Asked) -> Response {
    let status = response.status();
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .map(http::HeaderValue::as_bytes);
    let is_json = kind.is_some_and(|kind| kind.starts_with(b"application/json"));
    if !status.is_client_error() && !status.is_server_error() || is_json {
        return response;
    }
    let (status, text) = match status {
        StatusCode::NOT_ACCEPTABLE => (
            status,
            "Accept must name application/json and text/event-stream.",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE if asked.id.is_null() => {
            (status, "Content-Type must be application/json.")
        }
        // The body was read as JSON before, so what the library could not read is the message.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            StatusCode::BAD_REQUEST,
            "The parameters do not fit the method, or Content-Type is not application/json.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => (status, "This method is not used on this endpoint."),
        StatusCode::NOT_FOUND => (status, "This session is not known; send initialize."),
        StatusCode::BAD_REQUEST => (status, "The protocol headers do not fit the message."),
        other => (other, "The protocol could not answer this request."),
    };
    let allow = response.headers().get(http::header::ALLOW).cloned();
    let mut refused = desk.refuse(Refusal::plain(status, text), asked).await;
    if let Some(allow) = allow {
        refused.headers_mut().insert(http::header::ALLOW, allow);
    }
    refused
}
