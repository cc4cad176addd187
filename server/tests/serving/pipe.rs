use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{exai, initialize, wait_for};

/// A server on pipes that was initialized, ended with the test.
struct Pipe {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    _state: tempfile::TempDir,
}

impl Pipe {
    fn open(words: &[&str]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let dir = format!("server.state_dir={}", state.path().display());
        let mut child = exai(&[])
            .args(["stdio", "--set", &dir])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let mut pipe = Self {
            input: child.stdin.take(),
            lines: BufReader::new(output).lines(),
            child,
            _state: state,
        };
        pipe.say(&initialize());
        pipe.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        pipe
    }

    fn say(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    /// Calls a tool and reads up to its answer.
    fn call(&mut self, id: u64, tool: &str, arguments: &Value) -> Value {
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": tool, "arguments": arguments}}));
        loop {
            let line = self.lines.next().unwrap().unwrap();
            // Standard output carries the protocol alone: another line is no JSON.
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == id {
                return answer;
            }
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_pipe_carries_the_protocol_alone_and_the_process_ends_with_it() {
    let mut pipe = Pipe::open(&["--set", "server.instance=pipe-1"]);
    pipe.say(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}));
    let said = pipe.call(3, "version", &json!({}));
    assert_eq!(
        said["result"]["structuredContent"]["instance_name"], "pipe-1",
        "{said}"
    );
    drop(pipe.input.take());
    let started = Instant::now();
    let status = wait_for("the exit", || pipe.child.try_wait().unwrap());
    assert!(status.success(), "{status}");
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    let mut rest = pipe.lines.by_ref().map(Result::unwrap);
    assert!(rest.all(|line| serde_json::from_str::<Value>(&line).is_ok()));
}

#[test]
fn a_pipe_answers_from_the_marked_demo_with_the_flag_and_never_without() {
    for words in [&["--demo"][..], &[]] {
        let is_demo = !words.is_empty();
        let mut pipe = Pipe::open(words);
        let said = pipe.call(2, "chat", &json!({"prompt": "what is nine and nine?"}));
        let text = said["result"]["content"][0]["text"].as_str().unwrap();
        let about = &said["result"]["_meta"]["dev.exai/reply"];
        assert_eq!(said["result"]["isError"] == true, !is_demo, "{said}");
        assert_eq!(
            text.starts_with("[DEMO - no model was asked]"),
            is_demo,
            "{said}"
        );
        assert_eq!(about["demo"] == true, is_demo, "{said}");
        let wanted = if is_demo { "--demo" } else { "KIMI_API_KEY" };
        assert!(text.contains(wanted), "{text}");
    }
}
