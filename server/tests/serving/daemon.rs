//! Calls in the daemon's own frames, subprotocol `exai.v1`.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::dialect::{ask, chat, frames, greeted, silent, until_outcome, version};
use super::process::{Server, serve, wait_for};
use super::provider::{answer, serve_asking};
use super::socket::Socket;

fn metrics(server: &Server) -> String {
    let token = ("authorization", "Bearer 0a9b8c7d6e5f40312233445566778899");
    server.admin("/metrics", &[token]).body
}

#[test]
fn both_call_forms_give_the_answer_of_the_provider_once_each() {
    let (server, provider) = serve_asking(&[]);
    let mut socket = greeted(&server, json!({}));
    let new = ask(&mut socket, &chat("a", "tracer one"));
    let old = ask(
        &mut socket,
        &json!({"op": "tool_call", "request_id": 7,
        "tool": {"name": "chat_EXAI-WS"}, "arguments": {"prompt": "tracer two"}}),
    );
    for (said, question) in [(&new, "tracer one"), (&old, "tracer two")] {
        assert_eq!(said["op"], "call_tool_res", "{said}");
        assert_eq!(said["outputs"][0]["text"], answer(question), "{said}");
        let latency = &said["outputs"][0]["metadata"]["latency_metrics"];
        assert_eq!(latency["provider_name"], "kimi", "{said}");
        assert!(latency["latency_ms"].is_u64(), "{said}");
        assert_eq!(said["_meta"]["dev.exai/reply"]["turn"], 1, "{said}");
    }
    assert_eq!(provider.asked(), 2);
    // Nothing of either call comes after its outcome.
    let pong = ask(&mut socket, &json!({"op": "ping", "request_id": "p"}));
    assert_eq!(pong["op"], "pong", "{pong}");
    let counted = "exai_requests_total{tool=\"chat\",transport=\"websocket\",status=\"ok\"} 2";
    assert!(metrics(&server).contains(counted));
}

