//! `exai version`: which build this is.

use super::document::say_document;
use super::{BUG, Failed, say};
use crate::app::AppError;
use crate::observe::manifest::{Build, executable_sha256};

pub(super) fn run(json: bool) -> Result<(), Failed> {
    let hash = executable_sha256().map_err(|error| AppError::ours("executable", error, BUG))?;
    let build = Build::with_executable(hash);
    if json {
        say_document("exai-version/1", &serde_json::json!(build));
        return Ok(());
    }
    let dirty = match build.dirty {
        Some(true) => ", changed since",
        Some(false) => "",
        None => ", state unknown",
    };
    say(&format!(
        "exai {} (commit {}{dirty})",
        build.version, build.commit
    ));
    say(&format!("sha256 {}", build.executable_sha256));
    Ok(())
}
