//! V.1: every tool over every transport, whole and repeated, with files and long conversations.

use std::sync::Arc;
use std::time::Duration;

use exai_harness::client::Client;
use exai_harness::operation::builder::{Builder, Conversation, Shape, Steps};
use exai_harness::operation::{Ask, OperationPlan};
use exai_judge::{Event, Transport};
use futures::future::try_join_all;
use serde_json::json;

use crate::stage::{GREETING, PATIENCE, Person, Stage, Trouble};

const CRITERION: &str = "V.1";
/// Lanes a transport; each is one person at a time.
const LANES: usize = 4;
/// The least time between two calls of one lane: twenty a second, below every limit.
const PACE: Duration = Duration::from_millis(50);
/// The wires this driver can speak.
pub const WIRES: [Transport; 3] = [Transport::Stdio, Transport::Http2025, Transport::Http2026];

/// Runs the workload.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn run(stage: &Stage) -> Result<(), Trouble> {
    stage.begin(CRITERION, "answers");
    let row = stage.row(CRITERION)?;
    let tools = Tools::of(row.list("tools")?);
    for wire in WIRES {
        list(stage, wire).await?;
    }
    let rounds = rounds(row.floor("answers")?);
    let repeats = Repeats {
        same: share(row.floor("repeats_same")?),
        other: share(row.floor("repeats_other")?),
        near: share(row.floor("repeats_near")?),
    };
    let lanes = WIRES
        .into_iter()
        .flat_map(|wire| (0..LANES).map(move |lane| (wire, lane)));
    try_join_all(lanes.enumerate().map(|(number, (wire, lane))| {
        let lane = Lane {
            stage,
            wire,
            lane,
            number,
            tools,
            rounds,
            repeats,
        };
        lane.run()
    }))
    .await?;
    stage.end(CRITERION, "answers");
    Ok(())
}

/// Rounds of one lane so that all lanes of a wire together reach the floor of a cell.
fn rounds(answers: u64) -> u64 {
    answers.div_ceil(LANES as u64).max(1)
}

/// One lane's share of a floor that all lanes fill together, and one more for safety.
fn share(floor: u64) -> u64 {
    floor.div_ceil((LANES * WIRES.len()) as u64) + u64::from(floor > 0)
}

/// Which tools a profile tries.
#[derive(Debug, Clone, Copy)]
struct Tools {
    analyze: bool,
    consensus: bool,
    listmodels: bool,
    status: bool,
    version: bool,
}

