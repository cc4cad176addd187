//! How fast this generator can go at all, measured against a server that does nothing.

use std::sync::Arc;
use std::time::Duration;

use exai_judge::Outcome;
use exai_judge::bounds::rank_of;
use serde_json::Value;

use super::null_server::NullServer;
use crate::client::{Client, Http, HttpTarget, Identity, Revision};
use crate::history::Now;
use crate::operation::OperationPlan;

/// The ceiling and what was seen on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Ceiling {
    /// Right answers a second, all connections busy all the time.
    pub rate: f64,
    /// Their service times, ns, ascending: the floor under every latency of this machine.
    pub service_times: Vec<u64>,
    /// Calls that were not answered; anything but 0 makes the ceiling worthless.
    pub failed: u64,
}

impl Ceiling {
    /// From what each busy connection saw, service times in ns and calls without an answer, in
    /// `elapsed`.
    #[must_use]
    pub fn of(connections: impl IntoIterator<Item = (Vec<u64>, u64)>, elapsed: Duration) -> Self {
        let (mut service_times, mut failed) = (Vec::new(), 0);
        for (times, unanswered) in connections {
            service_times.extend(times);
            failed += unanswered;
        }
        service_times.sort_unstable();
        let answered = u32::try_from(service_times.len()).unwrap_or(u32::MAX);
        let rate = f64::from(answered) / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        Self {
            rate,
            service_times,
            failed,
        }
    }

    /// The service time that `quantile` of the calls (0.5 for the half) did not exceed, ms; 0
    /// without a call.
    #[must_use]
    pub fn service_ms(&self, quantile: f64) -> f64 {
        let rank = rank_of(self.service_times.len() as u64, quantile);
        let index = usize::try_from(rank)
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        let nanos = self.service_times.get(index).copied().unwrap_or(0);
        Duration::from_nanos(nanos).as_secs_f64() * 1_000.0
    }
}

/// Sends `plan` again and again over `connections` for `wait`, to a null server that answers
/// `result`.
///
/// # Errors
/// When the null server cannot listen.
pub async fn measure(
    plan: &OperationPlan,
    result: &Value,
    connections: usize,
    wait: Duration,
    now: &Now,
) -> std::io::Result<Ceiling> {
    let server = NullServer::start(result).await?;
    let from = now();
    let until = from + u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
    let workers: Vec<_> = (0..connections)
        .map(|number| {
            let client = null_client(&server, number, now);
            tokio::spawn(work(client, plan.clone(), until))
        })
        .collect();
    let mut each = Vec::new();
    for worker in workers {
        each.push(worker.await.unwrap_or_else(|_panicked| (Vec::new(), 1)));
    }
    let elapsed = Duration::from_nanos(now().saturating_sub(from));
    Ok(Ceiling::of(each, elapsed))
}

/// A client of a null server, for ceilings and baselines.
#[must_use]
pub fn null_client(server: &NullServer, number: usize, now: &Now) -> Arc<Client> {
    let target = HttpTarget {
        address: server.address(),
        host: server.address().to_string(),
        path: "/mcp".to_owned(),
        revision: Revision::V2026,
        connections: 64,
        redial: false,
    };
    let identity = Identity::numbered(format!("null-{number}"), number);
    Arc::new(Client::Http(Http::new(target, identity, Arc::clone(now))))
}

async fn work(client: Arc<Client>, plan: OperationPlan, until: u64) -> (Vec<u64>, u64) {
    let mut times = Vec::new();
    let mut failed = 0;
    while client.now() < until {
        let due = client.now();
        let call = client.call(&plan, due).await;
        if call.outcome == Outcome::Ok && call.belongs == Some(true) {
            times.push(call.service_time());
        } else {
            failed += 1;
        }
    }
    (times, failed)
}
