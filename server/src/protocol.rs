//! The Model Context Protocol on top of the tools: what a client lists, calls and reads.
//!
//! `rmcp` speaks both revisions; this module answers by hand where its defaults would mislead:
//! panics, cursors, cache scope, unknown arguments, unknown resources.

mod asking;
pub mod caller;
pub mod handler;
mod page;
mod pipe;
pub mod progress;
pub mod reply;
mod resource;
pub mod seal;
mod verb;

use tokio_util::sync::CancellationToken;

pub use handler::Handler;
pub use pipe::PipeError;

use crate::tool::Toolbox;

/// The handler for the network: every request must carry a [`caller::Caller`] in the extensions of
/// its `http::request::Parts`.
#[must_use]
pub fn handler(toolbox: Toolbox) -> Handler {
    Handler::for_network(toolbox)
}

/// Serves one client over standard input and output until it closes the pipe or `cancel` fires.
///
/// A blocked read of standard input cannot be interrupted, so after `cancel` the process should
/// exit rather than wait for its runtime.
///
/// # Errors
/// When the first message is not one that begins a conversation. A pipe that closes is no error.
pub async fn stdio(toolbox: Toolbox, cancel: CancellationToken) -> Result<(), PipeError> {
    pipe::serve(toolbox, tokio::io::stdin(), tokio::io::stdout(), cancel).await
}

#[cfg(test)]
mod tests;
