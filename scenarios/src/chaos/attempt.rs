//! One run of one schedule on a fresh rig: steady, broken, healed, steady again, judged.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use exai_harness::clock::RunClock;
use exai_harness::history::{History, Recorder};
use exai_harness::operation::builder::Numbering;
use exai_harness::report::progress;
use exai_harness::report::secrets::Secrets;
use exai_harness::runkey::{self, Tracers};
use exai_harness::topology::{Binaries, Launcher, Spoil, StoreKind};
use exai_judge::criterion::Criteria;
use exai_judge::finding::{Check, Finding};
use exai_judge::ground::GroundSummary;
use exai_judge::judge::judge;
use exai_judge::verdict::Verdict;
use exai_judge::{Call, Event, RunKey};
use futures::future::try_join_all;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::PROFILE;
use super::schedule::{Planned, Schedule};
use super::steady::{self, AFTER, BEFORE, CRITERION};
use crate::ground::{Damage, Ground, Plan};
use crate::signal;
use crate::stage::{Stage, Trouble};
use crate::workload::at_risk::{AtRisk, PEOPLE, Probe, WIRES};
use crate::workload::reading;

/// Lanes of traffic: enough for appends in flight at every moment.
const LANES: usize = 12;
/// What the providers take to answer, ms.
const ANSWER_MS: u64 = 100;
/// After the last heal: a confirmation window, and a little for everybody to greet again.
const CALM: Duration = Duration::from_secs(4);
/// As long again until a breaker has let a probe through.
const BREAKER: Duration = Duration::from_secs(7);
/// How long a fault waits for an acknowledgement to follow.
const BOUNDARY: Duration = Duration::from_secs(2);
const COMPONENTS: [&str; 5] = ["server", "store", "kimi", "glm", "minimax"];

/// What to boot, and where its record goes.
pub struct Trial<'a> {
    /// The executables.
    pub binaries: Binaries,
    /// The store behind the server.
    pub store: StoreKind,
    /// A saboteur on an edge, or a launcher that cheats.
    pub spoiled: (Option<Spoil>, Launcher),
    /// Fixes the shape of the traffic.
    pub seed: u64,
    /// The catalogue of chaos.
    pub criteria: &'a Criteria,
    /// A private folder.
    pub folder: &'a Path,
}

/// What came of it.
pub struct Attempt {
    /// The judge's conclusion.
    pub finding: Finding,
    /// Faults as they went, and what tainted them.
    pub ground: GroundSummary,
    /// The calls of the two steady rounds.
    pub steady: Vec<Call>,
    /// When it began.
    pub started: jiff::Timestamp,
    /// How long it took, ns.
    pub took: u64,
    /// Somebody pressed Ctrl-C.
    pub interrupted: bool,
}

impl Attempt {
    /// The checks that failed, in the order of the finding.
    pub fn failed(&self) -> impl Iterator<Item = &str> {
        let failed = |check: &&Check| check.verdict == Verdict::Fail;
        let checks = self.finding.checks.iter().filter(failed);
        checks.map(|check| check.id.as_str())
    }

    /// For people: the verdict, what failed and what did not land.
    #[must_use]
    pub fn summary(&self) -> String {
        let finding = &self.finding;
        let mut text = format!("{:?}     {}\n", finding.verdict, finding.headline);
        for check in &finding.checks {
            if check.verdict != Verdict::Pass {
                let (name, measured) = (&check.name, &check.measured);
                text.push_str(&format!(
                    "  {:?}  {}: {name}: {measured}\n",
                    check.verdict, check.id
                ));
            }
        }
        for violation in finding.violations.iter().take(5) {
            text.push_str(&format!("  {}\n", violation.says));
        }
        for floor in finding.floors.iter().filter(|floor| !floor.is_met()) {
            let (seen, needed) = (floor.seen, floor.needed);
            text.push_str(&format!("  {}: {seen} of {needed}\n", floor.event));
        }
        for open in &finding.not_tested {
            text.push_str(&format!("  not proven: {open}\n"));
        }
        text
    }
}

impl Trial<'_> {
    /// Runs the schedule and judges the record.
    ///
    /// # Errors
    /// When the rig could not boot, or its record is not whole.
    pub async fn run(self, schedule: &Schedule) -> Result<Attempt, Trouble> {
        let rig = |error: &dyn std::fmt::Display| Trouble::Rig(error.to_string());
        let (clock, started) = (RunClock::start(), jiff::Timestamp::now());
        let recorder = Recorder::open(self.folder, clock.as_now()).map_err(|error| rig(&error))?;
        let key = runkey::draw().map_err(|error| rig(&error))?;
        let stop = CancellationToken::new();
        let watcher = signal::watch(stop.clone());
        let outcome = self
            .on_stage(&recorder, (&key, clock), &stop, schedule)
            .await;
        let written = recorder.close().await.map_err(|error| rig(&error))?;
        if written.lost > 0 {
            return Err(Trouble::Rig(format!(
                "the record lost {} events",
                written.lost
            )));
        }
        let interrupted = watcher.seen().is_some();
        let took = clock.now();
        let history = History::in_folder(self.folder);
        let judged = judge(self.criteria, PROFILE, &key, || history.observations());
        let judged = judged.map_err(|error| rig(&error))?;
        let finding = judged.findings.into_iter().next();
        let mut finding = finding.ok_or_else(|| rig(&"nothing was judged"))?;
        if let Err(trouble) = outcome {
            finding.checks.push(cut_short(&trouble));
            finding.conclude();
        }
        Ok(Attempt {
            finding,
            ground: judged.ground,
            steady: steady_calls(&history),
            started,
            took,
            interrupted,
        })
    }

    async fn on_stage(
        &self,
        recorder: &Recorder,
        (key, clock): (&RunKey, RunClock),
        stop: &CancellationToken,
        schedule: &Schedule,
    ) -> Result<(), Trouble> {
        let rig = |error: &dyn std::fmt::Display| Trouble::Rig(error.to_string());
        let plan = Plan {
            binaries: self.binaries.clone(),
            store: self.store,
            instances: 1,
            key: key.clone(),
            seed: self.seed,
            spoiled: self.spoiled.clone(),
            clock,
            stop: stop.clone(),
        };
        let ground = Ground::boot(plan, recorder).await?;
        let secrets = ground.secrets();
        let canaries = Secrets::new(secrets.iter().map(String::as_str));
        let (teller, _unread) = progress::channel();
        let stage = Stage {
            damage: Damage::None,
            site: ground.site().clone(),
            ground,
            teller,
            canaries: canaries.map_err(|error| rig(&error))?,
            recorder: recorder.clone(),
            tracers: Arc::new(Tracers::new(key.clone()).map_err(|error| rig(&error))?),
            numbering: Numbering::default(),
            criteria: self.criteria.clone(),
            profile: PROFILE,
            seed: self.seed,
            stop: stop.clone(),
        };
        let outcome = story(&stage, schedule).await;
        let stopped = stage.ground.stop().await;
        outcome.and(stopped)
    }
}

