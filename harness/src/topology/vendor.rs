//! A simulated vendor, the edge to it, and the key the server is given for it.

use std::net::Ipv4Addr;

use exai_mocks::provider::Provider;

use super::TopologyError;
use crate::link::Link;
use crate::simulator::{KeyRow, Setup, Simulator};

/// One of the three.
pub struct Vendor {
    link: Link,
    simulator: Simulator,
    key: String,
}

impl Vendor {
    /// Starts the simulator with one fresh key and puts a link before it, on this address.
    pub(super) async fn start(mut setup: Setup, host: Ipv4Addr) -> Result<Self, TopologyError> {
        let row = KeyRow::fresh(setup.provider).map_err(|cause| TopologyError::Files {
            what: "a provider key",
            cause: cause.into(),
        })?;
        let key = row.key.clone();
        setup.keys = vec![row];
        let simulator = Simulator::start(setup).await?;
        let edge = format!("server-{}", simulator.provider().name());
        let link = Link::start_on(host, &edge, simulator.address()).await?;
        Ok(Self {
            link,
            simulator,
            key,
        })
    }

    /// Whom it plays.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        self.simulator.provider()
    }

    /// The edge between the server and it.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// The simulator.
    #[must_use]
    pub const fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// The key the server is given: a canary that no reply, log or metric may show.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The variable the server reads the key from.
    #[must_use]
    pub const fn variable(&self) -> &'static str {
        match self.provider() {
            Provider::Kimi => "KIMI_API_KEY",
            Provider::Glm => "ZAI_API_KEY",
            Provider::MiniMax => "MINIMAX_API_KEY",
        }
    }

    /// The base URL of its provider row: through the link.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.simulator.base_url(self.link.address())
    }
}
