//! From nothing to `tools/list` over a pipe, alone and twelve at once; with `CLIENTS_PYTHON`, a
//! server made with FastMCP beside it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::python::Python;
use crate::served::exai;
use crate::{Trouble, at_once, millis, quantile};

const ALONE: usize = 20;
const AT_ONCE: usize = 12;
const ROUNDS: usize = 4;
/// Starts of the server beside it, which takes longer.
const BESIDE: usize = 5;

/// Tools that the server lists at least, and those of the one beside it.
const FEWEST: usize = 18;
const ONE: usize = 1;

/// What both times are held to.
const GOAL: &str = "; target 300 ms";

/// Prints the times of both.
pub fn measure() -> Result<(), Trouble> {
    let shared = tempfile::tempdir()?;
    // The first start makes the state folder, which is not what every session pays.
    let ours = |folder: &Path| once(&mut stdio(folder), FEWEST);
    let first = ours(shared.path())?;
    println!("  the first in an empty folder: {:.0} ms", millis(first));
    let mut alone = Vec::new();
    for _ in 0..ALONE {
        alone.push(ours(shared.path())?);
    }
    tell("alone", alone, GOAL);
    let mut together = Vec::new();
    for _ in 0..ROUNDS {
        together.extend(at_once(AT_ONCE, |_| ours(shared.path()))?);
    }
    tell("twelve at once", together, GOAL);
    let Some(python) = Python::find("start") else {
        return Ok(());
    };
    let mut theirs = Vec::new();
    for _ in 0..BESIDE {
        theirs.push(once(&mut python.stdio(), ONE)?);
    }
    tell("FastMCP alone", theirs, "");
    let together = at_once(AT_ONCE, |_| once(&mut python.stdio(), ONE))?;
    tell("FastMCP, twelve at once", together, "");
    Ok(())
}

fn tell(what: &str, mut times: Vec<Duration>, goal: &str) {
    times.sort();
    println!(
        "  {what}: p50 {:.0} ms, most {:.0} ms of {} starts{goal}",
        millis(quantile(&times, 0.5)),
        millis(quantile(&times, 1.0)),
        times.len()
    );
}

/// The server over its pipes.
fn stdio(folder: &Path) -> Command {
    let mut command = exai();
    command
        .args(["stdio", "--set"])
        .arg(format!("server.state_dir={}", folder.display()));
    command
}

/// Starts, lists the tools, and ends.
fn once(command: &mut Command, fewest: usize) -> Result<Duration, Trouble> {
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut pipe = child.stdin.take().ok_or("no pipe")?;
    let messages = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}),
    ];
    for message in messages {
        writeln!(pipe, "{message}")?;
    }
    let out = BufReader::new(child.stdout.take().ok_or("no pipe")?);
    let mut took = None;
    for line in out.lines() {
        let said: Value = serde_json::from_str(&line?)?;
        if said["id"] == 2 {
            let tools = said["result"]["tools"].as_array().map_or(0, Vec::len);
            took = (tools >= fewest).then(|| begun.elapsed());
            break;
        }
    }
    drop(pipe);
    child.wait()?;
    took.ok_or_else(|| "no list of tools".into())
}
