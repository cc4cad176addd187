//! `/ws`: one WebSocket endpoint whose subprotocol says what is spoken on it. `mcp` is the
//! protocol's own JSON-RPC, one message a text frame; `exai.v1` is the daemon's own. WebSocket is a
//! transport of neither revision of MCP: this one is private.
//!
//! The gate that stands before `/mcp` stands before the upgrade and before each message.

mod close;
mod daemon;
mod guest;
mod line;
mod mcp;
mod monitoring;
pub mod names;
mod proof;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, get};
use http::header::{AUTHORIZATION, CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::door::{Lease, Renewed};
use super::gate::{self, Gate};
use super::refusal::{Asked, Refusal};
use super::screen::Screen;
use crate::auth::daemon_key::DaemonKey;
use crate::observe::Health;
use crate::protocol::caller::Transport;
use crate::tool::Toolbox;
use close::Farewell;
use guest::Guest;
use monitoring::View;
use names::Names;

/// Bytes read from a connection at once; the library's own default is 128 KiB for each connection.
const READ_BUFFER: usize = 16 * 1024;

/// What `/ws` needs; one per process.
#[derive(Clone)]
pub struct Ws {
    /// The checks.
    pub gate: Gate,
    /// The tools.
    pub toolbox: Toolbox,
    /// Component states.
    pub health: Health,
    /// What this daemon proves itself with.
    pub key: DaemonKey,
    /// Session ids in use.
    pub names: Names,
    /// What the monitoring feed shows.
    pub screen: Screen,
    /// Owns the connections' tasks.
    pub connections: TaskTracker,
    /// No new calls; a connection ends when its last call has.
    pub stop: CancellationToken,
    /// Connections end now, whatever they are doing.
    pub ending: CancellationToken,
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Mcp,
    Daemon,
    /// Not told by a subprotocol but by its path.
    Monitoring(View),
}

impl Dialect {
    const ALL: [Self; 2] = [Self::Mcp, Self::Daemon];

    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Mcp => Some("mcp"),
            Self::Daemon => Some("exai.v1"),
            Self::Monitoring(_) => None,
        }
    }

    /// The first subprotocol offered that is known here.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let offered = lines.filter_map(|line| line.to_str().ok());
        let mut offered = offered.flat_map(|line| line.split(',')).map(str::trim);
        let known = |name: &str| Self::ALL.into_iter().find(|one| one.name() == Some(name));
        offered.find_map(known)
    }
}

/// The subprotocol that a request would be given, by name.
pub fn spoken(headers: &HeaderMap) -> Option<&'static str> {
    Dialect::of(headers).and_then(Dialect::name)
}

/// The routes of the daemon.
pub fn routes(ws: Ws) -> Router {
    Router::new()
        .route("/ws", any(upgrade))
        .route("/ws/proof", get(proof::prove))
        .with_state(Arc::new(ws))
}

/// The route of the monitoring feed, for the admin listener.
pub fn monitoring(ws: Ws) -> Router {
    let feed = |State(ws): State<Arc<Ws>>, request: Request| async move {
        let view = View::of(request.uri().query());
        enter(ws, request, Some(Dialect::Monitoring(view))).await
    };
    Router::new()
        .route("/ws/monitoring", any(feed))
        .with_state(Arc::new(ws))
}

async fn upgrade(State(ws): State<Arc<Ws>>, request: Request) -> Response {
    let dialect = Dialect::of(request.headers());
    enter(ws, request, dialect).await
}

