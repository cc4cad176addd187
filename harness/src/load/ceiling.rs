//! How fast this generator can go at all, measured against a server that does nothing.

use std::sync::Arc;
use std::time::Duration;

use exai_judge::Outcome;
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
    /// Their service times, ns, unsorted: the floor under every latency of this machine.
    pub service_times: Vec<u64>,
    /// Calls that were not answered; anything but 0 makes the ceiling worthless.
    pub failed: u64,
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
    let mut service_times = Vec::new();
    let mut failed = 0;
    for worker in workers {
        match worker.await {
            Ok((times, unanswered)) => {
                service_times.extend(times);
                failed += unanswered;
            }
            Err(_panicked) => failed += 1,
        }
    }
    let elapsed = Duration::from_nanos(now().saturating_sub(from)).as_secs_f64();
    let answered = u32::try_from(service_times.len()).unwrap_or(u32::MAX);
    let rate = f64::from(answered) / elapsed.max(f64::MIN_POSITIVE);
    Ok(Ceiling {
        rate,
        service_times,
        failed,
    })
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
