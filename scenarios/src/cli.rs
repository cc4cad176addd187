//! The command line: parse, dispatch, and turn every ending into a named exit code.

pub mod arguments;
pub mod attest;
pub mod clients;
pub mod compare;
pub mod conformance;
pub mod decide;
pub mod doctor;
pub mod explain;
pub mod gate;
pub mod ledger;
pub mod lint;
pub mod list;
pub mod pack;
pub mod record;
pub mod soak;
pub mod trust;

use std::process::ExitCode;

use clap::Parser;
use exai_judge::verdict::Exit;
use exai_mocks::closed;

use arguments::{Arguments, Command, RunArguments};

/// How a command ended without a verdict.
#[derive(Debug, thiserror::Error)]
pub enum Ending {
    /// The user's mistake: one paragraph with the fix.
    #[error("{0}")]
    Usage(String),
    /// The rig could not do its work.
    #[error("{0}")]
    Harness(String),
    /// What was asked cannot be answered from here.
    #[error("{0}")]
    Open(String),
    /// Evidence was touched, expired or foreign.
    #[error("evidence refused: {0}")]
    Refused(String),
    /// A defect of ours.
    #[error("this is a bug in verify: {0}")]
    Bug(String),
}

impl Ending {
    /// The exit code of this ending.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Harness(_) => Exit::HarnessError,
            Self::Open(_) => Exit::Inconclusive,
            Self::Refused(_) => Exit::Refused,
            Self::Bug(_) => Exit::Bug,
        }
    }
}

/// Runs the command line of this process. A panic anywhere is our own bug, exit 70.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = std::panic::catch_unwind(|| match Arguments::try_parse() {
        Ok(arguments) => finish(dispatch(arguments)),
        Err(error) => explain_usage(&error),
    });
    ExitCode::from(outcome.unwrap_or(Exit::Bug) as u8)
}

/// `--help` and `--version` end with 0; every other parse error is the user's, exit 64. clap's own
/// code would be 2, which is our Inconclusive.
fn explain_usage(error: &clap::Error) -> Exit {
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Pass
    }
}

fn finish(result: Result<Exit, Ending>) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(ending) => {
            eprintln!("verify: {ending}");
            ending.exit()
        }
    }
}

fn dispatch(arguments: Arguments) -> Result<Exit, Ending> {
    // A run draws its key in this process.
    closed::close().map_err(Ending::Harness)?;
    let quiet = arguments.quiet;
    let command = arguments
        .command
        .unwrap_or_else(|| Command::Run(RunArguments::default()));
    match command {
        Command::Run(arguments) => crate::run::run(&RunArguments { quiet, ..arguments }),
        Command::Selftest(arguments) => crate::selftest::selftest(&arguments, quiet),
        Command::Soak(arguments) => soak::soak(&arguments, quiet),
        Command::Chaos(arguments) => crate::chaos::chaos(&arguments, quiet),
        Command::Conformance(arguments) => conformance::conformance(&arguments, quiet),
        Command::Judge(arguments) => record::judge(&arguments),
        Command::Report(arguments) => record::report(&arguments),
        Command::Pack(arguments) => pack::pack(&arguments),
        Command::Open(arguments) => pack::open(&arguments),
        Command::List(arguments) => list::list(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Clients(arguments) => clients::clients(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments, quiet),
        Command::Target(command) => crate::target::target(&command, quiet),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Gate(arguments) => gate::gate(&arguments),
        Command::Attest(command) => attest::attest(&command),
        Command::Ledger(command) => ledger::ledger(&command),
        Command::Decide(arguments) => decide::decide(&arguments),
        Command::Claims(command) => lint::claims(&command, quiet),
        Command::HoldLock(arguments) => crate::hold_lock::hold(&arguments),
    }
}

/// How to draw on standard output.
#[must_use]
pub fn style() -> exai_harness::report::terminal::Style {
    use std::io::IsTerminal as _;
    let is_terminal = std::io::stdout().is_terminal();
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let variable = |name: &str| std::env::var(name).ok();
    exai_harness::report::terminal::Style::choose(is_terminal, columns, variable)
}

/// Data goes to standard output, everything else to standard error. A reader that closed the pipe
/// has seen enough.
pub fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end());
}
