//! The `mock-provider` process: told on standard input, heard on standard output, gone at its end.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use exai_mocks::journal::{Entry, Ready};
use serde_json::{Value, json};

use crate::rig::{KIMI_KEY, client};

fn start(line: &str) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mock-provider"))
        .args(["--provider", "kimi"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.as_mut().unwrap();
    input.write_all(line.as_bytes()).unwrap();
    input.write_all(b"\n").unwrap();
    child
}

/// Tells a simulator who it is; its journal behind the line that it is ready.
pub fn feed(child: &mut Child, line: &str) -> Lines<BufReader<ChildStdout>> {
    writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = serde_json::from_str(&lines.next().unwrap().unwrap());
    assert!(matches!(ready, Ok(Entry::Ready(_))), "{ready:?}");
    lines
}

pub fn settings(key: &str) -> String {
    json!({"run_key": "ab".repeat(32), "epoch": 4,
        "keys": [{"key": key, "id": "kimi-main", "tier": "unlimited", "state": "valid"}],
        "plan": {"seed": 7}})
    .to_string()
}

async fn ask(url: &str) -> u16 {
    let ask = json!({"model": "kimi-k3", "messages": [{"role": "user", "content": "hello"}]});
    let reply = client()
        .post(url)
        .bearer_auth(KIMI_KEY)
        .json(&ask)
        .send()
        .await
        .unwrap();
    reply.status().as_u16()
}

async fn put_plan(ready: &Ready, plan: &'static str, status: u16) {
    let request = client().put(format!("{}/plan", ready.control)).body(plan);
    assert_eq!(request.send().await.unwrap().status(), status, "{plan}");
}

async fn get(ready: &Ready, path: &str) -> Value {
    let url = format!("{}{path}", ready.control);
    client()
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

#[tokio::test]
async fn the_process_serves_is_steered_and_ends_with_its_input() {
    let mut child = start(&settings(KIMI_KEY));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Entry>(&lines.next().unwrap().unwrap()).unwrap();
    let Entry::Ready(ready) = next() else {
        panic!("no ready line")
    };
    assert_eq!((ready.epoch, ready.pid), (4, child.id()));

    let url = format!("{}/chat/completions", ready.url);
    assert_eq!(ask(&url).await, 200);
    let Entry::Began(began) = next() else {
        panic!("no beginning")
    };
    assert_eq!(began.seq, "kimi.4.1");
    assert!(matches!(next(), Entry::Ended(_)));

    put_plan(&ready, r#"{"rules":[{"id":"a","fault":"M03"}]}"#, 400).await;
    put_plan(&ready, r#"{"rules":[{"id":"a","fault":"K11"}]}"#, 200).await;
    assert_eq!(ask(&url).await, 401);
    assert_eq!(get(&ready, "/counters").await["requests"], 2);
    assert_eq!(get(&ready, "/counters").await["rules"]["a"]["fired"], 1);
    assert_eq!(get(&ready, "/probe").await["provider"], "kimi");
    assert!(matches!(next(), Entry::Began(_)) && matches!(next(), Entry::Ended(_)));
    let journal = get(&ready, "/journal?after=3").await;
    assert_eq!(
        (journal["first"].as_u64(), journal["last"].as_u64()),
        (Some(4), Some(5))
    );
    assert_eq!(journal["entries"][0]["fault"], "K11");

    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(lines.next().is_none());
}

#[test]
fn bad_settings_are_refused_without_showing_a_key() {
    for line in [
        "",
        "{",
        &settings("not-a-kimi-key-but-secret"),
        r#"{"run_key":"ab"}"#,
    ] {
        let child = start(line);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{line}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("mock-provider: could not"), "{said}");
        assert!(!said.contains("but-secret"), "{said}");
    }
}
