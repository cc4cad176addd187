//! V.2: each provider fault in turn inside sessions that go on, a breaker through its whole life,
//! and each error category from outside.

mod categories;
mod landing;
mod quota;
mod row;

use self::categories::Silence;
use self::landing::{Landing, Lane};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use exai_harness::client::Client;
use exai_harness::operation::OperationPlan;
use exai_harness::operation::builder::{Builder, Conversation, Shape};
use exai_judge::{Call, Outcome, Transport};
use exai_mocks::plan::{Plan, Rule, When};
use futures::future::try_join_all;
use tokio::time::{Interval, MissedTickBehavior};

use super::reading::PACE;
use crate::stage::{PATIENCE, Person, Stage, Trouble};

const CRITERION: &str = "V.2";
const PHASE: &str = "faults";
/// The wires the sessions speak in turn.
const WIRES: [Transport; 4] = [
    Transport::Http2025,
    Transport::Http2026,
    Transport::Stdio,
    Transport::WebSocket,
];
/// Exchanges a thread may hold (CRITERIA, Definitions).
const EXCHANGES: usize = 10;
/// The provider whose breaker is watched through its whole life.
const WATCHED: &str = "glm";
/// Calls to a provider that is down: tried twice each, more failures in a row than a breaker that
/// opens may let through.
const BREAKER_FAILURES: u64 = 10;
/// Good turns after a fault at most: one, and with several instances as many as it takes until the
/// one that met the fault answers.
const MENDING_TRIES: usize = 8;
/// How often faults that did not land are tried, a lane's neighbours having held the provider.
const ROUNDS: usize = 3;

/// Runs the workload.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn run(stage: &Stage) -> Result<(), Trouble> {
    let row = stage.row(CRITERION)?;
    let mut builder = stage.builder(2_000);
    let wanted = (row.list("faults")?, row.floor("landed")?);
    let landings = landing::landings(stage, wanted, &mut builder)?;
    let (chat, landings): (Vec<_>, Vec<_>) = landings
        .into_iter()
        .partition(|landing| landing.slot.row.route.is_some());
    let categories = row.list("categories")?;
    let silence = Silence::planned(categories, &mut builder);
    let standing = silence.as_ref().map(|silence| silence.rule.clone());
    let standing = standing.as_slice();
    stage.begin(CRITERION, PHASE);
    let mut later = stage.builder(2_060);
    install(stage, standing, &landings).await?;
    let sessions = async {
        let missed = land(stage, landings).await?;
        again(stage, standing, missed, &mut later).await?;
        if row.floor("breaker_cycles")? > 0 {
            breaker_life(stage, standing).await?;
        }
        categories::provoke(stage, standing, categories).await
    };
    // Takes as long as silence may last, so all that needs no restart goes on beside it.
    let timed_out = async {
        match silence {
            Some(silence) => silence.wait(stage, stage.builder(2_050)).await,
            None => Ok(()),
        }
    };
    tokio::try_join!(sessions, timed_out)?;
    over_chat(stage, chat, &mut later).await?;
    install(stage, &[], &[]).await?;
    stage.end(CRITERION, PHASE);
    Ok(())
}

/// Lands faults in sessions side by side; gives back those that met none of the requests.
async fn land(stage: &Stage, landings: Vec<Landing>) -> Result<Vec<Landing>, Trouble> {
    let lanes = landing::share_out(landings).into_iter().enumerate();
    let lanes = lanes.map(|(number, ((lane, _), landings))| async move {
        match lane {
            Lane::Quota => quota::sessions(stage, number, landings).await,
            _ => session(stage, number, landings).await,
        }
    });
    let performed = try_join_all(lanes).await?.into_iter().flatten();
    let mut fired = BTreeSet::new();
    for (provider, _) in &stage.site.labels {
        fired.extend(stage.ground.fired(provider).await?);
    }
    Ok(performed
        .filter(|landing| !fired.contains(&landing.rule.id))
        .collect())
}

/// Tries what did not land once more on other operations.
async fn again(
    stage: &Stage,
    standing: &[Rule],
    mut missed: Vec<Landing>,
    builder: &mut Builder,
) -> Result<(), Trouble> {
    for _ in 1..ROUNDS {
        if missed.is_empty() {
            return Ok(());
        }
        stage.check_stop()?;
        let landings = missed
            .into_iter()
            .map(|landing| landing.again(stage, builder))
            .collect::<Vec<_>>();
        install(stage, standing, &landings).await?;
        missed = land(stage, landings).await?;
    }
    Ok(())
}

/// The faults of MiniMax's other route, under a configuration that has it.
async fn over_chat(
    stage: &Stage,
    landings: Vec<Landing>,
    builder: &mut Builder,
) -> Result<(), Trouble> {
    if landings.is_empty() {
        return Ok(());
    }
    install(stage, &[], &landings).await?;
    stage.ground.serve_chat_route().await?;
    let missed = land(stage, landings).await?;
    again(stage, &[], missed, builder).await?;
    stage.ground.restart_server().await
}

/// What each simulator does: the standing rules, then those of its landings.
async fn install(stage: &Stage, standing: &[Rule], landings: &[Landing]) -> Result<(), Trouble> {
    let mut plans: BTreeMap<&str, Plan> = BTreeMap::new();
    for (provider, _) in &stage.site.labels {
        plans.insert(provider, plan(stage, standing));
    }
    for landing in landings {
        let plan = plans.entry(&landing.provider).or_default();
        plan.rules.push(landing.rule.clone());
    }
    for (provider, plan) in plans {
        stage.ground.plan(provider, &plan).await?;
    }
    Ok(())
}

