//! What belongs to one principal, reached for by another.

use std::time::Duration;

use exai_harness::client::Request;
use exai_harness::client::request::initialize;
use exai_harness::client::software::Software;
use exai_harness::client::{Client, Revision};
use exai_harness::raw::{self, RawReply, RawRequest};
use exai_judge::Transport;
use serde_json::{Value, json};

use super::sockets::{DAEMON, daemon, greet, hello, hello_of};
use super::{Came, Seen, note, record, send_to};
use crate::stage::{Person, Stage, Trouble};

/// A chat with a simulated provider.
const CHAT: Duration = Duration::from_secs(10);
const OWNER: usize = 550;
const OTHER: usize = 551;

/// Tries S1, S2, S8, S10 and S12.
///
/// # Errors
/// When a client cannot connect.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    names(stage).await;
    sessions(stage).await;
    stage.check_stop()?;
    threads(stage).await
}

fn with_session(stage: &Stage, who: usize, id: &str) -> Value {
    let token = stage.ground.authorization(Person::user(who));
    let mut said = hello_of(Some(&token));
    said["session_id"] = id.into();
    said
}

/// Session ids of the daemon's dialect: bound to whoever said them first, and well formed.
async fn names(stage: &Stage) {
    let seen = |id, good, allowed| Seen {
        id,
        edge: DAEMON,
        good,
        allowed,
    };
    let own = with_session(stage, OWNER, "battery-s1");
    if let Ok(mut held) = daemon(stage, None).await {
        let came = greet(stage, &mut held, &own).await;
        note(stage, &seen("S1.own", true, &["accepted"]), came);
        let came = hello(stage, &with_session(stage, OTHER, "battery-s1")).await;
        note(stage, &seen("S1.other", false, &["4003"]), came);
        // Undisturbed: the owner's connection still answers.
        held.say(&json!({"op": "ping", "request_id": "p"})).await;
        let alive =
            matches!(held.hear().await, raw::socket::Heard::Message(pong) if pong["op"] == "pong");
        let word = if alive { "accepted" } else { "disturbed" };
        note(
            stage,
            &seen("S1.undisturbed", true, &["accepted"]),
            Came::word(word),
        );
    }
    let long = "x".repeat(65);
    let shapes = [
        ("S10.short", "ab"),
        ("S10.long", long.as_str()),
        ("S10.control", "ab\u{7}cd"),
        ("S10.foreign", "sitzung-\u{e4}"),
        ("S10.space", "a b c"),
    ];
    for (id, shape) in shapes {
        let came = hello(stage, &with_session(stage, OWNER, shape)).await;
        note(stage, &seen(id, false, &["4001"]), came);
        let came = hello(stage, &with_session(stage, OWNER, "abc")).await;
        note(stage, &seen(id, true, &["accepted"]), came);
    }
}

fn request(stage: &Stage, verb: &str, who: usize, session: Option<&str>) -> RawRequest {
    let head = RawRequest::line(&format!("{verb} /mcp HTTP/1.1"))
        .header("Host", stage.ground.public().to_string())
        .header(
            "Authorization",
            stage.ground.authorization(Person::user(who)),
        )
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", Revision::V2025.name())
        .header("Connection", "close");
    match session {
        Some(session) => head.header("Mcp-Session-Id", session),
        None => head,
    }
}

async fn send(stage: &Stage, who: usize, request: &RawRequest) -> RawReply {
    send_to(stage, stage.ground.public(), who, request).await
}

