//! Frames that break RFC 6455 or the order of a dialect, each beside a connection that does not.

use exai_harness::raw::RawRequest;
use exai_harness::raw::socket::{CLOSE, Heard, PING, RawSocket, TEXT, bare_frame, frame, upgrade};
use serde_json::json;

use super::sockets::{DAEMON, MCP, daemon, greet, hello, hello_of};
use super::{CRITERION, Came, PACE, Seen, WAIT, note, open_as, record};
use crate::stage::{Person, Stage, Trouble};

/// A header just longer than the server reads before it answers.
const LONG_HEADER: usize = 430_000;

/// Frames that end a connection, and the code that it ends with.
struct Bad {
    id: &'static str,
    bytes: Vec<u8>,
    allowed: &'static [&'static str],
}

fn bad(id: &'static str, bytes: Vec<u8>, allowed: &'static [&'static str]) -> Bad {
    Bad { id, bytes, allowed }
}

fn broken(message_bytes: usize) -> Vec<Bad> {
    let long = vec![b' '; message_bytes + 1];
    let pieces = |count: usize| {
        let piece = vec![b' '; message_bytes / count + 1];
        let mut bytes = frame(0x01, &piece);
        (1..count).for_each(|_| bytes.extend(frame(0x00, &piece)));
        bytes
    };
    let split = [frame(0x01, b"\"\xe2"), frame(0x80, b"\x28\xa1\"")].concat();
    vec![
        bad("W1.unmasked", bare_frame(TEXT, b"{}"), &["1002"]),
        bad("W1.reserved bit", frame(0xc1, b"{}"), &["1002"]),
        bad("W1.opcode", frame(0x83, b"{}"), &["1002"]),
        bad("W1.split control", frame(0x09, b"a"), &["1002"]),
        bad("W1.long control", frame(PING, &[b'a'; 126]), &["1002"]),
        bad("W1.continuation", frame(0x80, b"{}"), &["1002"]),
        bad("W2.whole", frame(TEXT, b"\"\xff\""), &["1007"]),
        bad("W2.split", split, &["1007"]),
        bad("W3.frame", frame(TEXT, &long), &["1009"]),
        bad("W3.pieces", pieces(64), &["1009"]),
        bad("W6.code", frame(CLOSE, &[0, 1]), &["1002", "closed"]),
        bad("W10.binary", frame(0x82, b"{}"), &["1003"]),
    ]
}

/// Tries W1 to W3, W5, W6's code, W8 and W10.
///
/// # Errors
/// When someone pressed Ctrl-C.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let message_bytes = stage.row(CRITERION)?.limit("body_bytes")? as usize;
    let seen = |id, edge, good, allowed| Seen {
        id,
        edge,
        good,
        allowed,
    };
    for case in broken(message_bytes) {
        stage.check_stop()?;
        let came = after(stage, &case.bytes).await;
        note(stage, &seen(case.id, MCP, false, case.allowed), came);
        note(
            stage,
            &seen(case.id, MCP, true, &["accepted"]),
            answered(stage).await,
        );
    }
    let token = stage.ground.authorization(Person::user(540));
    let said = hello_of(Some(&token));
    let call = json!({"op": "call_tool", "request_id": "a", "name": "version", "arguments": {}});
    let early = match daemon(stage, None).await {
        Ok(mut socket) => {
            socket.say(&call).await;
            Came::word(socket.close_code().await)
        }
        Err(came) => came,
    };
    note(
        stage,
        &seen("W5.call first", DAEMON, false, &["4001"]),
        early,
    );
    let twice = match daemon(stage, None).await {
        Ok(mut socket) => {
            greet(stage, &mut socket, &said).await;
            socket.say(&said).await;
            Came::word(socket.close_code().await)
        }
        Err(came) => came,
    };
    note(
        stage,
        &seen("W5.hello twice", DAEMON, false, &["4001"]),
        twice,
    );
    note(
        stage,
        &seen("W5.hello", DAEMON, true, &["accepted"]),
        hello(stage, &said).await,
    );
    handshakes(stage, &token).await;
    Ok(())
}

async fn open(stage: &Stage) -> Result<RawSocket, Came> {
    let token = stage.ground.authorization(Person::user(541));
    let host = stage.ground.public().to_string();
    let request = upgrade("/ws", &host, Some("mcp")).header("Authorization", &token);
    tokio::time::sleep(PACE).await;
    let opened = open_as(stage, 541, &request, WAIT).await;
    opened.map_err(|reply| Came::word(format!("no upgrade: {}", reply.word())))
}

/// What a connection is closed with after these bytes.
async fn after(stage: &Stage, bytes: &[u8]) -> Came {
    match open(stage).await {
        Ok(mut socket) => {
            socket.send(bytes).await;
            Came::word(socket.close_code().await)
        }
        Err(came) => came,
    }
}

/// `accepted` when a ping in good order is answered.
async fn answered(stage: &Stage) -> Came {
    let mut socket = match open(stage).await {
        Ok(socket) => socket,
        Err(came) => return came,
    };
    socket
        .say(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}))
        .await;
    match socket.hear().await {
        Heard::Message(said) if said["id"] == 1 && said["error"].is_null() => {
            Came::word("accepted")
        }
        other => Came::word(format!("{other:?}")),
    }
}

async fn handshakes(stage: &Stage, token: &str) {
    let host = stage.ground.public().to_string();
    let head = || {
        RawRequest::line("GET /ws HTTP/1.1")
            .header("Host", &host)
            .header("Authorization", token)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Protocol", "mcp")
    };
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let old = head()
        .header("Sec-WebSocket-Version", "8")
        .header("Sec-WebSocket-Key", key);
    let keyless = head().header("Sec-WebSocket-Version", "13");
    let long = upgrade("/ws", &host, Some("mcp"))
        .header("Authorization", token)
        .header("X-Long", "x".repeat(LONG_HEADER));
    let rows: [(&str, RawRequest, &[&str]); 4] = [
        ("W8.version", old, &["426"]),
        ("W8.key", keyless, &["400"]),
        ("W8.headers", long, &["431", "400"]),
        (
            "W8.good",
            upgrade("/ws", &host, Some("mcp")).header("Authorization", token),
            &["accepted"],
        ),
    ];
    for (id, request, allowed) in rows {
        let opened = open_as(stage, 540, &request, WAIT).await;
        let seen = Seen {
            id,
            edge: MCP,
            good: allowed == ["accepted"],
            allowed,
        };
        match opened {
            Ok(_socket) => note(stage, &seen, Came::word("accepted")),
            Err(reply) => record(stage, &seen, &reply),
        }
        tokio::time::sleep(PACE).await;
    }
}
