//! V.1: every tool over every transport, whole and repeated, with files and long conversations.

use std::sync::Arc;
use std::time::Duration;

use exai_harness::client::{Client, Software};
use exai_harness::operation::builder::workflow::{Ending, Steps, WORKFLOWS, Workflow};
use exai_harness::operation::builder::{Builder, Conversation, Shape};
use exai_harness::operation::prose::Size;
use exai_harness::operation::{Ask, OperationPlan};
use exai_judge::{Call, Event, Transport};
use futures::future::try_join_all;
use serde_json::json;

use crate::stage::{GREETING, PATIENCE, Person, Stage, Trouble};

const CRITERION: &str = "V.1";
const PHASE: &str = "answers";
/// The phase under [`crate::overrides::STRUCTURED`]; the checker knows it by this name.
const STRUCTURED: &str = "structured";
/// The phase of operations that are sent twice, by two persons who seem to be programs of two
/// kinds; the checker knows it by this name.
const DISGUISE: &str = "disguise";
/// Lanes a transport; each is one person at a time.
const LANES: usize = 4;
/// The least time between two calls of one lane: twenty a second, below every limit.
const PACE: Duration = Duration::from_millis(50);
/// The wires this driver can speak.
pub const WIRES: [Transport; 4] = Transport::ALL;

/// Runs the workload.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn run(stage: &Stage) -> Result<(), Trouble> {
    stage.begin(CRITERION, PHASE);
    let row = stage.row(CRITERION)?;
    let tools = Tools(row.list("tools")?);
    for wire in WIRES {
        list(stage, wire).await?;
    }
    let rounds = rounds(row.floor("answers")?);
    let late_turns = row.floor("slot_turn")? > 0;
    let repeats = Repeats {
        same: share(row.floor("repeats_same")?),
        disguised: share(row.floor("repeats_other")?.max(row.floor("disguised")?)),
        near: share(row.floor("repeats_near")?),
    };
    stage.begin(CRITERION, DISGUISE);
    let lanes = WIRES
        .into_iter()
        .flat_map(|wire| (0..LANES).map(move |lane| (wire, lane)));
    try_join_all(lanes.enumerate().map(|(number, (wire, lane))| {
        let lane = Lane {
            stage,
            phase: PHASE,
            wire,
            lane,
            number,
            tools,
            rounds,
            late_turns,
            repeats,
        };
        lane.run()
    }))
    .await?;
    stage.end(CRITERION, DISGUISE);
    stage.end(CRITERION, PHASE);
    if row.floor("structured")? > 0 {
        structured(stage, tools).await?;
    }
    Ok(())
}

/// One round of every tool over every wire while prose tools send structured content as well.
async fn structured(stage: &Stage, tools: Tools<'_>) -> Result<(), Trouble> {
    stage.ground.structure_replies().await?;
    stage.begin(CRITERION, STRUCTURED);
    let first = LANES * WIRES.len();
    let lanes = WIRES.into_iter().enumerate().map(|(index, wire)| Lane {
        stage,
        phase: STRUCTURED,
        wire,
        lane: index,
        number: first + index,
        tools,
        rounds: 1,
        late_turns: false,
        repeats: Repeats::default(),
    });
    try_join_all(lanes.map(Lane::once)).await?;
    stage.end(CRITERION, STRUCTURED);
    stage.ground.restart_server().await
}

/// Rounds of one lane so that all lanes of a wire together reach the floor of a cell, and through
/// each provider its share of it; where more than one is needed, one is to spare.
fn rounds(answers: u64) -> u64 {
    let least = answers.div_ceil(LANES as u64).max(1);
    least + u64::from(least > 1)
}

/// One lane's share of a floor that all lanes fill together, and one more for safety.
fn share(floor: u64) -> u64 {
    floor.div_ceil((LANES * WIRES.len()) as u64) + u64::from(floor > 0)
}

/// Which tools a profile tries.
#[derive(Debug, Clone, Copy)]
struct Tools<'a>(&'a [String]);

