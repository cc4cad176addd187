//! V.3: a hundred and more operations in flight at once from many people, then one person past
//! their own limit while everybody else goes on.

use std::sync::Arc;
use std::time::Duration;

use exai_harness::client::Client;
use exai_harness::load::{self, Arrivals, LoadPlan};
use exai_harness::operation::OperationPlan;
use exai_harness::operation::builder::{Builder, Shape};
use exai_judge::Transport;

use super::benchmark::ceiling;
use crate::stage::{PATIENCE, Person, Stage, Trouble};

const CRITERION: &str = "V.3";
/// What the simulators take to answer: the planned provider time.
const ANSWER_MS: u64 = 400;
/// In flight as planned, over what the floor asks for.
const MARGIN: f64 = 1.35;
/// Seconds of ramp and drain around the measured piece.
const RAMP_S: f64 = 2.5;
/// How long the generator is measured beside a server that does nothing.
const CEILING_FOR: Duration = Duration::from_millis(500);
/// The hot person's calls a second: three times what one principal may send.
const HOT_RATE: f64 = 150.0;
/// Everybody else's calls a second meanwhile.
const HEALTHY_RATE: f64 = 30.0;
/// How long the hot phase lasts.
const HOT_S: u32 = 5;

/// Runs the workload.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn run(stage: &Stage) -> Result<(), Trouble> {
    let row = stage.row(CRITERION)?;
    let clients = crowd(stage).await?;
    let most = ceiling(stage, CEILING_FOR).await?.rate;
    stage.pace(ANSWER_MS).await?;
    stage.ground.scrape(stage, "before V.3").await;
    let wanted = row.floor("in_flight")? as f64 * MARGIN;
    let rate = wanted / (ANSWER_MS as f64 / 1_000.0);
    let seconds = (row.floor("operations")? as f64 / rate).max(row.limit("hold_s")?) + RAMP_S;
    stage.begin(CRITERION, "peak");
    let plan = LoadPlan {
        arrivals: Arrivals::Poisson { seed: stage.seed },
        count: (rate * seconds) as u64,
        ceiling: Some(most),
        hindrance: stage.damage.hindrance(),
        ..LoadPlan::steady(CRITERION, "peak", rate, 0)
    };
    let mut builder = stage.builder(3_000);
    let next = |number: u64| mixed(stage, &mut builder, number);
    load::run_calls(&plan, &clients, &stage.recorder, &stage.stop, next).await;
    stage.end(CRITERION, "peak");
    stage.pace(0).await?;
    stage.ground.scrape_quiet(stage, "after V.3").await;
    stage.check_stop()?;
    if row.floor("hot_refused")? > 0 {
        hot(stage, &clients).await?;
    }
    Ok(())
}

/// A crowd that speaks over every wire in turn.
async fn crowd(stage: &Stage) -> Result<Vec<Arc<Client>>, Trouble> {
    let mut clients = Vec::new();
    for number in 0..8 {
        for wire in [
            Transport::Http2025,
            Transport::Http2026,
            Transport::WebSocket,
        ] {
            let person = Person {
                role: "crowd",
                number: 300 + clients.len(),
            };
            clients.push(stage.client(person, wire).await?);
        }
        // Few processes serve many calls: one in four of the crowd's calls goes through a pipe.
        let person = Person {
            role: "crowd",
            number: 350 + number % 4,
        };
        let shared = clients
            .iter()
            .find(|client: &&Arc<Client>| client.identity().name == person.name());
        let client = match shared {
            Some(client) => Arc::clone(client),
            None => stage.client(person, Transport::Stdio).await?,
        };
        clients.push(client);
    }
    Ok(clients)
}

/// Mostly chats, each asking for another provider than the one before; some with a file.
fn mixed(stage: &Stage, builder: &mut Builder, number: u64) -> OperationPlan {
    let models = &stage.site.models;
    let model = models[number as usize % models.len()].clone();
    // Eleven and seven share no divisor with the wires or the models: each meets all of them.
    let files = u32::from(number.is_multiple_of(11));
    let shape = Shape {
        model: Some(model),
        files,
        ..Shape::plain(PATIENCE)
    };
    let mut plan = if number.is_multiple_of(7) {
        builder.analyze(&shape)
    } else {
        builder.chat(&shape)
    };
    plan.planned_provider = ANSWER_MS * 1_000_000;
    plan
}

/// One person past their limit beside a crowd below it.
async fn hot(stage: &Stage, clients: &[Arc<Client>]) -> Result<(), Trouble> {
    let hot = stage.client(Person::hot(), Transport::Http2026).await?;
    stage.begin(CRITERION, "hot");
    let mut fast = stage.builder(3_100);
    let mut calm = stage.builder(3_200);
    let needles = stage.site.needles("version");
    let plan = |rate| LoadPlan {
        hindrance: stage.damage.hindrance(),
        ..LoadPlan::steady(CRITERION, "hot", rate, HOT_S)
    };
    let (hot_plan, calm_plan) = (plan(HOT_RATE), plan(HEALTHY_RATE));
    let over_http: Vec<Arc<Client>> = clients
        .iter()
        .filter(|client| client.transport() != Transport::Stdio)
        .cloned()
        .collect();
    let hot_clients = [hot];
    tokio::join!(
        load::run_calls(
            &hot_plan,
            &hot_clients,
            &stage.recorder,
            &stage.stop,
            |_| { fast.site("version", needles.clone(), PATIENCE) }
        ),
        load::run_calls(
            &calm_plan,
            &over_http,
            &stage.recorder,
            &stage.stop,
            |number| { mixed(stage, &mut calm, number) }
        ),
    );
    stage.end(CRITERION, "hot");
    Ok(())
}
