//! The audit file: on a full disk, where what is denied meanwhile is kept or counted and the
//! instance comes back by itself; and the command that tells whether it is whole.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use exai_server::auth::audit::verify;
use serde_json::{Value, json};

use super::process::{Server, call, exai, serve, serve_by, wait_for};

/// Room for one more line and part of a second.
const ROOM: u64 = 700;

/// A server that is told of a full disk as of any other error, not by a signal.
fn serve_limited(settings: &[&str]) -> Server {
    let mut command = Command::new("sh");
    let ignoring = "trap '' XFSZ; exec \"$0\" \"$@\"";
    let binary = env!("CARGO_BIN_EXE_exai");
    command.env_clear().args(["-c", ignoring, binary]);
    serve_by(command, settings)
}

/// No file of this process grows beyond so many bytes; `unlimited` for the former state.
fn limit(server: &Server, bytes: &str) {
    let limited = Command::new("prlimit")
        .args(["--pid", &server.child.id().to_string()])
        .arg(format!("--fsize={bytes}:"))
        .status();
    assert!(limited.unwrap().success());
}

fn deny(server: &Server) -> String {
    let stranger = [("origin", "http://evil.example")];
    let reply = server.post(&call("version", json!({})), &stranger);
    assert_eq!(reply.status, 403, "{reply:?}");
    reply.header("exai-correlation-id").unwrap().to_owned()
}

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let whole = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    whole.collect()
}

fn wait_for_readiness(server: &Server, status: u16) {
    wait_for(&format!("readiness {status}"), || {
        (server.admin("/health/ready", &[]).status == status).then_some(())
    });
}

/// Denials before, during and after a full disk, with so many lines waiting at most; the audit
/// lines of them and how many the file says were lost.
fn full_disk(queue: usize) -> (Vec<String>, Vec<String>, u64) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let at = format!("audit.file={}", file.display());
    let queue = format!("audit.queue={queue}");
    let server = serve_limited(&["--demo", "health.interval=200ms", &at, &queue]);
    wait_for_readiness(&server, 200);
    let mut denied = vec![deny(&server)];
    wait_for("the first line", || (lines(&file).len() == 1).then_some(()));
    let full = std::fs::metadata(&file).unwrap().len() + ROOM;
    limit(&server, &full.to_string());
    denied.extend((0..12).map(|_| deny(&server)));
    wait_for_readiness(&server, 503);
    let detail = server.admin("/health", &[]).json();
    assert_eq!(detail["components"]["audit"]["status"], "unhealthy");
    // Nothing else is denied before it comes back.
    limit(&server, "unlimited");
    wait_for_readiness(&server, 200);
    denied.push(deny(&server));
    let last = denied.last().unwrap().clone();
    let is_last = |line: &Value| line["correlation_id"] == *last;
    wait_for("the last line", || {
        lines(&file).iter().any(is_last).then_some(())
    });
    drop(server);
    let lines = lines(&file);
    assert_eq!(verify(&file, None).unwrap().end.count, lines.len() as u64);
    let again = serve(&["--demo", &at], &[]);
    assert_eq!(again.admin("/health/live", &[]).status, 200);
    let (mut recorded, mut lost) = (Vec::new(), 0);
    for line in lines {
        match line["action"].as_str() {
            Some("audit/lost") => {
                let told = line["resource"].as_str().unwrap();
                lost += told.trim_end_matches(" lines").parse::<u64>().unwrap();
            }
            _ => recorded.push(line["correlation_id"].as_str().unwrap().to_owned()),
        }
    }
    (denied, recorded, lost)
}

#[test]
fn what_is_denied_on_a_full_disk_is_written_once_there_is_room() {
    let (denied, recorded, lost) = full_disk(4096);
    assert_eq!((recorded, lost), (denied, 0));
}

#[test]
fn what_finds_no_room_even_in_memory_is_counted_in_the_file() {
    let (denied, recorded, lost) = full_disk(4);
    assert!(lost > 0, "{recorded:?}");
    assert_eq!(recorded.len() as u64 + lost, denied.len() as u64);
    let all: BTreeSet<&String> = denied.iter().collect();
    let once: BTreeSet<&String> = recorded.iter().collect();
    assert!(once.is_subset(&all) && once.len() == recorded.len());
}

/// What `exai audit verify` says of a file, and its exit code.
fn verified(words: &[&str]) -> (String, i32) {
    let output = exai(&[]).args(["audit", "verify"]).args(words).output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (said, output.status.code().unwrap())
}

#[test]
fn the_command_finds_the_first_broken_line_and_with_the_shown_anchor_a_tail_that_is_gone() {
    let server = serve(&["--demo", "health.interval=200ms"], &[]);
    let state = format!("server.state_dir={}", server.state.path().display());
    let file = server.state.path().join("audit.jsonl");
    (0..3).for_each(|_| drop(deny(&server)));
    let anchor = wait_for("the anchor", || {
        let detail = server.admin("/health", &[]).json();
        let shown = detail["components"]["audit"]["anchor"].as_str()?.to_owned();
        shown.starts_with("3:").then_some(shown)
    });
    // While the server runs, by the file that its configuration names.
    let (said, code) = verified(&["--set", &state, "--anchor", &anchor]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        said,
        format!("ok   3 lines, the last in 1 file here; anchor {anchor}\n")
    );
    let whole = std::fs::read_to_string(&file).unwrap();
    let path = file.to_str().unwrap();
    std::fs::write(&file, whole.replacen("origin", "nothing", 2)).unwrap();
    let (said, code) = verified(&[path, "--json"]);
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &told["ok"]), (1, &json!(false)), "{said}");
    assert_eq!(told["broken_at"], json!({"file": path, "line": 1}));
    let tail: Vec<&str> = whole.split_inclusive('\n').take(2).collect();
    std::fs::write(&file, tail.concat()).unwrap();
    assert_eq!(verified(&[path]).1, 0);
    let (said, code) = verified(&[path, "--anchor", &anchor]);
    assert_eq!(code, 1);
    assert!(said.contains("ends after 2 lines"), "{said}");
    assert_eq!(verified(&["/nowhere/audit.jsonl"]).1, 64);
    assert_eq!(verified(&[path, "--anchor", "3"]).1, 64);
}
