use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{exai, initialize, wait_for};

#[test]
fn the_pipe_carries_the_protocol_alone_and_the_process_ends_with_it() {
    let state = tempfile::tempdir().unwrap();
    let dir = format!("server.state_dir={}", state.path().display());
    let mut child = exai(&[])
        .args(["stdio", "--set", &dir, "--set", "server.instance=pipe-1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ask = |message: Value| writeln!(stdin, "{message}").unwrap();
    ask(initialize());
    ask(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    ask(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}));
    ask(json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call",
        "params": {"name": "version", "arguments": {}}}));
    let mut answers = Vec::new();
    while !answers.iter().any(|answer: &Value| answer["id"] == 3) {
        let line = lines.next().unwrap().unwrap();
        answers.push(serde_json::from_str(&line).expect("standard output carries only JSON-RPC"));
    }
    let said = answers.iter().find(|answer| answer["id"] == 3).unwrap();
    assert_eq!(
        said["result"]["structuredContent"]["instance_name"], "pipe-1",
        "{said}"
    );
    drop(stdin);
    let started = Instant::now();
    let status = wait_for("the exit", || child.try_wait().unwrap());
    assert!(status.success(), "{status}");
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    assert!(lines.all(|line| serde_json::from_str::<Value>(&line.unwrap()).is_ok()));
}