#[test]
fn the_tools_are_those_of_the_protocol() {
    let server = serve(&["--demo"], &[]);
    let mut socket = greeted(&server, json!({}));
    let said = ask(&mut socket, &json!({"op": "list_tools", "request_id": "l"}));
    let mut mcp = Socket::mcp(&server, &[]);
    let listed = mcp.ask(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
    let wanted = listed["result"]["tools"].as_array().unwrap().iter();
    let wanted: Vec<Value> = wanted
        .map(|tool| {
            json!({"name": tool["name"], "description": tool["description"],
                "inputSchema": tool["inputSchema"]})
        })
        .collect();
    assert_eq!(said["tools"], json!(wanted));
}

#[test]
fn pieces_come_in_order_and_together_are_the_answer() {
    let (server, _provider) = serve_asking(&[]);
    let mut socket = greeted(&server, json!({}));
    let mut call = chat("s", "a question long enough for several pieces");
    call["arguments"]["stream"] = json!(true);
    call["idempotency_key"] = json!("k1");
    // The second time nothing is streamed by a provider, and the pieces are the kept answer.
    for is_replayed in [false, true] {
        let mut frames = frames(&mut socket, &call);
        let outcome = frames.pop().unwrap();
        let last = frames.pop().unwrap();
        assert_eq!(
            (&last["final"], &last["complete"]),
            (&json!(true), &json!(true))
        );
        let pieces: Vec<&Value> = frames
            .iter()
            .filter(|f| f["op"] == "stream_chunk")
            .collect();
        for (number, piece) in pieces.iter().enumerate() {
            assert_eq!(piece["sequence"], number, "{piece}");
            assert!(piece.get("final").is_none(), "{piece}");
        }
        assert_eq!(last["sequence"], pieces.len());
        let text: String = pieces
            .iter()
            .map(|p| p["chunk"].as_str().unwrap())
            .collect();
        assert_eq!(text, answer("a question long enough for several pieces"));
        assert_eq!(outcome["outputs"][0]["text"], text, "{outcome}");
        assert_eq!(outcome["_meta"]["dev.exai/reply"]["replayed"], is_replayed);
    }
}

#[test]
fn a_stream_that_fails_ends_with_an_incomplete_piece_and_an_error() {
    let server = serve(&[], &[]);
    let mut socket = greeted(&server, json!({}));
    let mut call = chat("s", "nobody to ask");
    call["arguments"]["stream"] = json!(true);
    let frames = frames(&mut socket, &call);
    let [last, error] = frames.as_slice() else {
        panic!("{frames:?}")
    };
    assert_eq!(
        (&last["final"], &last["complete"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(error["op"], "error", "{error}");
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("KIMI_API_KEY")
    );
}

#[test]
fn progress_is_told_while_a_call_runs() {
    let (server, provider) = serve_asking(&[]);
    let mut socket = greeted(&server, json!({}));
    let started = Instant::now();
    socket.say(&chat("a", "slow one"));
    for _ in 0..2 {
        let told = socket.hear().unwrap();
        assert_eq!(
            (&told["op"], &told["request_id"]),
            (&json!("progress"), &json!("a"))
        );
        assert!(told["message"].as_str().unwrap().contains("chat"), "{told}");
    }
    assert!(
        started.elapsed() < Duration::from_millis(5900),
        "{:?}",
        started.elapsed()
    );
    provider.open();
    let frames = until_outcome(&mut socket, &json!("a"));
    assert_eq!(
        frames.last().unwrap()["outputs"][0]["text"],
        answer("slow one")
    );
}

#[test]
fn a_cancelled_call_stops_its_work_and_has_no_other_outcome() {
    let (server, provider) = serve_asking(&[]);
    let mut socket = greeted(&server, json!({}));
    // A key lets a call outlive its connection, not its cancellation.
    for (id, key) in [("a", Value::Null), ("b", json!("k"))] {
        let before = provider.left();
        let mut call = chat(id, "slow one");
        if key.is_string() {
            call["idempotency_key"] = key;
        }
        socket.say(&call);
        provider.wait_for_questions(before + 1);
        let asked = Instant::now();
        let cancel = json!({"op": "cancel", "request_id": id});
        let cancelled = ask(&mut socket, &cancel);
        assert_eq!(cancelled["op"], "cancelled", "{cancelled}");
        wait_for("the provider to be left", || {
            (provider.left() == before + 1).then_some(())
        });
        assert!(
            asked.elapsed() < Duration::from_secs(1),
            "{:?}",
            asked.elapsed()
        );
        assert!(metrics(&server).contains("\nexai_in_flight 0\n"));
        let again = ask(&mut socket, &cancel);
        assert_eq!(again["error"]["code"], "NOT_FOUND", "{again}");
    }
}

#[test]
fn a_call_with_a_key_outlives_its_connection_and_its_answer_is_paid_once() {
    let (server, provider) = serve_asking(&[]);
    let mut call = chat("a", "slow one");
    call["idempotency_key"] = json!("k");
    let mut first = greeted(&server, json!({}));
    first.say(&call);
    provider.wait_for_questions(1);
    drop(first);
    let mut third = greeted(&server, json!({}));
    third.say(&call);
    provider.open();
    let said = until_outcome(&mut third, &json!("a")).pop().unwrap();
    assert_eq!(said["outputs"][0]["text"], answer("slow one"), "{said}");
    assert_eq!(said["_meta"]["dev.exai/reply"]["replayed"], true, "{said}");
    assert_eq!((provider.asked(), provider.left()), (1, 0));
    let mut other = call.clone();
    other["arguments"]["prompt"] = json!("another");
    let refused = ask(&mut third, &other);
    assert_eq!(refused["error"]["code"], "VALIDATION_ERROR", "{refused}");
}

#[test]
fn every_error_has_an_op_a_request_id_a_code_and_a_sentence() {
    let server = serve(&["--demo"], &[]);
    let mut socket = greeted(&server, json!({}));
    let (invalid, unfit) = ("INVALID_REQUEST", "VALIDATION_ERROR");
    let table = [
        (r#"{"op":"fly","request_id":"a"}"#, invalid),
        (r#"{"op":"call_tool","request_id":"a"}"#, invalid),
        (r#"[{"op":"ping"}]"#, invalid),
        (r#"{"op":"ping","request_id":{}}"#, invalid),
        (r#"{"op":"cancel","request_id":"a"}"#, "NOT_FOUND"),
        (
            r#"{"op":"call_tool","request_id":"a","name":"no_such"}"#,
            "TOOL_NOT_FOUND",
        ),
        (
            r#"{"op":"call_tool","request_id":"a","name":"chat","arguments":{"promt":"x"}}"#,
            unfit,
        ),
        (
            r#"{"op":"call_tool","request_id":"a","name":"chat","arguments":{"prompt":"x"},
                "idempotency_key":""}"#,
            unfit,
        ),
    ];
    for (text, code) in table {
        socket.say_text(text);
        let said = socket.hear().unwrap();
        assert_eq!(said["op"], "error", "{text}: {said}");
        let has_id = text.contains(r#""request_id":"a""#);
        let id = if has_id { json!("a") } else { Value::Null };
        assert_eq!(said.get("request_id"), Some(&id), "{text}");
        let error = &said["error"];
        assert_eq!(error["code"], code, "{text}: {said}");
        assert!(error["message"].as_str().unwrap().len() > 10, "{said}");
        let category = if code == unfit {
            "validation_error"
        } else {
            "client_error"
        };
        assert_eq!(error["details"]["category"], category, "{said}");
        assert!(error["details"]["correlation_id"].is_string(), "{said}");
    }
    assert_eq!(ask(&mut socket, &version("a"))["op"], "call_tool_res");
}

#[test]
fn text_that_is_no_json_and_the_older_dialect_are_closed() {
    let server = serve(&["--demo"], &[]);
    for (text, code) in [("{", 4000), (r#"{"type":"auth","token":"x"}"#, 4001)] {
        let mut socket = greeted(&server, json!({}));
        socket.say_text(text);
        assert_eq!(socket.closed(), code, "{text}");
    }
}

#[test]
fn a_request_id_in_use_is_refused_and_the_limits_of_a_session_hold_across_connections() {
    let (server, provider) = serve_asking(&["limits.in_flight_per_session=1"]);
    let mut first = greeted(&server, json!({"session_id": "one"}));
    let mut same = greeted(&server, json!({"session_id": "one"}));
    let mut other = greeted(&server, json!({"session_id": "two"}));
    first.say(&chat("a", "slow one"));
    provider.wait_for_questions(1);
    let refused = ask(&mut first, &chat("a", "another"));
    assert_eq!(
        refused["error"]["details"]["code"], "id_in_use",
        "{refused}"
    );
    let over = ask(&mut same, &chat("a", "another"));
    assert_eq!(over["error"]["code"], "OVER_CAPACITY", "{over}");
    assert!(
        over["error"]["retry_after"].as_u64().unwrap() >= 1,
        "{over}"
    );
    let free = ask(&mut other, &chat("a", "another"));
    assert_eq!(free["outputs"][0]["text"], answer("another"), "{free}");
    provider.open();
    let frames = until_outcome(&mut first, &json!("a"));
    assert_eq!(
        frames.last().unwrap()["outputs"][0]["text"],
        answer("slow one")
    );
}

#[test]
fn sigterm_closes_with_1001_after_the_last_answer_and_refuses_new_calls() {
    let (mut server, provider) = serve_asking(&["server.drain=15s"]);
    let mut idle = greeted(&server, json!({}));
    let (mut busy, mut unsaid) = (greeted(&server, json!({})), silent(&server));
    busy.say(&chat("a", "slow one"));
    provider.wait_for_questions(1);
    server.signal(Signal::SIGTERM);
    assert_eq!((idle.closed(), unsaid.closed()), (1001, 1001));
    let refused = loop {
        busy.say(&version("b"));
        let said = busy.hear().unwrap();
        if said["request_id"] == "b" {
            break said;
        }
    };
    assert_eq!(refused["error"]["code"], "SERVICE_UNAVAILABLE", "{refused}");
    provider.open();
    let outcome = loop {
        let said = busy.hear().unwrap();
        if said["op"] == "call_tool_res" {
            break said;
        }
    };
    assert_eq!(outcome["outputs"][0]["text"], answer("slow one"));
    assert_eq!(busy.closed(), 1001);
    let status = wait_for("the exit", || server.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}
