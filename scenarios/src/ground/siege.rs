//! What the battery of attacks asks of the ground: other settings, files, and starts of its own.

use std::net::SocketAddr;
use std::time::Duration;

use exai_harness::server::Settings;
use exai_harness::server::beside::Start;

use super::Ground;
use crate::stage::Trouble;

impl Ground {
    /// Restarts the server with these settings on top of the run's own.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn restart_with(&self, settings: &Settings) -> Result<(), Trouble> {
        self.topology.restart_with(settings).await?;
        Ok(())
    }

    /// A file that the server may read, written anew when it is there; its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> Result<String, Trouble> {
        let written = self.topology.file(name, text);
        let path = written.map_err(|error| Trouble::Rig(format!("{name}: {error}")))?;
        Ok(path.display().to_string())
    }

    /// Starts the server's program once more, beside the one under judgement, and ends it again.
    ///
    /// # Errors
    /// When the rig cannot.
    pub async fn start_beside(
        &self,
        settings: &Settings,
        variables: &[(&str, &str)],
        limit: Duration,
    ) -> Result<Start, Trouble> {
        let started = self
            .topology
            .server()
            .start_beside(settings, variables, limit);
        started
            .await
            .map_err(|error| Trouble::Rig(error.to_string()))
    }

    /// The admin listener itself.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        self.topology.server().admin()
    }

    /// The static token of `/metrics`.
    #[must_use]
    pub fn scrape_token(&self) -> &str {
        self.topology.credentials().metrics_token()
    }

    /// Restarts the server so that it accepts tokens signed with HS256 alone.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn accept_only_hs256(&self) -> Result<(), Trouble> {
        let settings = Settings::default().with("auth.jwt.algorithms", vec!["HS256".to_owned()]);
        self.topology.restart_with(&settings).await?;
        Ok(())
    }
}
