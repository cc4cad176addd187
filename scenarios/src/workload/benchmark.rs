//! V.8: steps of open-loop load with a null server measured in the same run.

use std::sync::Arc;
use std::time::Duration;

use exai_harness::client::Client;
use exai_harness::load::ceiling::Ceiling;
use exai_harness::load::{self, LoadPlan};
use exai_harness::operation::OperationPlan;
use exai_harness::operation::builder::{Builder, Shape};
use exai_judge::Transport;
use serde_json::json;

use crate::stage::{PATIENCE, Person, Stage, Trouble};

mod bare;

const CRITERION: &str = "V.8";
/// What the simulators take in the gate tier, so that fifty operations are in flight at once.
const GATE_ANSWER_MS: u64 = 150;
/// The gate tier's calls a second: sixty in flight at the simulators' pace.
const GATE_RATE: f64 = 400.0;
/// How long the null server is measured before each repetition.
const NULL_FOR: Duration = Duration::from_secs(2);
/// On top of the measured seconds, so that the last arrival lies behind them.
const TAIL_S: f64 = 0.2;
/// Pairs of people, one over each wire.
const PAIRS: usize = 20;
/// Before the first step: connections, caches, breakers.
const WARM_UP_S: u32 = 1;

/// Runs the workload.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn run(stage: &Stage) -> Result<(), Trouble> {
    let clients = crowd(stage).await?;
    let (gate, target) = (stage.row("V.8g")?, stage.row("V.8t")?);
    let repetitions = gate.floor("repetitions")?.max(target.floor("repetitions")?);
    warm_up(stage, &clients).await;
    let bare = gate.nanos("bare_s")?;
    if bare > 0 {
        bare::compare(stage, &clients, Duration::from_nanos(bare)).await?;
    }
    stage.ground.scrape(stage, "before V.8").await;
    for repetition in 1..=u32::try_from(repetitions).unwrap_or(u32::MAX) {
        stage.check_stop()?;
        let null = null_server(stage, repetition).await?;
        let step = Step {
            stage,
            clients: &clients,
            repetition,
            ceiling: null.rate,
        };
        stage.pace(GATE_ANSWER_MS).await?;
        step.run("gate", GATE_RATE, gate.limit("seconds_s")?, GATE_ANSWER_MS)
            .await;
        stage.pace(0).await?;
        step.run(
            "target",
            target.limit("rate")?,
            target.limit("seconds_s")?,
            0,
        )
        .await;
    }
    stage.ground.scrape(stage, "after V.8").await;
    Ok(())
}

/// Forty people over the two HTTP wires, each far below their own limit.
async fn crowd(stage: &Stage) -> Result<Vec<Arc<Client>>, Trouble> {
    let mut clients = Vec::new();
    for number in 0..PAIRS {
        for wire in wires(number) {
            let person = Person {
                role: "bench",
                number: 400 + 2 * number + clients.len() % 2,
            };
            clients.push(stage.client(person, wire).await?);
        }
    }
    Ok(clients)
}

/// The wires of a pair of people, now in this order and now in that: calls alternate between tools
/// as they do between people, and each tool is to go over both.
const fn wires(pair: usize) -> [Transport; 2] {
    match pair % 2 {
        0 => [Transport::Http2025, Transport::Http2026],
        _ => [Transport::Http2026, Transport::Http2025],
    }
}

async fn warm_up(stage: &Stage, clients: &[Arc<Client>]) {
    let mut builder = stage.builder(8_000);
    let plan = LoadPlan::steady(CRITERION, "warm-up", 100.0, WARM_UP_S);
    let next = |number| mixed(stage, &mut builder, number, 0);
    load::run_calls(&plan, clients, &stage.recorder, &stage.stop, next).await;
}

/// T.2's mix: half information tools, half chats over all providers.
fn mixed(stage: &Stage, builder: &mut Builder, number: u64, answer_ms: u64) -> OperationPlan {
    let models = &stage.site.models;
    if answer_ms == 0 && number.is_multiple_of(2) {
        return builder.site("version", stage.site.needles("version"), PATIENCE);
    }
    let model = models[number as usize % models.len()].clone();
    let mut plan = builder.chat(&Shape {
        model: Some(model),
        ..Shape::plain(PATIENCE)
    });
    plan.planned_provider = answer_ms * 1_000_000;
    plan
}

/// What this machine can do at all at this moment, asked for `time`.
///
/// # Errors
/// When the null server cannot listen.
pub(super) async fn ceiling(stage: &Stage, time: Duration) -> Result<Ceiling, Trouble> {
    let mut builder = stage.builder(8_100);
    let plan = builder.site("version", Vec::new(), PATIENCE);
    let result = json!({"content": [{"type": "text", "text": "a bare handler"}]});
    bare::beside(stage, &plan, &result, time).await
}

async fn null_server(stage: &Stage, repetition: u32) -> Result<Ceiling, Trouble> {
    let measured = ceiling(stage, NULL_FOR).await?;
    let of = format!(
        "null server, {} connections, repetition {repetition}",
        bare::CONNECTIONS
    );
    bare::publish(stage, &of, &measured);
    Ok(measured)
}

/// One step of one repetition.
struct Step<'a> {
    stage: &'a Stage,
    clients: &'a [Arc<Client>],
    repetition: u32,
    ceiling: f64,
}

impl Step<'_> {
    async fn run(&self, tier: &str, rate: f64, seconds: f64, answer_ms: u64) {
        let stage = self.stage;
        let phase = format!("{tier}.{}", self.repetition);
        let mut builder = stage.builder(8_200 + u64::from(self.repetition));
        let plan = LoadPlan {
            repetition: self.repetition,
            count: (rate * (seconds + TAIL_S)) as u64,
            ceiling: Some(self.ceiling),
            ..LoadPlan::steady(CRITERION, &phase, rate, 0)
        };
        stage.begin(CRITERION, &phase);
        let next = |number| mixed(stage, &mut builder, number, answer_ms);
        load::run_calls(&plan, self.clients, &stage.recorder, &stage.stop, next).await;
        stage.end(CRITERION, &phase);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_second_call_and_those_between_go_over_both_wires() {
        let crowd: Vec<Transport> = (0..PAIRS).flat_map(wires).collect();
        let met: BTreeSet<(usize, &str)> = (0..crowd.len())
            .map(|number| (number % 2, crowd[number].name()))
            .collect();
        assert_eq!(met.len(), 4, "{met:?}");
    }
}
