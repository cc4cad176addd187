//! `verify target`: judges a server nobody here wrote, over its pipes or at its address, by a
//! catalogue of its own (`target.toml` beside this package's manifest). The record, the reports and
//! the exit codes are those of every run; the claim is `target-merge-ready`.
//!
//! It speaks 2025-11-25 and what the server answers to that. It breaks nothing but what one client
//! may send, and calls no tool that `target.toml` does not allow.

pub mod book;
mod conclude;
mod file;
mod init;
mod load;
mod panic;
mod reach;
mod security;
mod stand;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use exai_harness::clock::RunClock;
use exai_harness::evidence::ledger::{Ledger, Told};
use exai_harness::evidence::{Evidence, RunName};
use exai_harness::history::Recorder;
use exai_harness::report::secrets::Secrets;
use exai_harness::report::{Report, json, terminal};
use exai_harness::runkey;
use exai_judge::observation::PhaseMark;
use exai_judge::verdict::Exit;
use exai_judge::{Event, RunKey};
use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::arguments::target::{TargetCommand, TargetRunArguments};
use crate::cli::{Ending, print};
use crate::facts::own_sha256;
use crate::stage::Trouble;
use crate::{conclude as concluding, signal};
pub use file::TargetFile;
use reach::{Reach, Subject};
use stand::Stand;

/// Where a run's record goes, when nobody says.
pub const REPORTS: &str = "reports/target";
/// What a run may take, the load included; what is left then is not tested.
const BUDGET: Duration = Duration::from_secs(170);
/// Characters of a foreign server's version that reports show.
const VERSION_CHARS: usize = 60;

/// Writes a `target.toml`, or judges what one names.
///
/// # Errors
/// The user's mistakes, a rig that could not work, or a bug of ours.
pub fn target(command: &TargetCommand, quiet: bool) -> Result<Exit, Ending> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Ending::Harness(format!("could not start a runtime: {error}")))?;
    match command {
        TargetCommand::Init(arguments) => runtime.block_on(init::init(arguments)),
        TargetCommand::Run(arguments) => runtime.block_on(run(arguments, quiet)),
    }
}

async fn run(arguments: &TargetRunArguments, quiet: bool) -> Result<Exit, Ending> {
    let file = TargetFile::read(&arguments.file)?;
    let reach = Reach::of(&file, arguments.file.parent()).await?;
    let begun = Begun::open((arguments, quiet), &file, reach)?;
    let stop = CancellationToken::new();
    let watcher = signal::watch(stop.clone());
    let judged = begun.families(&file, &stop).await;
    let written = begun.recorder.close().await;
    let unwritten = written.err();
    let trouble = judged
        .err()
        .or_else(|| unwritten.map(|error| Trouble::Rig(error.to_string())));
    let report = begun.close(arguments, watcher.seen(), trouble)?;
    let text = if arguments.json {
        json::render(&report).map_err(|error| Ending::Bug(error.to_string()))?
    } else {
        terminal::render(&report, crate::cli::style())
    };
    print(&text);
    Ok(concluding::exit(&report))
}

/// A run after save 1.
struct Begun {
    reach: Reach,
    subject: Subject,
    /// The version the server gave; set once it has greeted.
    version: OnceLock<String>,
    harness_sha256: String,
    evidence: Evidence,
    ledger: Ledger,
    recorder: Recorder,
    key: RunKey,
    clock: RunClock,
    started_at: Timestamp,
    secrets: Secrets,
    quiet: bool,
}

impl Begun {
    fn open(
        (arguments, quiet): (&TargetRunArguments, bool),
        file: &TargetFile,
        mut reach: Reach,
    ) -> Result<Self, Ending> {
        let harness = |error: &dyn std::fmt::Display| Ending::Harness(error.to_string());
        let reports = reports(arguments);
        let key = runkey::draw().map_err(|error| harness(&error))?;
        let drawn = runkey::draw().map_err(|error| harness(&error))?;
        let canary: String = drawn.to_hex().chars().take(40).collect();
        let canary = format!("sk-{canary}");
        reach.plant(&canary);
        let (subject, harness_sha256) = (reach.subject()?, own_sha256()?);
        let (name, started_at) = free_name(&reports.join("runs"));
        let plan = json!({
            "schema": "exai-verify-plan/1",
            "profile": book::PROFILE,
            "driver": reach.wire(),
            "store": "none",
            "seed": "0",
            "claim": book::CLAIM,
            "criteria": book::IDS,
            "spoiler": null,
            "server_sha256": subject.sha256,
            "subject": subject.shown,
            "target": file.as_json(),
            "criteria_sha256": exai_judge::hex::sha256(book::CRITERIA.as_bytes()),
            "intended": book::IDS,
        });
        let evidence = Evidence::create(&reports.join("runs"), &name, &plan, &key);
        let evidence = evidence.map_err(|error| harness(&error))?;
        let ledger = Ledger::at(&reports.join("ledger"));
        let intent = json!({"intent": evidence.intent(), "plan": plan});
        let at = started_at.to_string();
        ledger
            .append(Told::Intent, &name.folder(), &at, intent)
            .map_err(|error| harness(&error))?;
        let clock = RunClock::start();
        let recorder = Recorder::open(evidence.folder(), clock.as_now());
        Ok(Self {
            recorder: recorder.map_err(|error| harness(&error))?,
            reach,
            subject,
            version: OnceLock::new(),
            harness_sha256,
            evidence,
            ledger,
            key,
            clock,
            started_at,
            secrets: secrets(&canary, file)?,
            quiet,
        })
    }

