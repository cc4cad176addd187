//! The server beside a bare handler that does nothing but send the same bytes, in the same run:
//! what the server adds, as ratios. Figures inform; no verdict hangs on them.

use std::sync::Arc;
use std::time::Duration;

use exai_harness::client::Client;
use exai_harness::history::Now;
use exai_harness::load::ceiling::{self, Ceiling};
use exai_harness::operation::OperationPlan;
use exai_harness::operation::builder::{Builder, Shape};
use exai_judge::{Outcome, Transport};
use futures::future::join_all;
use serde_json::Value;

use super::CRITERION;
use crate::stage::{PATIENCE, Stage, Trouble};

/// Connections that are busy all the time.
pub const CONNECTIONS: usize = 8;
const PHASE: &str = "beside a bare handler";

/// Asks the server and then the bare handler for `version` and for `chat`, each for `time`.
///
/// # Errors
/// When the bare handler cannot listen, or the server gives no answer to copy.
pub async fn compare(
    stage: &Stage,
    clients: &[Arc<Client>],
    time: Duration,
) -> Result<(), Trouble> {
    stage.begin(CRITERION, PHASE);
    for (salt, tool) in [(8_010, "version"), (8_030, "chat")] {
        stage.check_stop()?;
        let sample = ask(stage, &mut stage.builder(salt), tool);
        let result = result_of(stage, clients, &sample).await?;
        let server = all_busy(stage, clients, (salt + 1, tool), time).await;
        let bare = beside(stage, &sample, &result, time).await?;
        let of = format!("{tool}, {CONNECTIONS} connections");
        publish(stage, &of, &server);
        publish(stage, &format!("bare handler, same bytes as {of}"), &bare);
        let ratios = [
            ("calls answered", server.rate / bare.rate),
            ("p50", server.service_ms(0.5) / bare.service_ms(0.5)),
            ("p99", server.service_ms(0.99) / bare.service_ms(0.99)),
        ];
        for (what, ratio) in ratios {
            stage.figure(
                format!("{of}: {what} to the bare handler's"),
                ratio,
                "ratio",
            );
        }
    }
    stage.end(CRITERION, PHASE);
    Ok(())
}

/// What a server that does nothing but send `result` can do on this machine at this moment.
///
/// # Errors
/// When it cannot listen.
pub async fn beside(
    stage: &Stage,
    plan: &OperationPlan,
    result: &Value,
    time: Duration,
) -> Result<Ceiling, Trouble> {
    let recorder = stage.recorder.clone();
    let now: Now = Arc::new(move || recorder.now());
    let measured = ceiling::measure(plan, result, CONNECTIONS, time, &now).await;
    measured.map_err(|error| Trouble::Rig(error.to_string()))
}

/// Three figures under one name.
pub fn publish(stage: &Stage, of: &str, measured: &Ceiling) {
    stage.figure(format!("{of}: calls answered"), measured.rate, "req/s");
    stage.figure(format!("{of}: p50"), measured.service_ms(0.5), "ms");
    stage.figure(format!("{of}: p99"), measured.service_ms(0.99), "ms");
}

fn ask(stage: &Stage, builder: &mut Builder, tool: &str) -> OperationPlan {
    let plan = match tool {
        "version" => builder.site("version", stage.site.needles("version"), PATIENCE),
        _ => builder.chat(&Shape::plain(PATIENCE)),
    };
    plan.within(CRITERION, PHASE)
}

/// One result of the server, for the bare handler to send.
async fn result_of(
    stage: &Stage,
    clients: &[Arc<Client>],
    plan: &OperationPlan,
) -> Result<Value, Trouble> {
    let client = clients.iter().find(|client| is_2026(client));
    let client = client.ok_or_else(|| Trouble::Rig("no client of 2026-07-28".to_owned()))?;
    let exchange = client
        .exchange(&plan.request(), stage.recorder.now() + PATIENCE)
        .await;
    let result = exchange.result().cloned();
    result.ok_or_else(|| Trouble::Server(format!("no result to copy in phase {PHASE}")))
}

fn is_2026(client: &Client) -> bool {
    client.transport() == Transport::Http2026
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The server with all connections busy; each call goes into the record.
async fn all_busy(
    stage: &Stage,
    clients: &[Arc<Client>],
    (salt, tool): (u64, &str),
    time: Duration,
) -> Ceiling {
    let now = || stage.recorder.now();
    let from = now();
    let until = from + nanos(time);
    let of_2026 = clients.iter().filter(|client| is_2026(client));
    let workers = of_2026
        .take(CONNECTIONS)
        .zip(salt..)
        .map(async |(client, salt)| {
            let mut builder = stage.builder(salt);
            let (mut times, mut failed) = (Vec::new(), 0);
            while now() < until {
                let call = stage.perform(client, &ask(stage, &mut builder, tool)).await;
                if call.outcome == Outcome::Ok && call.belongs == Some(true) {
                    times.push(call.service_time());
                } else {
                    failed += 1;
                }
            }
            (times, failed)
        });
    let each = join_all(workers).await;
    Ceiling::of(each, Duration::from_nanos(now().saturating_sub(from)))
}
