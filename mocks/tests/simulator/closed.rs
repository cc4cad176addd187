//! What another process of the same user can read of a simulator, which holds the run key.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::process::{feed, settings};
use crate::rig::KIMI_KEY;

/// Somebody without rights of his own, where we have them: root may read everything.
const NOBODY: u32 = 65_534;

/// A command as a user who may not look into the processes of others.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/");
    command
}

/// Whether such a user's own process can do that.
fn may(script: &str) -> (bool, String) {
    let mut shell = unprivileged(Path::new("/bin/sh"));
    let done = shell.args(["-c", script]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    (done.status.success(), said)
}

#[test]
fn nobody_finds_the_run_key_in_the_process_table() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("mock-provider");
    std::fs::copy(env!("CARGO_BIN_EXE_mock-provider"), &copy).unwrap();
    let mut command = unprivileged(&copy);
    command.args(["--provider", "kimi"]).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ready = feed(&mut child, &settings(KIMI_KEY));
    let own = format!("/proc/{}", child.id());
    let (is_shown, line) = may(&format!("tr '\\0' ' ' < {own}/cmdline"));
    assert!(is_shown && line.contains("--provider kimi"), "{line}");
    assert!(!line.contains(&"ab".repeat(32)));
    for file in ["environ", "maps", "mem", "fd/0", "fd/1"] {
        let (is_read, _) = may(&format!(": < {own}/{file}"));
        assert!(!is_read, "{file} can be opened");
    }
    let (is_listed, names) = may(&format!("ls {own}/fd"));
    assert!(!is_listed, "{names}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_process_that_did_not_close_itself_is_read() {
    let mut sleeper = unprivileged(Path::new("/bin/cat"));
    sleeper.env("RUN_KEY", "found");
    let mut child = sleeper.stdin(Stdio::piped()).spawn().unwrap();
    let script = format!("tr '\\0' '\\n' < /proc/{}/environ", child.id());
    let (is_read, found) = may(&script);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(is_read && found.contains("RUN_KEY=found"), "{found}");
}
