//! The Model Context Protocol on top of the tools: what a client lists, calls and reads.
//!
//! `rmcp` speaks both revisions; this module answers by hand where its defaults would mislead:
//! panics, cursors, cache scope, unknown arguments, unknown resources.

mod asking;
pub mod caller;
mod document;
#[cfg(feature = "conformance-fixtures")]
pub mod fixture;
pub mod handler;
mod listing;
mod page;
pub mod progress;
pub mod reply;
mod resource;
pub mod seal;
mod task;
mod trail;
mod verb;
pub mod withdrawal;

pub use handler::Handler;
pub use listing::tools_sha256;

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

#[cfg(test)]
mod tests;
