//! V.5: every component is killed under traffic, one at a time, and probes that need it say when
//! service is back.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use exai_harness::operation::builder::{Conversation, Shape};
use exai_judge::{Outcome, Transport};
use futures::future::try_join_all;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::reading::{self, Threads};
use crate::stage::{Person, Stage, Trouble};

const CRITERION: &str = "V.5";
/// Between two probes of one wire.
const PROBE_EVERY: Duration = Duration::from_millis(100);
/// People a probe speaks as in turn, so that what they wrote is read back soon at the end.
const PEOPLE: usize = 4;
/// A probe that is not answered by then counts as wrong, ns.
const PROBE_PATIENCE: u64 = 3_000_000_000;
/// Between two calls of one lane of traffic.
const TRAFFIC_EVERY: Duration = Duration::from_millis(30);
/// Lanes of traffic: enough for several appends in flight at every moment.
const LANES: usize = 24;
/// What the providers take to answer, ms.
const ANSWER_MS: u64 = 150;
/// Traffic before the first kill.
const WARM: Duration = Duration::from_millis(600);
/// From a provider's death to the latest moment at which its breaker lets requests through again.
const BREAKER: Duration = Duration::from_secs(7);
/// Calm before and behind the confirmation window of each kill: after a restart everybody who
/// probes has to greet the server once more.
const REST: Duration = Duration::from_millis(1_200);

/// Runs the workload.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn run(stage: &Stage) -> Result<(), Trouble> {
    let row = stage.row(CRITERION)?;
    let kills = row.floor("kills")?;
    let window = Duration::from_nanos(row.nanos("window_s")?);
    let components = stage
        .ground
        .components(
            row.list("components_embedded")?,
            row.list("components_redis")?,
        )
        .to_vec();
    stage.pace(ANSWER_MS).await?;
    stage.begin(CRITERION, "traffic");
    let stop = CancellationToken::new();
    let threads = Mutex::new(Threads::new());
    let lanes = (0..LANES).map(|lane| traffic(stage, lane, &stop, &threads));
    let probes = components
        .iter()
        .enumerate()
        .flat_map(|(index, component)| {
            let wires = [Transport::Http2025, Transport::Http2026];
            let (stop, threads) = (&stop, &threads);
            wires.into_iter().enumerate().map(move |(second, wire)| {
                let probe = Probe {
                    stage,
                    component,
                    number: 240 + PEOPLE * (2 * index + second),
                    wire,
                };
                probe.run(stop, threads)
            })
        });
    let kill = async {
        let killed = kill_all(stage, &components, kills, window).await;
        stop.cancel();
        killed
    };
    let (lanes, probes, killed) = tokio::join!(try_join_all(lanes), try_join_all(probes), kill);
    killed?;
    lanes?;
    probes?;
    let threads = threads.into_inner().unwrap_or_else(PoisonError::into_inner);
    stage.pace(0).await?;
    reading::read_all(stage, &threads, (CRITERION, "traffic")).await?;
    stage.end(CRITERION, "traffic");
    Ok(())
}

/// Server and store first, then the providers in turn: outages never overlap, confirmation windows
/// of providers may, and no component dies again before its own window has ended.
async fn kill_all(
    stage: &Stage,
    components: &[String],
    kills: u64,
    window: Duration,
) -> Result<(), Trouble> {
    stage.rest(WARM).await?;
    let (providers, others): (Vec<_>, Vec<_>) = components
        .iter()
        .partition(|component| stage.site.model_of(component).is_some());
    for _ in 0..kills {
        for component in &others {
            stage.ground.kill(component).await?;
            stage.rest(window + REST).await?;
        }
    }
    let cycle = BREAKER + window + REST;
    let mut due: BTreeMap<&str, Instant> = BTreeMap::new();
    for _ in 0..kills {
        for provider in &providers {
            if let Some(due) = due.get(provider.as_str()) {
                stage
                    .rest(due.saturating_duration_since(Instant::now()))
                    .await?;
            }
            due.insert(provider, Instant::now() + cycle);
            stage.ground.kill(provider).await?;
        }
    }
    match due.into_values().max() {
        Some(last) => {
            stage
                .rest(last.saturating_duration_since(Instant::now()))
                .await
        }
        None => Ok(()),
    }
}

