//! Other settings than those the run began with: restarts, files, and starts of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use exai_harness::process::Process;
use exai_harness::server::Settings;
use exai_harness::server::beside::{Beside, Other, Said, Start};
use exai_harness::topology::SchemaStarts;
use exai_mocks::provider::Provider;

use super::Ground;
use crate::overrides::{CHAT_ROUTE, RAISED, STRUCTURED};
use crate::stage::Trouble;

/// A start or a command beside the server may take this long.
const BESIDE: Duration = Duration::from_secs(15);

impl Ground {
    /// Restarts the server with raised limits for V.8; the settings are printed as overrides.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn raise_limits(&self) -> Result<(), Trouble> {
        let raised = RAISED.iter();
        let raised = raised.fold(Settings::default(), |settings, (key, value)| {
            settings.with(key, *value)
        });
        self.topology.restart_with(&raised).await?;
        Ok(())
    }

    /// Restarts the server so that prose tools send structured content as well.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn structure_replies(&self) -> Result<(), Trouble> {
        let settings = Settings::default().with(STRUCTURED, true);
        self.topology.restart_with(&settings).await?;
        Ok(())
    }

    /// Restarts the server with one more provider row: MiniMax over its OpenAI-shaped route.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn serve_chat_route(&self) -> Result<(), Trouble> {
        let minimax = self.topology.vendor(Provider::MiniMax.name())?;
        let url = minimax.base_url().replace("/anthropic", "/v1");
        let variables = vec![minimax.variable().to_owned()];
        let key = |name: &str| format!("provider.{CHAT_ROUTE}.{name}");
        let settings = Settings::default()
            .with(&key("dialect"), "openai")
            .with(&key("base_url"), url)
            .with(&key("allow_private"), true)
            .with(&key("api_key_env"), variables)
            .with(&key("models"), vec!["MiniMax-M3".to_owned()]);
        self.topology.restart_with(&settings).await?;
        Ok(())
    }

    /// Restarts the server as an operator would: SIGTERM, drain, start.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn restart_server(&self) -> Result<(), Trouble> {
        self.topology.restart_with(&Settings::default()).await?;
        Ok(())
    }

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

    /// Starts the server's program on a store of a newer schema, and on its own again.
    ///
    /// # Errors
    /// When the rig cannot.
    pub async fn start_on_a_newer_schema(&self) -> Result<SchemaStarts, Trouble> {
        let started = self.topology.start_on_a_newer_schema(BESIDE).await;
        started.map_err(|error| Trouble::Rig(error.to_string()))
    }

    /// A server of the same program that stays, beside the one under judgement.
    ///
    /// # Errors
    /// When it does not listen in time.
    pub async fn beside(&self, other: Other<'_>) -> Result<Beside, Trouble> {
        let started = self.topology.server().beside(other, BESIDE).await;
        started.map_err(|error| Trouble::Rig(error.to_string()))
    }

    /// As [`Self::beside`], its state folder on a disk of its own of so many bytes.
    ///
    /// # Errors
    /// When it does not listen in time, also where the kernel gives no namespaces.
    pub async fn beside_on_disk(&self, other: Other<'_>, bytes: u64) -> Result<Beside, Trouble> {
        let server = self.topology.server();
        let started = server.beside_on_disk(other, bytes, BESIDE).await;
        started.map_err(|error| Trouble::Rig(error.to_string()))
    }

    /// The same program on pipes, with folders of its own; its working directory.
    ///
    /// # Errors
    /// When it does not start.
    pub fn piped(&self, other: Other<'_>, verb: &str) -> Result<(Process, PathBuf), Trouble> {
        let started = self.topology.server().piped(other, verb);
        started.map_err(|error| Trouble::Rig(error.to_string()))
    }

    /// What a command of the program says, run to its end.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn command(&self, other: Other<'_>, words: &[&str]) -> Result<Said, Trouble> {
        let said = self.topology.server().command(other, words, BESIDE).await;
        said.map_err(|error| Trouble::Rig(error.to_string()))
    }

    /// The folder that the judged processes work in.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.topology.folder()
    }

    /// The key of a simulated provider.
    ///
    /// # Errors
    /// When there is no such provider.
    pub fn provider_key(&self, provider: &str) -> Result<&str, Trouble> {
        Ok(self.topology.vendor(provider)?.key())
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
}
