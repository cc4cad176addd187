//! Clients written by others, run as programs of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The program named by `variable`, or None with the line that counts what was not run.
pub fn program(variable: &str, requirement: &str, package: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.exists());
    if found.is_none() {
        eprintln!("not run: {requirement} client ({package}; set {variable})");
        let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|name| name == requirement);
        assert!(
            !is_required,
            "EXAI_REQUIRE names {requirement}, and {variable} is not set"
        );
    }
    found
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

/// The Python client with one of its scripts.
pub fn python(name: &str) -> Option<Command> {
    let python = program("CLIENTS_PYTHON", "python", "mcp 2.3.0 from PyPI")?;
    let mut command = Command::new(python);
    command.arg(script(name));
    Some(command)
}

/// The TypeScript client with one of its scripts.
pub fn typescript(name: &str) -> Option<Command> {
    let package = "@modelcontextprotocol/client 2.4.0 from npm";
    let folder = program("CLIENTS_NODE", "node", package)?;
    let mut command = Command::new("node");
    command.env("CLIENTS_NODE", folder).arg(script(name));
    Some(command)
}

/// What a client prints.
pub fn run(mut command: Command) -> Value {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the client failed:\n{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}
