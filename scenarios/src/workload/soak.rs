//! V.7 and V.7m: an open-loop stream for hours, goose users beside it, faults by a seeded plan, and
//! a second instance that is really broken to show that the collectors would tell.

mod control;
mod crowd;
mod expiry;
mod faults;
mod stream;
mod users;
mod watch;

use std::path::PathBuf;

use exai_harness::clock::RunClock;
use exai_harness::topology::Binaries;
use exai_judge::Event;
use tokio::sync::watch as signal;
use tokio_util::sync::CancellationToken;

use crate::soak::SoakPlan;
use crate::soak::live::Live;
use crate::stage::{Stage, Trouble};

/// The criterion under which a soak is planned; V.7m judges the same stream.
const CRITERION: &str = "V.7";
/// Both criteria of a soak.
const BOTH: [&str; 2] = [CRITERION, "V.7m"];
/// What the providers take to answer, ms.
const ANSWER_MS: u64 = 20;

/// What a soak needs beside its stage.
pub struct Errand<'a> {
    /// What to do.
    pub plan: &'a SoakPlan,
    /// Where the live page goes.
    pub reports: PathBuf,
    /// The executables, for the second instance.
    pub binaries: Binaries,
    /// The goose users' executable, or why there is none.
    pub users: Result<PathBuf, String>,
    /// The run's clock.
    pub clock: RunClock,
    /// The binary that is judged, SHA-256 (hex).
    pub server_sha256: String,
}

/// Runs the soak.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn run(stage: &Stage, errand: &Errand<'_>) -> Result<(), Trouble> {
    let live = Live::listening(&stage.recorder);
    if let Some(earlier) = &errand.plan.resumes {
        stage.recorder.record(Event::Resumed {
            run: earlier.run.clone(),
            seconds: earlier.seconds,
            gap_s: earlier.gap_s,
        });
    }
    stage.pace(ANSWER_MS).await?;
    let over = stage.stop.child_token();
    let (quiet, is_quiet) = signal::channel(false);
    let streaming = async {
        let done = stream::run(stage, errand.plan, &over, &quiet).await;
        over.cancel();
        done
    };
    let breaking = async {
        let done = faults::run(stage, errand.plan, &over, is_quiet.clone()).await;
        ended_early(&done, &over);
        done
    };
    let proving = control::run(stage, errand, &over, &live);
    let crowding = users::run(stage, errand, &over, is_quiet.clone());
    let expiring = expiry::run(stage, errand.plan, &over);
    let watching = watch::run(stage, errand, &over, &live);
    let (streamed, broken, expired, (), (), watched) =
        tokio::join!(streaming, breaking, expiring, proving, crowding, watching);
    streamed.and(broken).and(expired).and(watched)?;
    figures(stage, &live);
    stage.check_stop()
}

/// The detector's proof alone, for a self-test: no soak is long enough to fit there.
///
/// # Errors
/// When someone pressed Ctrl-C.
pub async fn prove(stage: &Stage, errand: &Errand<'_>) -> Result<(), Trouble> {
    let live = Live::listening(&stage.recorder);
    control::run(stage, errand, &stage.stop, &live).await;
    stage.check_stop()
}

/// Trouble of ours ends the soak: what follows would stand on a broken rig.
fn ended_early(done: &Result<(), Trouble>, over: &CancellationToken) {
    if done.is_err() {
        over.cancel();
    }
}

/// Says of both criteria that something was not tried.
fn not_tested(stage: &Stage, what: &str) {
    for criterion in BOTH {
        stage.not_tested(criterion, what);
    }
}

/// Memory of harness and simulators at both ends, and what was covered.
fn figures(stage: &Stage, live: &crate::soak::live::Shared) {
    let (resident, sampled, widest) =
        live.with(|live| (live.resident.clone(), live.sampled, live.widest));
    for (process, row) in resident {
        for (when, bytes) in [("at the begin", row.first), ("at the end", row.last)] {
            let name = format!("resident memory of {process}, {when} of the soak");
            stage.figure(name, bytes as f64 / exai_judge::units::MIB, "MiB");
        }
    }
    stage.figure(
        "seconds in which the server was sampled",
        sampled as f64,
        "s",
    );
    let widest = exai_judge::units::seconds(widest);
    stage.figure("widest step between two samples of the server", widest, "s");
}
