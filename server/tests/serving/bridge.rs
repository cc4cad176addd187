//! `exai bridge`: a client at its pipes gets what the daemon says, or a typed error.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::piped::Bridge;
use super::process::{EXPIRING, exai, initialize, serve, serve_jwt, token, wait_for};
use super::provider::{Provider, answer, serve_asking};
use super::relay::Relay;
use super::socket::tool_call;

fn text(said: &Value) -> &str {
    said["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{said}"))
}

#[test]
fn a_client_at_the_pipe_gets_the_daemons_answers_and_its_end_is_quick() {
    let (server, _provider) = serve_asking(&[]);
    let mut bridge = Bridge::to(&server, &[]);
    bridge.begin();
    let listed = bridge.ask(&json!({"jsonrpc": "2.0", "id": "l", "method": "tools/list"}));
    assert!(
        listed["result"]["tools"].as_array().unwrap().len() > 3,
        "{listed}"
    );
    let said = bridge.ask(&tool_call(7, "chat", json!({"prompt": "tracer"})));
    assert_eq!(text(&said), answer("tracer"));
    for (line, code) in [("{", -32700), ("[]", -32600)] {
        writeln!(bridge.stdin.as_mut().unwrap(), "{line}").unwrap();
        assert_eq!(bridge.hear()["error"]["code"], code, "{line}");
    }
    drop(bridge.stdin.take());
    let ended = Instant::now();
    let status = wait_for("the exit", || bridge.child.try_wait().unwrap());
    assert!(status.success(), "{status}");
    assert!(
        ended.elapsed() < Duration::from_secs(2),
        "{:?}",
        ended.elapsed()
    );
}

#[test]
fn two_hundred_calls_at_once_each_get_their_own_answer() {
    let (server, provider) = serve_asking(&["limits.rate.address=60"]);
    let mut bridge = Bridge::to(&server, &[]);
    bridge.begin();
    for id in 100..300 {
        bridge.say(&tool_call(
            id,
            "chat",
            json!({"prompt": format!("tracer {id}")}),
        ));
    }
    let mut answers = BTreeMap::new();
    while answers.len() < 200 {
        let said = bridge.hear();
        answers.insert(said["id"].as_u64().unwrap(), said);
    }
    for (id, said) in &answers {
        assert_eq!(text(said), answer(&format!("tracer {id}")), "{id}");
    }
    assert_eq!(provider.asked(), 200);
}

#[test]
fn a_daemon_that_restarts_mid_call_still_gives_the_answer() {
    let provider = Provider::start();
    let own = provider.settings();
    let settings: Vec<&str> = own.iter().map(String::as_str).collect();
    let daemon = ("EXAI_DAEMON_KEY", "5e8d7c6b4a39281706f5e4d3c2b1a098");
    let env = [("KIMI_API_KEY", "sk-0123456789abcdef"), daemon];
    let relay = Relay::start();
    let first = serve(&settings, &env);
    relay.lead(Some(first.public));
    let url = format!("ws://{}/ws", relay.address);
    let mut bridge = Bridge::start(&url, first.state.path(), &[], &[daemon]);
    bridge.begin();
    bridge.say(&tool_call(7, "chat", json!({"prompt": "slow one"})));
    provider.wait_for_questions(1);
    relay.lead(None);
    drop(first);
    bridge.say(&tool_call(8, "version", json!({})));
    let second = serve(&settings, &env);
    relay.lead(Some(second.public));
    assert_eq!(bridge.hear()["id"], 8);
    provider.wait_for_questions(2);
    provider.open();
    let said = bridge.hear();
    assert_eq!(
        (said["id"].as_u64(), text(&said)),
        (Some(7), &*answer("slow one"))
    );
}

#[test]
fn a_link_that_breaks_costs_no_second_question() {
    let (server, provider) = serve_asking(&[]);
    let relay = Relay::start();
    relay.lead(Some(server.public));
    let url = format!("ws://{}/ws", relay.address);
    let mut bridge = Bridge::start(&url, server.state.path(), &[], &[]);
    bridge.begin();
    bridge.say(&tool_call(7, "chat", json!({"prompt": "slow one"})));
    provider.wait_for_questions(1);
    relay.lead(Some(server.public));
    // Answered over the new connection, while the call still runs.
    assert_eq!(bridge.ask(&tool_call(8, "version", json!({})))["id"], 8);
    provider.open();
    let said = bridge.hear();
    assert_eq!(text(&said), answer("slow one"), "{said}");
    assert_eq!(said["result"]["_meta"]["dev.exai/reply"]["replayed"], true);
    assert_eq!((provider.asked(), provider.left()), (1, 0));
}

