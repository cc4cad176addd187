//! S12: a call of somebody else that is cancelled, on each transport that more than one client
//! shares. Whoever tries it says what the owner would; the owner then does.

use std::time::Duration;

use exai_harness::client::software::Software;
use exai_harness::client::{Request, Revision};
use exai_harness::raw::RawReply;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::super::asker::{Asker, code, either, pair, prompt, result, tool_message};
use super::super::cells;
use super::super::sockets::{DAEMON, MCP};
use super::super::stand_in::{Says, StandIn};
use super::super::way::Way;
use super::{asking, strangers, unhurried};
use crate::stage::{Stage, Trouble};

const SESSIONS: &str = cells::EDGES[0];
const STATELESS: &str = cells::EDGES[1];
const OWNER: usize = 852;
const OTHER: usize = 853;
/// The id of the call: the other knows it.
const ID: u64 = 7;
/// A call that was cancelled has left its provider within this.
const LEFT: Duration = Duration::from_secs(10);
/// One that was not is still there after this.
const STILL: Duration = Duration::from_millis(150);

/// Tries S12's calls, and then what else belongs to somebody.
///
/// # Errors
/// When the rig cannot start a server or a stand-in.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let provider = StandIn::start(Says::Text("late".to_owned()), false).await?;
    let settings = unhurried()
        .with("limits.task_after", "50ms")
        .with("tools.profile", "full");
    let beside = asking(stage, ("beside-cancels", &provider), &settings).await?;
    let ann = Asker::user(stage, OWNER).before(&beside);
    let bob = Asker::user(stage, OTHER).before(&beside);
    for edge in [SESSIONS, MCP, DAEMON] {
        stage.check_stop()?;
        let own = Way::open(&ann, edge).await?;
        let mut other = Way::open(&bob, edge).await?;
        // A conversation that begins with a notification would not begin.
        other.ask("version", json!({})).await;
        calls(stage, (edge, &provider), (own, other)).await;
    }
    tasks(stage, (&ann, &bob), &provider).await;
    provider.open();
    strangers::try_all(stage, (&ann, &bob)).await
}

/// A call that waits, cancelled by somebody else under its id, and then by its owner.
async fn calls(
    stage: &Stage,
    (edge, provider): (&str, &StandIn),
    (mut own, mut other): (Way<'_>, Way<'_>),
) {
    let (asked, left) = (provider.asked(), provider.left());
    let mut held = JoinSet::new();
    if let Way::Requests(asker, session) = &own {
        let mut way = Way::Requests(asker.clone(), session.clone());
        held.spawn(async move { way.say(&call(SESSIONS)).await });
    } else {
        own.say(&call(edge)).await;
    }
    until(|| provider.asked() > asked && provider.waiting() == 1).await;
    let foreign = match edge {
        DAEMON => other.write(cancel(edge).to_string().as_bytes()).await,
        _ => other.say(&cancel(edge)).await,
    };
    let mut tries = vec![("S12.call", foreign)];
    if let (Way::Requests(_, theirs), Way::Requests(_, session)) = (&mut other, &own) {
        theirs.clone_from(session);
        tries.push(("S12.call in its session", other.say(&cancel(edge)).await));
    }
    sleep(STILL).await;
    let is_there = provider.left() == left && provider.waiting() == 1;
    own.say(&cancel(edge)).await;
    until(|| provider.left() > left).await;
    let good = either(provider.left() > left, "accepted", "not stopped");
    for (id, answer) in tries {
        let word = format!("{answer}, {}", either(is_there, "untouched", "stopped"));
        let wanted = match (id, edge) {
            ("S12.call", SESSIONS) => "202, untouched",
            (_, SESSIONS) => "404, untouched",
            (_, DAEMON) => "call_not_found, untouched",
            _ => "no answer, untouched",
        };
        pair(stage, (id, edge), (&word, &[wanted]), (good, &["accepted"]));
    }
}

fn call(edge: &str) -> Value {
    let arguments = prompt(&format!("a call over {edge}"));
    if edge == DAEMON {
        return json!({"op": "call_tool", "request_id": ID, "name": "chat",
            "arguments": arguments});
    }
    let revision = if edge == MCP {
        Revision::V2026
    } else {
        Revision::V2025
    };
    let request = Request::tool("chat", &arguments);
    request.message(Some(ID), revision, Software::numbered(1))
}

fn cancel(edge: &str) -> Value {
    if edge == DAEMON {
        return json!({"op": "cancel", "request_id": ID});
    }
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": ID, "reason": "changed my mind"}})
}

/// A task is its owner's to look at and to cancel; to others there is none.
async fn tasks(stage: &Stage, (ann, bob): (&Asker, &Asker), provider: &StandIn) {
    let left = provider.left();
    let begun = ann.call_with("chat", prompt("a task"), declaring()).await;
    let id = result(&begun)["taskId"].clone();
    let id = id.as_str().unwrap_or("none");
    let nobodys = "00000000-0000-4000-8000-000000000000";
    let mut rows = Vec::new();
    for (row, method) in [("S12.task seen", "tasks/get"), ("S12.task", "tasks/cancel")] {
        let theirs = task(bob, method, id).await;
        let unknown = task(bob, method, nobodys).await;
        let is_same = theirs.status == unknown.status && code(&theirs) == code(&unknown);
        sleep(STILL).await;
        let is_there = provider.left() == left && provider.waiting() == 1;
        let word = match (is_there, is_same) {
            (true, true) => code(&theirs),
            (true, false) => format!("{}, not {}", code(&theirs), code(&unknown)),
            (false, _) => "stopped".to_owned(),
        };
        rows.push((row, word));
    }
    let seen = result(&task(ann, "tasks/get", id).await)["status"].clone();
    task(ann, "tasks/cancel", id).await;
    until(|| provider.left() > left).await;
    let good = match (seen.as_str(), provider.left() > left) {
        (Some("working"), true) => "accepted".to_owned(),
        (seen, left) => format!("{seen:?}, stopped: {left}"),
    };
    for (row, word) in rows {
        pair(
            stage,
            (row, STATELESS),
            (&word, &["task_not_found"]),
            (&good, &["accepted"]),
        );
    }
}

fn declaring() -> Value {
    let tasks = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    json!({"_meta": {"io.modelcontextprotocol/clientCapabilities": tasks}})
}

async fn task(asker: &Asker, method: &str, id: &str) -> RawReply {
    let mut message = tool_message("chat", &json!({}));
    message["method"] = json!(method);
    let mut meta = message["params"]["_meta"].take();
    meta["io.modelcontextprotocol/clientCapabilities"] =
        declaring()["_meta"]["io.modelcontextprotocol/clientCapabilities"].take();
    message["params"] = json!({"taskId": id, "_meta": meta});
    let head = asker.message_head(method, id);
    asker.send(&head.body(message.to_string())).await
}

async fn until(holds: impl Fn() -> bool) {
    let until = Instant::now() + LEFT;
    while !holds() && Instant::now() < until {
        sleep(Duration::from_millis(10)).await;
    }
}
