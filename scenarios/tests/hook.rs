//! What a commit hook costs; alone in its process, whose children's time is measured.

use std::path::Path;
use std::process::Command;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// Milliseconds of processor time that one changed file may take.
const HOOK_MS: i64 = 200;

#[test]
fn a_changed_file_is_read_while_a_hook_waits() {
    let empty = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let status = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(["claims", "lint", "README.md", "--reports"])
        .arg(empty.path())
        .current_dir(root)
        .status()
        .expect("verify starts");
    assert!(status.success());
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the children's time");
    let took = used.user_time().num_milliseconds() + used.system_time().num_milliseconds();
    assert!(took < HOOK_MS, "{took} ms");
}
