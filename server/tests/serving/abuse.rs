//! Clients that break the rules or leave: each gets the documented error, its connection lives on
//! where the protocol allows it, and nobody else notices.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use super::dialect::{self, greeted};
use super::piped::Bridge;
use super::process::{PATIENCE, Server, call, call_headers, exai, request, serve, wait_for};
use super::provider::{KEY, Provider, answer, serve_asking};
use super::socket::{Socket, tool_call};

/// Lines that are no message: the code and the id that each is told, and the line.
const BAD_LINES: &str = r#"
-32700 null {
-32700 null {"jsonrpc":"2.0","id":2,"method":"ping"} x
-32700 null {"jsonrpc":"2.0","id":"\ud800","method":"ping"}
-32700 null {"jsonrpc":"2.0","id":2,"method":"ping","params":{"x":NaN}}
-32600 null [{"jsonrpc":"2.0","id":3,"method":"ping"}]
-32600 null []
-32600 null 7
-32600 null {"jsonrpc":"2.0","id":null,"method":"ping"}
-32600 null {"jsonrpc":"2.0","id":{},"method":"ping"}
-32600 4 {"jsonrpc":"1.0","id":4,"method":"ping"}
-32600 5 {"jsonrpc":"2.0","id":5,"method":7}
-32600 6 {"jsonrpc":"2.0","id":6,"method":"tools/call","params":3}
-32601 7 {"jsonrpc":"2.0","id":7,"method":"no/such"}
-32602 8 {"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"no_such"}}
"#;

fn bad_lines() -> Vec<(Vec<u8>, i64, Value)> {
    let mut lines: Vec<_> = BAD_LINES
        .trim()
        .lines()
        .map(|row| {
            let mut parts = row.splitn(3, ' ');
            let mut next = || parts.next().unwrap();
            let (code, id) = (next().parse().unwrap(), next().parse().unwrap());
            (next().as_bytes().to_vec(), code, id)
        })
        .collect();
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let no_text =
        b"{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\",\"params\":{\"x\":\"\xc3(\"}}";
    for line in [deep.into_bytes(), no_text.to_vec()] {
        lines.push((line, -32700, Value::Null));
    }
    lines
}

fn say_bytes(client: &mut Bridge, line: &[u8]) {
    let input = client.stdin.as_mut().unwrap();
    input.write_all(line).unwrap();
    input.write_all(b"\n").unwrap();
}

/// The next message that is no notification.
fn answer_of(client: &mut Bridge) -> Value {
    loop {
        let said = client.hear();
        if said.get("method").is_none() {
            return said;
        }
    }
}

fn stdio(state: &std::path::Path, more: &[&str]) -> Command {
    let mut command = exai(&[KEY]);
    let dir = format!("server.state_dir={}", state.display());
    command.args(["stdio", "--set", &dir]);
    for setting in more {
        command.args(["--set", setting]);
    }
    command
}

#[test]
fn a_bad_line_on_a_pipe_gets_its_error_and_the_conversation_goes_on() {
    let server = serve(&["--demo"], &[]);
    let state = tempfile::tempdir().unwrap();
    let mut command = stdio(state.path(), &[]);
    command.arg("--demo");
    let clients = [
        ("stdio", Bridge::spawn(&mut command)),
        ("bridge", Bridge::to(&server, &[])),
    ];
    for (mode, mut client) in clients {
        if mode == "stdio" {
            // Also before the conversation has begun.
            say_bytes(&mut client, b"{");
            assert_eq!(answer_of(&mut client)["error"]["code"], -32700);
        }
        client.begin();
        for (line, code, id) in bad_lines() {
            say_bytes(&mut client, &line);
            let said = answer_of(&mut client);
            let shown = String::from_utf8_lossy(&line);
            let got = (&said["error"]["code"], &said["id"]);
            assert_eq!(got, (&json!(code), &id), "{mode}: {shown:.80}: {said}");
            if code != -32602 {
                let category = &said["error"]["data"]["category"];
                assert_eq!(category, "client_error", "{mode}: {said}");
            }
        }
        // Neither an answer to nobody nor a notification has an answer.
        for silent in [
            json!({"jsonrpc": "2.0", "id": 99, "result": {}}),
            json!({"jsonrpc": "2.0", "method": "no/such/notification"}),
            json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "chat"}}),
        ] {
            client.say(&silent);
        }
        say_bytes(&mut client, b"");
        client.say(&tool_call(10, "version", json!({})));
        let said = answer_of(&mut client);
        assert_eq!(
            (&said["id"], &said["result"]["isError"]),
            (&json!(10), &json!(false))
        );
    }
}

