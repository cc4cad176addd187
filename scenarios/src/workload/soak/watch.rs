//! Looks at the soak once a second: a line for the terminal, the live page, a checkpoint.

use std::time::Duration;

use exai_harness::report::progress::Progress;
use exai_judge::units;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{BOTH, CRITERION, Errand};
use crate::soak::checkpoint::{self, Checkpoint};
use crate::soak::live::{Live, Shared};
use crate::soak::page::{self, Title};
use crate::stage::{Stage, Trouble};

const EVERY: Duration = Duration::from_secs(1);
/// Between two pages and checkpoints, s.
const WRITTEN_EVERY: u64 = 5;
/// The live page, beside `latest/`.
const PAGE: &str = "soak.html";

/// Looks until `over` is cancelled, and once more.
pub(super) async fn run(
    stage: &Stage,
    errand: &Errand<'_>,
    over: &CancellationToken,
    live: &Shared,
) -> Result<(), Trouble> {
    let began = stage.recorder.now();
    let mut tick = tokio::time::interval(EVERY);
    let needed = BOTH.map(|criterion| {
        let seconds = stage
            .row(criterion)
            .and_then(|row| Ok(row.nanos("duration_s")?));
        seconds.map(|nanos| nanos / units::SECOND)
    });
    let [of_v7, of_v7m] = needed;
    let needed = [(CRITERION, of_v7?), (BOTH[1], of_v7m?)];
    loop {
        let is_over = over.run_until_cancelled(tick.tick()).await.is_none();
        let measured = (stage.recorder.now() - began) / units::SECOND;
        let measured = measured.min(errand.plan.seconds);
        let seen = live.with(|live| live.clone());
        for (criterion, of) in needed {
            stage.teller.tell(Progress::Advanced {
                criterion: criterion.to_owned(),
                done: measured.min(of),
                of,
                note: note(&seen, errand.plan.seconds - measured),
            });
        }
        if is_over || measured.is_multiple_of(WRITTEN_EVERY) {
            write(stage, errand, (measured, is_over), &seen)?;
        }
        if is_over {
            return Ok(());
        }
    }
}

/// `p95 12.0 ms · 0 of 3 000 wrong · server 41 MiB · 6 faults · 12 min left`.
fn note(live: &Live, left: u64) -> String {
    let server = live.resident.get("server").map_or(0, |row| row.last);
    let faults: u64 = live.faults.values().sum();
    format!(
        "p95 {:.1} ms · {} of {} wrong · {} critical · server {:.0} MiB · {faults} faults · \
         {} left",
        units::seconds(live.p95()) * 1_000.0,
        live.wrong,
        live.operations,
        live.criticals,
        server as f64 / units::MIB,
        units::span(left)
    )
}

fn write(
    stage: &Stage,
    errand: &Errand<'_>,
    (measured, is_over): (u64, bool),
    live: &Live,
) -> Result<(), Trouble> {
    let folder = stage.recorder.folder();
    let run = folder.file_name().unwrap_or_default().to_string_lossy();
    let before = errand.plan.before();
    let (measured, planned) = (before + measured, before + errand.plan.seconds);
    let checkpoint = Checkpoint {
        run: run.clone().into_owned(),
        at: Timestamp::now(),
        planned,
        measured,
        users: errand.plan.users,
        store: stage.ground.store_name().to_owned(),
        seed: stage.seed,
        server_sha256: errand.server_sha256.clone(),
        operations: live.operations,
        criticals: live.criticals,
    };
    let trouble = |error: std::io::Error| Trouble::Rig(format!("could not write: {error}"));
    checkpoint.write(folder).map_err(trouble)?;
    let title = Title {
        run: &run,
        measured,
        planned,
        is_over,
    };
    let page = page::render(&title, live);
    checkpoint::replace(&errand.reports.join(PAGE), &page).map_err(trouble)
}
