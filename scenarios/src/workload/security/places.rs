//! Tokens where none belongs, and two at once.

use exai_harness::client::Request;
use exai_harness::client::Revision;
use exai_harness::client::http::loopback;
use exai_harness::client::software::Software;
use exai_harness::raw::{self, RawRequest};
use exai_judge::Transport;
use serde_json::{Value, json};

use super::sockets::{DAEMON, daemon, greet, hello};
use super::{Attempt, PACE, Seen, WAIT, note, record};
use crate::stage::{Person, Stage, Trouble};

const WIRE: Transport = Transport::Http2026;

/// Tries J38, J39 and the first message of J42.
///
/// # Errors
/// When someone pressed Ctrl-C.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let good = stage.ground.authorization(Person::user(510));
    let token = good.strip_prefix("Bearer ").unwrap_or(&good).to_owned();
    let seen = |id, edge, good, allowed| Seen {
        id,
        edge,
        good,
        allowed,
    };
    for (id, request) in misplaced(stage, &token) {
        stage.check_stop()?;
        let public = stage.ground.public();
        let reply = raw::send_request(public, loopback(510), &request, WAIT).await;
        tokio::time::sleep(PACE).await;
        record(stage, &seen(id, WIRE.name(), false, &["401"]), &reply);
        let reply = Attempt::new(WIRE, Some(&good)).send(stage).await;
        record(stage, &seen(id, WIRE.name(), true, &["accepted"]), &reply);
    }
    two_at_once(stage, (&good, &token)).await;
    Ok(())
}

fn misplaced(stage: &Stage, token: &str) -> Vec<(&'static str, RawRequest)> {
    let software = Software::numbered(1);
    let host = stage.ground.public().to_string();
    let head = |path: &str, method: &str| {
        RawRequest::line(&format!("POST {path} HTTP/1.1"))
            .header("Host", &host)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("Connection", "close")
            .header("MCP-Protocol-Version", Revision::V2026.name())
            .header("Mcp-Method", method)
    };
    let call = |path: &str| head(path, "tools/call").header("Mcp-Name", "version");
    let text = |arguments: Value| {
        let message = Request::tool("version", &arguments);
        message
            .message(Some(1), Revision::V2026, software)
            .to_string()
    };
    let plain = || text(json!({}));
    let discover = Request::new("server/discover", json!({}));
    let discover = discover
        .message(Some(1), Revision::V2026, software)
        .to_string();
    let query = format!("/mcp?access_token={token}");
    let cookie = format!("access_token={token}; token={token}");
    vec![
        ("J38.query", call(&query).body(plain())),
        (
            "J38.cookie",
            call("/mcp").header("Cookie", cookie).body(plain()),
        ),
        (
            "J38.arguments",
            call("/mcp").body(text(json!({"token": token, "jwt": token}))),
        ),
        (
            "J42.discover",
            head("/mcp", "server/discover").body(discover),
        ),
    ]
}

/// A good token beside a bad one, in either place, must not let the bad one through.
async fn two_at_once(stage: &Stage, (good, token): (&str, &str)) {
    let bad = format!("{token}x");
    let seen = |id, good, allowed| Seen {
        id,
        edge: DAEMON,
        good,
        allowed,
    };
    let rows = [
        (
            "J39.hello",
            None,
            json!({"op": "hello", "jwt": token, "token": bad}),
        ),
        (
            "J39.reverse",
            None,
            json!({"op": "hello", "jwt": bad, "token": token}),
        ),
        ("J39.header", Some(good), json!({"op": "hello", "jwt": bad})),
    ];
    for (id, header, said) in rows {
        let came = match daemon(stage, header).await {
            Ok(mut socket) => greet(stage, &mut socket, &said).await,
            Err(came) => came,
        };
        note(stage, &seen(id, false, &["4003"]), came);
        let came = hello(stage, &json!({"op": "hello", "jwt": token})).await;
        note(stage, &seen(id, true, &["accepted"]), came);
    }
}
