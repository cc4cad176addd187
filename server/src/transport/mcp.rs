//! The protocol library's HTTP service, as mounted at `/mcp`: both revisions on one endpoint.

use std::sync::Arc;
use std::time::Duration;

use rmcp::transport::streamable_http_server::session::SessionStore;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::protocol::{self, HttpHandler};
use crate::tool::Toolbox;

/// Messages waiting for one session's client; above the calls it may have in flight.
const QUEUE: usize = 64;

/// How long an answered call is kept for a client that lost its connection.
const RESUMABLE: Duration = Duration::from_secs(30);

/// The service; `ending` ends its streams and sessions, `handshakes` are of sessions that began at
/// other instances.
///
/// # Errors
/// When the handler cannot be made, in words.
pub fn service(
    toolbox: &Toolbox,
    config: &Config,
    ending: CancellationToken,
    handshakes: Option<Arc<dyn SessionStore>>,
) -> Result<StreamableHttpService<HttpHandler, LocalSessionManager>, String> {
    let limits = &config.limits;
    let mut session = SessionConfig::default();
    session.channel_capacity = QUEUE.max(limits.in_flight_per_session * 2);
    session.keep_alive = Some(limits.session_idle);
    session.completed_cache_ttl = RESUMABLE;
    session.init_timeout = Some(limits.header_timeout);
    let mut sessions = LocalSessionManager::default();
    sessions.session_config = session;
    // Host and Origin were decided by the gate in front, which also guards the other routes; two
    // lists that must agree would one day differ.
    let mut settings = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_max_request_body_bytes(limits.body_bytes)
        .with_sse_keep_alive(Some(limits.stream_comment))
        .with_cancellation_token(ending);
    settings.session_store = handshakes;
    let make = protocol::http(toolbox.clone())?;
    let factory = move || Ok(make());
    let sessions = Arc::new(sessions);
    Ok(StreamableHttpService::new(factory, sessions, settings))
}