async fn enter(ws: Arc<Ws>, mut request: Request, dialect: Option<Dialect>) -> Response {
    let correlation_id = gate::correlation_of(&request);
    let (mut asked, source) = ws.gate.asked(&request, &correlation_id);
    asked.transport = Transport::WebSocket;
    let checked = ws.gate.check_origin(&request).and_then(|()| {
        let headers = request.headers();
        let has_token = headers.contains_key(AUTHORIZATION);
        let principal = match dialect {
            // Who is there is said in the hello.
            Some(Dialect::Daemon | Dialect::Monitoring(_)) | None if !has_token => {
                ws.gate.take_rate(source)?;
                None
            }
            _ => Some(ws.gate.admit_caller(headers, source, &mut asked)?),
        };
        Ok((principal, ws.gate.place_behind(&request, source)?))
    });
    let (principal, place) = match checked {
        Ok(checked) => checked,
        Err(refusal) => return ws.gate.desk.refuse(refusal, asked).await,
    };
    let (response, upgraded, lease) = match shake_hands(&mut request, dialect) {
        Ok(shaken) => shaken,
        Err(refusal) => return refuse(&ws.gate, refusal, asked).await,
    };
    let guest = Guest::new(&ws.gate, (principal, request.headers()), (asked, source));
    let connection = Arc::clone(&ws);
    ws.connections.spawn(async move {
        match upgraded.await {
            Ok(upgraded) => connection.serve(upgraded, dialect, guest).await,
            Err(error) => tracing::debug!(cause = %error, "a connection ended before its upgrade"),
        }
        drop((lease, place));
    });
    response
}

impl Ws {
    async fn serve(
        &self,
        upgraded: hyper::upgrade::Upgraded,
        dialect: Option<Dialect>,
        guest: Guest,
    ) {
        let limit = self.gate.limits.body_bytes;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let io = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        line::serve(socket, &self.gate.limits, async |line, out| {
            let Some(_place) = guest.take_session() else {
                return guest.turn_away().await;
            };
            match dialect {
                Some(Dialect::Mcp) => mcp::talk(self, guest, line, out).await,
                Some(Dialect::Daemon) => daemon::talk(self, guest, line, out).await,
                Some(Dialect::Monitoring(view)) => {
                    monitoring::talk(self, (guest, view), line, out).await
                }
                None => Farewell::no_dialect(),
            }
        })
        .await;
    }
}

type Shaken = (Response, OnUpgrade, Option<Renewed>);

/// The answer to a good upgrade, and what comes after it.
fn shake_hands(request: &mut Request, dialect: Option<Dialect>) -> Result<Shaken, Refusal> {
    let answer = create_response_with_body(request, Body::empty);
    let mut response = answer.map_err(|error| unfit(&error))?;
    let upgraded = request.extensions_mut().remove::<OnUpgrade>();
    let upgraded = upgraded.ok_or_else(upgrade_required)?;
    let lease = request.extensions().get::<Lease>().and_then(Lease::renew);
    if let Some(name) = dialect.and_then(Dialect::name) {
        let name = HeaderValue::from_static(name);
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
    }
    Ok((response, upgraded, lease))
}

fn upgrade_required() -> Refusal {
    let text = "This endpoint speaks WebSocket (RFC 6455, version 13); upgrade the connection.";
    Refusal::plain(StatusCode::UPGRADE_REQUIRED, text)
}

fn unfit(error: &tungstenite::Error) -> Refusal {
    let tungstenite::Error::Protocol(error) = error else {
        return Refusal::plain(StatusCode::BAD_REQUEST, "This is no WebSocket handshake.");
    };
    match error {
        ProtocolError::WrongHttpMethod => {
            let text = "A WebSocket begins with a GET request.";
            Refusal::plain(StatusCode::METHOD_NOT_ALLOWED, text)
        }
        ProtocolError::MissingSecWebSocketKey => {
            let text = "The Sec-WebSocket-Key header is missing.";
            Refusal::plain(StatusCode::BAD_REQUEST, text)
        }
        _ => upgrade_required(),
    }
}

async fn refuse(gate: &Gate, refusal: Refusal, asked: Asked) -> Response {
    let is_upgrade = refusal.status == StatusCode::UPGRADE_REQUIRED;
    let mut response = gate.desk.refuse(refusal, asked).await;
    if is_upgrade {
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_subprotocol_offered_is_spoken() {
        let table = [
            ("mcp", Some(Dialect::Mcp)),
            ("soap, mcp", Some(Dialect::Mcp)),
            ("exai.v1, mcp", Some(Dialect::Daemon)),
            ("MCP", None),
            ("", None),
        ];
        for (offered, wanted) in table {
            let mut headers = HeaderMap::new();
            headers.insert(SEC_WEBSOCKET_PROTOCOL, offered.parse().unwrap());
            assert_eq!(Dialect::of(&headers), wanted, "{offered:?}");
        }
        assert_eq!(Dialect::of(&HeaderMap::new()), None);
    }
}
