//! V.2: each provider fault in turn inside sessions that go on, a breaker through its whole life,
//! and each error category from outside.

mod categories;

use self::categories::Silence;

use std::collections::BTreeMap;
use std::time::Duration;

use exai_harness::operation::OperationPlan;
use exai_harness::operation::builder::{Builder, Conversation, Shape};
use exai_judge::operation::ProofKind;
use exai_judge::{Outcome, Transport};
use exai_mocks::fault::{self, Fault};
use exai_mocks::plan::{Plan, Rule, When};
use futures::future::try_join_all;

use crate::stage::{PATIENCE, Person, Stage, Trouble};

const CRITERION: &str = "V.2";
const PHASE: &str = "faults";
/// Sessions at once; each works through its share of the faults.
const LANES: usize = 6;
/// Exchanges a thread may hold (CRITERIA, Definitions).
const EXCHANGES: usize = 10;
/// Calls to a provider that is down: tried twice each, more failures in a row than a breaker that
/// opens may let through.
const BREAKER_FAILURES: u64 = 10;

/// One fault inside a session: the operation it lands on, and where.
struct Landing {
    fault: &'static Fault,
    provider: String,
    plan: OperationPlan,
    rule: Rule,
}

/// Runs the workload.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn run(stage: &Stage) -> Result<(), Trouble> {
    let row = stage.row(CRITERION)?;
    let mut builder = stage.builder(2_000);
    let mut landings = landings(
        stage,
        row.list("faults")?,
        row.floor("landed")?,
        &mut builder,
    );
    let silence = Silence::planned(row.list("categories")?, &mut builder);
    stage.begin(CRITERION, PHASE);
    install(stage, &landings, silence.as_ref()).await?;
    let lanes = share_out(&mut landings).into_iter().enumerate();
    let lanes = try_join_all(lanes.map(|(number, lane)| session(stage, number, lane)));
    let timed_out = async {
        match silence {
            Some(silence) => silence.wait(stage, builder).await,
            None => Ok(()),
        }
    };
    tokio::try_join!(lanes, timed_out)?;
    clear(stage).await?;
    stage.end(CRITERION, PHASE);
    if row.floor("breaker_cycles")? > 0 {
        breaker_life(stage).await?;
    }
    categories::provoke(stage, row.list("categories")?).await
}

/// The operations that faults will land on, with the rule that makes each land.
fn landings(stage: &Stage, wanted: &[String], times: u64, builder: &mut Builder) -> Vec<Landing> {
    let mut found = Vec::new();
    for (name, row) in &stage.criteria.faults {
        let is_wanted = wanted.iter().any(|entry| entry == name || entry == "*");
        let Some(fault) = fault::find(name).filter(|_| is_wanted && row.exercised) else {
            continue;
        };
        for index in 0..times as usize {
            let provider = row.providers[index % row.providers.len()].clone();
            let Some(model) = stage.site.model_of(&provider) else {
                continue;
            };
            let shape = Shape {
                model: Some(model),
                ..Shape::plain(PATIENCE)
            };
            let mut plan = builder.chat(&shape).within(CRITERION, PHASE);
            plan.fault = Some(name.clone());
            plan.reaction = Some(row.reaction.join(" | "));
            if fault.shape != fault::Shape::Any {
                plan = plan.streamed();
            }
            let rule = rule(&plan, name, &row.reaction);
            found.push(Landing {
                fault,
                provider,
                plan,
                rule,
            });
        }
    }
    found
}

/// Lands on the requests that carry the operation's tracer: once where a retry is to succeed, every
/// time where the provider is to be left.
fn rule(plan: &OperationPlan, fault: &str, reaction: &[String]) -> Rule {
    let ProofKind::Keyed { tracers, .. } = &plan.proof else {
        return Rule {
            id: String::new(),
            fault: String::new(),
            when: When::default(),
            delay_ms: None,
        };
    };
    let is_once = reaction.iter().any(|codes| codes == "R");
    let when = When {
        contains: tracers.first().map(|planted| planted.text.clone()),
        times: is_once.then_some(1),
        ..When::default()
    };
    Rule {
        id: format!("{fault}.{}", plan.op),
        fault: fault.to_owned(),
        when,
        delay_ms: None,
    }
}