    /// The families in order. An error is our own trouble, or a server that is gone for good.
    async fn families(&self, file: &TargetFile, stop: &CancellationToken) -> Result<(), Trouble> {
        let until = tokio::time::Instant::now() + BUDGET;
        let stand = Stand::open(&self.reach, file, &self.recorder, (until, stop));
        let mut stand = stand.guarding(self.secrets.clone());
        self.begin("wire");
        let Some(lists) = wire::greet(&mut stand).await? else {
            self.mark("wire", true);
            return Ok(());
        };
        let _first = self.version.set(self.fit(&lists.version));
        wire::run(&mut stand, &lists).await?;
        self.mark("wire", true);
        self.begin("panic");
        panic::run(&mut stand, &lists).await?;
        self.mark("panic", true);
        self.begin("security");
        security::run(&mut stand, &lists).await?;
        self.mark("security", true);
        security::limits_of_clients(&stand, &lists);
        self.mark("wire", false);
        wire::end(&mut stand).await?;
        self.mark("wire", true);
        self.begin("load");
        load::run(&stand, &lists).await?;
        self.mark("load", true);
        Ok(())
    }

    /// A version as reports may show it: foreign words, so short, plain and without a secret.
    fn fit(&self, version: &str) -> String {
        if self.secrets.scan("version", version).is_err() {
            return String::new();
        }
        let plain = version.chars().filter(|c| !c.is_control());
        plain.take(VERSION_CHARS).collect()
    }

    fn begin(&self, criterion: &str) {
        if !self.quiet {
            let seconds = self.clock.now() / 1_000_000_000;
            eprintln!("{seconds:>4} s  {criterion}");
        }
        self.mark(criterion, false);
    }

    fn mark(&self, criterion: &str, ended: bool) {
        self.recorder.record(Event::Phase(PhaseMark {
            criterion: criterion.to_owned(),
            phase: "target".to_owned(),
            ended,
        }));
    }

    fn close(
        self,
        arguments: &TargetRunArguments,
        cut_short: Option<exai_harness::report::facts::CutShort>,
        trouble: Option<Trouble>,
    ) -> Result<Report, Ending> {
        let concluded = conclude::Conclusion {
            evidence: &self.evidence,
            key: &self.key,
            reach: &self.reach,
            subject: &self.subject,
            version: self.version.get().map_or("", String::as_str),
            harness_sha256: &self.harness_sha256,
            secrets: &self.secrets,
            file: &arguments.file,
            started_at: self.started_at,
            measured_seconds: self.clock.now() / 1_000_000_000,
            budget: BUDGET,
            cut_short,
            trouble,
        };
        let (report, root) = concluded.write(&reports(arguments).join("latest"))?;
        let outcome = json!({
            "root": root,
            "claim": book::CLAIM,
            "verdicts": concluding::verdicts(&report),
            "server_sha256": self.subject.sha256,
            "harness_sha256": self.harness_sha256,
            "policy_digest": null,
            "profile": report.run.profile,
            "driver": report.run.driver,
            "store": report.run.store,
            "seed": report.run.seed.to_string(),
            "ended_at": report.run.ended_at,
            "spoiler": null,
            "figures": report.figures,
        });
        let run = self.evidence.intent().run.clone();
        let at = Timestamp::now().to_string();
        self.ledger
            .append(Told::Outcome, &run, &at, outcome)
            .map_err(|error| Ending::Harness(error.to_string()))?;
        Ok(report)
    }
}

/// What must not come back: the planted secret, and those that `target.toml` names.
fn secrets(canary: &str, file: &TargetFile) -> Result<Secrets, Ending> {
    let named = file.server.secrets.iter().chain(&file.server.bearer_env);
    let values = named.filter_map(|name| std::env::var(name).ok());
    let all: Vec<String> = values.chain([canary.to_owned()]).collect();
    let secrets = Secrets::new(all.iter().map(String::as_str));
    secrets.map_err(|error| Ending::Usage(format!("secrets of target.toml: {error}")))
}

fn reports(arguments: &TargetRunArguments) -> PathBuf {
    let own = || PathBuf::from(REPORTS);
    arguments.reports.clone().unwrap_or_else(own)
}

/// A run's name that no folder has yet, and its begin; two runs of one second wait for the next.
fn free_name(runs: &Path) -> (RunName, Timestamp) {
    loop {
        let now = Timestamp::now();
        let name = RunName {
            utc: now.strftime("%Y%m%dT%H%M%SZ").to_string(),
            commit7: "target".to_owned(),
            seed: 0,
        };
        if !runs.join(name.folder()).exists() {
            return (name, now);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
