//! Faults of links, store and providers by a seeded plan. The server itself is never killed: one
//! process lives through the whole soak, and its deaths are V.5's matter.

use std::time::Duration;

use exai_judge::fault::FaultKind;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::soak::SoakPlan;
use crate::stage::{Stage, Trouble};

/// Between two faults of a long soak, s.
const EVERY: u64 = 120;
/// Between two faults of the shortest, s.
const CLOSEST: u64 = 4;
/// A shorter soak has about so many in all.
const IN_ALL: u64 = 8;
/// Before the end, s: the last fault is healed well before it.
const LAST: u64 = 12;

/// One planned fault.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Planned {
    /// When, ms from the stream's beginning.
    at: u64,
    deed: Deed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Deed {
    /// The link to a provider, by the provider's name.
    Link(String, FaultKind),
    Store(FaultKind),
    /// A provider dies and is started again.
    Provider(String),
}

/// The plan: link, store and provider in turn, in an order drawn for each round.
fn planned(seed: u64, seconds: u64, store: &str, providers: &[String]) -> Vec<Planned> {
    let of_store = match store {
        "redis" => [FaultKind::Slow, FaultKind::Reset],
        _ => [FaultKind::Slow, FaultKind::Pause],
    };
    let of_link = [FaultKind::Slow, FaultKind::Reset, FaultKind::Refuse];
    let every = EVERY.min(seconds / IN_ALL).max(CLOSEST);
    let last = seconds.saturating_sub(LAST.min(every));
    let mut luck = ChaCha8Rng::seed_from_u64(seed);
    let mut round = Vec::new();
    let mut plan = Vec::new();
    let mut number = 0;
    while (number + 1) * every <= last {
        if round.is_empty() {
            round = vec![0, 1, 2];
        }
        let class = round.swap_remove(luck.random_range(0..round.len()));
        let provider = providers[luck.random_range(0..providers.len())].clone();
        let deed = match class {
            0 => Deed::Link(provider, of_link[luck.random_range(0..of_link.len())]),
            1 => Deed::Store(of_store[luck.random_range(0..of_store.len())]),
            _ => Deed::Provider(provider),
        };
        number += 1;
        // Early by up to a quarter of the distance, so that nothing in the server is in step.
        let early = luck.random_range(0..=every * 1_000 / 4);
        plan.push(Planned {
            at: number * every * 1_000 - early,
            deed,
        });
    }
    plan
}

/// Breaks and heals until the plan is through; a quiet point is waited out.
pub(super) async fn run(
    stage: &Stage,
    plan: &SoakPlan,
    over: &CancellationToken,
    mut quiet: watch::Receiver<bool>,
) -> Result<(), Trouble> {
    let began = Instant::now();
    let labels = stage.site.labels.iter();
    let providers: Vec<String> = labels.map(|(provider, _)| provider.clone()).collect();
    let store = stage.ground.store_name();
    for fault in planned(stage.seed, plan.seconds, store, &providers) {
        let due = began + Duration::from_millis(fault.at);
        let waited = async {
            tokio::time::sleep_until(due).await;
            // A sender that has gone says nothing more: the stream is over.
            let _gone = quiet.wait_for(|is_quiet| !is_quiet).await.is_err();
        };
        if over.run_until_cancelled(waited).await.is_none() {
            return Ok(());
        }
        match fault.deed {
            Deed::Link(provider, kind) => stage.ground.break_link(&provider, kind).await?,
            Deed::Store(kind) => stage.ground.break_store(kind).await?,
            Deed::Provider(provider) => stage.ground.kill(&provider).await?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_comes_often_enough_in_every_hour_and_the_seed_alone_decides_when() {
        let providers = ["kimi", "glm", "minimax"].map(str::to_owned);
        let plan = planned(7, 14_400, "embedded", &providers);
        assert_eq!(plan, planned(7, 14_400, "embedded", &providers));
        assert_ne!(plan, planned(8, 14_400, "embedded", &providers));
        let classes: [fn(&Deed) -> bool; 3] = [
            |deed| matches!(deed, Deed::Link(..)),
            |deed| matches!(deed, Deed::Store(_)),
            |deed| matches!(deed, Deed::Provider(_)),
        ];
        for hour in 0..4 {
            let during = hour * 3_600_000..(hour + 1) * 3_600_000;
            for is_of in classes {
                let of_class = plan.iter().filter(|fault| is_of(&fault.deed));
                let count = of_class.filter(|fault| during.contains(&fault.at)).count();
                assert!(count >= 8, "{count} in hour {hour}");
            }
        }
        assert!(plan.iter().all(|fault| fault.at + 10_000 < 14_400_000));
        assert_eq!(planned(7, 15, "redis", &providers).len(), 2);
    }
}
