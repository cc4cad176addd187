//! The process edge: a program that has become another, and the company it has then.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// `sleep` under this spoiler, once it is that.
fn sleeper(spoil: &str) -> Child {
    let child = Command::new(env!("CARGO_BIN_EXE_impostor"))
        .args([
            "--edge",
            "process",
            "--spoil",
            spoil,
            "--",
            "/usr/bin/sleep",
            "60",
        ])
        .env_clear()
        .env("KEPT", "as it is")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let program = format!("/proc/{}/exe", child.id());
    eventually(|| fs::read_link(&program).is_ok_and(|path| path.ends_with("sleep")));
    let environment = fs::read(format!("/proc/{}/environ", child.id())).unwrap();
    assert_eq!(environment, b"KEPT=as it is\0");
    child
}

fn eventually(mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + WITHIN;
    while !is_so() {
        assert!(Instant::now() < until, "not within {WITHIN:?}");
        std::thread::sleep(LOOK_EVERY);
    }
}

fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let told = fs::read_to_string(path).unwrap();
    told.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// The inodes of its sockets.
fn sockets(pid: u32) -> BTreeSet<String> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = open.filter_map(|one| fs::read_link(one.ok()?.path()).ok());
    let names = targets.map(|path| path.display().to_string());
    names.filter(|name| name.starts_with("socket:")).collect()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_helper_is_a_child_of_what_the_impostor_became_and_ends_with_it() {
    let server = sleeper("helper");
    let [helper] = children(server.id())[..] else {
        panic!("one child: {:?}", children(server.id()));
    };
    assert!(sockets(server.id()).is_empty());
    end(server);
    eventually(|| fs::metadata(format!("/proc/{helper}/exe")).is_err());
}

#[test]
fn a_stranger_is_no_child_and_at_the_other_end_of_a_connection() {
    let server = sleeper("stranger");
    assert!(children(server.id()).is_empty());
    assert_eq!(sockets(server.id()).len(), 1);
    end(server);
}

#[test]
fn the_control_gives_no_company() {
    let server = sleeper("none");
    assert!(children(server.id()).is_empty());
    assert!(sockets(server.id()).is_empty());
    end(server);
}
