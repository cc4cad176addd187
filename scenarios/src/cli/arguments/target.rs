//! The words of `verify target`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with a server that is not exai.
#[derive(Debug, Subcommand)]
pub enum TargetCommand {
    /// Writes a commented target.toml from the server's own lists.
    Init(TargetInitArguments),
    /// Judges the server that a target.toml names: wire, security, panic and a load smoke.
    Run(TargetRunArguments),
}

/// Which server, and where the file goes.
#[derive(Debug, Clone, Args)]
pub struct TargetInitArguments {
    /// A server to start and speak to over its pipes: the rest of the line.
    #[arg(
        long,
        value_name = "PROGRAM",
        num_args = 1..,
        allow_hyphen_values = true,
        conflicts_with = "url"
    )]
    pub stdio: Vec<String>,
    /// A server over streamable HTTP, such as <http://127.0.0.1:3001/mcp>.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The variable that holds a bearer token for it.
    #[arg(long, value_name = "VAR")]
    pub bearer_env: Option<String>,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "target.toml")]
    pub out: PathBuf,
    /// Replace a file that is there.
    #[arg(long)]
    pub force: bool,
    /// Print JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// What to judge, and where the record goes.
#[derive(Debug, Clone, Args)]
pub struct TargetRunArguments {
    /// The file that names the server.
    #[arg(default_value = "target.toml")]
    pub file: PathBuf,
    /// Where runs, the ledger and the latest report go, instead of reports/target/ here.
    #[arg(long, value_name = "DIR")]
    pub reports: Option<PathBuf>,
    /// Print the result model as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}
