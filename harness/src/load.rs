//! The open-loop generator: arrivals happen when the plan says, whatever the server does.
//!
//! One scheduler starts each operation at its due time; latency counts from there. An arrival that
//! finds the in-flight cap reached is counted as dropped, never delayed and never forgotten.

pub mod ceiling;
pub mod hindrance;
pub mod null_server;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use exai_judge::Event;
use exai_judge::observation::LoadAccount;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::history::{Now, Recorder};
use crate::operation::OperationPlan;

use hindrance::Hindrance;

const SECOND: f64 = 1e9;

/// When arrivals are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// One each period.
    Even,
    /// Independent arrivals of the same mean rate, drawn from a seed.
    Poisson {
        /// The seed.
        seed: u64,
    },
}

/// One step of load.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadPlan {
    /// The criterion it belongs to.
    pub criterion: String,
    /// The phase within it.
    pub phase: String,
    /// Repetition, from 1.
    pub repetition: u32,
    /// Operations a second.
    pub rate: f64,
    /// When they are due.
    pub arrivals: Arrivals,
    /// How many at most.
    pub count: u64,
    /// Operations of this generator in flight at most.
    pub in_flight: usize,
    /// The generator's measured ceiling, operations a second.
    pub ceiling: Option<f64>,
    /// What is in its way on purpose.
    pub hindrance: Hindrance,
}

impl LoadPlan {
    /// A steady step of `seconds` at `rate`.
    #[must_use]
    pub fn steady(criterion: &str, phase: &str, rate: f64, seconds: u32) -> Self {
        Self {
            criterion: criterion.to_owned(),
            phase: phase.to_owned(),
            repetition: 1,
            rate,
            arrivals: Arrivals::Even,
            count: whole(rate * f64::from(seconds)),
            in_flight: 2_048,
            ceiling: None,
            hindrance: Hindrance::None,
        }
    }

    /// The due times, ns after the step begins.
    fn offsets(&self) -> impl Iterator<Item = u64> + use<> {
        let period = SECOND / self.rate.max(f64::MIN_POSITIVE);
        let mut random = match self.arrivals {
            Arrivals::Even => None,
            Arrivals::Poisson { seed } => Some(ChaCha8Rng::seed_from_u64(seed)),
        };
        let mut at = 0.0;
        let count = match self.hindrance {
            Hindrance::Idle => 0,
            _ => self.count,
        };
        (0..count).map(move |_| {
            let due = whole(at);
            // One minus a draw from [0, 1) is never 0, so that the logarithm is finite.
            at += random.as_mut().map_or(period, |random| {
                -(1.0 - random.random::<f64>()).ln() * period
            });
            due
        })
    }
}

/// A non-negative figure as a whole number; the cast saturates.
fn whole(figure: f64) -> u64 {
    figure.round() as u64
}

/// Runs a step: `act(k, due)` makes the k-th operation, which is started at `due`.
///
/// `act` itself is called before `due`, so that what it prepares costs no latency. Ends when all
/// started operations have ended; `stop` ends the arrivals early.
pub async fn run<F>(
    plan: &LoadPlan,
    now: &Now,
    stop: &CancellationToken,
    mut act: impl FnMut(u64, u64) -> F,
) -> LoadAccount
where
    F: Future<Output = ()> + Send + 'static,
{
    let from = now();
    let permits = Arc::new(Semaphore::new(plan.in_flight));
    let mut flying = JoinSet::new();
    let mut tally = Tally::default();
    let mut last_due = from;
    for (k, offset) in (0..).zip(plan.offsets()) {
        let due = from + offset;
        let operation = act(k, due);
        if !is_due(due, now, stop).await {
            break;
        }
        plan.hindrance.hold(last_due - from, offset).await;
        last_due = due;
        tally.planned += 1;
        let permit = Arc::clone(&permits).try_acquire_owned();
        match permit.ok().filter(|_| !plan.hindrance.drops(k)) {
            Some(permit) => {
                tally.sent(now().saturating_sub(due));
                flying.spawn(async move {
                    operation.await;
                    drop(permit);
                });
            }
            None => tally.dropped += 1,
        }
        while flying.try_join_next().is_some() {}
    }
    let until = now().max(last_due);
    while flying.join_next().await.is_some() {}
    LoadAccount {
        criterion: plan.criterion.clone(),
        phase: plan.phase.clone(),
        repetition: plan.repetition,
        planned: tally.planned,
        sent: tally.planned - tally.dropped,
        dropped: tally.dropped,
        lag_p99: tally.lag_p99(),
        rate: plan.rate,
        ceiling: plan.ceiling,
        from,
        until,
        cores: std::thread::available_parallelism()
            .ok()
            .and_then(|cores| u32::try_from(cores.get()).ok()),
    }
}

/// Waits for `due`; false when the step was stopped before.
async fn is_due(due: u64, now: &Now, stop: &CancellationToken) -> bool {
    let left = due.saturating_sub(now());
    if stop.is_cancelled() {
        return false;
    }
    if left == 0 {
        // A generator behind its plan still lets the operations it started breathe.
        tokio::task::yield_now().await;
        return true;
    }
    tokio::select! {
        () = tokio::time::sleep(Duration::from_nanos(left)) => true,
        () = stop.cancelled() => false,
    }
}

/// Runs a step of calls spread over `clients` in turn, each recorded when it ends, and at last the
/// step's one account. `next(k)` plans the k-th operation. Without a client every arrival is
/// dropped.
pub async fn run_calls(
    plan: &LoadPlan,
    clients: &[Arc<Client>],
    recorder: &Recorder,
    stop: &CancellationToken,
    mut next: impl FnMut(u64) -> OperationPlan,
) {
    let clock = recorder.clone();
    let now: Now = Arc::new(move || clock.now());
    let mut plan = plan.clone();
    if clients.is_empty() {
        plan.in_flight = 0;
    }
    let account = run(&plan, &now, stop, |k, due| {
        let operation = next(k).within(&plan.criterion, &plan.phase);
        let turn = usize::try_from(k).unwrap_or(0) % clients.len().max(1);
        let client = clients.get(turn).cloned();
        let recorder = recorder.clone();
        async move {
            if let Some(client) = client {
                let call = client.call(&operation, due).await;
                recorder.record_at(call.done_at, Event::Call(Box::new(call)));
            }
        }
    })
    .await;
    recorder.record(Event::Load(account));
}

/// Counts and lags; lags in steps of 1/16 of their size, so that memory does not grow with time.
#[derive(Default)]
struct Tally {
    planned: u64,
    dropped: u64,
    lags: BTreeMap<u64, u64>,
    lag_count: u64,
}

impl Tally {
    fn sent(&mut self, lag: u64) {
        let step = (lag.next_power_of_two() / 32).max(1);
        *self.lags.entry(lag.div_ceil(step) * step).or_default() += 1;
        self.lag_count += 1;
    }

    /// The 99th percentile, never below the true one; 0 without a lag.
    fn lag_p99(&self) -> u64 {
        let rank = (self.lag_count * 99).div_ceil(100);
        let mut below = 0;
        for (lag, count) in &self.lags {
            below += count;
            if below >= rank {
                return *lag;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests;
