//! V.4: many people append to threads and read them back while the store is broken under them.

mod limits;
mod together;

use std::time::Duration;

use exai_harness::client::Client;
use exai_harness::operation::OperationPlan;
use exai_harness::operation::builder::{Builder, Conversation, Shape};
use exai_harness::server::beside::Start;
use exai_judge::fault::FaultKind;
use exai_judge::{Outcome, Transport};
use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use self::limits::Kept;
use super::reading::{self, Threads};
use crate::stage::{PATIENCE, Person, Stage, Trouble};

const CRITERION: &str = "V.4";
/// The phase of repeated questions; the checker knows it by this name.
const REPEATS: &str = "repeats";
/// The phase of writers and of the faults beside them.
const LOAD: &str = "load";
/// The phase after a restart of the server.
const RESTART: &str = "restart";
/// The wires of writers and of those who ask again.
const WIRES: [Transport; 2] = [Transport::Http2026, Transport::Http2025];
/// People at once.
const LANES: usize = 16;
/// The least time between two operations of one lane: all lanes together stay below the rate that
/// keeps two cores calm.
const PACE: Duration = Duration::from_millis(55);
/// Reads after each append.
const READS: usize = 2;
/// Exchanges a thread may hold (CRITERIA, Definitions).
const EXCHANGES: usize = 10;
/// Calm before, between and after the faults: so long at the most, and so much in all.
const CALM: Duration = Duration::from_millis(4_400);
const CALM_IN_ALL: Duration = Duration::from_secs(30);
/// People who ask their questions again, and how often each question is.
const REPEATING: usize = 8;
const AGAIN: usize = 9;
/// Pairs of calls with and without a thread, at the least.
const PAIRS: usize = 240;
/// People who make them.
const PAIRED: usize = 3;

/// Runs the workload.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn run(stage: &Stage) -> Result<(), Trouble> {
    let row = stage.row(CRITERION)?;
    let crossed = together::cross(stage).await?;
    repeats(stage, row.floor("repeats")?).await?;
    stage.begin(CRITERION, "paired");
    stage.ground.count_commands(stage, "before").await;
    let mut settled = paired(stage, row.floor("store_samples")?).await?;
    stage.ground.count_commands(stage, "after").await;
    stage.end(CRITERION, "paired");
    settled.extend(crossed);
    let operations = row.floor("operations")?;
    let each = operations.div_ceil(LANES as u64) + operations.div_ceil(LANES as u64 * 20);
    stage.begin(CRITERION, LOAD);
    let broken = CancellationToken::new();
    let lanes = (0..LANES).map(|lane| append_and_read(stage, lane, each, &broken));
    let kinds = stage
        .ground
        .store_faults(row.list("faults_embedded")?, row.list("faults_redis")?);
    let nemesis = async {
        let done = break_the_store(stage, &kinds).await;
        broken.cancel();
        done
    };
    let (lanes, done) = tokio::join!(try_join_all(lanes), nemesis);
    done?;
    let (threads, kept): (Vec<_>, Vec<_>) = lanes?.into_iter().unzip();
    settled.extend(threads.into_iter().flatten());
    stage.end(CRITERION, LOAD);
    if stage.ground.instances() > 1 {
        settled.extend(together::roll(stage).await?);
    }
    read_all(stage, &settled, "settle").await?;
    if row.floor("restart_reads")? > 0 {
        stage.ground.restart_server().await?;
        limits::keys_again(stage, kept.into_iter().flatten().collect()).await?;
        read_all(stage, &settled, RESTART).await?;
    }
    if row.floor("schema_starts")? > 0 {
        schema(stage).await;
    }
    if stage.ground.instances() > 1 {
        together::outage(stage).await?;
    }
    Ok(())
}

/// Refuses the store to the server for a while, with somebody who goes on asking: in a run without
/// this criterion nothing else shows what a caller is told then.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn refuse(stage: &Stage) -> Result<(), Trouble> {
    const EVERY: Duration = Duration::from_millis(100);
    let kind = FaultKind::Refuse;
    let person = Person {
        role: "probe",
        number: 91,
    };
    let client = stage.client(person, Transport::Http2026).await?;
    let mut builder = stage.builder(4_400);
    let over = CancellationToken::new();
    let breaking = async {
        let done = stage.ground.break_store(kind).await;
        over.cancel();
        done
    };
    let asking = async {
        while !over.is_cancelled() {
            let conversation = Conversation::new(format!("refused-{}", stage.recorder.now()));
            let plan = builder.turn(&conversation, &Shape::plain(PATIENCE));
            stage
                .perform(&client, &plan.within("probe", "refused"))
                .await;
            tokio::time::sleep(EVERY).await;
        }
    };
    let (done, ()) = tokio::join!(breaking, asking);
    done?;
    reconnected(stage, kind).await
}

