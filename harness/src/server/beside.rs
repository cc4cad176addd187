//! Another server beside the one under judgement, to see whether it starts at all.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::{Server, ServerError, Settings};

/// A process that was told to go is given this long.
const GOING: Duration = Duration::from_secs(5);

/// How a start went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It serves; it was ended again.
    Served,
    /// It ended by itself, with this exit code; None for a signal.
    Ended(Option<i32>),
    /// Neither within the limit.
    Neither,
}

impl Server {
    /// Starts the same program with a folder and ports of its own, with `changes` to its settings
    /// and these variables in the place of those of the same name, and ends it again.
    ///
    /// # Errors
    /// When its files cannot be written or no process can be made.
    pub async fn start_beside(
        &self,
        changes: &Settings,
        variables: &[(&str, &str)],
        limit: Duration,
    ) -> Result<Start, ServerError> {
        let state = self.files.scratch.folder("beside")?;
        let own = changes
            .clone()
            .with("server.listen", "127.0.0.1:0")
            .with("server.admin", "127.0.0.1:0")
            .with("server.state_dir", state.display().to_string())
            .with(
                "store.path",
                state.join("beside.sqlite").display().to_string(),
            )
            .with(
                "audit.file",
                state.join("audit.jsonl").display().to_string(),
            );
        self.files.configure("beside.toml", &own)?;
        let mut spec = self.files.spec("beside", "serve", "beside.toml");
        spec.env
            .retain(|(name, _)| variables.iter().all(|(given, _)| given != name));
        let given = variables
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        spec.env.extend(given);
        let listening = Arc::new(Notify::new());
        let told = Arc::clone(&listening);
        spec.on_stderr = Some(Arc::new(move |line: &str| {
            if line.contains("\"listening\"") {
                told.notify_one();
            }
        }));
        let process = self.files.beside(spec)?;
        let start = tokio::select! {
            ended = process.wait() => Start::Ended(ended.status.and_then(|status| status.code())),
            () = listening.notified() => Start::Served,
            () = tokio::time::sleep(limit) => Start::Neither,
        };
        if !matches!(start, Start::Ended(_)) {
            process.kill(GOING).await?;
        }
        Ok(start)
    }
}
