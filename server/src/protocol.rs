//! The Model Context Protocol on top of the tools: what a client lists, calls and reads.
//!
//! `rmcp` speaks both revisions; this module answers by hand where its defaults would mislead:
//! panics, cursors, cache scope, unknown arguments, unknown resources.

mod asking;
pub mod caller;
#[cfg(feature = "conformance-fixtures")]
pub mod fixture;
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

/// Whether this build answers for the fixtures of the official conformance suite.
pub const HAS_FIXTURES: bool = cfg!(feature = "conformance-fixtures");

/// What answers a session over HTTP.
#[cfg(not(feature = "conformance-fixtures"))]
pub type HttpHandler = Handler;

/// What answers a session over HTTP in the build for the conformance suite.
#[cfg(feature = "conformance-fixtures")]
pub type HttpHandler = fixture::Fixtures;

/// Makes the handler of each session over HTTP.
///
/// # Errors
/// In the build for the conformance suite alone, when its fixtures cannot be read.
pub fn http(toolbox: Toolbox) -> Result<impl Fn() -> HttpHandler + Clone, String> {
    #[cfg(feature = "conformance-fixtures")]
    let shared = fixture::Shared::load()?;
    Ok(move || {
        let product = handler(toolbox.clone());
        #[cfg(feature = "conformance-fixtures")]
        let product = fixture::Fixtures::before(product, shared.clone());
        product
    })
}

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
