//! Several instances of the server on one store, behind the clients' edge as a plain round-robin
//! proxy: what is asked of all of them.

use std::collections::BTreeMap;

use super::{Topology, TopologyError};
use crate::probe::ProbeError;
use crate::process::Ended;
use crate::server::{Server, Settings};

impl Topology {
    /// Every instance of the server behind the clients' edge, the first one first.
    pub fn instances(&self) -> impl Iterator<Item = &Server> {
        std::iter::once(&self.server).chain(&self.peers)
    }

    /// Whether there are several of them.
    #[must_use]
    pub const fn has_several_instances(&self) -> bool {
        !self.peers.is_empty()
    }

    /// Ends each instance in turn by SIGTERM and starts it with `overrides` on top of its
    /// configuration, the next one when this one is ready again; empty settings are the
    /// configuration the run began with. How the last one ended.
    ///
    /// # Errors
    /// When one does not end within its drain or is not ready in time.
    pub async fn restart_with(&self, overrides: &Settings) -> Result<Ended, TopologyError> {
        let mut ended = self.server.restart_with(overrides).await?;
        for peer in &self.peers {
            ended = peer.restart_with(overrides).await?;
        }
        Ok(ended)
    }

    /// Every series of `/metrics` now, added up over the instances; recorded under `mark`.
    ///
    /// # Errors
    /// When one of them did not answer.
    pub async fn metrics(&self, mark: &str) -> Result<BTreeMap<String, f64>, ProbeError> {
        let others = self.peers.iter().map(Server::scraper);
        self.scraper.metrics_with(others, mark).await
    }
}
