//! One run: intent, boot, workloads, calm, exit, judgement, reports.

mod again;
mod workloads;

use std::path::PathBuf;
use std::sync::Arc;

use exai_harness::clock::RunClock;
use exai_harness::evidence::Evidence;
use exai_harness::evidence::ledger::{Ledger, Told};
use exai_harness::history::{Recorder, Written};
use exai_harness::operation::builder::Numbering;
use exai_harness::report::Report;
use exai_harness::report::facts::{self, CutShort};
use exai_harness::report::progress::{self, Beginning, Progress, Teller};
use exai_harness::report::secrets::Secrets;
use exai_harness::runkey::{self, Tracers};
use exai_harness::topology::{Binaries, Launcher, Spoil, StoreKind};
use exai_judge::RunKey;
use exai_judge::claim::Claim;
use exai_judge::criterion::Criteria;
use exai_judge::verdict::Exit;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::binaries;
use crate::catalogue;
use crate::cli::Ending;
use crate::cli::arguments::RunArguments;
use crate::conclude;
use crate::facts::Facts;
use crate::ground::{self, Damage, Ground, Plan, mishap};
use crate::screen;
use crate::signal;
use crate::soak;
use crate::stage::{Stage, Trouble};
use crate::workload;

/// Where runs, the ledger and the latest report go.
#[must_use]
pub fn reports_folder(arguments: &RunArguments) -> PathBuf {
    let given = arguments.reports.clone();
    given.unwrap_or_else(binaries::reports)
}

/// Runs, judges and reports; with `--again`, only what an earlier run left open.
///
/// # Errors
/// The user's mistakes, a rig that could not work, or a bug of ours.
pub fn run(arguments: &RunArguments) -> Result<Exit, Ending> {
    if ground::clock::is_missing(ground::damaged(arguments.spoil.as_ref())) {
        return ground::clock::behind_one();
    }
    match &arguments.again {
        Some(first) => again::again(arguments, first),
        None => Ok(conclude::exit(&once(arguments)?)),
    }
}