async fn install(
    stage: &Stage,
    landings: &[Landing],
    silence: Option<&Silence>,
) -> Result<(), Trouble> {
    let mut plans: BTreeMap<&str, Plan> = BTreeMap::new();
    for (provider, _) in &stage.site.labels {
        let rules = silence.map(|silence| silence.rule.clone());
        plans.entry(provider).or_default().rules.extend(rules);
    }
    for landing in landings {
        let plan = plans.entry(&landing.provider).or_default();
        plan.seed = stage.seed;
        plan.rules.push(landing.rule.clone());
    }
    for (provider, plan) in plans {
        stage.ground.plan(provider, &plan).await?;
    }
    Ok(())
}

async fn clear(stage: &Stage) -> Result<(), Trouble> {
    for (provider, _) in &stage.site.labels {
        stage
            .ground
            .plan(
                provider,
                &Plan {
                    seed: stage.seed,
                    ..Plan::default()
                },
            )
            .await?;
    }
    Ok(())
}

/// Deals the landings to the lanes: silent ones first and one after the other, so that a session
/// waits for at most one at a time; one provider's faults stay apart so that they do not open its
/// breaker by themselves.
fn share_out(landings: &mut Vec<Landing>) -> Vec<Vec<Landing>> {
    let mut lanes: Vec<Vec<Landing>> = (0..LANES).map(|_| Vec::new()).collect();
    landings.sort_by_key(|landing| !landing.fault.silent);
    for (index, landing) in landings.drain(..).enumerate() {
        lanes[index % LANES].push(landing);
    }
    lanes
}

/// One session: a fault, then a turn of its conversation that must be good, and so on to the end.
async fn session(stage: &Stage, number: usize, landings: Vec<Landing>) -> Result<(), Trouble> {
    let wires = [
        Transport::Http2025,
        Transport::Http2026,
        Transport::Stdio,
        Transport::WebSocket,
    ];
    let person = Person {
        role: "patient",
        number: 60 + number,
    };
    let client = stage.client(person, wires[number % wires.len()]).await?;
    let mut builder = stage.builder(2_100 + number as u64);
    let mut conversation = Conversation::new(format!("v2-{number}"));
    for landing in landings {
        stage.check_stop()?;
        stage.perform(&client, &landing.plan).await;
        let shape = Shape {
            model: stage.site.model_of(&landing.provider),
            ..Shape::plain(PATIENCE)
        };
        if conversation.planted.len() >= EXCHANGES {
            conversation = Conversation::new(format!("v2-{number}-{}", landing.plan.op));
        }
        let next = builder
            .turn(&conversation, &shape)
            .within(CRITERION, "next");
        let call = stage.perform(&client, &next).await;
        if call.outcome == Outcome::Ok {
            conversation.acknowledge(&next, call.meta.and_then(|meta| meta.continuation_id));
        }
    }
    Ok(())
}

/// Fails one provider until its breaker opens, heals it, and goes on calling until the provider is
/// used again: Closed, Open, HalfOpen, Closed as the simulator's arrivals show it.
async fn breaker_life(stage: &Stage) -> Result<(), Trouble> {
    let phase = "breaker.glm";
    let provider = "glm";
    let client = stage
        .client(
            Person {
                role: "patient",
                number: 70,
            },
            Transport::Http2026,
        )
        .await?;
    let mut builder = stage.builder(2_200);
    let model = stage.site.model_of(provider);
    let shape = Shape {
        model,
        ..Shape::plain(PATIENCE)
    };
    stage.begin(CRITERION, phase);
    let down = Rule {
        id: "breaker".to_owned(),
        fault: "G02".to_owned(),
        when: When::default(),
        delay_ms: None,
    };
    stage
        .ground
        .plan(
            provider,
            &Plan {
                rules: vec![down],
                ..Plan::default()
            },
        )
        .await?;
    stage.ground.scrape(stage, "tick").await;
    for _ in 0..BREAKER_FAILURES {
        stage
            .perform(&client, &builder.chat(&shape).within(CRITERION, phase))
            .await;
    }
    stage.ground.scrape(stage, "tick").await;
    stage.ground.plan(provider, &Plan::default()).await?;
    let until = stage.recorder.now() + 12_000_000_000;
    while stage.recorder.now() < until {
        stage.check_stop()?;
        let plan = builder.chat(&shape).within(CRITERION, phase);
        let call = stage.perform(&client, &plan).await;
        stage.ground.scrape(stage, "tick").await;
        if call
            .meta
            .is_some_and(|meta| meta.provider.as_deref() == Some(provider))
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    stage.end(CRITERION, phase);
    Ok(())
}
