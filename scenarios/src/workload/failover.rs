//! V.5: every component is killed under traffic, one at a time, and probes that need it say when
//! service is back.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::try_join_all;
use tokio::time::Instant;

use super::at_risk::{AtRisk, PEOPLE, Probe, WIRES};
use super::reading;
use crate::stage::{Stage, Trouble};

const CRITERION: &str = "V.5";
/// Lanes of traffic: each acknowledges a turn about every 190 ms, and the floor asks for twenty in
/// the 200 ms before each kill.
const LANES: usize = 32;
/// What the providers take to answer, ms.
const ANSWER_MS: u64 = 150;
/// Traffic before the first kill.
const WARM: Duration = Duration::from_millis(600);
/// From a provider's death to the latest moment at which its breaker lets requests through again:
/// the five seconds of its first interval, and what it takes to open.
const BREAKER: Duration = Duration::from_secs(6);
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
    let at_risk = AtRisk::new(CRITERION);
    let lanes = (0..LANES).map(|lane| at_risk.traffic(stage, lane));
    let probes = components
        .iter()
        .enumerate()
        .flat_map(|(index, component)| {
            let at_risk = &at_risk;
            WIRES.into_iter().enumerate().map(move |(second, wire)| {
                let probe = Probe {
                    component,
                    number: 240 + PEOPLE * (2 * index + second),
                    wire,
                };
                at_risk.probe(stage, probe)
            })
        });
    let kill = async {
        let killed = kill_all(stage, &components, kills, window).await;
        at_risk.stop();
        killed
    };
    let (lanes, probes, killed) = tokio::join!(try_join_all(lanes), try_join_all(probes), kill);
    killed?;
    lanes?;
    probes?;
    let threads = at_risk.take_threads();
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
