//! What a thread has to refuse, or to answer as it did before: a turn past its cap, and a key that
//! was used already.

use exai_harness::client::Client;
use exai_harness::operation::OperationPlan;
use exai_harness::operation::builder::{Builder, Conversation, Shape};
use exai_judge::{Outcome, Transport};
use futures::future::try_join_all;

use super::{CRITERION, EXCHANGES, PACE, RESTART};
use crate::stage::{PATIENCE, Person, Stage, Trouble};

/// With so many turns a thread has room for one more, should a key be taken for a new turn.
const MIDDLE: usize = EXCHANGES / 2;

/// The last turn that somebody was acknowledged, and where.
pub(super) struct Kept {
    pub(super) person: Person,
    pub(super) conversation: Conversation,
    pub(super) plan: OperationPlan,
}

/// In the middle of a conversation the last turn's key again, at its end one turn more; false where
/// the conversation cannot go on, for nobody knows what became of a try.
pub(super) async fn press(
    stage: &Stage,
    (client, builder): (&Client, &mut Builder),
    (phase, conversation): (&str, &Conversation),
    said: &OperationPlan,
) -> bool {
    match conversation.planted.len() {
        MIDDLE => key_again(stage, (client, builder), (phase, conversation), said).await,
        EXCHANGES => {
            let more = builder.turn(conversation, &Shape::plain(PATIENCE));
            perform(stage, client, &more.within(CRITERION, phase)).await;
            true
        }
        _ => true,
    }
}

/// After a restart of the server everybody's last key, all at once.
pub(super) async fn keys_again(stage: &Stage, kept: Vec<Kept>) -> Result<(), Trouble> {
    stage.begin(CRITERION, RESTART);
    let all = kept.into_iter().map(|kept| async move {
        let client = stage.client(kept.person, Transport::Http2026).await?;
        let mut builder = stage.builder(4_700 + kept.person.number as u64);
        let at = (RESTART, &kept.conversation);
        key_again(stage, (&client, &mut builder), at, &kept.plan).await;
        Ok::<_, Trouble>(())
    });
    let done = try_join_all(all).await;
    stage.end(CRITERION, RESTART);
    done.map(drop)
}

/// An acknowledged turn's key with its own words, which must be answered as it was, and with
/// others.
async fn key_again(
    stage: &Stage,
    (client, builder): (&Client, &mut Builder),
    (phase, conversation): (&str, &Conversation),
    said: &OperationPlan,
) -> bool {
    let again = builder.repeat(said, true, true).within(CRITERION, phase);
    let outcome = perform(stage, client, &again).await;
    let other = builder.reused(said, conversation, &Shape::plain(PATIENCE));
    perform(stage, client, &other.within(CRITERION, phase)).await;
    outcome == Outcome::Ok
}

async fn perform(stage: &Stage, client: &Client, plan: &OperationPlan) -> Outcome {
    let call = stage.perform(client, plan).await;
    stage.mend(client, &call).await;
    tokio::time::sleep(PACE).await;
    call.outcome
}
