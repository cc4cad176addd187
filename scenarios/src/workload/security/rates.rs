//! Rates in every window, and healthy traffic beside hostile input.

use std::sync::Arc;
use std::time::Duration;

use exai_harness::client::Client;
use exai_harness::load::{self, LoadPlan};
use exai_harness::operation::builder::Shape;
use exai_judge::Transport;
use exai_judge::criterion::Criterion;
use futures::future::try_join_all;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::messages::{self, Abuse};
use super::{Attempt, CRITERION, Seen, record, retries};
use crate::stage::{PATIENCE, Person, Stage, Trouble};

/// The battery's row of the hostile input, whose good case the battery tries.
const ATTACK: &str = "J3";
/// An unsigned token.
const FORGED: &str = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.";
/// Healthy calls a second beside hostile input.
const HEALTHY_RATE: f64 = 200.0;
/// Healthy traffic alone, and beside attacks.
const CALM: &str = "calm";
const HOSTILE: &str = "hostile";
/// How long each goes on before it is the other's turn, s: as the bins that the judge draws from.
const TURN_S: f64 = 1.0;
/// Turns of each at least: a quantile of five seconds is at the mercy of one of them.
const LEAST_TURNS: u64 = 8;

/// The scope that is the whole server.
const WHOLE: &str = "global";
/// What is offered, as a multiple of the limit.
const PRESS: f64 = 2.2;
/// Seconds more than the floor asks for.
const SPARE_S: f64 = 0.5;
/// The role of those who keep every limit beside one that is pressed: the judge knows them by it.
const NEIGHBOUR: &str = "neighbour";
/// Between two calls of all neighbours of a scope.
const NEIGHBOURS_GAP: Duration = Duration::from_millis(250);

/// Offers each scope more than twice what it may take, for the row's `window_seconds` after its
/// burst is used up: the whole server alone, since that refuses everybody, and the others side by
/// side, with those beside them who come again when they are told to.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn try_scopes(stage: &Stage, row: &Criterion) -> Result<(), Trouble> {
    let (scopes, seconds) = (row.list("rate_scopes")?, row.floor("window_seconds")?);
    let (whole, parts): (Vec<_>, Vec<_>) = scopes.iter().partition(|scope| *scope == WHOLE);
    let pressing = try_join_all(parts.into_iter().map(|scope| press(stage, scope, seconds)));
    let tries = (row.floor("retries")?, Duration::from_secs(seconds));
    let coming_again = retries::try_scopes(stage, row.list("retry_scopes")?, tries);
    tokio::try_join!(pressing, coming_again)?;
    for scope in whole {
        press(stage, scope, seconds).await?;
    }
    Ok(())
}

async fn press(stage: &Stage, scope: &str, seconds: u64) -> Result<(), Trouble> {
    stage.check_stop()?;
    let row = stage.row(CRITERION)?;
    let limit = row.limit(&format!("rate_{scope}"))?;
    let burst = row.limit(&format!("burst_{scope}"))?;
    let clients = connect(stage, people_of(scope)).await?;
    let neighbours = connect(stage, neighbours_of(scope)).await?;
    let phase = format!("rate.{scope}");
    let mut builder = stage.builder(6_000);
    let needles = stage.site.needles("version");
    let until_empty = burst / (limit * (PRESS - 1.0));
    let seconds = until_empty + seconds as f64 + SPARE_S;
    stage.begin(CRITERION, &phase);
    let plan = LoadPlan {
        count: (limit * PRESS * seconds) as u64,
        ..LoadPlan::steady(CRITERION, &phase, limit * PRESS, 0)
    };
    let over = CancellationToken::new();
    let pressing = async {
        load::run_calls(&plan, &clients, &stage.recorder, &stage.stop, |_| {
            builder.site("version", needles.clone(), PATIENCE)
        })
        .await;
        over.cancel();
    };
    tokio::join!(pressing, keep_the_limit(stage, &phase, &neighbours, &over));
    stage.end(CRITERION, &phase);
    Ok(())
}

/// A few calls of those who must not suffer, in turn, until the press is over.
async fn keep_the_limit(
    stage: &Stage,
    phase: &str,
    neighbours: &[Arc<Client>],
    over: &CancellationToken,
) {
    let mut builder = stage.builder(6_050);
    let needles = stage.site.needles("version");
    let mut turn = interval(NEIGHBOURS_GAP);
    // A slow answer must not make a burst of what comes after it.
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for client in neighbours.iter().cycle() {
        if over.run_until_cancelled(turn.tick()).await.is_none() {
            return;
        }
        let plan = builder.site("version", needles.clone(), PATIENCE);
        stage.perform(client, &plan.within(CRITERION, phase)).await;
    }
}

/// Who speaks, and whose address it is sent from.
type Speaker = (Person, Person);

