//! A light open-loop load on a fresh connection: requests at once, each answered under its own id.

use std::sync::Arc;

use exai_harness::client::Client;
use exai_harness::load::{LoadPlan, run_calls};
use exai_harness::operation::{Ask, OperationPlan};
use exai_judge::operation::ProofKind;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::stand::Stand;
use super::wire::Shown;
use crate::stage::Trouble;

/// Runs the load.
///
/// # Errors
/// When the server cannot be greeted by another client.
pub async fn run(stand: &Stand<'_>, shown: &Shown) -> Result<(), Trouble> {
    if stand.is_over() {
        stand.not_tested("load", "the load smoke: no time was left".to_owned());
        return Ok(());
    }
    let clock = stand.recorder.clone();
    let now = Arc::new(move || clock.now());
    let wait = stand.wait().max(std::time::Duration::from_secs(20));
    let client = stand.reach.client(&stand.log, now, wait).await?;
    let asks = quick(&client, stand, shown).await;
    let row = stand.file.load;
    let mut plan = LoadPlan::steady("load", "smoke", f64::from(row.rate), row.seconds);
    plan.in_flight = 256;
    let wait = u64::try_from(stand.wait().as_nanos()).unwrap_or(u64::MAX);
    let stop = CancellationToken::new();
    let clients = [Arc::new(client)];
    run_calls(&plan, &clients, stand.recorder, &stop, |k| {
        let turn = usize::try_from(k).unwrap_or(0) % asks.len().max(1);
        let ask = asks.get(turn).cloned().unwrap_or_else(ping);
        OperationPlan::new(k, ask, ProofKind::None, wait)
    })
    .await;
    if asks.len() == 1 {
        let what = "tool calls at once: no tool that may be called answers within half a second";
        stand.not_tested("load", what.to_owned());
    }
    Ok(())
}

fn ping() -> Ask {
    Ask::Method {
        name: "ping".to_owned(),
        params: json!({}),
    }
}

/// A ping, the list of tools, and the calls that are answered soon: a slow tool says nothing about
/// the server's own share.
async fn quick(client: &Client, stand: &Stand<'_>, shown: &Shown) -> Vec<Ask> {
    let mut asks = vec![ping()];
    let soon = std::time::Duration::from_millis(500);
    for (tool, arguments) in shown.callable(stand) {
        let name = tool["name"].as_str().unwrap_or_default().to_owned();
        let params: Value = json!({"name": name, "arguments": arguments});
        let answer = client.request("tools/call", params, soon).await;
        let is_good = |result: &Value| result["isError"] != true;
        if answer.result().is_some_and(is_good) {
            asks.push(Ask::Tool { name, arguments });
        }
    }
    asks
}
