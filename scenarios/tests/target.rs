//! `verify target` from outside: honest servers pass, planted faults are found, and what was not
//! tried is said.

#![expect(clippy::expect_used, reason = "a test without its ground has failed")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use exai_harness::history::History;
use exai_harness::identity::sha256_of;
use exai_judge::Event;
use serde_json::Value;

#[path = "target/foreign.rs"]
mod foreign;
#[path = "served/post.rs"]
mod post;
#[path = "target/web.rs"]
mod web;

fn verify(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(words)
        .current_dir(folder)
        .output()
        .expect("verify starts")
}

fn says(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

/// The server with a fault of choice.
const PLANTED: &str = env!("CARGO_BIN_EXE_planted");

/// `init`, a short load, then `run`: what it printed, and its report.
fn judged(folder: &Path, reached: &[&str], edit: impl Fn(String) -> String) -> (Output, Value) {
    let init = verify(folder, &[&["target", "init"], reached].concat());
    assert_eq!(init.status.code(), Some(0), "{}", says(&init));
    let file = folder.join("target.toml");
    let text = std::fs::read_to_string(&file).expect("a file");
    assert!(text.contains("# Each tool with arguments"), "{text}");
    let text = text.replace("rate = 20\nseconds = 10", "rate = 60\nseconds = 2");
    std::fs::write(&file, edit(text)).expect("a file");
    let run = verify(folder, &["target", "run"]);
    let report = folder.join("reports/target/latest/report.json");
    let report = std::fs::read(report).expect("a report");
    (run, serde_json::from_slice(&report).expect("JSON"))
}

fn plain(text: String) -> String {
    text
}

/// The ids of the checks that failed, as `wire/types`.
fn failed(report: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for criterion in report["criteria"].as_array().expect("criteria") {
        for check in criterion["checks"].as_array().expect("checks") {
            if check["verdict"] == "FAIL" {
                let (of, id) = (&criterion["criterion"], &check["id"]);
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                found.push(format!("{}/{}", text(of), text(id)));
            }
        }
    }
    found
}

#[test]
fn an_honest_server_carries_the_claim_and_what_was_not_tried_stands_on_the_first_screen() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = PLANTED;
    let (run, report) = judged(folder.path(), &["--stdio", server], plain);
    let said = says(&run);
    assert_eq!(run.status.code(), Some(0), "{said}");
    for line in [
        "Go: target-merge-ready is carried",
        "untested   wire revision 2026-07-28",
        "no subject security origin",
        "repeat     verify target run target.toml",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert_eq!(report["claim"]["name"], "target-merge-ready");
    assert_eq!(report["run"]["version"], "1");
    let reports = folder.path().join("reports/target");
    for file in ["report.html", "junit.xml", "report.sarif", "report.md"] {
        let text = std::fs::read_to_string(reports.join("latest").join(file)).expect(file);
        assert!(text.contains("target-merge-ready"), "{file}");
    }
    let junit = std::fs::read_to_string(reports.join("latest/junit.xml")).expect("JUnit");
    assert!(junit.contains("skipped"), "{junit}");
    // The record alone gives the same verdicts, and a changed byte is refused.
    let runs = std::fs::read_dir(reports.join("runs")).expect("runs");
    let record = runs.flatten().next().expect("a record").path();
    let spans = families(&record);
    let names: Vec<&str> = spans.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["wire", "panic", "security", "wire", "load"]);
    assert!(spans.iter().all(|(_, seen)| *seen > 0), "{spans:?}");
    let shown = record.to_str().expect("a path").to_owned();
    let again = verify(folder.path(), &["judge", &shown]);
    assert_eq!(again.status.code(), Some(0), "{}", says(&again));
    let history = segment(&record);
    let text = std::fs::read_to_string(&history).expect("a history");
    std::fs::write(&history, text.replacen("-32601", "-32600", 1)).expect("a file");
    let touched = verify(folder.path(), &["judge", &shown]);
    assert_eq!(touched.status.code(), Some(5), "{}", says(&touched));
}

/// The families by their marks, each with how much was seen from its begin to its end.
fn families(record: &Path) -> Vec<(String, usize)> {
    let mut open = None;
    let mut found = Vec::new();
    for observation in History::in_folder(record).observations() {
        match (observation.event, &mut open) {
            (Event::Phase(mark), _) if mark.ended => found.extend(open.take()),
            (Event::Phase(mark), _) => open = Some((mark.criterion, 0)),
            (_, Some((_, seen))) => *seen += 1,
            (_, None) => {}
        }
    }
    found
}

fn segment(record: &Path) -> PathBuf {
    let files = std::fs::read_dir(record).expect("a record").flatten();
    let mut segments = files.map(|file| file.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("history"))
    });
    segments.next().expect("a segment")
}

