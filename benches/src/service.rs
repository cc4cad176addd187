//! The server's public listener in this process: connection clocks, the gate with every check, the
//! protocol. Only the audit file is left out, which a served request does not touch.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use exai_server::app::App;
use exai_server::transport::door::{Counts, Door, Threshold};
use exai_server::transport::gate::Gate;
use exai_server::transport::origin::Origins;
use exai_server::transport::rate::Rates;
use exai_server::transport::refusal::Desk;
use exai_server::transport::session::Sessions;
use exai_server::transport::{mcp, public};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// A running service; ends when dropped.
pub struct Service {
    address: SocketAddr,
    _ending: DropGuard,
}

impl Service {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(app: &App) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let ending = CancellationToken::new();
        let desk = Desk {
            metrics: app.metrics.clone(),
            audit: None,
        };
        let gate = gate(app, desk.clone(), address);
        let threshold = Threshold::new(&app.config.limits, Arc::clone(&gate.trusted));
        let protocol = mcp::service(&app.toolbox, &app.config, ending.clone());
        let routes = public::routes(protocol, gate, None);
        let door = Door {
            listener,
            router: public::finished(routes, desk.clone(), app.identity.instance().into()),
            threshold,
            desk,
            connections: TaskTracker::new(),
            stop: ending.clone(),
            kill: ending.clone(),
        };
        tokio::spawn(door.run());
        Ok(Self {
            address,
            _ending: ending.drop_guard(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

fn gate(app: &App, desk: Desk, address: SocketAddr) -> Gate {
    let config = &app.config;
    let limits = &config.limits;
    Gate {
        desk,
        origins: Arc::new(Origins::new(&config.server, &[address])),
        tokens: None,
        policy: Arc::new(config.policy.clone()),
        rates: Arc::new(Rates::new(&limits.rate)),
        sessions: Sessions::new(limits.sessions, limits.session_idle, app.metrics.clone()),
        trusted: Arc::from([]),
        behind: Counts::new(limits.connections_per_address),
        limits: Arc::new(limits.clone()),
        calls: TaskTracker::new(),
        epoch: Instant::now(),
    }
}
