//! The Model Context Protocol on top of the tools: what a client lists, calls and reads.
//!
//! `rmcp` speaks both revisions; this module answers by hand where its defaults would mislead:
//! panics, cursors, cache scope, unknown arguments, unknown resources.

pub mod caller;
pub mod handler;
mod page;
mod progress;
pub mod reply;
mod resource;
mod verb;

use rmcp::ServiceExt as _;
use tokio_util::sync::CancellationToken;

pub use handler::Handler;

use crate::tool::Toolbox;

/// The handler for the network: every request must carry a [`caller::Caller`] in the extensions of
/// its `http::request::Parts`.
#[must_use]
pub fn handler(toolbox: Toolbox) -> Handler {
    Handler::for_network(toolbox)
}

/// Standard input or output could not be served.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// The client's first message was no start of a conversation.
    #[error("begin the conversation on standard input: {0}")]
    Begin(String),
    /// The task that served it broke.
    #[error("serve standard input: {0}")]
    Task(String),
}

/// Serves one client over standard input and output until it closes the pipe or `cancel` fires.
///
/// # Errors
/// When the first message is not one that begins a conversation. A pipe that closes is no error.
pub async fn stdio(toolbox: Toolbox, cancel: CancellationToken) -> Result<(), StdioError> {
    let handler = Handler::for_pipe(toolbox);
    let transport = rmcp::transport::stdio();
    let running = match handler.serve_with_ct(transport, cancel.clone()).await {
        Ok(running) => running,
        Err(_) if cancel.is_cancelled() => return Ok(()),
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(StdioError::Begin(error.to_string())),
    };
    running
        .waiting()
        .await
        .map(drop)
        .map_err(|error| StdioError::Task(error.to_string()))
}

#[cfg(test)]
mod tests;