#[test]
fn a_client_that_leaves_finds_its_answer_in_its_newest_thread() {
    let (server, provider) = serve_asking(&[]);
    let mut bridge = Bridge::to(&server, &[]);
    bridge.begin();
    bridge.say(&tool_call(7, "chat", json!({"prompt": "slow one"})));
    provider.wait_for_questions(1);
    drop(bridge.stdin.take());
    wait_for("the bridge to end", || bridge.child.try_wait().unwrap());
    provider.open();
    let mut again = Bridge::to(&server, &[]);
    again.begin();
    let next = json!({"prompt": "and then?", "continuation_id": "latest"});
    let mut id = 7;
    let said = wait_for("the answer in the thread", || {
        id += 1;
        let said = again.ask(&tool_call(id, "chat", next.clone()));
        (said["result"]["isError"] == false).then_some(said)
    });
    assert_eq!(
        said["result"]["_meta"]["dev.exai/reply"]["turn"], 2,
        "{said}"
    );
    assert_eq!(provider.left(), 0);
}

#[test]
fn without_a_daemon_a_call_ends_with_a_typed_error_after_its_wait() {
    let state = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("ws://{free}/ws");
    let mut bridge = Bridge::start(&url, state.path(), &["bridge.reconnect=500ms"], &[]);
    let started = Instant::now();
    let said = bridge.ask(&initialize());
    let data = &said["error"]["data"];
    assert_eq!(data["code"], "daemon_unreachable", "{said}");
    assert_eq!(
        (&data["category"], &data["retryable"]),
        (&json!("network_error"), &json!(true))
    );
    assert!(said.get("result").is_none());
    assert!(started.elapsed() >= Duration::from_millis(500));
}

#[test]
fn the_daemons_refusal_of_a_token_is_passed_on_as_an_error() {
    let server = serve_jwt(&["--demo"]);
    let good = token("alice", &["user"]);
    let mut bridge = Bridge::to(&server, &[("EXAI_TOKEN", &good)]);
    bridge.begin();
    let said = bridge.ask(&tool_call(7, "version", json!({})));
    assert_eq!(said["result"]["isError"], false, "{said}");
    for bad in [&*format!("{good}x"), ""] {
        let mut bridge = Bridge::to(&server, &[("EXAI_TOKEN", bad)]);
        let said = bridge.ask(&initialize());
        assert_eq!(said["error"]["code"], -32001, "{said}");
        assert_eq!(said["error"]["data"]["category"], "auth_error");
        assert!(said.get("result").is_none());
    }
}

#[test]
fn a_token_is_read_anew_when_the_daemon_no_longer_takes_the_old_one() {
    let server = serve_jwt(&EXPIRING);
    let file = server.state.path().join("token");
    std::fs::write(&file, super::process::token_for("alice", &["user"], 2)).unwrap();
    let url = format!("ws://{}/ws", server.public);
    let setting = format!("bridge.token_file={}", file.display());
    let mut bridge = Bridge::start(&url, server.state.path(), &[&setting], &[]);
    bridge.begin();
    let mut id = 1;
    let refused = wait_for("the token to expire", || {
        id += 1;
        let said = bridge.ask(&tool_call(id, "version", json!({})));
        said["error"].is_object().then_some(said)
    });
    assert_eq!(
        refused["error"]["data"]["code"], "unauthorized",
        "{refused}"
    );
    std::fs::write(&file, token("alice", &["user"])).unwrap();
    wait_for("the new token to be used", || {
        id += 1;
        let said = bridge.ask(&tool_call(id, "version", json!({})));
        (said["result"]["isError"] == false).then_some(())
    });
}

/// The listening sockets among a process's descriptors.
fn listening(pid: u32) -> usize {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = links.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let own: Vec<String> = links.map(|link| link.display().to_string()).collect();
    let tables =
        ["tcp", "tcp6"].map(|name| std::fs::read_to_string(format!("/proc/{pid}/net/{name}")));
    let tables = tables.map(Result::unwrap_or_default).concat();
    let sockets = tables.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // State 0A is LISTEN; the tenth field is the inode.
        (fields.get(3) == Some(&"0A")).then(|| format!("socket:[{}]", fields[9]))
    });
    sockets.filter(|socket| own.contains(socket)).count()
}

#[test]
fn each_mode_answers_a_call_and_listens_where_it_is_documented_to() {
    let server = serve(&["--demo"], &[]);
    assert_eq!(listening(server.child.id()), 2);
    let mut bridge = Bridge::to(&server, &[]);
    let state = tempfile::tempdir().unwrap();
    let dir = format!("server.state_dir={}", state.path().display());
    let mut command = exai(&[]);
    let mut stdio = Bridge::spawn(command.args(["stdio", "--set", &dir]));
    for (mode, client) in [("bridge", &mut bridge), ("stdio", &mut stdio)] {
        client.begin();
        let said = client.ask(&tool_call(7, "version", json!({})));
        assert_eq!(said["result"]["isError"], false, "{mode}: {said}");
        assert_eq!(listening(client.child.id()), 0, "{mode}");
    }
}