#[test]
fn a_line_without_an_end_is_refused_and_does_not_fill_the_memory() {
    let state = tempfile::tempdir().unwrap();
    let mut command = stdio(state.path(), &[]);
    let mut client = Bridge::spawn(command.arg("--demo"));
    client.begin();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..3 {
        for _ in 0..40 {
            client.stdin.as_mut().unwrap().write_all(&piece).unwrap();
        }
        say_bytes(&mut client, b"");
        let said = answer_of(&mut client);
        assert_eq!(said["error"]["data"]["code"], "line_too_long", "{said}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", client.child.id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 100 << 10, "{peak} kB for a limit of 16 MiB");
    client.say(&tool_call(2, "version", json!({})));
    assert_eq!(answer_of(&mut client)["result"]["isError"], false);
}

#[test]
fn an_id_in_use_is_refused_on_a_pipe_and_its_first_owner_gets_the_answer() {
    let provider = Provider::start();
    let state = tempfile::tempdir().unwrap();
    let settings = provider.settings();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut client = Bridge::spawn(&mut stdio(state.path(), &settings));
    client.begin();
    client.say(&tool_call(5, "chat", json!({"prompt": "slow one"})));
    provider.wait_for_questions(1);
    client.say(&tool_call(5, "version", json!({})));
    let refused = answer_of(&mut client);
    assert_eq!(refused["error"]["data"]["code"], "id_in_use", "{refused}");
    provider.open();
    let said = answer_of(&mut client);
    assert_eq!(
        said["result"]["content"][0]["text"],
        answer("slow one"),
        "{said}"
    );
    client.say(&tool_call(5, "version", json!({})));
    assert_eq!(answer_of(&mut client)["result"]["isError"], false);
}

/// Two requests of one HTTP session under one id are answered each with its own, or refused.
#[test]
fn one_id_twice_over_http_never_crosses() {
    let (server, provider) = serve_asking(&[]);
    let session = server.session(&[]);
    let ask = |prompt: &'static str, session: String| {
        let address = server.public;
        thread::spawn(move || {
            let body = tool_call(7, "chat", json!({"prompt": prompt})).to_string();
            let headers = [
                ("mcp-session-id", &*session),
                ("mcp-protocol-version", "2025-11-25"),
            ];
            (
                prompt,
                request(address, "POST", "/mcp", &headers, body.as_bytes()),
            )
        })
    };
    let first = ask("slow one", session.clone());
    provider.wait_for_questions(1);
    let second = ask("slow two", session.clone());
    wait_for("the second to be asked or refused", || {
        (provider.asked() == 2 || second.is_finished()).then_some(())
    });
    provider.open();
    let mut answered = 0;
    for call in [first, second] {
        let (prompt, reply) = call.join().unwrap();
        let said = reply.json();
        if said["result"].is_object() {
            assert_eq!(
                said["result"]["content"][0]["text"],
                answer(prompt),
                "{said}"
            );
            answered += 1;
        } else {
            assert_eq!(said["error"]["data"]["category"], "client_error", "{said}");
        }
    }
    assert!(answered >= 1);
}

#[test]
fn what_is_no_message_over_http_is_refused_and_the_neighbour_is_answered() {
    let server = serve(&["--demo"], &[]);
    for (body, code, id) in bad_lines() {
        // Methods and tools that are unknown reach the protocol, which needs a session.
        if matches!(code, -32601 | -32602) {
            continue;
        }
        let reply = request(server.public, "POST", "/mcp", &[], &body);
        let said = reply.json();
        let shown = String::from_utf8_lossy(&body);
        assert_eq!(reply.status, 400, "{shown:.80}: {reply:?}");
        assert_eq!(
            (&said["error"]["code"], &said["id"]),
            (&json!(code), &id),
            "{shown:.80}"
        );
    }
    let session = server.session(&[]);
    let headers = [
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    for (method, code) in [("no/such", -32601), ("tools/call", -32602)] {
        let body = json!({"jsonrpc": "2.0", "id": 3, "method": method,
            "params": {"name": "no_such"}});
        let said = server.post(&body, &headers).json();
        assert_eq!(
            (&said["error"]["code"], &said["id"]),
            (&json!(code), &json!(3)),
            "{said}"
        );
    }
    let good = server
        .post(&tool_call(4, "version", json!({})), &headers)
        .json();
    assert_eq!(good["result"]["isError"], false, "{good}");
}

fn in_flight(server: &Server, count: usize) {
    wait_for("the calls in flight", || {
        let metrics = server.admin("/metrics", &[]).body;
        let line = format!("\nexai_in_flight {count}\n");
        metrics.contains(&line).then_some(())
    });
}

#[test]
fn a_client_that_leaves_mid_call_costs_its_neighbour_nothing_and_its_permit_is_freed() {
    let (server, provider) = serve_asking(&[]);
    let mut neighbour = Socket::mcp(&server, &[]);
    neighbour.say(&tool_call(2, "chat", json!({"prompt": "slow neighbour"})));
    provider.wait_for_questions(1);

    let body = call("chat", json!({"prompt": "slow http"})).to_string();
    let mut head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\naccept: application/json, text/event-stream\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n",
        server.public,
        body.len()
    );
    for (name, value) in call_headers("chat") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut http = TcpStream::connect(server.public).unwrap();
    http.set_read_timeout(Some(PATIENCE)).unwrap();
    http.write_all(format!("{head}\r\n{body}").as_bytes())
        .unwrap();
    let mut daemon = greeted(&server, json!({}));
    daemon.say(&dialect::chat("a", "slow daemon"));
    let mut bridge = Bridge::to(&server, &[]);
    bridge.begin();
    bridge.say(&tool_call(3, "chat", json!({"prompt": "slow bridge"})));
    let state = tempfile::tempdir().unwrap();
    let settings = provider.settings();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut pipe = Bridge::spawn(&mut stdio(state.path(), &settings));
    pipe.begin();
    pipe.say(&tool_call(3, "chat", json!({"prompt": "slow pipe"})));
    provider.wait_for_questions(5);
    in_flight(&server, 4);

    drop((http, daemon));
    // The pipes of these two close, and they end by themselves.
    for client in [&mut bridge, &mut pipe] {
        drop(client.stdin.take());
        wait_for("the end of the process", || {
            client.child.try_wait().unwrap()
        });
    }
    // A process takes its question with it; a daemon finishes what is paid for.
    wait_for("the provider to be left by the process", || {
        (provider.left() == 1).then_some(())
    });
    in_flight(&server, 4);
    provider.open();
    in_flight(&server, 0);
    let said = neighbour.hear().unwrap();
    let text = &said["result"]["content"][0]["text"];
    assert_eq!(text, &answer("slow neighbour"), "{said}");
}
