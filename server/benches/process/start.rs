//! From nothing to `tools/list` over a pipe, alone and twelve at once.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::served::exai;
use crate::{Trouble, millis, quantile};

const ALONE: usize = 20;
const AT_ONCE: usize = 12;
const ROUNDS: usize = 4;

/// Prints the times of both.
pub fn measure() -> Result<(), Trouble> {
    let shared = tempfile::tempdir()?;
    // The first start makes the state folder, which is not what every session pays.
    let first = once(shared.path())?;
    println!("  the first in an empty folder: {:.0} ms", millis(first));
    let mut alone = Vec::new();
    for _ in 0..ALONE {
        alone.push(once(shared.path())?);
    }
    tell("alone", alone);
    let mut together = Vec::new();
    for _ in 0..ROUNDS {
        let folder = shared.path();
        let times: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..AT_ONCE)
                .map(|_| scope.spawn(move || once(folder)))
                .collect();
            all.into_iter().map(|one| one.join()).collect()
        });
        for time in times {
            together.push(time.map_err(|_| "a start broke")??);
        }
    }
    tell("twelve at once", together);
    Ok(())
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort();
    println!(
        "  {what}: p50 {:.0} ms, most {:.0} ms of {} starts; target 300 ms",
        millis(quantile(&times, 0.5)),
        millis(quantile(&times, 1.0)),
        times.len()
    );
}

/// Starts, lists the tools, and ends.
fn once(folder: &std::path::Path) -> Result<Duration, Trouble> {
    let begun = Instant::now();
    let mut child = exai()
        .args(["stdio", "--set"])
        .arg(format!("server.state_dir={}", folder.display()))
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
            took = (tools >= 18).then(|| begun.elapsed());
            break;
        }
    }
    drop(pipe);
    child.wait()?;
    took.ok_or_else(|| "no list of tools".into())
}
