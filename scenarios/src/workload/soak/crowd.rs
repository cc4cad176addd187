//! Those who speak in the stream, and what each says next.

use std::sync::{Arc, Mutex, PoisonError};

use exai_harness::client::{Client, Revision};
use exai_harness::history::Recorder;
use exai_harness::operation::OperationPlan;
use exai_harness::operation::builder::{Builder, Conversation, Shape};
use exai_harness::report::secrets::Secrets;
use exai_harness::topology::Site;
use exai_judge::units::SECOND;
use exai_judge::{Call, Event, Outcome, Transport};

use super::CRITERION;
use crate::stage::{self, PATIENCE, Person, Stage, Trouble};

/// People, each on every network wire.
const PEOPLE: usize = 4;
const WIRES: [Transport; 3] = [
    Transport::Http2025,
    Transport::Http2026,
    Transport::WebSocket,
];
/// The first person's number.
const FIRST: usize = 300;
/// Exchanges of a conversation before a new one is begun: one less than a thread holds.
const EXCHANGES: usize = 9;
/// Operations of one round; each second of the stream is one.
const ROUND: u64 = 8;
/// How long the end of a session may take, ns.
const LEAVING: u64 = 2 * SECOND;
/// In one round of so many the named model is asked over a pipe.
const PIPED: u64 = 4;

/// Clients that have been greeted.
pub(super) struct Crowd {
    networks: Vec<Arc<Client>>,
    pipe: Option<Arc<Client>>,
}

impl Crowd {
    /// Everybody, the one on a pipe included.
    pub(super) async fn greeted(stage: &Stage) -> Result<Self, Trouble> {
        let mut crowd = Self::on_networks(stage).await?;
        let person = Person {
            role: "piper",
            number: FIRST + PEOPLE,
        };
        crowd.pipe = Some(stage.client(person, Transport::Stdio).await?);
        Ok(crowd)
    }

    /// Everybody on the networks, with tokens as of now.
    pub(super) async fn on_networks(stage: &Stage) -> Result<Self, Trouble> {
        let mut networks = Vec::new();
        for index in 0..PEOPLE * WIRES.len() {
            let person = Person {
                role: "resident",
                number: FIRST + index % PEOPLE,
            };
            networks.push(stage.client(person, WIRES[index % WIRES.len()]).await?);
        }
        Ok(Self {
            networks,
            pipe: None,
        })
    }

    /// The same with the one on the pipe of `other`, whom no token lets in.
    pub(super) fn with_pipe_of(mut self, other: &Self) -> Self {
        self.pipe.clone_from(&other.pipe);
        self
    }

    /// Ends the sessions: whom nobody speaks for any more leaves nothing behind.
    pub(super) async fn leave(&self) {
        for client in &self.networks {
            leave(client).await;
        }
    }

    fn network(&self, number: u64) -> Arc<Client> {
        let index = usize::try_from(number).unwrap_or_default() % self.networks.len();
        Arc::clone(&self.networks[index])
    }

    fn piped(&self, number: u64) -> Arc<Client> {
        let pipe = self.pipe.as_ref().map(Arc::clone);
        pipe.unwrap_or_else(|| self.network(number))
    }
}

/// Ends the client's session where it has one. One that stays all the same shows at the next quiet
/// point.
async fn leave(client: &Client) {
    if let Client::Http(http) = client
        && http.target().revision == Revision::V2025
    {
        let until = client.now().saturating_add(LEAVING);
        let _left = http.leave(until).await;
    }
}

/// One person's conversation; turns of it never overlap.
struct Lane {
    conversation: Conversation,
    begun: u64,
    is_busy: bool,
}

type Shared = Arc<Mutex<Lane>>;

/// What is said next, and the conversations that go on.
pub(super) struct Lanes {
    builder: Builder,
    site: Site,
    canaries: Arc<Secrets>,
    lanes: Vec<Shared>,
}

/// One operation about to be sent.
pub(super) struct Errand {
    client: Arc<Client>,
    plan: OperationPlan,
    /// The conversation it is a turn of.
    lane: Option<(usize, Shared)>,
    /// The provider it names a model of.
    wants: Option<String>,
}

impl Lanes {
    pub(super) fn new(stage: &Stage) -> Self {
        let lane = |number| {
            Arc::new(Mutex::new(Lane {
                conversation: named(number, 0),
                begun: 0,
                is_busy: false,
            }))
        };
        Self {
            builder: stage.builder(7_000),
            site: stage.site.clone(),
            canaries: Arc::new(stage.canaries.clone()),
            lanes: (0..PEOPLE).map(lane).collect(),
        }
    }

    /// What no failure may show.
    pub(super) fn canaries(&self) -> Arc<Secrets> {
        Arc::clone(&self.canaries)
    }

    /// The one light call of a quiet second.
    pub(super) fn light(&mut self, crowd: &Crowd, number: u64) -> Errand {
        let needles = self.site.needles("version");
        Errand {
            client: crowd.network(number),
            plan: self.builder.site("version", needles, PATIENCE),
            lane: None,
            wants: None,
        }
    }