/// Questions that the same person asks again and again. Nothing else runs meanwhile, so that what
/// the server's counters move by is theirs alone.
async fn repeats(stage: &Stage, least: u64) -> Result<(), Trouble> {
    let questions = least.div_ceil((REPEATING * AGAIN) as u64);
    stage.begin(CRITERION, REPEATS);
    stage.ground.scrape(stage, "before V.4").await;
    try_join_all((0..REPEATING).map(|number| ask_again(stage, number, questions))).await?;
    stage.ground.scrape(stage, "after V.4").await;
    stage.end(CRITERION, REPEATS);
    Ok(())
}

async fn ask_again(stage: &Stage, number: usize, questions: u64) -> Result<(), Trouble> {
    let person = Person {
        role: "again",
        number: 120 + number,
    };
    let client = stage.client(person, WIRES[number % WIRES.len()]).await?;
    let mut builder = stage.builder(4_400 + number as u64);
    let models = &stage.site.models;
    let shape = Shape {
        model: Some(models[number % models.len()].clone()),
        ..Shape::plain(PATIENCE)
    };
    for _ in 0..questions {
        let first = builder.chat(&shape).within(CRITERION, REPEATS);
        stage.perform(&client, &first).await;
        // Each instance keeps its own answers, so that as many tries are first ones there.
        for _ in 1..AGAIN + stage.ground.instances() {
            stage.check_stop()?;
            tokio::time::sleep(PACE).await;
            let again = builder.repeat(&first, true, true);
            stage.perform(&client, &again).await;
        }
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

/// The store's own time: a chat on a thread beside a call that touches neither store nor provider,
/// by several people so that each stays below the limit of one.
async fn paired(stage: &Stage, samples: u64) -> Result<Threads, Trouble> {
    if samples == 0 {
        return Ok(Threads::new());
    }
    let each = PAIRS.max(samples as usize).div_ceil(PAIRED);
    let threads = try_join_all((0..PAIRED).map(|number| pairs(stage, number, each))).await?;
    Ok(threads.into_iter().flatten().collect())
}

async fn pairs(stage: &Stage, number: usize, count: usize) -> Result<Threads, Trouble> {
    let mut threads = Threads::new();
    let person = Person {
        role: "pair",
        number: 80 + number,
    };
    let client = stage.client(person, Transport::Http2026).await?;
    let mut builder = stage.builder(4_000 + number as u64);
    let shape = Shape::plain(PATIENCE);
    let mut conversation = Conversation::new(format!("v4-pair-{number}-0"));
    for index in 0..count {
        stage.check_stop()?;
        if conversation.planted.len() >= EXCHANGES {
            threads.push((person, conversation));
            conversation = Conversation::new(format!("v4-pair-{number}-{index}"));
        }
        let plan = builder
            .turn(&conversation, &shape)
            .within(CRITERION, "with_thread");
        let call = stage.perform(&client, &plan).await;
        let handle = call.meta.and_then(|meta| meta.continuation_id);
        if call.outcome == Outcome::Ok {
            conversation.acknowledge(&plan, handle);
        }
        let bare = builder.site("version", stage.site.needles("version"), PATIENCE);
        stage
            .perform(&client, &bare.within(CRITERION, "without_thread"))
            .await;
        tokio::time::sleep(PACE).await;
    }
    threads.push((person, conversation));
    Ok(threads)
}

/// One person's conversations: an append, reads, what a thread has to refuse, and a new
/// conversation when one is full. The last turn acknowledged is given, too, to ask for it again.
///
/// Goes on until the operations are done and the nemesis is through.
async fn append_and_read(
    stage: &Stage,
    lane: usize,
    operations: u64,
    broken: &CancellationToken,
) -> Result<(Threads, Option<Kept>), Trouble> {
    let person = Person {
        role: "writer",
        number: 100 + lane,
    };
    let client = stage.client(person, WIRES[lane % WIRES.len()]).await?;
    let mut builder = stage.builder(4_100 + lane as u64);
    let mut threads: Threads = Vec::new();
    let mut kept = None;
    let mut done = 0;
    while done < operations || !broken.is_cancelled() {
        stage.check_stop()?;
        let is_full = threads
            .last()
            .is_none_or(|(_, last)| last.planted.len() >= EXCHANGES);
        if is_full || abandoned(threads.last()) {
            let name = format!("v4-{lane}-{}", threads.len());
            threads.push((person, Conversation::new(name)));
        }
        let Some((_, conversation)) = threads.last_mut() else {
            break;
        };
        let (tried, said) = turn(stage, &client, &mut builder, (LOAD, conversation)).await;
        done += tried;
        let may_go_on = match said {
            Some(plan) => {
                let by = (&*client, &mut builder);
                let is_kept = limits::press(stage, by, (LOAD, conversation), &plan).await;
                kept = Some(Kept {
                    person,
                    conversation: conversation.clone(),
                    plan,
                });
                is_kept
            }
            None => false,
        };
        if !may_go_on {
            // What became of it is for the judge; this person starts another conversation.
            let name = format!("v4-{lane}-{}", threads.len());
            threads.push((person, Conversation::new(name)));
        }
    }
    Ok((threads, kept))
}

/// A conversation whose first exchange was not acknowledged has no handle and cannot go on.
fn abandoned(last: Option<&(Person, Conversation)>) -> bool {
    last.is_some_and(|(_, conversation)| {
        conversation.continuation_id.is_none() && !conversation.planted.is_empty()
    })
}

/// An append and its reads; gives how many operations were tried, and the turn if it was
/// acknowledged.
async fn turn(
    stage: &Stage,
    client: &Client,
    builder: &mut Builder,
    (phase, conversation): (&str, &mut Conversation),
) -> (u64, Option<OperationPlan>) {
    let plan = builder
        .turn(conversation, &Shape::plain(PATIENCE))
        .within(CRITERION, phase);
    let call = stage.perform(client, &plan).await;
    stage.mend(client, &call).await;
    tokio::time::sleep(PACE).await;
    let mut done = 1;
    if call.outcome != Outcome::Ok {
        return (done, None);
    }
    conversation.acknowledge(&plan, call.meta.and_then(|meta| meta.continuation_id));
    for _ in 0..READS {
        if let Some(read) = builder.read(conversation, PATIENCE) {
            stage.perform(client, &read.within(CRITERION, phase)).await;
            tokio::time::sleep(PACE).await;
            done += 1;
        }
    }
    (done, Some(plan))
}

/// Breaks the store in each named way, with calm before, between and after.
async fn break_the_store(stage: &Stage, kinds: &[FaultKind]) -> Result<(), Trouble> {
    let rests = u32::try_from(kinds.len() + 1).unwrap_or(u32::MAX);
    let calm = CALM.min(CALM_IN_ALL / rests);
    for kind in kinds {
        stage.check_stop()?;
        stage.rest(calm).await?;
        stage.ground.break_store(*kind).await?;
        reconnected(stage, *kind).await?;
    }
    stage.rest(calm).await?;
    Ok(())
}

/// From a fault's end to the first right operation that needs the store.
async fn reconnected(stage: &Stage, kind: FaultKind) -> Result<(), Trouble> {
    const EVERY: Duration = Duration::from_millis(20);
    const LIMIT: u64 = 15_000_000_000;
    let healed = stage.recorder.now();
    let client = stage
        .client(
            Person {
                role: "probe",
                number: 90,
            },
            Transport::Http2026,
        )
        .await?;
    let mut builder = stage.builder(4_300);
    loop {
        let conversation = Conversation::new(format!("v4-reconnect-{}", stage.recorder.now()));
        let plan = builder.turn(&conversation, &Shape::plain(2_000_000_000));
        let call = stage
            .perform(&client, &plan.within("probe", "reconnect"))
            .await;
        let took = call.done_at.saturating_sub(healed);
        if call.outcome == Outcome::Ok || took > LIMIT {
            let name = format!("reconnect after {}", kind.name());
            stage.figure(name, took as f64 / 1e9, "s");
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Whether the server's program refuses a store whose schema it does not know.
async fn schema(stage: &Stage) {
    stage.begin(CRITERION, "schema");
    match stage.ground.start_on_a_newer_schema().await {
        Ok(starts) => {
            let told = [
                ("start on a newer schema", starts.newer),
                ("start on its own schema again", starts.restored),
            ];
            for (name, start) in told {
                let served = match start {
                    Start::Served => 1.0,
                    Start::Ended(_) => 0.0,
                    // It said nothing, so neither can be judged.
                    Start::Neither => continue,
                };
                stage.figure(name, served, "served");
            }
        }
        Err(error) => stage.not_tested(CRITERION, format!("the schema check at start: {error}")),
    }
    stage.end(CRITERION, "schema");
}

async fn read_all(stage: &Stage, threads: &Threads, phase: &str) -> Result<(), Trouble> {
    stage.begin(CRITERION, phase);
    let read = reading::read_all(stage, threads, (CRITERION, phase)).await;
    stage.end(CRITERION, phase);
    read
}
