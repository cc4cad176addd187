//! The words of the command line and what each accepts.

pub mod chaos;
pub mod clients;
pub mod compare;
mod driver;
pub mod evidence;
mod profile;
pub mod soak;
pub mod target;

use std::path::PathBuf;

use clap::builder::RangedI64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

use crate::soak::SoakPlan;
pub use chaos::ChaosArguments;
pub use clients::{ClientsArguments, Speaks};
use compare::CompareArguments;
pub use driver::Driver;
use evidence::{AttestCommand, ClaimsCommand, DecideArguments, GateArguments, LedgerCommand};
pub use profile::Profile;
use soak::SoakArguments;
use target::TargetCommand;

/// Boots the real server with simulated providers, breaks it on purpose, and judges eight
/// readiness criteria from recorded evidence.
///
/// Without a subcommand: `run --profile quick --store auto`.
#[derive(Debug, Parser)]
#[command(name = "verify", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// Only the final screen, no progress. A build still tells its own.
    #[arg(long, global = true)]
    pub quiet: bool,
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
    /// Shows every detector at work on its saboteur, and none on an honest server.
    Selftest(SelftestArguments),
    /// Hours of load and faults on one server: V.7, and V.7m for half an hour of it.
    Soak(SoakArguments),
    /// Breaks a seeded schedule of things beside traffic, and shrinks what fails.
    Chaos(ChaosArguments),
    /// Runs the official MCP conformance suite: the fixtures' build with no baseline, then the
    /// product against a baseline of proven absences.
    Conformance(ConformanceArguments),
    /// Judges a stored record again: the same verdicts from the record alone.
    Judge(RecordArguments),
    /// Renders a stored record.
    Report(ReportArguments),
    /// Puts a record into one file, to be opened elsewhere.
    Pack(PackArguments),
    /// Opens a packed record: checks it, judges it again and renders its report.
    Open(OpenArguments),
    /// Lists the criteria and what each profile may take.
    List(ListArguments),
    /// Says what a criterion asks for, with every number.
    Explain(ExplainArguments),
    /// Holds a running server's lists against what MCP clients can bear.
    Clients(ClientsArguments),
    /// Judges any MCP server, not only exai, with a claim of its own.
    #[command(subcommand)]
    Target(TargetCommand),
    /// Checks the ground: what is missing here, and what to do about it.
    Doctor(DoctorArguments),
    /// Says how much the figures of two builds differ, from runs of both in turn.
    Compare(CompareArguments),
    /// Says whether the evidence on record carries a claim about a build: 0, or no with reasons.
    Gate(Box<GateArguments>),
    /// Makes keys, signs what a record says, and checks it offline.
    #[command(subcommand)]
    Attest(Box<AttestCommand>),
    /// The ledger of runs: show, publish, checkpoint, merge.
    #[command(subcommand)]
    Ledger(Box<LedgerCommand>),
    /// Records a person's decision, signed; the gate then ends with 6, never with 0.
    Decide(Box<DecideArguments>),
    /// Public statements: lint prose for those that no evidence carries.
    #[command(subcommand)]
    Claims(ClaimsCommand),
    /// Holds a lock on a store file in a pattern; the nemesis starts it as a process of its own.
    #[command(hide = true)]
    HoldLock(HoldLockArguments),
}

/// Which rows of the self-test, and how.
#[derive(Debug, Clone, Args)]
pub struct SelftestArguments {
    /// Rows by number, such as 4 or 2b; all when none is named.
    pub rows: Vec<String>,
    /// The seed of every row.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// How many seeds, one table after the other, from the first one on.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_most_nine())]
    pub seeds: u8,
    /// Print the table as JSON on standard output.
    #[arg(long)]
    pub json: bool,
    /// Write the honest control's vector to this file instead of comparing it.
    #[arg(long, value_name = "PATH", hide = true)]
    pub record_honest: Option<PathBuf>,
}

fn at_most_nine() -> RangedI64ValueParser<u8> {
    value_parser!(u8).range(1..=9)
}

/// Where the suite is, and what to run it against.
#[derive(Debug, Clone, Args)]
pub struct ConformanceArguments {
    /// The folder whose node_modules hold the suite and node.
    #[arg(
        long,
        value_name = "DIR",
        env = "CLIENTS_NODE",
        default_value = "target/clients/node"
    )]
    pub suite: PathBuf,
    /// Judge this binary as the product instead of the one built here.
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// Take this debug build with the fixtures instead of building one.
    #[arg(long, value_name = "PATH")]
    pub fixtures: Option<PathBuf>,
    /// Keep the suite's own records in this folder.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Print the outcome as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// A stored record.
