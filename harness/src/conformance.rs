//! The official conformance suite, run against a server of ours and read with care.
//!
//! The suite is a referee for SDKs: it looks for tools that only a fixture server has, and prints a
//! tick beside scenarios in which nothing was checked. So its records are imported by rules of our
//! own (specs/mcp.md §5.6), and its exit code decides nothing.

pub mod baseline;
pub mod boot;
pub mod import;
pub mod judge;
pub mod suite;

#[cfg(test)]
mod tests;
