//! Servers beside the one under judgement, of the same program: their policies change, their
//! providers hold answers back, and they are pressed in ways from which the judged one is spared.
//! All run at once, beside the rest of the battery.

mod arguments;
mod bodies;
mod boundaries;
mod cancels;
mod credentials;
mod disk;
mod downgrades;
mod exhaustion;
mod floods;
mod frames;
mod hostile;
mod letters;
mod memory;
mod paths;
mod pipes;
mod policies;
mod preambles;
mod proxies;
mod refusals;
mod secrets;
mod slow;
mod strangers;
mod timing;
mod uploads;

use std::time::Duration;

use exai_harness::server::Settings;
use exai_harness::server::beside::{Beside, Other};
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use tokio::time::{Instant, sleep};

use super::asker::Asker;
use super::stand_in::{StandIn, VARIABLE};
use crate::stage::{Stage, Trouble};

/// A key for the stand-in, in the shape of a real one.
const KEY: &str = "sk-7c1d9be04fa24ed1b35fe2a06c98d741";

/// Readiness follows what is short within this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tries them all.
///
/// # Errors
/// When the rig cannot start a server.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let all: [BoxFuture<'_, Result<(), Trouble>>; 16] = [
        boundaries::try_all(stage).boxed(),
        cancels::try_all(stage).boxed(),
        credentials::try_all(stage).boxed(),
        disk::try_all(stage).boxed(),
        memory::try_all(stage).boxed(),
        slow::try_all(stage).boxed(),
        policies::try_all(stage).boxed(),
        exhaustion::try_all(stage).boxed(),
        floods::try_all(stage).boxed(),
        frames::try_all(stage).boxed(),
        proxies::try_all(stage).boxed(),
        pipes::try_all(stage).boxed(),
        uploads::try_all(stage).boxed(),
        hostile::try_all(stage).boxed(),
        secrets::try_all(stage).boxed(),
        timing::try_all(stage).boxed(),
    ];
    // Each to its end, whatever becomes of another: what was tried is on record.
    join_all(all).await.into_iter().collect()
}

/// A server beside, with these settings.
async fn start(stage: &Stage, name: &str, settings: &Settings) -> Result<Beside, Trouble> {
    let other = Other {
        name,
        settings,
        variables: &[],
    };
    stage.ground.beside(other).await
}

/// A server whose only provider is the stand-in.
async fn asking(
    stage: &Stage,
    (name, stand_in): (&str, &StandIn),
    settings: &Settings,
) -> Result<Beside, Trouble> {
    let settings = stand_in.settings().merged(settings);
    let other = Other {
        name,
        settings: &settings,
        variables: &[(VARIABLE, KEY)],
    };
    stage.ground.beside(other).await
}

/// The same rates as shipped, out of the way: for a beside that is asked for something else.
fn unhurried() -> Settings {
    ["global", "address", "principal"]
        .iter()
        .fold(Settings::default(), |settings, scope| {
            settings.with(&format!("limits.rate.{scope}"), 100_000)
        })
}

/// The status of readiness, once it is as awaited or the patience is over; 0 for no answer.
async fn readiness(stage: &Stage, beside: &Beside, awaited: u16) -> u16 {
    let asker = Asker {
        at: beside.admin(),
        ..Asker::user(stage, 951)
    };
    let until = Instant::now() + PATIENCE;
    loop {
        let status = asker.get("/health/ready").await.status.unwrap_or_default();
        if status == awaited || Instant::now() > until {
            return status;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The most descriptors that it was seen to hold, until they are `most` or the time is over; 0 when
/// they cannot be counted.
async fn most_descriptors(beside: &Beside, most: usize, time: Duration) -> usize {
    let until = Instant::now() + time;
    let mut seen = 0;
    loop {
        seen = seen.max(beside.descriptors().unwrap_or(0));
        if seen >= most || beside.is_gone() || Instant::now() >= until {
            return seen;
        }
        sleep(Duration::from_millis(20)).await;
    }
}