/// A trial that could not go on. That the server is gone for good is the server's failure.
fn cut_short(trouble: &Trouble) -> Check {
    let verdict = match trouble {
        Trouble::Server(_) => Verdict::Fail,
        Trouble::Interrupted => Verdict::Inconclusive,
        _ => Verdict::HarnessError,
    };
    let reason = (verdict == Verdict::Inconclusive).then_some(exai_judge::Reason::SkippedCheck);
    Check {
        id: "whole".to_owned(),
        name: "the run went to its end".to_owned(),
        measured: trouble.to_string(),
        limit: "no trouble".to_owned(),
        verdict,
        reason,
        n: 0,
    }
}

fn steady_calls(history: &History) -> Vec<Call> {
    let calls = history.observations().filter_map(|one| match one.event {
        Event::Call(call) if [BEFORE, AFTER].contains(&call.phase.as_str()) => Some(*call),
        _ => None,
    });
    calls.collect()
}

/// Nothing is broken where nothing was steady before.
async fn story(stage: &Stage, schedule: &Schedule) -> Result<(), Trouble> {
    let store = format!("store.{}", stage.ground.store_name());
    stage.begin("run", &store);
    if !steady::round(stage, BEFORE).await? {
        stage.not_tested(
            CRITERION,
            "the steady state was not met: nothing was broken",
        );
        return Ok(());
    }
    stage.pace(ANSWER_MS).await?;
    stage.begin(CRITERION, "load");
    let at_risk = AtRisk::new(CRITERION);
    let lanes = (0..LANES).map(|lane| at_risk.traffic(stage, lane));
    let components = COMPONENTS
        .iter()
        .filter(|name| **name != "store" || stage.ground.store_name() == "redis");
    let probes = components.enumerate().flat_map(|(index, component)| {
        let at_risk = &at_risk;
        WIRES.into_iter().enumerate().map(move |(second, wire)| {
            let number = 240 + PEOPLE * (2 * index + second);
            let probe = Probe {
                component,
                number,
                wire,
            };
            at_risk.probe(stage, probe)
        })
    });
    let breaking = async {
        let broken = break_all(stage, schedule, &at_risk).await;
        at_risk.stop();
        broken
    };
    let (lanes, probes, broken) = tokio::join!(try_join_all(lanes), try_join_all(probes), breaking);
    broken?;
    lanes?;
    probes?;
    stage.pace(0).await?;
    reading::read_all(stage, &at_risk.take_threads(), (CRITERION, "settle")).await?;
    stage.end(CRITERION, "load");
    steady::round(stage, AFTER).await?;
    stage.end("run", &store);
    Ok(())
}

/// Each fault at its time; what one component suffers, it suffers one after the other.
async fn break_all(stage: &Stage, schedule: &Schedule, at_risk: &AtRisk) -> Result<(), Trouble> {
    let begun = Instant::now();
    let turns: BTreeMap<&str, Mutex<()>> = schedule
        .faults
        .iter()
        .map(|fault| (fault.component.as_str(), Mutex::default()))
        .collect();
    let faults = schedule.faults.iter().map(|fault| {
        let turn = turns.get(fault.component.as_str());
        async move {
            let due = begun + Duration::from_millis(fault.at_ms);
            stage
                .rest(due.saturating_duration_since(Instant::now()))
                .await?;
            let _mine = match turn {
                Some(turn) => Some(turn.lock().await),
                None => None,
            };
            break_one(stage, fault, at_risk).await
        }
    });
    try_join_all(faults).await?;
    let more = if schedule.breaks_a_provider() {
        BREAKER
    } else {
        Duration::ZERO
    };
    stage.rest(CALM + more).await
}

async fn break_one(stage: &Stage, fault: &Planned, at_risk: &AtRisk) -> Result<(), Trouble> {
    stage.check_stop()?;
    if fault.after_acknowledgement {
        let mut acknowledged = at_risk.acknowledged();
        acknowledged.mark_unchanged();
        // Nobody may be acknowledged while something else is broken: then it comes without.
        let _waited = tokio::time::timeout(BOUNDARY, acknowledged.changed()).await;
    }
    stage
        .ground
        .break_component(&fault.component, fault.kind)
        .await
}
