//! The words of `verify clients`.

use clap::{Args, ValueEnum};

/// Which server, and how it is spoken to.
#[derive(Debug, Clone, Args)]
pub struct ClientsArguments {
    /// A server over streamable HTTP, such as <http://127.0.0.1:8079/mcp>.
    #[arg(long, value_name = "URL", conflicts_with = "command")]
    pub url: Option<String>,
    /// The variable that holds a bearer token for it.
    #[arg(long, value_name = "VAR")]
    pub bearer_env: Option<String>,
    /// The revision to speak; auto tries the newer one first.
    #[arg(long, value_enum, default_value_t = Speaks::Auto)]
    pub revision: Speaks,
    /// Print JSON on standard output.
    #[arg(long)]
    pub json: bool,
    /// A server to start and speak to over its pipes, after `--`.
    #[arg(last = true, value_name = "PROGRAM")]
    pub command: Vec<String>,
}

/// The revision of MCP to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Speaks {
    /// The newer one that is answered.
    Auto,
    /// Stateless.
    #[value(name = "2026-07-28")]
    V2026,
    /// With a handshake.
    #[value(name = "2025-11-25")]
    V2025,
}
