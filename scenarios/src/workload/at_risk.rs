//! Traffic that has something to lose, and probes that need one component each: beside them things
//! are broken.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use exai_harness::client::Client;
use exai_harness::operation::OperationPlan;
use exai_harness::operation::builder::{Builder, Conversation, Shape};
use exai_judge::{Call, Outcome, Transport};
use futures::future::try_join_all;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::reading::Threads;
use crate::stage::{Person, Stage, Trouble};

/// The wires probes and traffic use.
pub const WIRES: [Transport; 2] = [Transport::Http2025, Transport::Http2026];
/// Between two probes of one wire.
const PROBE_EVERY: Duration = Duration::from_millis(100);
/// People a probe speaks as in turn, so that what they wrote is read back soon at the end.
pub const PEOPLE: usize = 4;
/// A probe that is not answered by then counts as wrong, ns.
const PROBE_PATIENCE: u64 = 3_000_000_000;
/// Between two calls of one lane of traffic.
const TRAFFIC_EVERY: Duration = Duration::from_millis(30);
/// How often a turn is sent again of which nobody knows what became, and the time between two
/// tries: longer than a component is away.
const TRIES: usize = 300;
const WAIT: Duration = Duration::from_millis(100);

/// What may be lost: every conversation begun, to be read back at the end.
pub struct AtRisk {
    criterion: &'static str,
    stop: CancellationToken,
    kept: Mutex<Threads>,
    acknowledged: watch::Sender<u64>,
}

/// Asks for something that only one component can give.
pub struct Probe<'a> {
    /// A provider: a keyed answer of its own. Else an append, for server and store.
    pub component: &'a str,
    /// The first of [`PEOPLE`] people it speaks as.
    pub number: usize,
    /// The wire.
    pub wire: Transport,
}

impl AtRisk {
    /// Nothing yet, for this criterion's workload.
    #[must_use]
    pub fn new(criterion: &'static str) -> Self {
        Self {
            criterion,
            stop: CancellationToken::new(),
            kept: Mutex::default(),
            acknowledged: watch::Sender::new(0),
        }
    }

    /// Ends traffic and probes after their present calls.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// How many turns have been acknowledged, to wait for the next one.
    #[must_use]
    pub fn acknowledged(&self) -> watch::Receiver<u64> {
        self.acknowledged.subscribe()
    }

    /// Hands out the conversations kept so far, once: what is kept from now on comes with the next
    /// call.
    #[must_use]
    pub fn take_threads(&self) -> Threads {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut kept)
    }

    fn is_over(&self, stage: &Stage) -> bool {
        self.stop.is_cancelled() || stage.stop.is_cancelled()
    }

    fn keep(&self, person: Person, conversation: Conversation) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((person, conversation));
    }

    /// Conversations that are at risk when something dies: each acknowledged turn must survive.
    ///
    /// # Errors
    /// When the lane cannot connect.
    pub async fn traffic(&self, stage: &Stage, lane: usize) -> Result<(), Trouble> {
        let person = Person {
            role: "at-risk",
            number: 120 + lane,
        };
        let client = stage
            .client(person, WIRES[(lane + 1) % WIRES.len()])
            .await?;
        let mut builder = stage.builder(5_000 + lane as u64);
        let mut conversation = Conversation::new(format!("risk-{lane}-0"));
        let mut begun = 0;
        while !self.is_over(stage) {
            let shape = Shape::plain(PROBE_PATIENCE);
            let plan = builder
                .turn(&conversation, &shape)
                .within(self.criterion, "traffic");
            let (call, is_first) = self.say(stage, (&client, &mut builder), &plan).await;
            let is_ok = call.outcome == Outcome::Ok;
            if is_ok {
                conversation.acknowledge(&plan, call.meta.and_then(|meta| meta.continuation_id));
                self.acknowledged.send_modify(|count| *count += 1);
            }
            // What became of the tries before is for the judge, who can tell it where no later
            // turn carries the same words.
            if !is_ok || !is_first || conversation.planted.len() >= 9 {
                begun += 1;
                let next = Conversation::new(format!("risk-{lane}-{begun}"));
                self.keep(person, std::mem::replace(&mut conversation, next));
            }
            tokio::time::sleep(TRAFFIC_EVERY).await;
        }
        self.keep(person, conversation);
        Ok(())
    }

    /// A turn, sent again with its key while nobody knows what became of it; whether the first try
    /// was the last.
    async fn say(
        &self,
        stage: &Stage,
        (client, builder): (&Client, &mut Builder),
        plan: &OperationPlan,
    ) -> (Call, bool) {
        let mut call = stage.perform(client, plan).await;
        let first = call.op;
        for _ in 0..TRIES {
            if call.outcome == Outcome::Ok {
                break;
            }
            stage.mend(client, &call).await;
            // A session that ended with its server is begun anew; what a tool refuses is refused.
            let is_refused = call.outcome == Outcome::Refused && call.status == Some(200);
            if is_refused || self.is_over(stage) {
                break;
            }
            tokio::time::sleep(WAIT).await;
            call = stage
                .perform(client, &builder.repeat(plan, true, true))
                .await;
        }
        let is_first = call.op == first;
        (call, is_first)
    }

    /// Asks ten times a second, whether or not the last one came back.
    ///
    /// # Errors
    /// When one of its people cannot connect.
    pub async fn probe(&self, stage: &Stage, probe: Probe<'_>) -> Result<(), Trouble> {
        let Probe {
            component,
            number,
            wire,
        } = probe;
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
        while !self.is_over(stage) {
            tokio::select! {
                _ = ticks.tick() => {
                    let (person, client) = &people[sent % PEOPLE];
                    sent += 1;
                    let mut thread = Conversation::new(format!("{phase}-{number}-{sent}"));
                    let plan = if is_provider {
                        builder.chat(&shape)
                    } else {
                        builder.turn(&thread, &shape)
                    };
                    let plan = plan.within(self.criterion, &phase);
                    let due = stage.recorder.now();
                    open.push(async move {
                        let call = stage.perform_at(client, &plan, due).await;
                        if call.outcome == Outcome::Ok {
                            thread.acknowledge(&plan, call.meta.and_then(|m| m.continuation_id));
                            if !is_provider {
                                self.keep(*person, thread);
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