fn plan(stage: &Stage, rules: &[Rule]) -> Plan {
    Plan {
        seed: stage.seed,
        rules: rules.to_vec(),
        ..Plan::default()
    }
}

/// One session: a fault, then a turn of its conversation that must be good, and so on to the end.
async fn session(
    stage: &Stage,
    number: usize,
    landings: Vec<Landing>,
) -> Result<Vec<Landing>, Trouble> {
    let person = Person {
        role: "patient",
        number: 100 + number,
    };
    let client = stage.client(person, WIRES[number % WIRES.len()]).await?;
    let builder = stage.builder(2_100 + number as u64);
    let first = landings.first().map_or(0, |landing| landing.plan.op);
    let name = format!("v2-{number}-{first}");
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut session = Session {
        stage,
        client,
        pace,
        builder,
        conversation: Conversation::new(name.clone()),
        name,
        begun: 0,
    };
    for landing in &landings {
        stage.check_stop()?;
        let landed = if landing.slot.row.history {
            session.begin();
            session.go_on(landing).await;
            let plan = landing.plan.clone();
            let plan = session.builder.said_in(&session.conversation, plan);
            session.say(&plan).await
        } else {
            session.perform(&landing.plan).await
        };
        session.mend(landing, &landed).await;
    }
    Ok(landings)
}

/// A client in the middle of a conversation.
struct Session<'a> {
    stage: &'a Stage,
    client: Arc<Client>,
    pace: Interval,
    builder: Builder,
    /// What its conversations' names begin with.
    name: String,
    /// Conversations begun after the first.
    begun: usize,
    conversation: Conversation,
}

impl Session<'_> {
    fn begin(&mut self) {
        self.begun += 1;
        self.conversation = Conversation::new(format!("{}-{}", self.name, self.begun));
    }

    /// Good turns until the instance that met the fault has given one. One that met faults alone
    /// would open its breaker, however well its neighbour fares.
    async fn mend(&mut self, landing: &Landing, landed: &Call) {
        for _ in 0..MENDING_TRIES {
            if self.conversation.planted.len() >= EXCHANGES {
                self.begin();
            }
            let call = self.go_on(landing).await;
            if self.stage.ground.instances() == 1 || call.instance == landed.instance {
                return;
            }
        }
    }

    /// A good turn with the model of a landing.
    async fn go_on(&mut self, landing: &Landing) -> Call {
        let shape = Shape {
            model: landing.model(self.stage),
            ..Shape::plain(PATIENCE)
        };
        let next = self.builder.turn(&self.conversation, &shape);
        self.say(&next.within(CRITERION, "next")).await
    }

    async fn perform(&mut self, plan: &OperationPlan) -> Call {
        self.pace.tick().await;
        self.stage.perform(&self.client, plan).await
    }

    /// A turn of the conversation.
    async fn say(&mut self, plan: &OperationPlan) -> Call {
        let call = self.perform(plan).await;
        if call.outcome == Outcome::Ok {
            let handle = call
                .meta
                .as_ref()
                .and_then(|meta| meta.continuation_id.clone());
            self.conversation.acknowledge(plan, handle);
        }
        call
    }
}

/// Fails one provider until its breaker opens, heals it, and goes on calling until the provider is
/// used again: Closed, Open, HalfOpen, Closed as the simulator's arrivals show it.
async fn breaker_life(stage: &Stage, standing: &[Rule]) -> Result<(), Trouble> {
    let phase = &format!("breaker.{WATCHED}");
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
    let shape = Shape {
        model: stage.site.model_of(WATCHED),
        ..Shape::plain(PATIENCE)
    };
    stage.begin(CRITERION, phase);
    let down = Rule {
        id: "breaker".to_owned(),
        fault: "G02".to_owned(),
        when: When::default(),
        delay_ms: None,
    };
    // A good answer first: what failed in the sessions before is no part of this life.
    let good = builder.chat(&shape).within(CRITERION, phase);
    stage.perform(&client, &good).await;
    let mut broken = plan(stage, standing);
    broken.rules.push(down);
    stage.ground.plan(WATCHED, &broken).await?;
    stage.ground.scrape(stage, "tick").await;
    let several = stage.ground.instances();
    for _ in 0..BREAKER_FAILURES * several as u64 {
        stage
            .perform(&client, &builder.chat(&shape).within(CRITERION, phase))
            .await;
    }
    stage.ground.scrape(stage, "tick").await;
    stage.ground.plan(WATCHED, &plan(stage, standing)).await?;
    let until = stage.recorder.now() + 12_000_000_000;
    let mut used_by = BTreeSet::new();
    while stage.recorder.now() < until {
        stage.check_stop()?;
        let plan = builder.chat(&shape).within(CRITERION, phase);
        let call = stage.perform(&client, &plan).await;
        stage.ground.scrape(stage, "tick").await;
        if call
            .meta
            .is_some_and(|meta| meta.provider.as_deref() == Some(WATCHED))
        {
            used_by.insert(call.instance);
        }
        if used_by.len() >= several {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    stage.end(CRITERION, phase);
    Ok(())
}
