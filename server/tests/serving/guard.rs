//! One daemon on one address, and any number of other processes beside it.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;

use super::piped::Bridge;
use super::process::{Server, exai, free_address, serve, wait_for};

fn lock_of(state: &Path, address: &str) -> PathBuf {
    state.join(format!("daemon-{}.lock", address.replace(':', "_")))
}

fn lock(path: &Path) -> Flock<File> {
    let file = File::create(path).unwrap();
    Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap()
}

/// Starts a daemon that is expected to end by itself.
fn refused(state: &Path, address: &str) -> Output {
    let mut command = exai(&[]);
    command.args([
        "serve",
        "--demo",
        "--listen",
        address,
        "--admin",
        "127.0.0.1:0",
    ]);
    command.args(["--set", &format!("server.state_dir={}", state.display())]);
    command.output().unwrap()
}

/// A daemon with a record of its own; what is set last counts.
fn serve_at(address: &str, state: &Path) -> Server {
    let audit = format!("audit.file={}/audit-{address}.jsonl", state.display());
    let state = format!("server.state_dir={}", state.display());
    let listen = format!("server.listen={address}");
    serve(&["--demo", &listen, &state, &audit], &[])
}

#[test]
fn a_second_daemon_names_the_first_and_a_killed_one_blocks_nobody() {
    let state = tempfile::tempdir().unwrap();
    let address = free_address().to_string();
    let mut first = serve_at(&address, state.path());
    let second = refused(state.path(), &address);
    assert_eq!(second.status.code(), Some(64), "{second:?}");
    let said = String::from_utf8(second.stderr).unwrap();
    let named = format!("process {}", first.child.id());
    assert!(said.contains(&named) && said.contains(&address), "{said}");
    // A client's own process on the same folder is no daemon.
    let mut command = exai(&[]);
    command.args(["stdio", "--demo", "--set"]);
    command.arg(format!("server.state_dir={}", state.path().display()));
    Bridge::spawn(&mut command).begin();
    let elsewhere = serve_at(&free_address().to_string(), state.path());
    assert_ne!(elsewhere.public, first.public);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let left = std::fs::read_to_string(lock_of(state.path(), &address)).unwrap();
    assert_eq!(left.trim(), first.child.id().to_string());
    let third = serve_at(&address, state.path());
    let stages = third.admin("/manifest", &[]).json()["stages"].clone();
    let stages = stages.as_array().unwrap().clone();
    let guard = stages
        .iter()
        .find(|stage| stage["name"] == "guard")
        .unwrap();
    assert_eq!(
        (&guard["executed"], &guard["result"]),
        (&true.into(), &"ok".into())
    );
}

#[test]
fn a_lock_under_the_daemons_own_pid_does_not_block_it() {
    let state = tempfile::tempdir().unwrap();
    let address = free_address().to_string();
    let path = lock_of(state.path(), &address);
    let mut held = lock(&path);
    writeln!(held, "1").unwrap();
    let blocked = refused(state.path(), &address);
    let said = String::from_utf8(blocked.stderr).unwrap();
    assert!(said.contains("process 1 serves"), "{said}");
    // As in a container on a shared folder, where each daemon is process 1: the shell's pid is
    // the daemon's.
    let script = "echo $$ > \"$1\"; exec \"$2\" serve --demo --listen \"$3\" --admin \
                  127.0.0.1:0 --set \"$4\"";
    let state = format!("server.state_dir={}", state.path().display());
    let mut child = Command::new("/bin/sh")
        .args(["-c", script, "sh"])
        .arg(&path)
        .args([env!("CARGO_BIN_EXE_exai"), &address, &state])
        .env_clear()
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let answered = wait_for("the daemon to listen", || {
        assert_eq!(child.try_wait().unwrap(), None, "the daemon was blocked");
        std::net::TcpStream::connect(&address).ok()
    });
    drop(answered);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn daemons_on_redis_take_no_lock() {
    let state = tempfile::tempdir().unwrap();
    let address = free_address().to_string();
    let _held = lock(&lock_of(state.path(), &address));
    let state = format!("server.state_dir={}", state.path().display());
    // Nobody listens there; a daemon starts all the same.
    let url = format!("store.url=redis://{}", free_address());
    let listen = format!("server.listen={address}");
    let settings = ["--demo", "store.kind=redis", &url, &listen, &state];
    let server = serve(&settings, &[]);
    let manifest = server.admin("/manifest", &[]).json();
    let stages = manifest["stages"].as_array().unwrap();
    let guard: Vec<&Value> = stages.iter().filter(|one| one["name"] == "guard").collect();
    assert_eq!(guard[0]["executed"], false, "{guard:?}");
}
