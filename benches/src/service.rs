//! The server's public listener in this process: connection clocks, the gate with every check, the
//! protocol. Only the audit file is left out, which a served request does not touch.

use std::net::SocketAddr;

use exai_server::app::App;
use exai_server::transport::door::{Door, Threshold};
use exai_server::transport::gate::Gate;
use exai_server::transport::refusal::Desk;
use exai_server::transport::{mcp, public};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::setup::Trouble;

/// A running service; ends when dropped.
pub struct Service {
    address: SocketAddr,
    _ending: DropGuard,
}

impl Service {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be had, or the configured tokens cannot be checked.
    pub async fn start(app: &App) -> Result<Self, Trouble> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let ending = CancellationToken::new();
        let desk = Desk {
            metrics: app.metrics.clone(),
            audit: None,
        };
        let calls = TaskTracker::new();
        let gate = Gate::new(&app.config, desk.clone(), &[address], calls, &app.toolbox)?;
        let trusted = app.config.server.trusted_proxies.clone();
        let threshold = Threshold::new(&app.config.limits, trusted.into());
        let protocol = mcp::service(&app.toolbox, &app.config, ending.clone(), None)?;
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
