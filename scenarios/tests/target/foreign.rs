//! Servers that nobody here wrote, or as plain as their library gives them.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use super::{failed, judged, plain, says};

/// What a variable names, or why this is not run. With `EXAI_REQUIRE` absence fails.
fn wanted(variable: &str, kind: &str, package: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|one| one == kind);
        assert!(!is_required, "{variable} is not set: {package} is required");
        eprintln!("not run: {variable} is not set; it names a folder with {package}");
    }
    found
}

#[test]
fn a_plain_rmcp_server_carries_the_claim() {
    let folder = tempfile::tempdir().expect("a folder");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--example", "plain-rmcp"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "it does not build"
    );
    let own = PathBuf::from(env!("CARGO_BIN_EXE_verify"));
    let server = own.with_file_name("examples").join("plain-rmcp");
    let (run, _) = judged(
        folder.path(),
        &["--stdio", server.to_str().expect("a path")],
        plain,
    );
    assert_eq!(run.status.code(), Some(0), "{}", says(&run));
}

#[test]
fn a_fastmcp_server_carries_the_claim() {
    let package = "fastmcp 4.1.2 from PyPI";
    let Some(python) = wanted("CLIENTS_PYTHON", "python", package) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let server = folder.path().join("server.py");
    std::fs::write(&server, include_str!("server.py")).expect("a file");
    let python = python.to_str().expect("a path");
    let server = server.to_str().expect("a path");
    let (run, report) = judged(folder.path(), &["--stdio", python, server], plain);
    assert_eq!(run.status.code(), Some(0), "{}", says(&run));
    assert_eq!(report["not_applicable"][0]["criterion"], "security");
}

/// Runs server-everything with the named tools left out; None where it is not installed.
fn everything(left_out: &[&str]) -> Option<(Output, Value)> {
    let package = "@modelcontextprotocol/server-everything 2026.8.31 from npm";
    let modules = wanted("CLIENTS_NODE", "node", package)?;
    let script = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";
    let script = modules.join(script);
    let script = script.to_str().expect("a path");
    let folder = tempfile::tempdir().expect("a folder");
    let edit = |mut text: String| {
        for name in left_out {
            let row = format!("name = \"{name}\"\ncall = ");
            assert!(text.contains(&row), "{name} is not listed: {text}");
            text = text.replace(&format!("{row}true"), &format!("{row}false"));
        }
        text
    };
    let reached = ["--stdio", "node", script, "stdio"];
    Some(judged(folder.path(), &reached, edit))
}

/// It waits ten seconds, which a test need not.
const SLOW: &str = "trigger-long-running-operation";

#[test]
fn the_tool_of_server_everything_that_tells_the_environment_is_found_and_nothing_else() {
    let Some((run, report)) = everything(&[SLOW]) else {
        return;
    };
    assert_eq!(run.status.code(), Some(1), "{}", says(&run));
    assert_eq!(failed(&report), ["security/secret"], "{}", says(&run));
    assert!(says(&run).contains("tools/call get-env"), "{}", says(&run));
}

#[test]
fn server_everything_carries_the_claim_when_that_tool_is_not_called_and_the_report_says_so() {
    let Some((run, _)) = everything(&[SLOW, "get-env"]) else {
        return;
    };
    assert_eq!(run.status.code(), Some(0), "{}", says(&run));
    let said = says(&run);
    assert!(said.contains("tool get-env: call = false"), "{said}");
}
