//! Reads threads back by their owners: what was acknowledged must be there.

use std::collections::BTreeMap;
use std::time::Duration;

use exai_harness::operation::builder::Conversation;
use exai_judge::{Call, Transport};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::stage::{PATIENCE, Person, Stage, Trouble};

/// The least time between two calls of one person: below the limit of one principal.
pub(super) const PACE: Duration = Duration::from_millis(21);

/// Owners at once: by [`PACE`] they ask less often together than the server takes from everybody
/// (`limits.rate.global`, 1000 a second).
const OWNERS: usize = 16;

/// How often one thread is asked for while the server is over its rate, which is what the traffic
/// before may have left behind.
const ASKS: usize = 5;

/// Conversations and whose they are.
pub type Threads = Vec<(Person, Conversation)>;

/// Reads every thread that the server has named, [`OWNERS`] at once.
///
/// # Errors
/// When an owner cannot connect.
pub async fn read_all(
    stage: &Stage,
    threads: &Threads,
    (criterion, phase): (&str, &str),
) -> Result<(), Trouble> {
    let mut owners: BTreeMap<String, Vec<&(Person, Conversation)>> = BTreeMap::new();
    for thread in threads {
        owners.entry(thread.0.name()).or_default().push(thread);
    }
    let owners = owners.into_values().map(|threads| async move {
        let Some((person, _)) = threads.first() else {
            return Ok(());
        };
        let client = stage.client(*person, Transport::Http2026).await?;
        let mut builder = stage.builder(9_000 + person.number as u64);
        for (_, conversation) in threads {
            for _ in 0..ASKS {
                let Some(read) = builder.read(conversation, PATIENCE) else {
                    break;
                };
                let call = stage.perform(&client, &read.within(criterion, phase)).await;
                let wait = over_rate(&call);
                tokio::time::sleep(wait.unwrap_or_default().max(PACE)).await;
                if wait.is_none() {
                    break;
                }
            }
        }
        Ok::<(), Trouble>(())
    });
    let reading = futures::stream::iter(owners).buffer_unordered(OWNERS);
    reading.try_collect().await
}

/// How long a call that met the server's rate limit is asked to wait.
fn over_rate(call: &Call) -> Option<Duration> {
    let failure = call.failure.as_ref()?;
    let wait = Duration::from_millis(failure.retry_after_ms.unwrap_or_default());
    (failure.code == "over_rate").then(|| wait.min(Duration::from_nanos(PATIENCE)))
}
