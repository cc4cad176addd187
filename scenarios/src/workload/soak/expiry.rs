//! Threads that nobody touches for three hours are gone then, and their owner sees it.

use std::time::Duration;

use exai_harness::operation::builder::{Conversation, Shape};
use exai_judge::{Outcome, Transport};
use tokio_util::sync::CancellationToken;

use super::CRITERION;
use crate::soak::SoakPlan;
use crate::stage::{PATIENCE, Person, Stage, Trouble};

/// More than the criterion asks for.
const THREADS: usize = 24;
/// Between two calls of the owner.
const PACE: Duration = Duration::from_millis(250);
/// Behind the time to live.
const SLACK: Duration = Duration::from_secs(60);
const OWNER: Person = Person {
    role: "owner",
    number: 310,
};

/// Writes the threads, waits for their end and reads them; a soak that is too short says so.
pub(super) async fn run(
    stage: &Stage,
    plan: &SoakPlan,
    over: &CancellationToken,
) -> Result<(), Trouble> {
    let ttl = Duration::from_nanos(stage.row(CRITERION)?.nanos("ttl_s")?);
    if Duration::from_secs(plan.seconds) < ttl + SLACK + SLACK {
        let what = "threads expiring at the shipped time to live: 3 h do not fit";
        stage.not_tested(CRITERION, what);
        return Ok(());
    }
    let client = stage.client(OWNER, Transport::Http2026).await?;
    let mut builder = stage.builder(7_100);
    let mut written = Vec::new();
    for number in 0..THREADS {
        let mut thread = Conversation::new(format!("v7-idle-{number}"));
        let turn = builder.turn(&thread, &Shape::plain(PATIENCE));
        let turn = turn.within(CRITERION, "expiring");
        let call = stage.perform(&client, &turn).await;
        if call.outcome == Outcome::Ok {
            thread.acknowledge(&turn, call.meta.and_then(|meta| meta.continuation_id));
            written.push(thread);
        }
        tokio::time::sleep(PACE).await;
    }
    let wait = tokio::time::sleep(ttl + SLACK);
    if over.run_until_cancelled(wait).await.is_none() {
        return Ok(());
    }
    let client = stage.client(OWNER, Transport::Http2026).await?;
    for thread in &written {
        if let Some(read) = builder.read(thread, PATIENCE) {
            let read = read.within(CRITERION, "expired");
            stage.perform(&client, &read).await;
            tokio::time::sleep(PACE).await;
        }
    }
    Ok(())
}