#[derive(Debug, Clone, Args)]
pub struct RecordArguments {
    /// The run's folder, such as reports/runs/RUN.
    pub run: PathBuf,
    /// Print the findings as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// A stored record and a format.
#[derive(Debug, Clone, Args)]
pub struct ReportArguments {
    /// The run's folder, such as reports/runs/RUN.
    pub run: PathBuf,
    /// One of html, json, junit, junit-outside-claim, md, openmetrics, sarif, terminal.
    #[arg(long, default_value = "terminal")]
    pub format: String,
    /// Refuse this file when it is not, byte for byte, what the record gives (exit 5).
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
}

/// A stored record and the file it goes into.
#[derive(Debug, Clone, Args)]
pub struct PackArguments {
    /// The run's folder, such as reports/runs/RUN.
    pub run: PathBuf,
    /// The file to write, instead of RUN.verify.tar.gz in this folder. An existing one is kept.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// A packed record and where it goes.
#[derive(Debug, Clone, Args)]
pub struct OpenArguments {
    /// What `verify pack` wrote.
    pub file: PathBuf,
    /// The folder the record and report.html go into, instead of one named after the run here.
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
    /// Print JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// How to list.
#[derive(Debug, Clone, Args)]
pub struct ListArguments {
    /// Add the seconds every profile plans and may take.
    #[arg(long)]
    pub budget: bool,
    /// Print JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Which criterion.
#[derive(Debug, Clone, Args)]
pub struct ExplainArguments {
    /// Such as V.4.
    pub criterion: String,
    /// Print JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// How to look around.
#[derive(Debug, Clone, Args)]
pub struct DoctorArguments {
    /// Print JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// A lock to hold.
#[derive(Debug, Clone, Args)]
pub struct HoldLockArguments {
    /// The database file.
    pub file: PathBuf,
    /// Milliseconds held at a time.
    #[arg(long)]
    pub hold_ms: u64,
    /// Milliseconds between two holds.
    #[arg(long)]
    pub rest_ms: u64,
    /// Milliseconds in all.
    #[arg(long)]
    pub for_ms: u64,
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
    /// Judge so many instances of the server on one Redis, behind a round-robin proxy, as one. Only
    /// for V.1 to V.4, by name and with the local driver; evidence for no claim.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_most_nine())]
    pub instances: u8,
    /// Fixes schedule and shape; tracers and keys never derive from it.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Judge this binary instead of the one built here.
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// The claim to answer for, instead of the profile's own.
    #[arg(long, value_name = "NAME")]
    pub claim: Option<String>,
    /// Repeat what this run left Inconclusive or HarnessError, under its conditions and on the same
    /// build. Both attempts stay on record; a Fail is never repeated.
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = [
            "criteria", "profile", "driver", "store", "instances", "seed", "claim", "spoil"
        ]
    )]
    pub again: Option<PathBuf>,
    /// Print the result model as JSON on standard output.
    #[arg(long)]
    pub json: bool,
    /// Only the final screen, as the flag of all commands says.
    #[arg(skip)]
    pub quiet: bool,
    /// Where runs, the ledger and the latest report go, instead of the workspace's reports/.
    #[arg(long, value_name = "DIR")]
    pub reports: Option<PathBuf>,
    /// Put a saboteur on an edge: NAME@EDGE, or NAME@EDGE:EVERY+OFFSET.
    #[arg(long, value_name = "NAME@EDGE", hide = true)]
    pub spoil: Option<SpoilWord>,
    /// Another command makes this run, and tells what came of it in its own words.
    #[arg(skip)]
    pub within: bool,
    /// What `verify soak` asks for instead of the workloads of the criteria.
    #[arg(skip)]
    pub soak: Option<SoakPlan>,
}

/// A saboteur as named on the command line.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SpoilWord {
    /// The spoiler.
    pub name: String,
    /// The edge.
    pub edge: String,
    /// Every k-th eligible operation.
    pub every: u64,
    /// The first one.
    pub offset: u64,
}

impl std::fmt::Display for SpoilWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            name,
            edge,
            every,
            offset,
        } = self;
        write!(f, "{name}@{edge}:{every}+{offset}")
    }
}

impl std::str::FromStr for SpoilWord {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let shape = || format!("{word:?} is not NAME@EDGE or NAME@EDGE:EVERY+OFFSET");
        let (name, rest) = word.split_once('@').ok_or_else(shape)?;
        let (edge, counts) = rest.split_once(':').unwrap_or((rest, "1+0"));
        let (every, offset) = counts.split_once('+').ok_or_else(shape)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| shape());
        Ok(Self {
            name: name.to_owned(),
            edge: edge.to_owned(),
            every: number(every)?.max(1),
            offset: number(offset)?,
        })
    }
}

impl Default for RunArguments {
    fn default() -> Self {
        Self {
            criteria: Vec::new(),
            profile: Profile::Quick,
            driver: Driver::Local,
            store: StoreChoice::Auto,
            instances: 1,
            seed: 7,
            server: None,
            claim: None,
            again: None,
            json: false,
            quiet: false,
            reports: None,
            spoil: None,
            within: false,
            soak: None,
        }
    }
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
