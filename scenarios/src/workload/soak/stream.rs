//! The open-loop stream: so many operations a second of every kind, whatever the server does; one
//! light call a second at quiet points.

use std::sync::Arc;
use std::time::Duration;

use exai_harness::history::Now;
use exai_harness::load::{self, LoadPlan};
use exai_judge::Event;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::CRITERION;
use super::crowd::{Crowd, Lanes};
use crate::soak::{SoakPlan, Stretch};
use crate::stage::{Stage, Trouble};

/// Operations a second: each kind comes once.
const RATE: f64 = 8.0;
/// Operations a second at quiet points.
const QUIET_RATE: f64 = 1.0;
/// Who makes them: one client, and so one connection, that all quiet points have in common.
const QUIET_CLIENT: u64 = 1;
/// Operations in flight at most: a minute of them.
const IN_FLIGHT: usize = 512;
/// Tokens live an hour; in a stretch longer than this the crowd comes back with fresh ones.
const RENEWED: Duration = Duration::from_secs(60);
/// How far into the stretch.
const RENEWING: Duration = Duration::from_secs(5);
/// Between two looks at what the server counts of itself.
const COUNTED: Duration = Duration::from_secs(1);
/// What those looks are recorded under.
const QUIET_MARK: &str = "quiet V.7";
/// The sampler looks once a second; this much longer than planned the piece is whole in its eyes.
const GRACE_S: u64 = 2;

/// Streams until the plan is through or `over` is cancelled; `quiet` says which stretch it is in.
pub(super) async fn run(
    stage: &Stage,
    plan: &SoakPlan,
    over: &CancellationToken,
    quiet: &watch::Sender<bool>,
) -> Result<(), Trouble> {
    let mut crowd = Arc::new(Crowd::greeted(stage).await?);
    let mut lanes = Lanes::new(stage);
    let mut stretches = plan.stretches();
    if let Some(last) = stretches.last_mut() {
        last.seconds += GRACE_S;
    }
    for stretch in stretches {
        if over.is_cancelled() {
            break;
        }
        quiet.send_replace(stretch.is_quiet);
        let phase = if stretch.is_quiet { "quiet" } else { "stream" };
        stage.begin(CRITERION, phase);
        let streaming = one(stage, (stretch, phase), (&crowd, &mut lanes), over);
        let renewing = renewed(stage, stretch, over);
        let counting = counted(stage, stretch, over);
        let ((), fresh, ()) = tokio::join!(streaming, renewing, counting);
        stage.end(CRITERION, phase);
        if let Some(fresh) = fresh? {
            let fresh = Arc::new(fresh.with_pipe_of(&crowd));
            std::mem::replace(&mut crowd, fresh).leave().await;
        }
    }
    stage.check_stop()
}

/// What the server counts of itself, each second of a quiet stretch.
async fn counted(stage: &Stage, stretch: Stretch, over: &CancellationToken) {
    if !stretch.is_quiet {
        return;
    }
    let mut tick = tokio::time::interval(COUNTED);
    for _second in 0..stretch.seconds {
        if over.run_until_cancelled(tick.tick()).await.is_none() {
            return;
        }
        if let Err(error) = stage.ground.counters(QUIET_MARK).await {
            super::not_tested(stage, &format!("counters at {QUIET_MARK}: {error}"));
            return;
        }
    }
}

/// A crowd with fresh tokens, greeted while the stream of the old one goes on.
async fn renewed(
    stage: &Stage,
    stretch: Stretch,
    over: &CancellationToken,
) -> Result<Option<Crowd>, Trouble> {
    let length = Duration::from_secs(stretch.seconds);
    if length < RENEWED {
        return Ok(None);
    }
    let wait = tokio::time::sleep(length.saturating_sub(RENEWING));
    if over.run_until_cancelled(wait).await.is_none() {
        return Ok(None);
    }
    Crowd::on_networks(stage).await.map(Some)
}

async fn one(
    stage: &Stage,
    (stretch, phase): (Stretch, &str),
    (crowd, lanes): (&Arc<Crowd>, &mut Lanes),
    over: &CancellationToken,
) {
    let clock = stage.recorder.clone();
    let now: Now = Arc::new(move || clock.now());
    let rate = if stretch.is_quiet { QUIET_RATE } else { RATE };
    let seconds = u32::try_from(stretch.seconds).unwrap_or(u32::MAX);
    let ends = Instant::now() + Duration::from_secs(stretch.seconds);
    let load = LoadPlan {
        in_flight: IN_FLIGHT,
        ..LoadPlan::steady(CRITERION, phase, rate, seconds)
    };
    let account = load::run(&load, &now, over, |k, due| {
        let errand = if stretch.is_quiet {
            lanes.light(crowd, QUIET_CLIENT)
        } else {
            lanes.next(crowd, k)
        };
        errand
            .within(phase)
            .run((stage.recorder.clone(), lanes.canaries()), due)
    })
    .await;
    stage.recorder.record(Event::Load(account));
    // The last call of a stretch is due, and may be answered, before its end.
    over.run_until_cancelled(sleep_until(ends)).await;
}