/// Runs and judges once, and prints the report unless another command asked for it.
///
/// # Errors
/// As [`run`].
pub fn once(arguments: &RunArguments) -> Result<Report, Ending> {
    let criteria = catalogue::criteria()?;
    catalogue::check_names(&criteria, &arguments.criteria)?;
    let claim = catalogue::claim(arguments)?;
    let store = ground::choose_store(arguments.store)?;
    let spoiled = ground::spoiled(arguments.spoil.as_ref())?;
    ground::choose_driver(arguments.driver, &spoiled)?;
    ground::choose_instances(arguments, store, &spoiled)?;
    let built = binaries::build(arguments.server.as_deref(), arguments.driver)?;
    let users = match &arguments.soak {
        Some(soak) if soak.users > 0 => binaries::build_users(),
        _ => Err("none were asked for".to_owned()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Ending::Harness(format!("could not start a runtime: {error}")))?;
    let inside = runtime.enter();
    let begun = Begun::open(arguments, &claim.id, &built, store)?;
    drop(inside);
    let (teller, events) = progress::channel();
    let watching = runtime.spawn(screen::follow(events, arguments.quiet, begun.clock));
    teller.tell(Progress::Began(begun.beginning(arguments, &claim)));
    let asked = Asked {
        built,
        spoiled,
        damage: ground::damaged(arguments.spoil.as_ref()),
        users,
    };
    let tried = try_everything(&begun, arguments, &criteria, (asked, teller));
    let (cut_short, trouble) = runtime.block_on(tried);
    // The screen ends when the last teller has gone; it owes nobody an answer.
    let _ = runtime.block_on(watching);
    begun.close(arguments, (&criteria, &claim), (cut_short, trouble))
}

/// What is set up, and how it is spoiled.
struct Asked {
    built: Binaries,
    spoiled: (Option<Spoil>, Launcher),
    damage: Damage,
    /// The goose users' executable, or why there is none.
    users: Result<PathBuf, String>,
}

/// A run after save 1.
pub struct Begun {
    /// The evidence folder.
    pub evidence: Evidence,
    /// The history.
    pub recorder: Recorder,
    /// The run key.
    pub key: RunKey,
    /// What is known before the first observation.
    pub facts: Facts,
    ledger: Ledger,
    store: StoreKind,
    clock: RunClock,
}

impl Begun {
    fn open(
        arguments: &RunArguments,
        claim: &str,
        built: &Binaries,
        store: StoreKind,
    ) -> Result<Self, Ending> {
        let harness = |error: &dyn std::fmt::Display| Ending::Harness(error.to_string());
        let reports = reports_folder(arguments);
        let mut facts = Facts::gather(arguments, built, store.name())?;
        crate::cli::soak::same_binary(arguments, &facts.server_sha256)?;
        let key = runkey::draw().map_err(|error| harness(&error))?;
        let name = facts.claim_name(arguments.seed, &reports.join("runs"));
        let plan = json!({
            "schema": "exai-verify-plan/1",
            "profile": arguments.profile.name(),
            "driver": arguments.driver.name(),
            "store": store.name(),
            "instances": arguments.instances,
            "seed": arguments.seed.to_string(),
            "claim": claim,
            "criteria": arguments.criteria,
            "spoiler": arguments.spoil,
            "soak": arguments.soak,
            "server_sha256": facts.server_sha256,
            "criteria_sha256": exai_judge::hex::sha256(catalogue::CRITERIA.as_bytes()),
            "intended": intended(arguments)?,
        });
        let evidence = Evidence::create(&reports.join("runs"), &name, &plan, &key);
        let evidence = evidence.map_err(|error| harness(&error))?;
        let ledger = Ledger::at(&reports.join("ledger"));
        let intent = json!({"intent": evidence.intent(), "plan": plan});
        ledger
            .append(
                Told::Intent,
                &name.folder(),
                &facts.started_at.to_string(),
                intent,
            )
            .map_err(|error| harness(&error))?;
        let clock = RunClock::start();
        let recorder = Recorder::open(evidence.folder(), clock.as_now());
        let recorder = recorder.map_err(|error| harness(&error))?;
        Ok(Self {
            evidence,
            recorder,
            key,
            facts,
            ledger,
            store,
            clock,
        })
    }

    fn beginning(&self, arguments: &RunArguments, claim: &Claim) -> Beginning {
        let named = &arguments.criteria;
        let criteria = if named.is_empty() {
            &claim.criteria
        } else {
            named
        };
        Beginning {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: self.facts.commit.chars().take(7).collect(),
            profile: arguments.profile.name().to_owned(),
            driver: arguments.driver.name().to_owned(),
            store: facts::ground(arguments.instances.into(), self.store.name()),
            seed: arguments.seed,
            claim: claim.id.clone(),
            criteria: criteria.clone(),
            planned: self.facts.planned(),
        }
    }

    /// Save 3 and the reports; the exit code is the claim's.
    fn close(
        mut self,
        arguments: &RunArguments,
        (criteria, claim): (&Criteria, &Claim),
        (cut_short, trouble): (Option<CutShort>, Option<Trouble>),
    ) -> Result<Report, Ending> {
        self.facts.cut_short = cut_short;
        self.facts.measured_seconds = self.clock.now() / 1_000_000_000;
        let concluded = conclude::Conclusion {
            evidence: &self.evidence,
            key: &self.key,
            criteria,
            claim,
            arguments,
            facts: &self.facts,
            trouble,
        };
        let (report, root) = concluded.write()?;
        let outcome = json!({
            "root": root,
            "claim": claim.id,
            "verdicts": conclude::verdicts(&report),
            "server_sha256": self.facts.server_sha256,
            "harness_sha256": self.facts.harness_sha256,
            "policy_digest": report.identity.policy_digest,
            "profile": report.run.profile,
            "driver": report.run.driver,
            "store": report.run.store,
            "instances": report.run.instances,
            "seed": report.run.seed.to_string(),
            "ended_at": report.run.ended_at,
            "spoiler": arguments.spoil,
            "figures": report.figures,
        });
        let run = self.evidence.intent().run.clone();
        self.ledger
            .append(
                Told::Outcome,
                &run,
                &jiff::Timestamp::now().to_string(),
                outcome,
            )
            .map_err(|error| Ending::Harness(error.to_string()))?;
        if !arguments.within {
            show(arguments, &report)?;
        }
        Ok(report)
    }
}

/// The criteria that this run sets out to judge: all that its names begin with, or all.
fn intended(arguments: &RunArguments) -> Result<Vec<String>, Ending> {
    let criteria = catalogue::criteria()?;
    let is_named = |id: &&str| catalogue::is_named(&arguments.criteria, id);
    Ok(criteria.ids().filter(is_named).map(str::to_owned).collect())
}

fn show(arguments: &RunArguments, report: &Report) -> Result<(), Ending> {
    let text = if arguments.json {
        exai_harness::report::json::render(report)
            .map_err(|error| Ending::Bug(error.to_string()))?
    } else {
        exai_harness::report::terminal::render(report, crate::cli::style())
    };
    crate::cli::print(&text);
    Ok(())
}

/// Boots, runs the workloads, and takes everything down again, whatever happened.
async fn try_everything(
    begun: &Begun,
    arguments: &RunArguments,
    criteria: &Criteria,
    (asked, teller): (Asked, Teller),
) -> (Option<CutShort>, Option<Trouble>) {
    let stop = CancellationToken::new();
    let watcher = signal::watch(stop.clone());
    let outcome = boot_and_run(begun, arguments, criteria, (asked, teller, &stop)).await;
    let written = begun.recorder.close().await;
    let trouble = outcome.err().or_else(|| lost(written));
    (
        watcher.seen(),
        trouble.filter(|trouble| !matches!(trouble, Trouble::Interrupted)),
    )
}

/// A record with holes is the rig's fault.
fn lost(written: Result<Written, exai_harness::history::HistoryError>) -> Option<Trouble> {
    match written {
        Ok(written) if written.lost == 0 => None,
        Ok(written) => Some(Trouble::Rig(format!(
            "the record lost {} events",
            written.lost
        ))),
        Err(error) => Some(Trouble::Rig(error.to_string())),
    }
}

async fn boot_and_run(
    begun: &Begun,
    arguments: &RunArguments,
    criteria: &Criteria,
    (asked, teller, stop): (Asked, Teller, &CancellationToken),
) -> Result<(), Trouble> {
    let tracers = Tracers::new(begun.key.clone());
    let tracers = Arc::new(tracers.map_err(|error| Trouble::Rig(error.to_string()))?);
    let errand = soak::asked(arguments).map(|plan| workload::soak::Errand {
        plan,
        reports: reports_folder(arguments),
        binaries: asked.built.clone(),
        users: asked.users,
        clock: begun.clock,
        server_sha256: begun.facts.server_sha256.clone(),
    });
    let plan = Plan {
        binaries: asked.built,
        store: begun.store,
        instances: arguments.instances.into(),
        key: begun.key.clone(),
        seed: arguments.seed,
        spoiled: asked.spoiled,
        clock: begun.clock,
        stop: stop.clone(),
    };
    let ground = Ground::boot(plan, &begun.recorder).await?;
    let took_ms = Some(begun.clock.now() / 1_000_000);
    teller.tell(Progress::BootStep {
        what: "server, store and simulators".to_owned(),
        took_ms,
    });
    // The first boot of a run is the only one; nobody else sets this.
    let _ = begun.facts.learned.set(ground.learn().await);
    let secrets = ground.secrets();
    let canaries = Secrets::new(secrets.iter().map(String::as_str));
    let canaries = canaries.map_err(|error| Trouble::Rig(error.to_string()))?;
    let _ = begun.facts.secrets.set(secrets);
    let stage = Stage {
        damage: asked.damage,
        site: ground.site().clone(),
        ground,
        teller,
        canaries,
        recorder: begun.recorder.clone(),
        tracers,
        numbering: Numbering::default(),
        criteria: criteria.clone(),
        profile: arguments.profile.name(),
        seed: arguments.seed,
        stop: stop.clone(),
    };
    let outcome = mishap::beside(
        &stage,
        workloads::workloads(&stage, arguments, errand.as_ref()),
    )
    .await;
    outcome.and(take_down(stage, begun, arguments).await)
}

/// Takes everything down, and keeps what an impostor says it spoiled.
async fn take_down(stage: Stage, begun: &Begun, arguments: &RunArguments) -> Result<(), Trouble> {
    let book = stage.ground.book();
    let stopped = stage.ground.stop().await;
    let Some(book) = book else { return stopped };
    let account = Account::of(&book.read(), begun.clock);
    let kept = account.keep(&reports_folder(arguments), &begun.evidence.intent().run);
    let kept = kept.map_err(|error| format!("could not keep what was spoiled: {error}"));
    stopped.and(kept.map_err(Trouble::Rig))
}
