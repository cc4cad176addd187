//! The token battery on WebSocket: in the upgrade of `mcp`, in the hello of `exai.v1`.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use exai_harness::client::http::loopback;
use exai_harness::raw::RawReply;
use exai_harness::raw::socket::{Heard, RawSocket, upgrade};
use serde_json::{Value, json};

use super::tokens::Depth;
use super::{Came, PACE, Seen, WAIT, note, record};
use crate::stage::{Stage, Trouble};

/// The edge of MCP's own messages over WebSocket.
pub const MCP: &str = "websocket";
/// The edge of the daemon's frames.
pub const DAEMON: &str = "daemon";
/// Close codes of a refused hello: unauthorised, too long, no JSON.
const REFUSED: [&str; 3] = ["4003", "1009", "4000"];
/// No request may reach it.
const LISTENER: &str = "http://127.0.0.1:9/keys.json";

/// Tries the tokens of the battery in both places.
///
/// # Errors
/// When someone pressed Ctrl-C.
pub async fn try_tokens(stage: &Stage, depth: Depth<'_>) -> Result<(), Trouble> {
    let mut tried = BTreeSet::new();
    let mint = stage.ground.mint();
    for index in 0..mint.battery(now(), LISTENER).len() {
        stage.check_stop()?;
        // Made anew for each case: several stand at the edge of the leeway.
        let Some(case) = mint.battery(now(), LISTENER).into_iter().nth(index) else {
            break;
        };
        if !depth.wants(&case.id, &mut tried) {
            continue;
        }
        let seen = |edge, good, allowed| Seen {
            id: &case.id,
            edge,
            good,
            allowed,
        };
        let reply = upgraded(stage, case.bad.as_deref()).await;
        record(stage, &seen(MCP, false, case.refused_by), &reply);
        let reply = upgraded(stage, Some(&case.good)).await;
        record(stage, &seen(MCP, true, &["accepted"]), &reply);
        let came = hello(stage, &hello_of(case.bad.as_deref())).await;
        note(stage, &seen(DAEMON, false, &REFUSED), came);
        let came = hello(stage, &hello_of(Some(&case.good))).await;
        note(stage, &seen(DAEMON, true, &["accepted"]), came);
    }
    Ok(())
}

/// An upgrade to `mcp` with this header.
pub async fn upgraded(stage: &Stage, authorization: Option<&str>) -> RawReply {
    let host = stage.ground.public().to_string();
    let mut request = upgrade("/ws", &host, Some("mcp"));
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    let opened = RawSocket::open(stage.ground.public(), loopback(505), &request, WAIT).await;
    tokio::time::sleep(PACE).await;
    match opened {
        Ok(_socket) => RawReply {
            status: Some(101),
            ..RawReply::default()
        },
        Err(reply) => reply,
    }
}

/// The hello that shows what a header would show.
pub fn hello_of(authorization: Option<&str>) -> Value {
    let token = authorization.map(|line| line.strip_prefix("Bearer ").unwrap_or(line));
    match token {
        Some(token) => json!({"op": "hello", "jwt": token}),
        None => json!({"op": "hello"}),
    }
}

/// A connection of `exai.v1` on which nothing was said.
///
/// # Errors
/// The trouble in a word.
pub async fn daemon(stage: &Stage, authorization: Option<&str>) -> Result<RawSocket, Came> {
    let host = stage.ground.public().to_string();
    let mut request = upgrade("/ws", &host, Some("exai.v1"));
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    tokio::time::sleep(PACE).await;
    let opened = RawSocket::open(stage.ground.public(), loopback(506), &request, WAIT).await;
    opened.map_err(|reply| Came::word(format!("no upgrade: {}", reply.word())))
}

/// Says a hello on a connection of its own.
pub async fn hello(stage: &Stage, hello: &Value) -> Came {
    match daemon(stage, None).await {
        Ok(mut socket) => greet(stage, &mut socket, hello).await,
        Err(came) => came,
    }
}

/// Says a hello: `accepted`, or the code that the connection is closed with.
pub async fn greet(stage: &Stage, socket: &mut RawSocket, hello: &Value) -> Came {
    socket.say(hello).await;
    let said = match socket.hear().await {
        Heard::Message(said) => said,
        Heard::Close(code) => return Came::word(code.to_string()),
        Heard::Trouble(trouble) => return Came::word(trouble),
    };
    stage.search("a reply", &said.to_string());
    if said["ok"] == true {
        return Came::word("accepted");
    }
    let word = socket.close_code().await;
    Came {
        is_denied: word == "4003",
        correlation_id: said["details"]["correlation_id"]
            .as_str()
            .map(str::to_owned),
        word,
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