/// One principal; or many principals of one address; or many of many addresses.
fn people_of(scope: &str) -> Vec<Speaker> {
    let (role, count) = match scope {
        "principal" => ("rate-principal", 1),
        "address" => ("rate-address", 8),
        _ => ("rate-global", 60),
    };
    let one = |number| {
        let who = Person { role, number };
        let at = match scope {
            "address" => Person { role, number: 599 },
            _ => who,
        };
        (who, at)
    };
    (600..600 + count).map(one).collect()
}

/// Principals and addresses of their own. While the whole server is pressed there are none: its
/// limit refuses anybody.
fn neighbours_of(scope: &str) -> Vec<Speaker> {
    let first = match scope {
        WHOLE => return Vec::new(),
        "address" => 670,
        _ => 680,
    };
    let one = |number| Person {
        role: NEIGHBOUR,
        number,
    };
    (first..first + 2)
        .map(|number| (one(number), one(number)))
        .collect()
}

async fn connect(stage: &Stage, people: Vec<Speaker>) -> Result<Vec<Arc<Client>>, Trouble> {
    let mut clients = Vec::new();
    for (who, at) in people {
        clients.push(stage.client_at(who, at, Transport::Http2026).await?);
    }
    Ok(clients)
}

/// The same healthy traffic alone and beside attacks, turn by turn, so that whatever else the
/// machine does falls upon both.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn calm_and_hostile(stage: &Stage, samples: u64) -> Result<(), Trouble> {
    let mut clients = Vec::new();
    for number in 0..6 {
        let person = Person {
            role: "healthy",
            number: 700 + number,
        };
        clients.push(stage.client(person, Transport::Http2026).await?);
    }
    let hostile = messages::hostile(stage)?;
    let turn = (HEALTHY_RATE * TURN_S) as u64;
    let turns = (samples + samples / 20).div_ceil(turn).max(LEAST_TURNS);
    for number in 0..turns {
        // Calm, hostile; hostile, calm: neither is always the one that comes after the other.
        let order = match number % 2 {
            0 => [CALM, HOSTILE],
            _ => [HOSTILE, CALM],
        };
        for phase in order {
            stage.check_stop()?;
            let plan = LoadPlan {
                count: turn,
                ..LoadPlan::steady(CRITERION, phase, HEALTHY_RATE, 0)
            };
            let mut builder = stage.builder(6_100);
            stage.begin(CRITERION, phase);
            let healthy = load::run_calls(&plan, &clients, &stage.recorder, &stage.stop, |_| {
                builder.chat(&Shape::plain(PATIENCE))
            });
            if phase == HOSTILE {
                beside_attacks(stage, &hostile, healthy).await;
            } else {
                healthy.await;
            }
            stage.end(CRITERION, phase);
        }
    }
    Ok(())
}

/// One attack after the other until the healthy traffic is through: a forged token, then a message
/// that cannot be taken. Each is a case like any other, so that its denial is looked for in the
/// audit log.
async fn beside_attacks(stage: &Stage, hostile: &[Abuse], healthy: impl Future<Output = ()>) {
    let wire = Transport::Http2026;
    let seen = |id, allowed| Seen {
        id,
        edge: wire.name(),
        good: false,
        allowed,
    };
    let through = CancellationToken::new();
    let healthy = async {
        healthy.await;
        through.cancel();
    };
    let attacks = async {
        for abuse in hostile.iter().cycle() {
            if through.is_cancelled() {
                return;
            }
            let reply = Attempt::new(wire, Some(FORGED)).send(stage).await;
            record(stage, &seen(ATTACK, &["401"]), &reply);
            let reply = messages::send(stage, abuse).await;
            record(stage, &seen(abuse.id, abuse.refused_by), &reply);
        }
    };
    tokio::join!(healthy, attacks);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_neither_name_nor_address_with_anybody() {
        let pressed: Vec<Speaker> = ["principal", "address", WHOLE]
            .into_iter()
            .flat_map(people_of)
            .collect();
        let mut beside: Vec<Speaker> = Vec::new();
        for scope in ["principal", "address"] {
            let neighbours = neighbours_of(scope);
            assert!(!neighbours.is_empty(), "{scope}");
            beside.extend(neighbours);
        }
        for (index, (who, at)) in beside.iter().enumerate() {
            assert!(who.name().starts_with("neighbour"), "{}", who.name());
            let earlier = beside.iter().take(index);
            for (other, theirs) in pressed.iter().chain(earlier) {
                assert_ne!(who.name(), other.name());
                assert_ne!(at.identity().source, theirs.identity().source);
            }
        }
    }

    #[test]
    fn nobody_is_a_neighbour_of_the_whole_server() {
        assert_eq!(neighbours_of(WHOLE), []);
    }

    #[test]
    fn an_address_is_pressed_by_many_and_a_principal_alone() {
        let addresses = |scope| {
            let people = people_of(scope);
            let own: std::collections::BTreeSet<_> =
                people.iter().map(|(_, at)| at.identity().source).collect();
            (people.len(), own.len())
        };
        assert_eq!(addresses("principal"), (1, 1));
        assert_eq!(addresses("address"), (8, 1));
        assert_eq!(addresses(WHOLE), (60, 60));
    }
}