impl Tools<'_> {
    fn has(self, name: &str) -> bool {
        self.0.iter().any(|entry| entry == name || entry == "*")
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Repeats {
    same: u64,
    disguised: u64,
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
    phase: &'static str,
    wire: Transport,
    lane: usize,
    number: usize,
    tools: Tools<'a>,
    rounds: u64,
    late_turns: bool,
    repeats: Repeats,
}

impl Lane<'_> {
    async fn run(self) -> Result<(), Trouble> {
        let person = Person::user(10 + 2 * self.number);
        let other = Person::user(11 + 2 * self.number);
        let client = self.stage.client(person, self.wire).await?;
        let stranger = Software::stranger(self.number);
        let other = self.stage.client_as(other, stranger, self.wire).await?;
        let mut builder = self.stage.builder(100 + self.number as u64);
        for round in 0..self.rounds {
            self.round(&client, &mut builder, round).await?;
        }
        self.conversation(&client, &mut builder).await?;
        self.refusals(&client, &mut builder).await?;
        self.repeats(&client, &mut builder).await?;
        self.disguised(&client, &other, &mut builder).await
    }

    /// One round alone.
    async fn once(self) -> Result<(), Trouble> {
        let person = Person::user(10 + 2 * self.number);
        let client = self.stage.client(person, self.wire).await?;
        let mut builder = self.stage.builder(100 + self.number as u64);
        self.round(&client, &mut builder, 0).await
    }

    async fn go(&self, client: &Client, plan: OperationPlan) -> Result<Call, Trouble> {
        self.go_in(self.phase, client, plan).await
    }

    async fn go_in(
        &self,
        phase: &str,
        client: &Client,
        plan: OperationPlan,
    ) -> Result<Call, Trouble> {
        self.stage.check_stop()?;
        let pace = tokio::time::sleep(PACE);
        let plan = plan.within(CRITERION, phase).as_asked();
        let call = self.stage.perform(client, &plan).await;
        pace.await;
        Ok(call)
    }

    /// Every tool once; the model and the number of files walk through their values, at different
    /// speeds so that each model gets each number.
    async fn round(
        &self,
        client: &Arc<Client>,
        builder: &mut Builder,
        round: u64,
    ) -> Result<(), Trouble> {
        let round = round as usize;
        let models = &self.stage.site.models;
        let model = |turn: usize| models[turn % models.len()].as_str();
        let turn = round + self.lane;
        let shape = |turn: usize| Shape {
            model: Some(model(turn).to_owned()),
            files: ((turn + self.number + round) % 3) as u32,
            ..Shape::plain(PATIENCE)
        };
        let chat = builder.chat(&shape(turn));
        let is_streamed = (round + self.number).is_multiple_of(2);
        let chat = if is_streamed { chat.streamed() } else { chat };
        self.go(client, chat).await?;
        for (index, workflow) in WORKFLOWS.iter().enumerate() {
            if self.tools.has(workflow.tool) {
                let total = match workflow.ending {
                    Ending::Reviewed => 1 + ((turn + index) % 2) as u32,
                    Ending::LaidOut => 3,
                };
                let shape = shape(turn + index);
                self.workflow(client, builder, (workflow, total), &shape)
                    .await?;
            }
        }
        if self.tools.has("consensus") {
            let asked = [(model(turn), "for"), (model(turn + 1), "against")];
            self.go(client, builder.consensus(&asked, &Shape::plain(PATIENCE)))
                .await?;
        }
        self.of_providers(client, builder).await?;
        self.of_files(client, builder, round).await?;
        for tool in ["version", "status", "listmodels"] {
            if self.tools.has(tool) {
                let needles = self.stage.site.needles(tool);
                self.go(client, builder.site(tool, needles, PATIENCE))
                    .await?;
            }
        }
        Ok(())
    }

    /// The tools that hand on one provider's own interface.
    async fn of_providers(
        &self,
        client: &Arc<Client>,
        builder: &mut Builder,
    ) -> Result<(), Trouble> {
        if self.tools.has("kimi_chat_with_tools") {
            self.go(client, builder.tool_chat(PATIENCE)).await?;
        }
        let glm = self.stage.site.model_of("glm");
        if let Some(glm) = glm.filter(|_| self.tools.has("glm_payload_preview")) {
            for plan in builder.preview(&glm, PATIENCE) {
                self.go(client, plan).await?;
            }
        }
        Ok(())
    }

    /// The tools on stored files: the two providers that read one take turns, and the first round
    /// brings a file that is too large for the question, so that it is uploaded.
    async fn of_files(
        &self,
        client: &Arc<Client>,
        builder: &mut Builder,
        round: usize,
    ) -> Result<(), Trouble> {
        if !self.tools.has("smart_file_query") {
            return Ok(());
        }
        let provider = ["kimi", "glm"][(round + self.lane) % 2];
        let (query, left) = builder.file_query(provider, Size::Medium, PATIENCE);
        self.go(client, query).await?;
        if self.tools.has("smart_file_download") {
            self.go(client, builder.file_download(&left, PATIENCE))
                .await?;
        }
        if round == 0 {
            let (query, _) = builder.file_query("kimi", Size::Huge, PATIENCE);
            self.go(client, query).await?;
        }
        Ok(())
    }

    /// A workflow of so many steps.
    async fn workflow(
        &self,
        client: &Arc<Client>,
        builder: &mut Builder,
        (workflow, total): (&Workflow, u32),
        shape: &Shape,
    ) -> Result<(), Trouble> {
        let mut steps = Steps::default();
        for _ in 0..total {
            let plan = builder.step(workflow, &mut steps, total, shape);
            let call = self.go(client, plan).await?;
            let named = call.meta.and_then(|meta| meta.continuation_id);
            steps.continuation_id = steps.continuation_id.or(named);
        }
        Ok(())
    }

    /// Eight turns of one conversation: each request must carry every earlier turn.
    async fn conversation(
        &self,
        client: &Arc<Client>,
        builder: &mut Builder,
    ) -> Result<(), Trouble> {
        let mut conversation = Conversation::new(format!("v1-{}", self.number));
        let turns = if self.late_turns { 8 } else { 2 };
        for _ in 0..turns {
            self.stage.check_stop()?;
            let plan = builder.turn(&conversation, &Shape::plain(PATIENCE));
            let plan = plan.within(CRITERION, self.phase);
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

    /// Repeats of an earlier call by the same person: exact, and nearly equal ones.
    async fn repeats(&self, client: &Arc<Client>, builder: &mut Builder) -> Result<(), Trouble> {
        let Repeats { same, near, .. } = self.repeats;
        for index in 0..same.max(near) {
            let original = builder.chat(&Shape::plain(PATIENCE));
            self.go(client, original.clone()).await?;
            if index < same {
                self.go(client, builder.repeat(&original, true, true))
                    .await?;
            }
            if index < near {
                self.go(client, builder.repeat(&original, true, false))
                    .await?;
            }
        }
        Ok(())
    }

    /// Exact repeats by another person, who seems to be a program of another kind. The model is
    /// named: which one a server chooses by itself may differ from call to call.
    async fn disguised(
        &self,
        client: &Arc<Client>,
        other: &Arc<Client>,
        builder: &mut Builder,
    ) -> Result<(), Trouble> {
        let models = &self.stage.site.models;
        for index in 0..self.repeats.disguised as usize {
            let turn = index + self.lane;
            let shape = Shape {
                model: Some(models[turn % models.len()].clone()),
                files: (turn / models.len() % 3) as u32,
                ..Shape::plain(PATIENCE)
            };
            let chat = builder.chat(&shape);
            let is_streamed = (index + self.number).is_multiple_of(2);
            let original = if is_streamed { chat.streamed() } else { chat };
            self.go_in(DISGUISE, client, original.clone()).await?;
            let again = builder.repeat(&original, false, true);
            self.go_in(DISGUISE, other, again).await?;
        }
        Ok(())
    }
}
