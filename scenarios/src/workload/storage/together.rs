//! What only several instances on one store have: a restart of one after the other while calls go
//! on, and a store that is away for long while one of them has to stay ready.

use std::time::Duration;

use exai_harness::client::Client;
use exai_harness::operation::OperationPlan;
use exai_harness::operation::builder::{Builder, Conversation, Shape};
use exai_judge::fault::FaultKind;
use exai_judge::{Call, Outcome, Transport};
use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use super::{CRITERION, EXCHANGES, PACE, Threads, reconnected, turn};
use crate::stage::{GREETING, PATIENCE, Person, Stage, Trouble};

/// Threads that every instance carries on in turn.
const CROSSING: &str = "crossing";
/// People who have one.
const CROSSED: usize = 4;
/// The other phases; the checker knows them by these names.
const ROLLING: &str = "rolling";
const OUTAGE: &str = "outage";
/// The wires of those who talk meanwhile.
const WIRES: [Transport; 3] = [
    Transport::Http2026,
    Transport::Http2025,
    Transport::WebSocket,
];
/// People who do.
const TALKERS: usize = 9;
/// Talk before the first restart and after the last.
const AROUND: Duration = Duration::from_secs(2);
/// How often a call that was turned away is made again, and the time between two tries.
const TRIES: usize = 50;
const WAIT: Duration = Duration::from_millis(100);
/// How long the store is away, by profile: half a minute where there is the time.
const AWAY: [(&str, Duration); 2] = [
    ("full", Duration::from_secs(30)),
    ("quick", Duration::from_secs(10)),
];
/// In every other profile.
const AWAY_BRIEFLY: Duration = Duration::from_secs(3);

/// Threads whose turns and reads go to the instances in turn, before anything else is tried: where
/// they have no store in common nothing else may get far. None where there is one instance.
pub(super) async fn cross(stage: &Stage) -> Result<Threads, Trouble> {
    if stage.ground.instances() == 1 {
        return Ok(Threads::new());
    }
    stage.begin(CRITERION, CROSSING);
    let threads = try_join_all((0..CROSSED).map(|number| async move {
        let person = Person {
            role: "crosser",
            number: 150 + number,
        };
        let client = stage.client(person, Transport::Http2026).await?;
        let mut builder = stage.builder(4_500 + number as u64);
        let mut conversation = Conversation::new(format!("v4-cross-{number}"));
        while conversation.planted.len() < EXCHANGES {
            stage.check_stop()?;
            let at = (CROSSING, &mut conversation);
            let (_, said) = turn(stage, &client, &mut builder, at).await;
            if said.is_none() {
                break;
            }
        }
        Ok::<_, Trouble>((person, conversation))
    }));
    let threads = threads.await;
    stage.end(CRITERION, CROSSING);
    threads
}

/// Restarts the instances one after the other while people talk; what they said is given back.
pub(super) async fn roll(stage: &Stage) -> Result<Threads, Trouble> {
    stage.begin(CRITERION, ROLLING);
    let over = CancellationToken::new();
    let talkers = (0..TALKERS).map(|number| talk(stage, number, &over));
    let restarts = async {
        let done = async {
            stage.rest(AROUND).await?;
            stage.ground.restart_server().await?;
            stage.rest(AROUND).await
        };
        let done = done.await;
        over.cancel();
        done
    };
    let (threads, done) = tokio::join!(try_join_all(talkers), restarts);
    stage.end(CRITERION, ROLLING);
    done?;
    Ok(threads?.into_iter().flatten().collect())
}

/// Takes the store away, and times the way back to it.
pub(super) async fn outage(stage: &Stage) -> Result<(), Trouble> {
    stage.begin(CRITERION, OUTAGE);
    let known = AWAY.iter().find(|(profile, _)| *profile == stage.profile);
    let time = known.map_or(AWAY_BRIEFLY, |(_, time)| *time);
    stage.ground.take_store_away(time).await?;
    reconnected(stage, FaultKind::Refuse).await?;
    stage.end(CRITERION, OUTAGE);
    Ok(())
}

/// One person's turns until it is over; a call that was turned away is made again with its key.
async fn talk(stage: &Stage, number: usize, over: &CancellationToken) -> Result<Threads, Trouble> {
    let person = Person {
        role: "talker",
        number: 160 + number,
    };
    let client = stage.client(person, WIRES[number % WIRES.len()]).await?;
    let mut builder = stage.builder(4_600 + number as u64);
    let mut threads = Threads::new();
    while !over.is_cancelled() {
        let name = format!("v4-roll-{number}-{}", threads.len());
        let mut conversation = Conversation::new(name);
        while conversation.planted.len() < EXCHANGES && !over.is_cancelled() {
            stage.check_stop()?;
            let plan = builder.turn(&conversation, &Shape::plain(PATIENCE));
            let plan = plan.within(CRITERION, ROLLING);
            let (call, is_first) = say(stage, &client, &mut builder, &plan).await;
            if call.outcome == Outcome::Ok {
                conversation.acknowledge(&plan, call.meta.and_then(|meta| meta.continuation_id));
            }
            // What became of the tries before is for the judge, who can tell it where no later
            // turn carries the same words.
            if !is_first || call.outcome != Outcome::Ok {
                break;
            }
        }
        threads.push((person, conversation));
    }
    Ok(threads)
}

/// A turn, made again with the same key while no instance takes it; whether the first try was the
/// last.
async fn say(
    stage: &Stage,
    client: &Client,
    builder: &mut Builder,
    plan: &OperationPlan,
) -> (Call, bool) {
    let mut call = stage.perform(client, plan).await;
    let first = call.op;
    for _ in 0..TRIES {
        tokio::time::sleep(PACE).await;
        if call.outcome == Outcome::Ok {
            break;
        }
        tokio::time::sleep(WAIT).await;
        // Should this fail as well, the next call says so.
        let _ = client.reconnect(GREETING).await;
        let again = builder.repeat(plan, true, true);
        call = stage.perform(client, &again).await;
    }
    let is_first = call.op == first;
    (call, is_first)
}