    /// The `number`th of the stream: one of every kind a round.
    pub(super) fn next(&mut self, crowd: &Crowd, number: u64) -> Errand {
        let shape = Shape::plain(PATIENCE);
        let round = number / ROUND;
        let alone = |client, plan| Errand {
            client,
            plan,
            lane: None,
            wants: None,
        };
        match number % ROUND {
            0 => alone(crowd.network(round), self.builder.chat(&shape)),
            1 | 4 => self.turn(crowd, number),
            2 => self.light(crowd, round),
            3 => alone(crowd.network(round), self.builder.analyze(&shape)),
            5 => {
                let needles = self.site.needles("status");
                let plan = self.builder.site("status", needles, PATIENCE);
                alone(crowd.network(round), plan)
            }
            6 => {
                let plan = self.builder.chat(&self.to_each_provider(round));
                let client = if round.is_multiple_of(PIPED) {
                    crowd.piped(round)
                } else {
                    crowd.network(round)
                };
                Errand {
                    wants: self.provider_of(round),
                    ..alone(client, plan)
                }
            }
            _ => self.read(crowd, round),
        }
    }

    fn to_each_provider(&self, round: u64) -> Shape {
        let models = &self.site.models;
        let index = usize::try_from(round).unwrap_or_default() % models.len().max(1);
        Shape {
            model: models.get(index).cloned(),
            ..Shape::plain(PATIENCE)
        }
    }

    /// The provider whose model that round names.
    fn provider_of(&self, round: u64) -> Option<String> {
        let labels = &self.site.labels;
        let index = usize::try_from(round).unwrap_or_default() % labels.len().max(1);
        labels.get(index).map(|(provider, _)| provider.clone())
    }

    /// A turn of the next conversation that waits for one; a chat of its own where it does not.
    fn turn(&mut self, crowd: &Crowd, number: u64) -> Errand {
        let index = usize::try_from(number).unwrap_or_default() / 3 % PEOPLE;
        let shared = Arc::clone(&self.lanes[index]);
        let mut lane = lock(&shared);
        let shape = Shape::plain(PATIENCE);
        if lane.is_busy {
            drop(lane);
            return Errand {
                client: crowd.network(number),
                plan: self.builder.chat(&shape),
                lane: None,
                wants: None,
            };
        }
        lane.is_busy = true;
        let plan = self.builder.turn(&lane.conversation, &shape);
        drop(lane);
        Errand {
            // The one at `index` is the person of that number, on a wire of theirs.
            client: Arc::clone(&crowd.networks[index]),
            plan,
            lane: Some((index, shared)),
            wants: None,
        }
    }

    /// Somebody reads their own conversation back.
    fn read(&mut self, crowd: &Crowd, round: u64) -> Errand {
        let index = usize::try_from(round).unwrap_or_default() % PEOPLE;
        let conversation = lock(&self.lanes[index]).conversation.clone();
        let plan = self.builder.read(&conversation, PATIENCE);
        let plan = plan.unwrap_or_else(|| self.builder.chat(&Shape::plain(PATIENCE)));
        Errand {
            client: Arc::clone(&crowd.networks[index]),
            plan,
            lane: None,
            wants: None,
        }
    }
}

impl Errand {
    /// The same within a phase of the soak; one that names a provider says so, `stream.kimi`.
    pub(super) fn within(mut self, phase: &str) -> Self {
        let phase = match &self.wants {
            Some(provider) => format!("{phase}.{provider}"),
            None => phase.to_owned(),
        };
        self.plan = self.plan.within(CRITERION, &phase);
        self
    }

    /// Sends it, records what came of it, and takes the conversation on.
    pub(super) async fn run(self, (recorder, canaries): (Recorder, Arc<Secrets>), due: u64) {
        let plan = self.plan;
        let call = self.client.call(&plan, due).await;
        recorder.record_at(call.done_at, Event::Call(Box::new(call.clone())));
        if let Some(failure) = &call.failure {
            stage::search(&canaries, &recorder, ("a reply", &failure.message));
        }
        if call.outcome != Outcome::Ok {
            if call.status != Some(200) {
                leave(&self.client).await;
            }
            stage::mend(&self.client, &call).await;
        }
        if let Some((index, lane)) = self.lane {
            settle(&mut lock(&lane), index, &plan, call);
        }
    }
}

/// An acknowledged turn is what the next one builds on; after any other the judge alone knows what
/// is in the thread, and a full one takes no more: both begin another.
fn settle(lane: &mut Lane, index: usize, plan: &OperationPlan, call: Call) {
    lane.is_busy = false;
    let is_ok = call.outcome == Outcome::Ok;
    if is_ok {
        let handle = call.meta.and_then(|meta| meta.continuation_id);
        lane.conversation.acknowledge(plan, handle);
    }
    if !is_ok || lane.conversation.planted.len() >= EXCHANGES {
        lane.begun += 1;
        lane.conversation = named(index, lane.begun);
    }
}

fn named(lane: usize, number: u64) -> Conversation {
    Conversation::new(format!("v7-{lane}-{number}"))
}

fn lock(lane: &Shared) -> std::sync::MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}
