//! MCP over `/ws`: the same answers and the same refusals as over HTTP.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::process::{EXPIRING, call, serve, serve_jwt, token, wait_for};
use super::provider::{answer, serve_asking};
use super::socket::{Socket, open, tool_call};

fn metrics(server: &super::process::Server) -> String {
    let token = ("authorization", "Bearer 0a9b8c7d6e5f40312233445566778899");
    server.admin("/metrics", &[token]).body
}

#[test]
fn both_revisions_get_the_answer_of_the_provider_that_was_asked() {
    let (server, provider) = serve_asking(&[]);
    let mut legacy = Socket::mcp(&server, &[]);
    let mut modern = open(&server, "mcp", &[]).unwrap();
    let old = legacy.ask(tool_call(2, "chat", json!({"prompt": "tracer one"})));
    let new = modern.ask(call("chat", json!({"prompt": "tracer two"})));
    for (said, question) in [(&old, "tracer one"), (&new, "tracer two")] {
        let text = said["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(text, answer(question), "{said}");
    }
    assert_eq!(provider.asked(), 2);
    let listed = legacy.ask(json!({"jsonrpc": "2.0", "id": "l", "method": "tools/list"}));
    let over_http = server.post(
        &json!({"jsonrpc": "2.0", "id": "l", "method": "tools/list", "params": {}}),
        &[
            ("mcp-session-id", server.session(&[]).as_str()),
            ("mcp-protocol-version", "2025-11-25"),
        ],
    );
    assert_eq!(listed["result"], over_http.json()["result"]);
    let counted = "exai_requests_total{tool=\"chat\",transport=\"websocket\",status=\"ok\"} 2";
    assert!(metrics(&server).contains(counted), "{}", metrics(&server));
}

#[test]
fn an_upgrade_is_refused_like_any_request() {
    let server = serve_jwt(&["--demo"]);
    let good = format!("Bearer {}", token("alice", &["user"]));
    let bad = format!("{good}x");
    let table: [(&[(&'static str, &str)], u16); 5] = [
        (&[], 401),
        (&[("authorization", &bad)], 401),
        (
            &[("authorization", &good), ("origin", "http://evil.example")],
            403,
        ),
        (&[("authorization", &good), ("origin", "null")], 403),
        (&[("authorization", &good), ("host", "evil.example")], 403),
    ];
    for (headers, status) in table {
        let refused = open(&server, "mcp", headers).err().unwrap();
        assert_eq!(refused.status, status, "{headers:?}");
        assert_eq!(refused.body["error"]["data"]["category"], "auth_error");
    }
    let own = [
        ("authorization", &*good),
        ("origin", "http://localhost:3000"),
    ];
    Socket::mcp(&server, &own);
    let audit = server.state.path().join("audit.jsonl");
    let lines = wait_for("the audit lines", || {
        let text = std::fs::read_to_string(&audit).unwrap_or_default();
        let lines: Vec<Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        (lines.len() >= 5).then_some(lines)
    });
    let reasons: Vec<&str> = lines
        .iter()
        .map(|l| l["reason"].as_str().unwrap())
        .collect();
    assert_eq!(
        reasons,
        [
            "token_missing",
            "token_signature",
            "origin",
            "origin",
            "host"
        ]
    );
    assert!(lines.iter().all(|line| line["transport"] == "websocket"));
}

#[test]
fn what_is_no_upgrade_is_told_how_and_no_subprotocol_which() {
    let server = serve(&["--demo"], &[]);
    let plain = super::process::request(server.public, "GET", "/ws", &[], b"");
    assert_eq!(plain.status, 426, "{plain:?}");
    assert_eq!(plain.header("upgrade"), Some("websocket"));
    let table = [
        ("sec-websocket-version", "12", 426),
        ("sec-websocket-key", "", 400),
    ];
    for (name, value, status) in table {
        let mut headers = vec![
            ("connection", "upgrade, close"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        headers.retain(|(given, _)| *given != name);
        headers.push((name, value));
        let reply = super::process::request(server.public, "GET", "/ws", &headers, b"");
        assert_eq!(reply.status, status, "{name}: {reply:?}");
    }
    let mut none = open(&server, "", &[]).unwrap();
    let (code, reason) = none.hear().unwrap_err();
    assert_eq!(code, 4001);
    assert!(reason.contains("mcp"), "{reason}");
}

#[test]
fn a_bad_message_gets_its_error_and_the_connection_goes_on() {
    let server = serve(&["--demo"], &[]);
    let mut socket = Socket::mcp(&server, &[]);
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let table = [
        ("{", -32700, Value::Null),
        ("", -32700, Value::Null),
        (deep.as_str(), -32700, Value::Null),
        (
            r#"[{"jsonrpc":"2.0","id":3,"method":"ping"}]"#,
            -32600,
            Value::Null,
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            -32600,
            Value::Null,
        ),
        (
            r#"{"jsonrpc":"1.0","id":4,"method":"ping"}"#,
            -32600,
            json!(4),
        ),
        (r#"{"jsonrpc":"2.0","id":5,"method":7}"#, -32600, json!(5)),
        (
            r#"{"jsonrpc":"2.0","id":6,"method":"no/such"}"#,
            -32601,
            json!(6),
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"no_such"}}"#,
            -32602,
            json!(7),
        ),
    ];
    for (text, code, id) in table {
        socket.say_text(text);
        let said = socket.hear().unwrap();
        assert_eq!(
            (&said["error"]["code"], &said["id"]),
            (&json!(code), &id),
            "{text:.60}"
        );
    }
    let said = socket.ask(tool_call(8, "version", json!({})));
    assert_eq!(said["result"]["isError"], false, "{said}");
}

#[test]
fn an_id_in_use_is_refused_and_its_first_owner_gets_the_answer() {
    let (server, provider) = serve_asking(&[]);
    let mut socket = Socket::mcp(&server, &[]);
    socket.say(&tool_call(5, "chat", json!({"prompt": "slow one"})));
    provider.wait_for_questions(1);
    let refused = socket.ask(tool_call(5, "chat", json!({"prompt": "another"})));
    assert_eq!(refused["error"]["data"]["code"], "id_in_use", "{refused}");
    // The string is another id than the number.
    let other = socket.ask(json!({"jsonrpc": "2.0", "id": "5", "method": "ping"}));
    assert!(other["result"].is_object(), "{other}");
    provider.open();
    let said = socket.hear().unwrap();
    assert_eq!(said["result"]["content"][0]["text"], answer("slow one"));
    let again = socket.ask(tool_call(5, "chat", json!({"prompt": "another"})));
    assert_eq!(again["result"]["content"][0]["text"], answer("another"));
}

#[test]
fn a_refusal_by_role_or_rate_is_typed_and_the_connection_goes_on() {
    let server = serve_jwt(&["--demo", "limits.rate.principal=5"]);
    let nobody = format!("Bearer {}", token("nobody", &[]));
    let mut socket = Socket::mcp(&server, &[("authorization", &nobody)]);
    let denied = socket.ask(tool_call(2, "version", json!({})));
    assert_eq!(denied["error"]["code"], -32003, "{denied}");
    let refused = (3..100)
        .map(|id| socket.ask(json!({"jsonrpc": "2.0", "id": id, "method": "ping"})))
        .find(|said| said["error"].is_object())
        .expect("a refusal by rate");
    let data = &refused["error"]["data"];
    assert_eq!(data["category"], "rate_limit_error", "{refused}");
    assert!(data["retry_after_ms"].as_u64().unwrap() >= 1, "{refused}");
    let mut id = 100;
    wait_for("the caller to be let in again", || {
        id += 1;
        let said = socket.ask(json!({"jsonrpc": "2.0", "id": id, "method": "ping"}));
        said["result"].is_object().then_some(())
    });
}

#[test]
fn a_token_that_expires_on_an_open_connection_is_refused_from_then_on() {
    let server = serve_jwt(&EXPIRING);
    let short = super::process::token_for("alice", &["user"], 2);
    let bearer = format!("Bearer {short}");
    let mut socket = Socket::mcp(&server, &[("authorization", &bearer)]);
    let mut id = 1;
    let refused = wait_for("the token to expire", || {
        id += 1;
        let said = socket.ask(tool_call(id, "version", json!({})));
        said["error"].is_object().then_some(said)
    });
    assert_eq!(
        refused["error"]["data"]["code"], "unauthorized",
        "{refused}"
    );
}

#[test]
fn two_calls_of_a_lost_connection_run_on_and_one_is_fetched_by_its_key() {
    let (server, provider) = serve_asking(&[]);
    let mut keyed = tool_call(2, "chat", json!({"prompt": "slow one"}));
    keyed["params"]["_meta"] = json!({"dev.exai/idempotency-key": "k"});
    let mut first = Socket::mcp(&server, &[]);
    first.say(&keyed);
    first.say(&tool_call(3, "chat", json!({"prompt": "slow two"})));
    provider.wait_for_questions(2);
    drop(first);
    let mut second = Socket::mcp(&server, &[]);
    second.say(&keyed);
    provider.open();
    let said = second.hear().unwrap();
    assert_eq!(said["result"]["content"][0]["text"], answer("slow one"));
    assert_eq!((provider.asked(), provider.left()), (2, 0));
    wait_for("the permits", || {
        metrics(&server)
            .contains("\nexai_in_flight 0\n")
            .then_some(())
    });
    let threads = second.ask(json!({"jsonrpc": "2.0", "id": 5, "method": "resources/list"}));
    for title in ["slow one", "slow two"] {
        assert!(threads.to_string().contains(title), "{threads}");
    }
}

#[test]
fn a_cancelled_call_leaves_its_provider_and_frees_its_id() {
    let (server, provider) = serve_asking(&[]);
    let mut socket = Socket::mcp(&server, &[]);
    socket.say(&tool_call(2, "chat", json!({"prompt": "slow one"})));
    provider.wait_for_questions(1);
    socket.say(
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": 2}}),
    );
    wait_for("the provider to be left", || {
        (provider.left() == 1).then_some(())
    });
    let said = socket.ask(tool_call(2, "version", json!({})));
    assert_eq!(said["result"]["isError"], false, "{said}");
}

#[test]
fn progress_comes_with_the_token_of_its_call() {
    let (server, provider) = serve_asking(&[]);
    let mut socket = Socket::mcp(&server, &[]);
    let mut slow = tool_call(2, "chat", json!({"prompt": "slow one"}));
    slow["params"]["_meta"] = json!({"progressToken": "p"});
    socket.say(&slow);
    let note = socket.hear().unwrap();
    assert_eq!(note["method"], "notifications/progress", "{note}");
    assert_eq!(note["params"]["progressToken"], "p");
    provider.open();
    let said = socket.hear().unwrap();
    assert_eq!(said["result"]["content"][0]["text"], answer("slow one"));
}

#[test]
fn sigterm_ends_an_idle_connection_with_1001_and_a_busy_one_after_its_answer() {
    let (mut server, provider) = serve_asking(&["server.drain=15s"]);
    let (mut idle, mut busy) = (Socket::mcp(&server, &[]), Socket::mcp(&server, &[]));
    busy.say(&tool_call(2, "chat", json!({"prompt": "slow one"})));
    provider.wait_for_questions(1);
    server.signal(Signal::SIGTERM);
    assert_eq!(idle.closed(), 1001);
    let refused = busy.ask(tool_call(3, "version", json!({})));
    assert_eq!(refused["error"]["data"]["code"], "draining", "{refused}");
    assert_eq!(refused["error"]["data"]["retryable"], true);
    provider.open();
    let said = busy.hear().unwrap();
    assert_eq!(said["result"]["content"][0]["text"], answer("slow one"));
    assert_eq!(busy.closed(), 1001);
    let status = wait_for("the exit", || server.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn the_call_after_a_sessions_last_permit_is_refused() {
    let (server, provider) = serve_asking(&["limits.in_flight_per_session=2"]);
    let (mut socket, mut other) = (Socket::mcp(&server, &[]), Socket::mcp(&server, &[]));
    for id in [2, 3] {
        socket.say(&tool_call(
            id,
            "chat",
            json!({"prompt": format!("slow {id}")}),
        ));
    }
    provider.wait_for_questions(2);
    let refused = socket.ask(tool_call(4, "chat", json!({"prompt": "one more"})));
    let error = &refused["result"]["structuredContent"]["error"];
    assert_eq!(error["code"], "session_over_capacity", "{refused}");
    assert_eq!(error["retryable"], true);
    let said = other.ask(tool_call(2, "chat", json!({"prompt": "free"})));
    assert_eq!(said["result"]["content"][0]["text"], answer("free"));
    provider.open();
}
