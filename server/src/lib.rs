//! exai: an MCP server that gives clients AI tools over several LLM providers.
//!
//! This file is the table of contents; each module is named after the noun it holds.

pub mod app;
pub mod archive;
pub mod auth;
pub mod bridge;
pub mod choice;
pub mod cli;
pub mod config;
pub mod connect;
pub mod failure;
pub mod files;
pub mod guard;
pub mod memo;
pub mod observe;
pub mod protocol;
pub mod provider;
pub mod router;
pub mod spending;
mod sqlite;
pub mod store;
pub mod thread;
pub mod tool;
pub mod transport;
