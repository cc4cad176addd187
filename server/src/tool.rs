//! The tools: a registry built from rows of data, and one way to run any of them.
//!
//! A tool's failure, hang or panic stays its own. Nothing here knows the wire: arguments come in
//! as JSON, a [`Reply`] or a [`Failure`](crate::failure::Failure) goes out.

pub mod argument;
pub mod call;
pub mod catalogue;
pub mod challenge;
pub(crate) mod changes;
pub mod chat;
pub(crate) mod claim;
pub mod consensus;
pub mod direct;
pub mod echo;
pub mod examine;
pub mod file;
pub mod file_download;
pub mod file_query;
pub mod image;
pub mod information;
pub mod intent;
pub mod journal;
mod length;
pub mod long;
pub mod manage_files;
pub mod pages;
pub mod permit;
pub mod prompt;
pub mod question;
pub mod record;
pub mod registry;
mod results;
pub mod room;
pub mod routed;
pub mod run;
pub mod schema;
pub mod surroundings;
pub mod toolbox;
pub mod turnstile;
pub mod workflow;

pub use call::{About, Call, Reply, Shared};
pub use registry::Registry;
pub use surroundings::{ModelFacts, Surroundings};
pub use toolbox::{Answered, Toolbox};

#[cfg(test)]
pub(crate) mod tests;
