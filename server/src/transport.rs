//! How bytes come in: listeners, connection limits, the checks before the protocol, health pages.
//!
//! The order of the checks on a request to `/mcp`: panic isolation, correlation id, Host and
//! Origin, credential, rate, body, role, session; then the protocol. `/ws` has the same checks.

pub mod address;
pub mod admin;
mod away;
pub mod body;
pub mod door;
pub mod envelope;
pub mod file;
pub mod gate;
pub mod held;
pub mod lines;
pub mod mcp;
mod open;
pub mod origin;
mod passage;
pub mod patience;
pub mod pipe;
mod preamble;
pub mod public;
pub mod rate;
pub mod refusal;
mod runbook;
pub mod screen;
pub mod session;
pub mod stream;
pub mod ws;