#[test]
fn the_judge_is_named_as_it_ran_whatever_stands_in_its_place_at_the_end() {
    // Beside the executable, so that its file can have another name there.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let init = verify(folder.path(), &["target", "init", "--stdio", PLANTED]);
    assert_eq!(init.status.code(), Some(0), "{}", says(&init));
    let file = folder.path().join("target.toml");
    let text = std::fs::read_to_string(&file).expect("a file");
    let text = text.replace("rate = 20\nseconds = 10", "rate = 60\nseconds = 2");
    std::fs::write(&file, text).expect("a file");
    let own = folder.path().join("judge");
    std::fs::hard_link(env!("CARGO_BIN_EXE_verify"), &own).expect("another name");
    let mut run = Command::new(&own)
        .args(["target", "run"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // It has begun once it says so.
    let told = BufReader::new(run.stderr.take().expect("a pipe"));
    let mut told = told.lines().map_while(Result::ok);
    assert!(told.by_ref().any(|line| line.ends_with("wire")));
    let other = folder.path().join("other");
    std::fs::write(&other, "another build").expect("a file");
    std::fs::rename(&other, &own).expect("it stands in its place");
    let _rest = told.count();
    assert_eq!(run.wait().expect("it ends").code(), Some(0));
    let report = folder.path().join("reports/target/latest/report.json");
    let report = std::fs::read(report).expect("a report");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    let wanted = sha256_of(env!("CARGO_BIN_EXE_verify").as_ref()).expect("it is read");
    assert_eq!(report["identity"]["harness_sha256"], wanted);
}

#[test]
fn each_planted_fault_is_found_by_its_own_check() {
    let cases = [
        ("dies", "panic/alive"),
        ("dies at length", "panic/edge"),
        ("takes all", "wire/types"),
        ("tells", "security/secret"),
        ("trace", "security/trace"),
        ("talks", "wire/pure"),
        ("broken", "wire/pure"),
        ("yes", "wire/method"),
        ("ids", "wire/ids"),
        ("deaf", "panic/frame"),
        ("version", "wire/version"),
        ("hidden", "security/hidden"),
        ("empty", "wire/result"),
        ("stays", "wire/ending"),
    ];
    let server = PLANTED;
    // One thread each: most of the time is waiting for a server that says nothing.
    std::thread::scope(|scope| {
        for (fault, check) in cases {
            scope.spawn(move || {
                let folder = tempfile::tempdir().expect("a folder");
                // A server that answers no number cannot be listed: its file names it later.
                let by_hand = fault == "ids";
                let honest = ["--stdio", server];
                let broken = ["--stdio", server, fault];
                let reached: &[&str] = if by_hand { &honest } else { &broken };
                let (run, report) = judged(folder.path(), reached, |text| {
                    let text = text.replace("wait_s = 5", "wait_s = 1");
                    if by_hand {
                        text.replace(
                            &format!("[\"{server}\"]"),
                            &format!("[\"{server}\", \"ids\"]"),
                        )
                    } else {
                        text
                    }
                });
                assert_eq!(run.status.code(), Some(1), "{fault}: {}", says(&run));
                let found = failed(&report);
                assert!(found.iter().any(|one| one == check), "{fault}: {found:?}");
                let heading = report["opening"]["heading"].as_str().unwrap_or_default();
                assert!(heading.starts_with("No-go"), "{fault}: {heading}");
            });
        }
    });
}

#[test]
fn a_tool_without_a_hint_is_not_called_and_a_claim_without_a_call_is_not_carried() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = PLANTED;
    let none = |text: String| text.replace("call = true", "call = false");
    let (run, report) = judged(folder.path(), &["--stdio", server, "dies"], none);
    assert_eq!(run.status.code(), Some(2), "{}", says(&run));
    assert!(
        says(&run).contains("tool repeat: call = false"),
        "{}",
        says(&run)
    );
    assert_eq!(failed(&report), Vec::<String>::new());
}

#[test]
fn a_file_that_is_not_there_or_names_nobody_is_the_users_mistake() {
    let folder = tempfile::tempdir().expect("a folder");
    let gone = verify(folder.path(), &["target", "run"]);
    assert_eq!(gone.status.code(), Some(64), "{}", says(&gone));
    assert!(says(&gone).contains("target init"), "{}", says(&gone));
    let nobody = verify(folder.path(), &["target", "init"]);
    assert_eq!(nobody.status.code(), Some(64), "{}", says(&nobody));
    let none = verify(
        folder.path(),
        &["target", "init", "--stdio", "/no/such/server"],
    );
    assert_eq!(none.status.code(), Some(64), "{}", says(&none));
    let silent = verify(folder.path(), &["target", "init", "--stdio", "/bin/true"]);
    assert_eq!(silent.status.code(), Some(3), "{}", says(&silent));
    std::fs::write(folder.path().join("target.toml"), "# mine").expect("a file");
    let kept = verify(
        folder.path(),
        &["target", "init", "--url", "http://127.0.0.1:9/mcp"],
    );
    assert_eq!(kept.status.code(), Some(64), "{}", says(&kept));
    assert!(says(&kept).contains("--force"), "{}", says(&kept));
}

#[test]
fn the_gate_weighs_a_targets_record_under_its_own_claim_and_under_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (run, _) = judged(folder, &["--stdio", PLANTED], plain);
    assert_eq!(run.status.code(), Some(0), "{}", says(&run));
    let asked = |words: &[&str], code: i32, word: &str| {
        let answer = verify(folder, &[&["gate", "--claim"], words].concat());
        assert_eq!(answer.status.code(), Some(code), "{}", says(&answer));
        assert!(says(&answer).contains(word), "{}", says(&answer));
    };
    asked(&["target-merge-ready"], 0, "target-merge-ready is carried");
    let foreign = ["target-merge-ready", "--server", PLANTED];
    asked(&foreign, 64, "leave out --server");
    let runs = folder.join("reports/target/runs");
    let mut runs = std::fs::read_dir(&runs).expect("runs").flatten();
    let record = runs.next().expect("a record").path();
    let named = record.to_str().expect("a path");
    let other = ["merge-ready", "--reports", "reports/target", "--run", named];
    asked(&other, 5, "target is no profile of the catalogue");
    let findings = record.join("findings.json");
    let text = std::fs::read_to_string(&findings).expect("findings");
    std::fs::write(&findings, text.replacen("PASS", "FAIL", 1)).expect("written");
    asked(&["target-merge-ready"], 5, "evidence refused");
}
