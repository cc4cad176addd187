//! What the benches share: one runtime, the server's parts, its HTTP service and a null one beside
//! it. Nothing here judges; a number from these benches is never a verdict.

pub mod connection;
pub mod null_service;
pub mod service;
pub mod setup;
