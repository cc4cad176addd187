//! The guide to the daemon's frames, held against the daemon: what it shows, the server says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::dialect::{frames, greet, greeted, silent};
use super::process::{serve_jwt, token, wait_for};
use super::socket::Socket;

/// The frames that the guide shows in one direction, each as its text.
fn shown(arrow: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide/websocket.md");
    let page = std::fs::read_to_string(path).unwrap();
    let begin = page.find("## Subprotocol `exai.v1`").unwrap();
    let part = &page[begin..begin + page[begin..].find("## Close codes").unwrap()];
    let mut all: Vec<String> = Vec::new();
    for block in part.split("```").skip(1).step_by(2) {
        for line in block.lines() {
            match (line.strip_prefix(['→', '←']), all.last_mut()) {
                (Some(_), _) => all.push(line.to_owned()),
                (None, Some(last)) => last.push_str(line.trim()),
                (None, None) => {}
            }
        }
    }
    all.into_iter()
        .filter(|frame| frame.starts_with(arrow))
        .collect()
}

/// Every name of a member in a text that may leave parts out.
fn names(text: &str) -> BTreeSet<&str> {
    let parts: Vec<&str> = text.split('"').collect();
    let pairs = parts.windows(2).skip(1).step_by(2);
    pairs
        .filter(|pair| pair[1].starts_with(':'))
        .map(|pair| pair[0])
        .collect()
}

fn op(text: &str) -> &str {
    let after = text
        .split("\"op\":\"")
        .nth(1)
        .unwrap_or_else(|| panic!("no op: {text}"));
    after.split('"').next().unwrap()
}

/// A token's refusal and a rate's, each as the daemon words it.
fn refusals() -> Vec<Value> {
    let server = serve_jwt(&["--demo", "limits.rate.principal=1"]);
    let mut said = vec![greet(&mut silent(&server), json!({}))];
    let mut socket: Socket = greeted(&server, json!({"jwt": token("ann", &["user"])}));
    said.push(wait_for("a refusal by rate", || {
        let ping = json!({"op": "health", "request_id": "a"});
        let answer = frames(&mut socket, &ping).pop().unwrap();
        (answer["error"]["code"] == "OVER_CAPACITY").then_some(answer)
    }));
    said
}

#[test]
fn every_frame_in_the_guide_is_one_that_the_daemon_sends() {
    let server = serve_jwt(&["--demo"]);
    let hello = json!({"jwt": token("ann", &["user"]), "session_id": "laptop-1"});
    let mut socket = silent(&server);
    let mut said = vec![greet(&mut socket, hello)];
    let call = json!({"op": "call_tool", "request_id": "a", "name": "chat",
        "arguments": {"prompt": "Why?", "stream": true}, "idempotency_key": "2c9e"});
    said.extend(frames(&mut socket, &call));
    said.extend(refusals());
    let said: Vec<String> = said.iter().map(Value::to_string).collect();
    let guide = shown("←");
    assert!(guide.len() >= 6, "{guide:?}");
    for frame in guide {
        let wanted = names(&frame);
        // The demonstration answers before the first sign of progress is due.
        let is_said = op(&frame) == "progress"
            || said
                .iter()
                .any(|one| op(one) == op(&frame) && names(one).is_superset(&wanted));
        assert!(
            is_said,
            "the guide shows {frame}\nthe daemon said {said:#?}"
        );
    }
    for frame in shown("→") {
        let known = ["hello", "call_tool"];
        assert!(
            known.contains(&op(&frame)),
            "send this one here as well: {frame}"
        );
    }
}
