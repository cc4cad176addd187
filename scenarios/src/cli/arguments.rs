//! The words of the command line and what each accepts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Boots the real server with simulated providers, breaks it on purpose, and judges eight
/// readiness criteria from recorded evidence.
///
/// Without a subcommand: `run --profile quick --store auto`.
#[derive(Debug, Parser)]
#[command(name = "verify", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 pass, 1 fail, 2 inconclusive, 3 harness error, \
    4 nothing ran, 5 evidence refused, 6 human override on record, 64 usage, 70 bug in verify, \
    130 and 143 ended by a signal.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Boots, breaks and judges; writes reports/latest/.
    Run(RunArguments),
}

/// What to run, on which ground.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// Criteria to run, such as V.3; all when none is named.
    #[arg(value_name = "CRITERION")]
    pub criteria: Vec<String>,
    /// How much to try.
    #[arg(long, value_enum, default_value_t = Profile::Quick)]
    pub profile: Profile,
    /// Where the topology runs.
    #[arg(long, value_enum, default_value_t = Driver::Local)]
    pub driver: Driver,
    /// The store behind the server; auto takes Redis when redis-server is on PATH.
    #[arg(long, value_enum, default_value_t = StoreChoice::Auto)]
    pub store: StoreChoice,
    /// Fixes schedule and shape; tracers and keys never derive from it.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Judge this binary instead of the one built here.
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// The claim to answer for, instead of the profile's own.
    #[arg(long, value_name = "NAME")]
    pub claim: Option<String>,
    /// Print the result model as JSON on standard output.
    #[arg(long)]
    pub json: bool,
    /// Only the final screen, no progress.
    #[arg(long)]
    pub quiet: bool,
}

impl Default for RunArguments {
    fn default() -> Self {
        Self {
            criteria: Vec::new(),
            profile: Profile::Quick,
            driver: Driver::Local,
            store: StoreChoice::Auto,
            seed: 7,
            server: None,
            claim: None,
            json: false,
            quiet: false,
        }
    }
}

/// The sizes a run comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// At most a minute: is everything wired?
    Smoke,
    /// At most five minutes: may this be merged?
    Quick,
    /// At most an hour: is this a release candidate?
    Full,
    /// About 20 s: the size of one row of the saboteur table.
    Selftest,
}

impl Profile {
    /// The name in records and criteria.toml.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Full => "full",
            Self::Selftest => "selftest",
        }
    }

    /// The claim a run of this profile answers for when none is named.
    #[must_use]
    pub const fn claim(self) -> &'static str {
        match self {
            Self::Smoke => "wired",
            Self::Quick | Self::Selftest => "merge-ready",
            Self::Full => "release-candidate",
        }
    }
}

/// Where the topology runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Driver {
    /// Child processes on this machine.
    Local,
}

/// The store behind the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StoreChoice {
    /// Redis when redis-server is on PATH, else embedded.
    Auto,
    /// SQLite inside the server's process.
    Embedded,
    /// A local redis-server.
    Redis,
}