/// Conversations that are at risk when something dies: each acknowledged turn must survive.
async fn traffic(
    stage: &Stage,
    lane: usize,
    stop: &CancellationToken,
    threads: &Mutex<Threads>,
) -> Result<(), Trouble> {
    let wires = [Transport::Http2026, Transport::Http2025];
    let person = Person {
        role: "at-risk",
        number: 120 + lane,
    };
    let client = stage.client(person, wires[lane % wires.len()]).await?;
    let mut builder = stage.builder(5_000 + lane as u64);
    let mut conversation = Conversation::new(format!("v5-{lane}-0"));
    let mut begun = 0;
    while !stop.is_cancelled() && !stage.stop.is_cancelled() {
        let shape = Shape::plain(PROBE_PATIENCE);
        let plan = builder
            .turn(&conversation, &shape)
            .within(CRITERION, "traffic");
        let call = stage.perform(&client, &plan).await;
        if call.outcome == Outcome::Ok {
            conversation.acknowledge(&plan, call.meta.and_then(|meta| meta.continuation_id));
        } else {
            stage.mend(&client, &call).await;
        }
        if call.outcome != Outcome::Ok || conversation.planted.len() >= 9 {
            begun += 1;
            let next = Conversation::new(format!("v5-{lane}-{begun}"));
            keep(threads, person, std::mem::replace(&mut conversation, next));
        }
        tokio::time::sleep(TRAFFIC_EVERY).await;
    }
    keep(threads, person, conversation);
    Ok(())
}

/// Remembers a conversation to be read at the end.
fn keep(threads: &Mutex<Threads>, person: Person, conversation: Conversation) {
    threads
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((person, conversation));
}

/// Asks, ten times a second and whether or not the last one came back, for something that only the
/// component can give: a keyed answer from that provider, or an append for server and store.
struct Probe<'a> {
    stage: &'a Stage,
    component: &'a str,
    number: usize,
    wire: Transport,
}

impl Probe<'_> {
    async fn run(self, stop: &CancellationToken, threads: &Mutex<Threads>) -> Result<(), Trouble> {
        let Self {
            stage,
            component,
            number,
            wire,
        } = self;
        let people = (number..number + PEOPLE).map(|number| async move {
            let person = Person {
                role: "probe",
                number,
            };
            let client = stage.client(person, wire).await?;
            Ok::<_, Trouble>((person, client))
        });
        let people = try_join_all(people).await?;
        let phase = format!("probe.{component}");
        let model = stage.site.model_of(component);
        let is_provider = model.is_some();
        let shape = Shape {
            model,
            ..Shape::plain(PROBE_PATIENCE)
        };
        let mut builder = stage.builder(5_100 + number as u64);
        let mut ticks = tokio::time::interval(PROBE_EVERY);
        let mut open = FuturesUnordered::new();
        let mut sent = 0;
        while !stop.is_cancelled() && !stage.stop.is_cancelled() {
            tokio::select! {
                _ = ticks.tick() => {
                    let (person, client) = &people[sent % PEOPLE];
                    sent += 1;
                    let mut thread = Conversation::new(format!("v5-{phase}-{number}-{sent}"));
                    let plan = if is_provider {
                        builder.chat(&shape)
                    } else {
                        builder.turn(&thread, &shape)
                    };
                    let plan = plan.within(CRITERION, &phase);
                    let due = stage.recorder.now();
                    open.push(async move {
                        let call = stage.perform_at(client, &plan, due).await;
                        if call.outcome == Outcome::Ok {
                            thread.acknowledge(&plan, call.meta.and_then(|m| m.continuation_id));
                            if !is_provider {
                                keep(threads, *person, thread);
                            }
                        } else {
                            stage.mend(client, &call).await;
                        }
                    });
                }
                Some(()) = open.next(), if !open.is_empty() => {}
            }
        }
        while open.next().await.is_some() {}
        Ok(())
    }
}
