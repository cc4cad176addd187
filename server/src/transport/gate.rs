//! The one middleware before the protocol: who asks, how often, for what, in which session.

mod roles;
mod sessions;

pub(super) use sessions::Seat;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt as _;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use serde_json::Value;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::address::Proxies;
use super::door::{Counted, Counts};
use super::open::Open;
use super::origin::Origins;
use super::rate::Rates;
use super::refusal::{Asked, Desk, Refusal};
use super::session::Sessions;
use super::{address, passage, public};
use crate::auth::Principal;
use crate::auth::access::{Access, AccessError, UNSIGNED};
use crate::auth::remote::Remote;
use crate::config::{Config, Current, Limits, Server};
use crate::protocol::caller::{Caller, Transport};
use crate::tool::toolbox::Toolbox;

/// The session header of revision 2025-11-25.
pub const SESSION: &str = "mcp-session-id";

/// The address of the TCP peer, put into a request's extensions by the listener.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// What the checks need; one per listener.
#[derive(Clone)]
pub struct Gate {
    /// Answers, counts and records refusals.
    pub(crate) desk: Desk,
    /// Hosts and origins.
    pub(crate) origins: Arc<Origins>,
    /// Credentials and roles.
    pub(crate) access: Current<Access>,
    /// Sets of keys that are fetched.
    pub(crate) remote: Remote,
    /// Sustained rates.
    pub(crate) rates: Arc<Rates>,
    /// Sessions and their owners.
    pub(crate) sessions: Sessions,
    /// Where this server is, and which proxies it believes.
    pub(crate) server: Arc<Server>,
    /// Requests at once of each client behind a trusted proxy, whose own connections do not count.
    pub(crate) behind: Arc<Counts<IpAddr>>,
    /// Sizes and clocks.
    pub(crate) limits: Arc<Limits>,
    /// Requests of HTTP sessions that are being answered, by session and id.
    pub(crate) open: Open<()>,
    /// Calls being answered, for the drain.
    pub(crate) calls: TaskTracker,
    /// Which tools there are.
    pub(crate) toolbox: Toolbox,
    /// The zero of the rate clock.
    pub(crate) epoch: Instant,
}

/// A request that passed the checks on its head.
pub(super) struct Admitted {
    pub(super) principal: Principal,
    pub(super) asked: Asked,
    /// A place for a client behind a proxy, kept until the answer has been sent.
    pub(super) place: Option<Counted<IpAddr>>,
}

pub(super) type Checked<T> = Result<T, Box<(Refusal, Asked)>>;

impl Gate {
    /// The checks of a listener bound to `bound`, as the configuration asks; `calls` counts what is
    /// being answered.
    ///
    /// # Errors
    /// When the configured tokens cannot be checked.
    pub fn new(
        config: &Config,
        desk: Desk,
        bound: &[SocketAddr],
        calls: TaskTracker,
        toolbox: &Toolbox,
    ) -> Result<Self, AccessError> {
        let remote = Remote::default();
        let access = Current::new(Access::new(config, &remote)?);
        let limits = &config.limits;
        Ok(Self {
            origins: Arc::new(Origins::new(&config.server, bound)),
            access,
            remote,
            rates: Arc::new(Rates::new(&limits.rate)),
            sessions: Sessions::new(limits.sessions, limits.session_idle, desk.metrics.clone()),
            server: Arc::new(config.server.clone()),
            behind: Counts::new(limits.connections_per_address),
            limits: Arc::new(limits.clone()),
            // One connection has one request at a time.
            open: Open::new(limits.connections),
            calls,
            toolbox: toolbox.clone(),
            epoch: Instant::now(),
            desk,
        })
    }

    /// The request's record, before anything about it is known to be true.
    pub(super) fn asked(&self, request: &Request, correlation_id: &Arc<str>) -> (Asked, IpAddr) {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
        let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let proxies = Proxies {
            trusted: &self.server.trusted_proxies,
            header: self.server.forwarding_header,
        };
        let source = address::client(peer, request.headers(), proxies);
        let asked = Asked {
            correlation_id: Arc::clone(correlation_id),
            principal: "unverified".to_owned(),
            source: source.to_string(),
            action: format!("{} {}", request.method(), request.uri().path()),
            resource: String::new(),
            transport: Transport::Http,
            id: Value::Null,
            challenge: (!self.is_open()).then(|| self.challenge(request.headers())),
        };
        (asked, source)
    }