impl Tools {
    fn of(list: &[String]) -> Self {
        let has = |name: &str| list.iter().any(|entry| entry == name || entry == "*");
        Self {
            analyze: has("analyze"),
            consensus: has("consensus"),
            listmodels: has("listmodels"),
            status: has("status"),
            version: has("version"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Repeats {
    same: u64,
    other: u64,
    near: u64,
}

/// Records what a wire lists, once from each of two connections.
async fn list(stage: &Stage, wire: Transport) -> Result<(), Trouble> {
    for number in [0, 1] {
        let client = stage
            .client(
                Person {
                    role: "lister",
                    number,
                },
                wire,
            )
            .await?;
        let listed = client.list_tools(GREETING).await;
        let listed = listed.map_err(|error| Trouble::Rig(format!("tools/list: {error}")))?;
        stage.recorder.record(Event::Listed(listed));
    }
    Ok(())
}

/// One person's sequence of calls over one wire.
struct Lane<'a> {
    stage: &'a Stage,
    wire: Transport,
    lane: usize,
    number: usize,
    tools: Tools,
    rounds: u64,
    repeats: Repeats,
}

impl Lane<'_> {
    async fn run(self) -> Result<(), Trouble> {
        let person = Person::user(10 + 2 * self.number);
        let other = Person::user(11 + 2 * self.number);
        let client = self.stage.client(person, self.wire).await?;
        let other = self.stage.client(other, self.wire).await?;
        let mut builder = self.stage.builder(100 + self.number as u64);
        for round in 0..self.rounds {
            self.round(&client, &mut builder, round).await?;
        }
        self.conversation(&client, &mut builder).await?;
        self.refusals(&client, &mut builder).await?;
        self.repeats(&client, &other, &mut builder).await
    }

    async fn go(&self, client: &Client, plan: OperationPlan) -> Result<(), Trouble> {
        self.stage.check_stop()?;
        let pace = tokio::time::sleep(PACE);
        self.stage
            .perform(client, &plan.within(CRITERION, "answers"))
            .await;
        pace.await;
        Ok(())
    }

    /// Every tool once; the model and the number of files walk through their values, at different
    /// speeds so that each model gets each number.
    async fn round(
        &self,
        client: &Arc<Client>,
        builder: &mut Builder,
        round: u64,
    ) -> Result<(), Trouble> {
        let turn = round as usize + self.lane;
        let models = &self.stage.site.models;
        let shape = Shape {
            model: Some(models[turn % models.len()].clone()),
            files: ((self.number + 2 * round as usize) % 3) as u32,
            ..Shape::plain(PATIENCE)
        };
        self.go(client, builder.chat(&shape)).await?;
        if self.tools.analyze {
            if round.is_multiple_of(2) {
                self.go(client, builder.analyze(&shape)).await?;
            } else {
                self.workflow(client, builder, &shape).await?;
            }
        }
        if self.tools.consensus {
            let (first, second) = (turn % models.len(), (turn + 1) % models.len());
            let asked = [
                (models[first].as_str(), "for"),
                (models[second].as_str(), "against"),
            ];
            self.go(client, builder.consensus(&asked, &Shape::plain(PATIENCE)))
                .await?;
        }
        for (tool, wanted) in [
            ("version", self.tools.version),
            ("status", self.tools.status),
            ("listmodels", self.tools.listmodels),
        ] {
            if wanted {
                let needles = self.stage.site.needles(tool);
                self.go(client, builder.site(tool, needles, PATIENCE))
                    .await?;
            }
        }
        Ok(())
    }

    /// A workflow of two steps; the second step's expert pass carries the tracers of both.
    async fn workflow(
        &self,
        client: &Arc<Client>,
        builder: &mut Builder,
        shape: &Shape,
    ) -> Result<(), Trouble> {
        let mut steps = Steps::default();
        let first = builder
            .analyze_step(&mut steps, 2, shape)
            .within(CRITERION, "answers");
        let call = self.stage.perform(client, &first).await;
        steps.continuation_id = call.meta.and_then(|meta| meta.continuation_id);
        self.go(client, builder.analyze_step(&mut steps, 2, shape))
            .await
    }

    /// Eight turns of one conversation: each request must carry every earlier turn.
    async fn conversation(
        &self,
        client: &Arc<Client>,
        builder: &mut Builder,
    ) -> Result<(), Trouble> {
        let mut conversation = Conversation::new(format!("v1-{}", self.number));
        let turns = if self.rounds > 1 { 8 } else { 2 };
        for _ in 0..turns {
            self.stage.check_stop()?;
            let plan = builder.turn(&conversation, &Shape::plain(PATIENCE));
            let plan = plan.within(CRITERION, "answers");
            let call = self.stage.perform(client, &plan).await;
            let Some(meta) = call.meta.filter(|meta| meta.continuation_id.is_some()) else {
                return Ok(());
            };
            conversation.acknowledge(&plan, meta.continuation_id);
            tokio::time::sleep(PACE).await;
        }
        Ok(())
    }

    /// An unknown tool, an unknown argument and a wrong type: each must be refused by name.
    async fn refusals(&self, client: &Arc<Client>, builder: &mut Builder) -> Result<(), Trouble> {
        let cases = [
            ("no_such_tool", json!({"prompt": "hello"}), "client_error"),
            (
                "chat",
                json!({"prompt": "hello", "colour": "blue"}),
                "validation_error",
            ),
            ("chat", json!({"prompt": 7}), "validation_error"),
        ];
        for (tool, arguments, category) in cases {
            let ask = Ask::Tool {
                name: tool.to_owned(),
                arguments,
            };
            self.go(client, builder.refused(ask, category, PATIENCE))
                .await?;
        }
        Ok(())
    }

    /// Repeats of an earlier call: exact by the same person and by another, and nearly equal ones.
    async fn repeats(
        &self,
        client: &Arc<Client>,
        other: &Arc<Client>,
        builder: &mut Builder,
    ) -> Result<(), Trouble> {
        let Repeats {
            same,
            other: by_other,
            near,
        } = self.repeats;
        for index in 0..same.max(by_other).max(near) {
            let original = builder.chat(&Shape::plain(PATIENCE));
            self.go(client, original.clone()).await?;
            if index < same {
                self.go(client, builder.repeat(&original, true, true))
                    .await?;
            }
            if index < by_other {
                self.go(other, builder.repeat(&original, false, true))
                    .await?;
            }
            if index < near {
                self.go(client, builder.repeat(&original, true, false))
                    .await?;
            }
        }
        Ok(())
    }
}
