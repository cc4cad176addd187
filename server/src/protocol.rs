//! The Model Context Protocol on top of the tools: what a client lists, calls and reads.

pub mod caller;