    /// Who asks; without authentication everybody is `anonymous`.
    ///
    /// # Errors
    /// The refusal of a missing or bad token.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, Refusal> {
        let access = self.access.get();
        let checked = access.check(bearer(headers), now_seconds());
        checked.map_err(|error| Refusal::unauthorized(error.0))
    }

    /// Whether everybody is let in as they are.
    fn challenge(&self, headers: &HeaderMap) -> String {
        let origin = self.server.origin(headers);
        let path = public::METADATA_MCP;
        format!("Bearer resource_metadata=\"{origin}{path}\"")
    }

    pub(super) fn is_open(&self) -> bool {
        self.access.get().is_open()
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
    pub(super) fn admit(&self, request: &Request, correlation_id: &Arc<str>) -> Checked<Admitted> {
        let (mut asked, source) = self.asked(request, correlation_id);
        let admitted = self.check_origin(request).and_then(|()| {
            let principal = self.admit_caller(request.headers(), source, &mut asked)?;
            Ok((principal, self.place_behind(request, source)?))
        });
        match admitted {
            Ok((principal, place)) => Ok(Admitted {
                principal,
                asked,
                place,
            }),
            Err(refusal) => Err(Box::new((refusal, asked))),
        }
    }

    pub(super) fn check_origin(&self, request: &Request) -> Result<(), Refusal> {
        let checked = self.origins.check(request.uri(), request.headers());
        checked.map_err(Refusal::stranger)
    }

    /// Credential and rate: asked of every request, and of every message of an open connection.
    pub(super) fn admit_caller(
        &self,
        headers: &HeaderMap,
        source: IpAddr,
        asked: &mut Asked,
    ) -> Result<Principal, Refusal> {
        let authenticated = self.authenticate(headers);
        let verified = authenticated
            .as_ref()
            .ok()
            .filter(|principal| !self.is_open() && principal.name() != UNSIGNED);
        let paced = self
            .rates
            .take(self.now(), source, verified.map(Principal::name));
        if let Ok(principal) = &authenticated {
            asked.principal = principal.name().to_owned();
        }
        paced.map_err(Refusal::over_rate)?;
        if !self.is_open()
            && authenticated
                .as_ref()
                .is_ok_and(|who| who.name() == UNSIGNED)
        {
            self.desk.note_grace(asked);
        }
        authenticated
    }

    /// A proxy's connections carry many clients, so the limit of connections an address is kept
    /// here, by requests.
    pub(super) fn place_behind(
        &self,
        request: &Request,
        source: IpAddr,
    ) -> Result<Option<Counted<IpAddr>>, Refusal> {
        let peer = request
            .extensions()
            .get::<Peer>()
            .map(|peer| peer.0.ip().to_canonical());
        if peer == Some(source) || peer.is_none() {
            return Ok(None);
        }
        let message = "Too many requests at once from one address; let one end and try again.";
        let place = self.behind.take(source);
        place
            .map(Some)
            .ok_or_else(|| Refusal::over_count("connections_per_address", message))
    }

    pub(super) fn caller(principal: &Principal, asked: &Asked) -> Caller {
        Caller {
            principal: principal.name().into(),
            roles: principal.roles().into(),
            team: principal.team().map(Arc::from),
            transport: asked.transport,
            correlation_id: Arc::clone(&asked.correlation_id),
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
                transport: Transport::Http,
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
        Ok(admitted) => passage::pass(&gate, admitted, request, next).await,
        Err(refused) => {
            let (refusal, mut asked) = *refused;
            asked.id = passage::drained_id(&gate, request).await;
            gate.desk.refuse(refusal, asked).await
        }
    };
    if let Some(origin) = origin.filter(|origin| gate.origins.is_origin(origin.as_bytes())) {
        public::allow_reading(response.headers_mut(), origin);
    }
    response
}
