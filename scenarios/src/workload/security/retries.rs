//! Whoever is refused by a rate comes again exactly when they were told to, and sends once.
//!
//! A lane has its scope to itself, since the moment told holds where nobody else comes first. That
//! is why the whole server's rate is not tried: its refusals are everybody's.

use std::sync::Arc;
use std::time::Duration;

use exai_harness::client::Client;
use exai_harness::operation::builder::Builder;
use exai_judge::units::MILLISECOND;
use exai_judge::{Call, Transport};
use futures::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep};

use super::CRITERION;
use crate::stage::{PATIENCE, Person, Stage, Trouble};

const ADDRESS: &str = "address";
const RATE_LIMIT: &str = "rate_limit_error";
/// Lanes of a scope side by side.
const LANES: usize = 4;
/// Those of an address: it takes twice as many calls as a principal.
const ADDRESSES: usize = 2;
/// Principals of an address, so that none of them is refused by their own rate: it takes as much as
/// two of them may send.
const OF_ADDRESS: usize = 4;
/// The first person's number.
const FIRST: usize = 720;
/// Tries beyond the floor, so that what came late does not unmeet it, and that one refused try need
/// not leave the rate open.
const TRIES: (u64, u64) = (8, 5);

/// Tries each scope until it has been tried `floor` times and some more, or for `longest`.
///
/// # Errors
/// When somebody is not let in.
pub async fn try_scopes(
    stage: &Stage,
    scopes: &[String],
    (floor, longest): (u64, Duration),
) -> Result<(), Trouble> {
    let people = scopes.iter().flat_map(|scope| people_of(scope));
    let lanes = try_join_all(people.map(|lane| connect(stage, lane))).await?;
    let until = Instant::now() + longest;
    for scope in scopes {
        stage.begin(CRITERION, &format!("retry.{scope}"));
    }
    join_all(lanes.iter().map(|lane| lane.run(stage, floor, until))).await;
    for scope in scopes {
        stage.end(CRITERION, &format!("retry.{scope}"));
    }
    stage.check_stop()
}

/// Who speaks in a lane, and whose address each is sent from.
#[derive(Debug, PartialEq, Eq)]
struct People {
    /// `retry.address.1`.
    phase: String,
    /// How many lanes the scope has.
    beside: usize,
    speakers: Vec<(Person, Person)>,
}

fn people_of(scope: &str) -> Vec<People> {
    let (role, beside, each) = match scope {
        ADDRESS => ("retry-address", ADDRESSES, OF_ADDRESS),
        _ => ("retry-principal", LANES, 1),
    };
    let first = match scope {
        ADDRESS => FIRST + LANES,
        _ => FIRST,
    };
    let person = |number| Person { role, number };
    let lane = |lane: usize| People {
        phase: format!("retry.{scope}.{lane}"),
        beside,
        speakers: (0..each)
            .map(|index| {
                let own = first + lane * each;
                (person(own + index), person(own))
            })
            .collect(),
    };
    (0..beside).map(lane).collect()
}

/// A lane that has been greeted.
struct Lane {
    people: People,
    clients: Vec<Arc<Client>>,
}

async fn connect(stage: &Stage, people: People) -> Result<Lane, Trouble> {
    let mut clients = Vec::new();
    for (who, at) in &people.speakers {
        clients.push(stage.client_at(*who, *at, Transport::Http2026).await?);
    }
    Ok(Lane { people, clients })
}

impl Lane {
    /// Sends without a pause until it is refused, waits as long as it was told, sends once; again.
    async fn run(&self, stage: &Stage, floor: u64, until: Instant) {
        let (more, than) = TRIES;
        let lanes = u64::try_from(self.people.beside).unwrap_or(u64::MAX);
        let wanted = (floor * more).div_ceil(than * lanes);
        let mut builder = stage.builder(6_200);
        let mut tries = 0;
        for client in self.clients.iter().cycle() {
            let mut call = self.say(stage, client, &mut builder).await;
            while let Some(due) = told(&call) {
                let left = Duration::from_nanos(due.saturating_sub(stage.recorder.now()));
                if tries >= wanted || Instant::now() + left > until || stage.stop.is_cancelled() {
                    return;
                }
                sleep(left).await;
                call = self.say(stage, client, &mut builder).await;
                tries += 1;
            }
            if Instant::now() > until || stage.stop.is_cancelled() {
                return;
            }
        }
    }

    async fn say(&self, stage: &Stage, client: &Client, builder: &mut Builder) -> Call {
        let plan = builder.site("version", stage.site.needles("version"), PATIENCE);
        let plan = plan.within(CRITERION, &self.people.phase);
        stage.perform(client, &plan).await
    }
}

/// When a refused call may come again, ns on the run's clock.
fn told(call: &Call) -> Option<u64> {
    let failure = call.failure.as_ref();
    let refused = failure.filter(|failure| failure.category == RATE_LIMIT)?;
    let wait = refused.retry_after_ms?.saturating_mul(MILLISECOND);
    Some(call.done_at.saturating_add(wait))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nobody_else_speaks_in_a_lanes_scope() {
        let lanes = || ["principal", ADDRESS].into_iter().flat_map(people_of);
        let names: Vec<String> = lanes()
            .flat_map(|lane| lane.speakers)
            .map(|(who, _)| who.name())
            .collect();
        let own: BTreeSet<&String> = names.iter().collect();
        assert_eq!(own.len(), names.len());
        let mut seen = BTreeSet::new();
        for lane in lanes() {
            let addresses: BTreeSet<_> = lane
                .speakers
                .iter()
                .map(|(_, at)| at.identity().source)
                .collect();
            assert_eq!(addresses.len(), 1, "{}", lane.phase);
            assert!(seen.is_disjoint(&addresses), "{}", lane.phase);
            seen.extend(addresses);
        }
        assert_eq!(seen.len(), LANES + ADDRESSES);
    }

    #[test]
    fn an_address_has_enough_principals_to_be_pressed_past_its_own_rate_and_not_theirs() {
        for lane in people_of(ADDRESS) {
            assert_eq!(lane.speakers.len(), OF_ADDRESS);
        }
        for lane in people_of("principal") {
            assert_eq!(lane.speakers.len(), 1);
        }
        let phases = people_of(ADDRESS).into_iter().map(|lane| lane.phase);
        let phases: Vec<String> = phases.collect();
        assert_eq!(phases, ["retry.address.0", "retry.address.1"]);
    }
}
