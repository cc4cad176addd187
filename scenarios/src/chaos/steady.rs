//! The steady state: a round of ordinary use on every wire, before anything is broken and after
//! everything is healed.

use exai_harness::operation::builder::{Conversation, Shape};
use exai_judge::{Outcome, Transport};

use crate::stage::{PATIENCE, Person, Stage, Trouble};

/// What the run's calls are recorded under.
pub const CRITERION: &str = "chaos";
/// The phase before.
pub const BEFORE: &str = "steady.before";
/// The phase after.
pub const AFTER: &str = "steady.after";
const WIRES: [Transport; 4] = [
    Transport::Http2025,
    Transport::Http2026,
    Transport::WebSocket,
    Transport::Stdio,
];

/// On each wire: every provider answers, and a thread remembers over two turns. Whether every call
/// was answered; the judge looks at what the answers are worth.
///
/// # Errors
/// When somebody cannot connect.
pub async fn round(stage: &Stage, phase: &str) -> Result<bool, Trouble> {
    stage.begin(CRITERION, phase);
    let mut is_steady = true;
    for (number, wire) in WIRES.into_iter().enumerate() {
        stage.check_stop()?;
        let person = Person {
            role: "steady",
            number: 380 + number,
        };
        let client = stage.client(person, wire).await?;
        let salt = 7_000 + number as u64 + if phase == BEFORE { 0 } else { 50 };
        let mut builder = stage.builder(salt);
        for (provider, _) in &stage.site.labels {
            let shape = Shape {
                model: stage.site.model_of(provider),
                ..Shape::plain(PATIENCE)
            };
            let plan = builder.chat(&shape).within(CRITERION, phase);
            is_steady &= stage.perform(&client, &plan).await.outcome == Outcome::Ok;
        }
        let mut conversation = Conversation::new(format!("{phase}-{number}"));
        for _ in 0..2 {
            let turn = builder.turn(&conversation, &Shape::plain(PATIENCE));
            let plan = turn.within(CRITERION, phase);
            let call = stage.perform(&client, &plan).await;
            is_steady &= call.outcome == Outcome::Ok;
            let handle = call.meta.and_then(|meta| meta.continuation_id);
            conversation.acknowledge(&plan, handle);
        }
        if let Some(read) = builder.read(&conversation, PATIENCE) {
            let plan = read.within(CRITERION, phase);
            is_steady &= stage.perform(&client, &plan).await.outcome == Outcome::Ok;
        }
    }
    stage.end(CRITERION, phase);
    Ok(is_steady)
}
