//! Quotas that are used up: each sets a flag for its model, and is landed again when that has run
//! out. Where the flag stands for a minute, several sessions run into it at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use exai_harness::client::Client;
use exai_harness::operation::builder::{Builder, Shape};
use exai_judge::Call;
use futures::future::{join_all, try_join_all};

use super::landing::Landing;
use super::{CRITERION, WIRES};
use crate::stage::{PATIENCE, Person, Stage, Trouble};

/// Calls until the instance that met a quota has answered one.
const FLAGGED_TRIES: usize = 8;

/// How long a quota flag stands at most when the provider named no time, ns.
const FLAG: u64 = 62_000_000_000;

/// Lands the quotas of one provider, the one whose flag ends first before the others, each with a
/// call behind it that must leave the provider alone.
///
/// # Errors
/// When a session cannot connect, or somebody pressed Ctrl-C.
pub(super) async fn sessions(
    stage: &Stage,
    number: usize,
    landings: Vec<Landing>,
) -> Result<Vec<Landing>, Trouble> {
    let rounds = rounds(landings, |landing| {
        let model = landing.model(stage).unwrap_or_default();
        (model, landing.plan.fault.clone(), landing.slot.row.together)
    });
    let clients = clients(stage, number, rounds.iter().map(Vec::len).max()).await?;
    let mut builder = stage.builder(2_100 + number as u64);
    let mut flags = Flags::default();
    for round in &rounds {
        stage.check_stop()?;
        let Some(first) = round.first() else { continue };
        flags.wait(stage, first).await?;
        let pairs = || clients.iter().zip(round);
        let landed =
            join_all(pairs().map(|(client, landing)| stage.perform(client, &landing.plan))).await;
        for ((client, landing), call) in pairs().zip(landed) {
            spared(stage, client, (landing, &call), &mut builder).await;
        }
    }
    Ok(rounds.into_iter().flatten().collect())
}

async fn clients(
    stage: &Stage,
    number: usize,
    most: Option<usize>,
) -> Result<Vec<Arc<Client>>, Trouble> {
    let greeted = (0..most.unwrap_or(0)).map(|place| {
        let person = Person {
            role: "patient",
            number: 200 + number * 10 + place,
        };
        stage.client(person, WIRES[(number + place) % WIRES.len()])
    });
    try_join_all(greeted).await
}

/// Groups of one model and fault, as many as land at once; the first group of every model comes
/// before the second of any, so that one flag runs out while others are set.
fn rounds<T, F: PartialEq>(landings: Vec<T>, of: impl Fn(&T) -> (String, F, usize)) -> Vec<Vec<T>> {
    let mut open: Vec<(String, F, usize, Vec<T>)> = Vec::new();
    for landing in landings {
        let (model, fault, together) = of(&landing);
        let found = open.iter_mut().find(|(own, its, _, group)| {
            *own == model && *its == fault && group.len() < together.max(1)
        });
        match found {
            Some((_, _, _, group)) => group.push(landing),
            None => {
                let turn = open.iter().filter(|(own, ..)| *own == model).count();
                open.push((model, fault, turn, vec![landing]));
            }
        }
    }
    open.sort_by_key(|(_, _, turn, _)| *turn);
    open.into_iter().map(|(_, _, _, group)| group).collect()
}

/// The next call after a quota is used up leaves that provider alone. Of several instances only the
/// one that met the quota knows of it, so that calls are made until that one answers.
async fn spared(
    stage: &Stage,
    client: &Client,
    (landing, landed): (&Landing, &Call),
    builder: &mut Builder,
) {
    let shape = Shape {
        model: landing.model(stage),
        ..Shape::plain(PATIENCE)
    };
    let phase = format!("flagged.{}", landing.provider);
    for _ in 0..FLAGGED_TRIES {
        let plan = builder.chat(&shape).within(CRITERION, &phase);
        let call = stage.perform(client, &plan).await;
        if stage.ground.instances() == 1 || call.instance == landed.instance {
            break;
        }
    }
}

/// When each model may be asked again.
#[derive(Default)]
struct Flags(BTreeMap<String, u64>);

impl Flags {
    /// Waits for the model's flag to end, and notes the one that comes.
    async fn wait(&mut self, stage: &Stage, landing: &Landing) -> Result<(), Trouble> {
        let model = landing.model(stage).unwrap_or_default();
        let until = self.0.get(&model).copied().unwrap_or_default();
        let left = until.saturating_sub(stage.recorder.now());
        stage.rest(Duration::from_nanos(left)).await?;
        let named = landing.slot.row.delay_ms;
        let stands = named.map_or(FLAG, |wait| (wait + 1_000) * 1_000_000);
        self.0.insert(model, stage.recorder.now() + stands);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(row: &(&str, &str, usize)) -> (String, String, usize) {
        (row.0.to_owned(), row.1.to_owned(), row.2)
    }

    #[test]
    fn what_lands_at_once_is_one_round_and_rounds_of_other_models_come_between() {
        let (first, second) = (("a", "K03", 4), ("b", "K04", 4));
        let landings = [vec![first; 6], vec![second; 5]].concat();
        let sizes: Vec<_> = rounds(landings, of)
            .iter()
            .map(|round| (round[0].0, round.len()))
            .collect();
        assert_eq!(sizes, [("a", 4), ("b", 4), ("a", 2), ("b", 1)]);
    }

    #[test]
    fn two_faults_of_one_model_are_never_one_round() {
        let landings = vec![("a", "Z02:1308", 1), ("a", "Z02:1310", 1)];
        let rounds = rounds(landings, of);
        assert_eq!(rounds.len(), 2);
    }
}
