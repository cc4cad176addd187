//! The stdio edge, around a child that answers every line.

use std::io::Write;
use std::process::{Command, Stdio};

use exai_mocks::impostor::journal::Line;
use serde_json::{Value, json};

use crate::rig::{call, text};

/// Answers each request line with a success under its id.
const SERVER: &str = concat!(
    r#"s/.*"id":([0-9]+).*/{"jsonrpc":"2.0","id":\1,"#,
    r#""result":{"content":[{"type":"text","text":"answer kimi.1.\1 x"}]}}/"#
);

fn run(spoil: &str, server: &[&str], lines: &[String]) -> (Vec<String>, Vec<Line>, Option<i32>) {
    let folder = tempfile();
    let mut child = Command::new(env!("CARGO_BIN_EXE_impostor"))
        .args(["--edge", "stdio", "--spoil", spoil, "--journal"])
        .arg(&folder)
        .arg("--")
        .args(server)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in lines {
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let record = std::fs::read_to_string(&folder).unwrap();
    std::fs::remove_file(&folder).unwrap();
    let record = record
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (
        said.lines().map(str::to_owned).collect(),
        record,
        output.status.code(),
    )
}

fn tempfile() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("impostor-{}-{number}.ndjson", std::process::id()))
}

#[test]
fn the_control_passes_lines_in_order_and_the_exit_code() {
    let mut lines: Vec<String> = (0..50).map(|id| call(id, "x").to_string()).collect();
    lines.push("no json at all".into());
    for spoil in ["none", "leak"] {
        let (said, record, code) = run(spoil, &["sh", "-c", "cat; exit 7"], &lines);
        assert_eq!(said, lines, "{spoil}");
        assert_eq!(code, Some(7));
        assert!(matches!(record.first(), Some(Line::Ready { .. })));
        assert!(matches!(record.last(), Some(Line::Done { .. })));
    }
}

#[test]
fn calls_are_spoiled_as_on_http() {
    let lines: Vec<String> = (1..=3).map(|id| call(id, "my words").to_string()).collect();
    let (said, record, code) = run("echo", &["sed", "-u", "-E", SERVER], &lines);
    let replies: Vec<Value> = said
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(replies.len(), 3, "{said:?}");
    assert!(replies.iter().all(|reply| text(reply) == "my words"));
    assert_eq!(code, Some(0));
    let spoiled: Vec<&Value> = record
        .iter()
        .filter_map(|line| match line {
            Line::Spoiled { request_id, .. } => Some(request_id),
            _ => None,
        })
        .collect();
    assert_eq!(spoiled, [&json!(1), &json!(2), &json!(3)]);
}

#[test]
fn a_server_that_cannot_start_is_said_to() {
    let output = Command::new(env!("CARGO_BIN_EXE_impostor"))
        .args([
            "--edge",
            "stdio",
            "--journal",
            "/dev/null",
            "--",
            "/no/such/server",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("could not run the server")
    );
}