/// Sessions of HTTP: made by the server, used and ended by their owner alone.
async fn sessions(stage: &Stage) {
    let edge = Transport::Http2025.name();
    let seen = |id, good, allowed| Seen {
        id,
        edge,
        good,
        allowed,
    };
    let software = Software::numbered(1);
    let begin = initialize(software)
        .message(Some(1), Revision::V2025, software)
        .to_string();
    let ping = Request::new("ping", json!({})).message(Some(2), Revision::V2025, software);
    let ping = ping.to_string();
    let begun = send(
        stage,
        OWNER,
        &request(stage, "POST", OWNER, None).body(begin.clone()),
    )
    .await;
    let Some(session) = begun.header("mcp-session-id").map(str::to_owned) else {
        record(stage, &seen("S12.own", true, &["accepted"]), &begun);
        return;
    };
    let of = |who: usize, verb: &str| request(stage, verb, who, Some(&session));
    let reply = send(stage, OTHER, &of(OTHER, "POST").body(ping.clone())).await;
    record(stage, &seen("S12.use", false, &["404"]), &reply);
    let reply = send(stage, OTHER, &of(OTHER, "DELETE")).await;
    record(stage, &seen("S12.end", false, &["404"]), &reply);
    let reply = send(stage, OWNER, &of(OWNER, "POST").body(ping)).await;
    record(stage, &seen("S12.own", true, &["accepted"]), &reply);
    let proposed = request(
        stage,
        "POST",
        OTHER,
        Some("11111111-1111-4111-8111-111111111111"),
    );
    let reply = send(stage, OTHER, &proposed.body(begin)).await;
    let own = reply.header("mcp-session-id");
    let word = match own {
        Some(id) if id.starts_with("11111111") => "took the proposed id".to_owned(),
        Some(_) => "an id of its own".to_owned(),
        None => reply.word(),
    };
    let came = Came {
        correlation_id: reply.header("exai-correlation-id").map(str::to_owned),
        ..Came::word(word)
    };
    note(
        stage,
        &seen("S8", false, &["an id of its own", "404"]),
        came,
    );
    record(stage, &seen("S8", true, &["accepted"]), &begun);
    let reply = send(stage, OWNER, &of(OWNER, "DELETE")).await;
    record(stage, &seen("S12.end", true, &["accepted"]), &reply);
}

async fn chat(client: &Client, more: Value) -> Value {
    let mut arguments = json!({"prompt": "Say a word."});
    if let (Some(all), Some(more)) = (arguments.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    let params = json!({"name": "chat", "arguments": arguments});
    let said = client.request("tools/call", params, CHAT).await;
    said.result().cloned().unwrap_or(Value::Null)
}

/// The id of the thread, wherever a reply of ours says it.
fn thread_of(reply: &Value) -> Option<String> {
    let meta = reply["_meta"].as_object();
    let meta = meta
        .into_iter()
        .flatten()
        .find_map(|(_, of)| of["continuation_id"].as_str());
    let plain = reply["structuredContent"]["continuation_id"].as_str();
    meta.or(plain).map(str::to_owned)
}

/// A thread of another principal is answered like one that there is not.
async fn threads(stage: &Stage) -> Result<(), Trouble> {
    for wire in [
        Transport::Http2025,
        Transport::Http2026,
        Transport::WebSocket,
    ] {
        let owner = stage.client(Person::user(OWNER), wire).await?;
        let other = stage.client(Person::user(OTHER), wire).await?;
        let seen = |good, allowed| Seen {
            id: "S2",
            edge: wire.name(),
            good,
            allowed,
        };
        let first = chat(&owner, json!({})).await;
        let Some(thread) = thread_of(&first) else {
            stage.not_tested("V.6", "S2: a chat named no thread".to_owned());
            continue;
        };
        let unknown = "00000000-0000-4000-8000-000000000000";
        let refusal = |reply: &Value, id: &str| {
            let error = &reply["structuredContent"]["error"];
            let text = error["message"]
                .as_str()
                .unwrap_or("no refusal")
                .replace(id, "ID");
            (
                error["category"].as_str().map(str::to_owned),
                error["code"].clone(),
                text,
            )
        };
        let theirs = chat(&other, json!({"continuation_id": thread})).await;
        let nobodys = chat(&other, json!({"continuation_id": unknown})).await;
        let is_same = refusal(&theirs, &thread) == refusal(&nobodys, unknown);
        let word = match (theirs["isError"] == true, is_same) {
            (true, true) => "as one that there is not",
            (true, false) => "refused in words of its own",
            (false, _) => "answered",
        };
        note(
            stage,
            &seen(false, &["as one that there is not"]),
            Came::word(word),
        );
        let own = chat(&owner, json!({"continuation_id": thread})).await;
        let goes_on = own["isError"] != true && thread_of(&own).as_deref() == Some(&thread);
        let word = if goes_on {
            "accepted"
        } else {
            "does not go on"
        };
        note(stage, &seen(true, &["accepted"]), Came::word(word));
    }
    Ok(())
}
