//! Simulated providers and the impostor: what the harness puts around a server to judge it.
//!
//! The data types (`plan`, `journal`, `fault`) are read by the harness too; the rest serves the
//! two binaries.

pub mod clock;
pub mod fault;
pub mod journal;
pub mod plan;
pub mod provider;
pub mod tracer;
