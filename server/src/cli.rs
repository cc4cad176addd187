//! The command line: parse, run one command, turn its end into an exit code.
//!
//! Exit codes: 0 done, 1 a no (of a probe, of an audit file that is not whole, or of a tool that
//! could not do its work), 64 the caller's mistake (arguments, configuration, a port in use), 69
//! what is not there (a provider, the network, a server), 70 ours, 75 what may work later, 77 what
//! the caller may not do, 130 and 143 when a second signal cut the drain short.

mod audit;
mod bundle;
mod call;
mod check;
mod connect;
mod data;
mod doctor;
mod document;
mod export;
mod layers;
mod migrate;
mod probe;
mod settings;
mod token;
mod unstarted;
mod usage;
mod version;
mod wire;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use layers::Layers;

use crate::app::{self, AppError};
use crate::config::{Config, Faults, Flag, Sources};

/// A probe's answer when it is no.
pub const NO: u8 = 1;

/// The caller's mistake.
pub const USAGE: u8 = 64;

/// Our mistake.
pub const BUG: u8 = 70;

#[derive(Debug, Parser)]
#[command(
    name = "exai",
    version,
    about = "AI tools over several LLM providers, for MCP clients"
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MCP over HTTP, with health, metrics and manifest on the admin address
    Serve(Serve),
    /// Serve MCP over standard input and output
    Stdio(Stdio),
    /// Connect standard input and output with a running server's WebSocket
    Bridge(Bridge),
    /// Print or write the configuration of an MCP client
    Connect(connect::Request),
    /// Check the configuration and print every fault at once
    Check {
        #[command(flatten)]
        layers: Layers,
        /// Print the JSON Schema of a configuration file instead
        #[arg(long)]
        schema: bool,
    },
    /// Show the configuration
    #[command(subcommand)]
    Config(settings::Wish),
    /// Ask, as a health check does, whether it works
    #[command(subcommand)]
    Probe(probe::Probe),
    /// Say which build this is
    Version {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Check the record of denials
    #[command(subcommand)]
    Audit(audit::Wish),
    /// Export or purge everything kept of one principal
    #[command(subcommand)]
    Data(data::Wish),
    /// Print what other systems need to watch this server
    Export {
        #[command(subcommand)]
        what: export::What,
    },
    /// Make a development token from EXAI_JWT_SECRET
    Token(token::Wish),
    /// Call a tool: exai call chat prompt="Why is the sky blue?"
    Call(call::Request),
    /// List the tools
    Tools(call::Where),
    /// List my threads, the last used first
    Threads(call::Where),
    /// List the models
    Models(call::Models),
    /// Write what a helper needs to see, without secrets
    SupportBundle(bundle::Wish),
    /// Say what the archive's tables lack of what this build knows, or bring them there
    Migrate(migrate::Wish),
    /// Say who spent what: by user, team, tool, model or day
    Usage(usage::Wish),
    /// Look for what keeps the server from working, and name the fix
    Doctor {
        #[command(flatten)]
        layers: Layers,
        /// Ask each provider that has a key for its models, once
        #[arg(long)]
        live: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    layers: Layers,
    /// Address of the public listener (server.listen)
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Address of the admin listener (server.admin)
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,
    /// Answer from the embedded demo provider, clearly marked
    #[arg(long)]
    demo: bool,
}

#[derive(Debug, Args)]
struct Stdio {
    #[command(flatten)]
    layers: Layers,
    /// Answer from the embedded demo provider, clearly marked
    #[arg(long)]
    demo: bool,
}

#[derive(Debug, Args)]
struct Bridge {
    #[command(flatten)]
    layers: Layers,
    /// The server's address (bridge.url)
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Folder whose files may be sent (bridge.root); the working directory when left out
    #[arg(long, value_name = "DIR")]
    root: Option<String>,
    /// What the client calls HOST is CONTAINER here (bridge.map); may be repeated
    #[arg(long, value_name = "HOST=CONTAINER", value_parser = mapping)]
    map: Vec<String>,
}

fn mapping(text: &str) -> Result<String, String> {
    let is_pair = text.split_once('=').is_some_and(|(from, to)| {
        !from.is_empty() && !to.is_empty() && !text.contains(['"', '\\', ','])
    });
    is_pair
        .then(|| text.to_owned())
        .ok_or_else(|| "write HOST=CONTAINER".to_owned())
}

impl Serve {
    fn sources(self) -> Sources {
        let mut sources = self.layers.sources();
        let named = [
            ("--listen", "server.listen", self.listen),
            ("--admin", "server.admin", self.admin),
        ];
        for (flag, key, value) in named {
            let set = |value| Flag {
                flag: flag.to_owned(),
                key: key.to_owned(),
                value,
            };
            sources.flags.extend(value.map(set));
        }
        sources.demo = self.demo;
        sources
    }
}

impl Stdio {
    fn sources(self) -> Sources {
        Sources {
            demo: self.demo,
            ..self.layers.sources()
        }
    }
}

impl Bridge {
    fn sources(self) -> Sources {
        let mut sources = self.layers.sources();
        let map = (!self.map.is_empty()).then(|| self.map.join(","));
        let named = [
            ("--url", "bridge.url", self.url),
            ("--root", "bridge.root", self.root),
            ("--map", "bridge.map", map),
        ];
        for (flag, key, value) in named {
            let set = |value| Flag {
                flag: flag.to_owned(),
                key: key.to_owned(),
                value,
            };
            sources.flags.extend(value.map(set));
        }
        sources
    }
}

/// How a command ended when not well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] Faults),
    /// The caller asked for something that cannot be; one paragraph with the fix.
    #[error("{0}")]
    Usage(String),
    /// The server could not be started or run.
    #[error("{0}")]
    App(#[from] AppError),
    /// A probe was answered, and the answer is no.
    #[error("{0}")]
    No(String),
    /// A server said no, or could not be asked; the exit code says of which kind.
    #[error("{1}")]
    Coded(u8, String),
    /// What was asked for was told already, and the answer is no.
    #[error("")]
    Told,
}

impl Failed {
    fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) | Self::Told => USAGE,
            Self::No(_) => NO,
            Self::App(error) => error.exit_code(),
            Self::Coded(code, _) => *code,
        }
    }
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    // Two crypto backends could be compiled in by accident; this names the one in use.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match std::panic::catch_unwind(|| run(line.command)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failed)) => {
            let text = failed.to_string();
            if !text.is_empty() {
                let _ = writeln!(std::io::stderr(), "exai: {text}");
            }
            ExitCode::from(failed.code())
        }
        Err(_) => {
            let _ = writeln!(
                std::io::stderr(),
                "exai: this is a bug of exai; please report it"
            );
            ExitCode::from(BUG)
        }
    }
}

fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::Serve(serve) => {
            let sources = serve.sources();
            Ok(app::run_serve(Config::load(&sources)?, sources)?)
        }
        Command::Stdio(stdio) => piped(&stdio.sources(), app::run_stdio),
        Command::Bridge(bridge) => piped(&bridge.sources(), app::run_bridge),
        Command::Connect(request) => connect::run(&request),
        Command::Check { schema: true, .. } => check::print_schema(),
        Command::Check { layers, .. } => check::run(&layers.sources()),
        Command::Config(wish) => settings::run(wish),
        Command::Probe(probe) => probe::run(probe),
        Command::Version { json } => version::run(json),
        Command::Audit(wish) => audit::run(wish),
        Command::Data(wish) => data::run(wish),
        Command::Export { what } => export::run(what),
        Command::Token(wish) => token::run(wish),
        Command::Call(request) => call::call(request),
        Command::Tools(to) => call::tools(&to),
        Command::Threads(to) => call::threads(&to),
        Command::Models(request) => call::models(&request),
        Command::SupportBundle(wish) => bundle::run(wish),
        Command::Migrate(wish) => migrate::run(wish),
        Command::Usage(wish) => usage::run(wish),
        Command::Doctor { layers, live, json } => doctor::run(&layers.sources(), live, json),
    }
}

/// Runs a mode that a client started. One that cannot start says why to the client as well, which
/// would otherwise show its user no more than a closed connection.
fn piped(sources: &Sources, run: fn(Config) -> Result<(), AppError>) -> Result<(), Failed> {
    let ended = Config::load(sources)
        .map_err(Failed::from)
        .and_then(|config| Ok(run(config)?));
    let is_start = |failed: &Failed| match failed {
        Failed::App(error) => error.is_before_serving(),
        _ => true,
    };
    if let Some(failed) = ended.as_ref().err().filter(|failed| is_start(failed)) {
        unstarted::tell(&failed.to_string());
    }
    ended
}

/// Prints to standard output. A reader that went away is not our fault.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Line::command().debug_assert();
    }

    #[test]
    fn flags_become_keys_with_their_own_layer() {
        let words = [
            "exai",
            "serve",
            "--listen",
            "127.0.0.1:1",
            "--set",
            "thread.ttl=1h",
            "--demo",
        ];
        let Command::Serve(serve) = Line::parse_from(words).command else {
            panic!("not serve")
        };
        let sources = serve.sources();
        let flags: Vec<_> = sources
            .flags
            .iter()
            .map(|f| (f.flag.as_str(), f.key.as_str()))
            .collect();
        assert_eq!(
            flags,
            [
                ("--set thread.ttl", "thread.ttl"),
                ("--listen", "server.listen")
            ]
        );
        assert!(sources.demo);
    }

    #[test]
    fn the_demo_is_registered_by_its_flag_alone() {
        let demo = |words: &[&str]| match Line::parse_from(words).command {
            Command::Serve(serve) => serve.sources().demo,
            Command::Stdio(stdio) => stdio.sources().demo,
            other => panic!("{other:?}"),
        };
        for mode in ["serve", "stdio"] {
            assert!(demo(&["exai", mode, "--demo"]), "{mode}");
            assert!(!demo(&["exai", mode, "--set", "demo=true"]), "{mode}");
        }
    }
}
