//! WebSockets of the battery: what is said first on `exai.v1`, and what comes of it.

use exai_harness::raw;
use exai_harness::raw::socket::{Heard, RawSocket, upgrade};
use exai_harness::token;
use serde_json::{Value, json};

use super::{Came, PACE, WAIT, open_as};
use crate::stage::Stage;

/// The edge of MCP's own messages over WebSocket.
pub const MCP: &str = "websocket";
/// The edge of the daemon's frames.
pub const DAEMON: &str = "daemon";

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
    let opened = open_as(stage, 506, &request, WAIT).await;
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
        code: raw::code(&said),
        claimed: ["jwt", "token"]
            .iter()
            .find_map(|field| token::subject(hello[*field].as_str()?)),
        word,
    }
}
