//! Simulated providers and the impostor: what the harness puts around a server to judge it.
//!
//! The data types (`plan`, `journal`, `fault`) are read by the harness too; the rest serves the
//! two binaries.

pub mod answer;
pub mod arrival;
pub mod beside;
pub mod clock;
pub mod closed;
pub mod command_line;
pub mod connection;
pub mod content;
pub mod control;
pub mod desk;
pub mod fault;
pub mod impostor;
pub mod journal;
pub mod key;
pub mod model;
pub mod plan;
pub mod provider;
pub mod recorder;
pub mod refusal;
pub mod reply;
pub mod request;
pub mod rulebook;
pub mod seen;
pub mod shelf;
pub mod simulator;
pub mod spoil;
pub mod strict;
pub mod tracer;
pub mod wire;
