//! Tokens where none belongs, two at once, and messages that come before any.

use exai_harness::client::Request;
use exai_harness::client::Revision;
use exai_harness::client::request::initialize;
use exai_harness::client::software::Software;
use exai_harness::raw::RawRequest;
use exai_harness::raw::socket::Heard;
use exai_judge::Transport;
use serde_json::json;

use super::entrance::{self, Entrance, Listeners, Shown, now};
use super::sockets::{DAEMON, daemon, greet, hello};
use super::{Attempt, Came, Seen, note, record, send_to};
use crate::stage::{Person, Stage, Trouble};

/// Tries J38, J39 and the first messages of J42.
///
/// # Errors
/// When someone pressed Ctrl-C.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    for entrance in entrance::ALL {
        stage.check_stop()?;
        let mint = entrance.mint(&stage.ground.mint());
        let token = mint.sign(&mint.draft(now()));
        misplaced(stage, entrance, &token).await;
        doubled(stage, entrance, &token).await;
    }
    first_messages(stage).await;
    Ok(())
}

/// J38: a good token anywhere but in its place.
async fn misplaced(stage: &Stage, entrance: Entrance, token: &str) {
    let nothing = Shown::default();
    let has_message = !matches!(entrance, Entrance::Upgrade | Entrance::Page);
    let mut rows = vec![
        (
            "J38.query",
            Shown {
                query: Some(token),
                ..nothing
            },
        ),
        (
            "J38.cookie",
            Shown {
                cookie: Some(token),
                ..nothing
            },
        ),
    ];
    if has_message {
        let message = Some(token);
        rows.push(("J38.arguments", Shown { message, ..nothing }));
    }
    for (id, shown) in rows {
        against(stage, (entrance, id), shown, token).await;
    }
}

/// J39: a good token beside a bad one, in either order, must not let the bad one through.
async fn doubled(stage: &Stage, entrance: Entrance, token: &str) {
    let (good, bad) = (format!("Bearer {token}"), format!("Bearer {token}x"));
    if entrance == Entrance::Hello {
        return two_at_once(stage, token, &good).await;
    }
    for (id, lines) in [
        ("J39.good first", [good.as_str(), &bad]),
        ("J39.bad first", [bad.as_str(), &good]),
    ] {
        let shown = Shown {
            lines: &lines,
            ..Shown::default()
        };
        against(stage, (entrance, id), shown, token).await;
    }
}

/// Something that must be refused here, and the token in its place.
async fn against(stage: &Stage, (entrance, id): (Entrance, &str), shown: Shown<'_>, token: &str) {
    let at = Listeners::judged(stage);
    let seen = |good, allowed| Seen {
        id,
        edge: entrance.name(),
        good,
        allowed,
    };
    let came = entrance.show_all(stage, at, shown).await;
    note(stage, &seen(false, entrance.refusal()), came);
    let good = format!("Bearer {token}");
    let came = entrance.show(stage, at, Some(&good)).await;
    note(stage, &seen(true, &["accepted"]), came);
}

/// J39 in a hello, which has two fields for a token and may come after a header.
async fn two_at_once(stage: &Stage, token: &str, header: &str) {
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
        (
            "J39.header",
            Some(header),
            json!({"op": "hello", "jwt": bad}),
        ),
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

/// J42: a conversation that begins without a token, in the words of each dialect.
async fn first_messages(stage: &Stage) {
    let at = Listeners::judged(stage);
    for entrance in [Entrance::Wire(Transport::Http2025), Entrance::Upgrade] {
        let mint = entrance.mint(&stage.ground.mint());
        let good = format!("Bearer {}", mint.sign(&mint.draft(now())));
        let seen = |good, allowed| Seen {
            id: "J42.initialize",
            edge: entrance.name(),
            good,
            allowed,
        };
        let came = entrance.show(stage, at, None).await;
        note(stage, &seen(false, entrance.refusal()), came);
        let came = entrance.show(stage, at, Some(&good)).await;
        note(stage, &seen(true, &["accepted"]), came);
    }
    discover(stage).await;
    jsonrpc_first(stage).await;
}

async fn discover(stage: &Stage) {
    let wire = Transport::Http2026;
    let seen = |good, allowed| Seen {
        id: "J42.discover",
        edge: wire.name(),
        good,
        allowed,
    };
    let message = Request::new("server/discover", json!({}));
    let message = message.message(Some(1), Revision::V2026, Software::numbered(1));
    let request = RawRequest::line("POST /mcp HTTP/1.1")
        .header("Host", stage.ground.public().to_string())
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .header("Connection", "close")
        .header("MCP-Protocol-Version", Revision::V2026.name())
        .header("Mcp-Method", "server/discover");
    let good = stage.ground.authorization(Person::user(510));
    let public = stage.ground.public();
    for (is_good, request) in [
        (false, request.clone()),
        (true, request.header("Authorization", &good)),
    ] {
        let request = request.body(message.to_string());
        let reply = send_to(stage, public, 510, &request).await;
        let allowed: &[&str] = if is_good { &["accepted"] } else { &["401"] };
        record(stage, &seen(is_good, allowed), &reply);
    }
    let reply = Attempt::new(wire, Some(&good)).send(stage).await;
    record(stage, &seen(true, &["accepted"]), &reply);
}

/// The handshake of MCP on the daemon's frames, before any hello.
async fn jsonrpc_first(stage: &Stage) {
    let software = Software::numbered(1);
    let first = initialize(software).message(Some(1), Revision::V2025, software);
    let seen = |good, allowed| Seen {
        id: "J42.initialize",
        edge: DAEMON,
        good,
        allowed,
    };
    let came = match daemon(stage, None).await {
        Ok(mut socket) => {
            socket.say(&first).await;
            let answer = match socket.hear().await {
                Heard::Message(said) if said["result"].is_object() => "answered".to_owned(),
                Heard::Message(_) => socket.close_code().await,
                Heard::Close(code) => code.to_string(),
                Heard::Trouble(trouble) => trouble,
            };
            Came::word(answer)
        }
        Err(came) => came,
    };
    note(stage, &seen(false, &["4001"]), came);
    let mint = Entrance::Hello.mint(&stage.ground.mint());
    let token = mint.sign(&mint.draft(now()));
    let came = hello(stage, &json!({"op": "hello", "jwt": token})).await;
    note(stage, &seen(true, &["accepted"]), came);
}
