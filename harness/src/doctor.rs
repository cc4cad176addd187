//! Looks at the ground before anything starts: what is missing here, and what to do about it.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::machine::{self, which};
use crate::wall_clock::{self, PACKAGE};

/// How a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Not there; what needs it is Inconclusive.
    Missing,
    /// There, and not enough of it.
    Short,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Such as `redis-server`.
    pub what: String,
    /// What was found.
    pub found: String,
    /// How it stands.
    pub state: State,
    /// What it is for, or the fix.
    pub note: String,
}

impl Row {
    fn new(what: &str, found: impl Into<String>, state: State, note: &str) -> Self {
        Self {
            what: what.to_owned(),
            found: found.into(),
            state,
            note: note.to_owned(),
        }
    }
}

/// Descriptors that the full profile's load needs.
const DESCRIPTORS: u64 = 4_096;
/// Bytes free that a quick run's record may need.
const DISK_BYTES: u64 = 2 << 30;
/// Cores below which every timed phase is at the mercy of the machine.
const CORES: usize = 2;
const GIB: u64 = 1 << 30;

/// Looks at this machine; `reports` is where records will be written.
#[must_use]
pub fn look(reports: &Path) -> Vec<Row> {
    vec![
        version_of("rustc", "rust", "builds the server"),
        redis(),
        engine(),
        clock(),
        descriptors(),
        cores(),
        disk(reports),
        loopback(),
        program(
            "python3",
            "the Python client of the conformance tests",
            "python3-venv",
        ),
        program(
            "node",
            "the TypeScript client of the conformance tests",
            "npm, then node@22",
        ),
        program("chromium", "screenshots of the report", "chromium"),
        program("strace", "V.5p and row 9c of the self-test", "strace"),
    ]
}

fn version_of(name: &str, what: &str, note: &str) -> Row {
    match output(name, &["--version"]) {
        Some(found) => Row::new(what, found, State::Ok, note),
        None => Row::new(what, "not on PATH", State::Missing, note),
    }
}

fn output(name: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(name)
        .args(words)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().to_owned())
}

fn redis() -> Row {
    let found = output("redis-server", &["--version"]);
    let version = found.as_deref().and_then(|line| {
        line.split_whitespace()
            .find_map(|word| word.strip_prefix("v="))
    });
    match version {
        Some(version) => Row::new("redis-server", version, State::Ok, "V.4 and V.5 on Redis"),
        None => Row::new(
            "redis-server",
            "not on PATH",
            State::Missing,
            "V.4 and V.5 run on the embedded store. For Redis: apt-get install redis-server",
        ),
    }
}

/// A client alone is no engine.
fn engine() -> Row {
    const WHAT: &str = "container engine";
    match crate::engine::ping() {
        Ok(address) => Row::new(WHAT, address, State::Ok, "--driver container"),
        Err(error) => {
            let note = format!(
                "V.4 and V.5 in containers are not tested here: {}",
                error.fix
            );
            Row::new(WHAT, "not answering", State::Missing, &note)
        }
    }
}

fn clock() -> Row {
    const NOTE: &str = "row B10 of the self-test";
    match wall_clock::library() {
        Some(path) => Row::new(PACKAGE, path.display().to_string(), State::Ok, NOTE),
        None => {
            let note = format!("{NOTE} needs it: apt-get install {PACKAGE}");
            Row::new(PACKAGE, "not installed", State::Missing, &note)
        }
    }
}

fn descriptors() -> Row {
    const WHAT: &str = "descriptors";
    match machine::descriptor_limit() {
        Ok(soft) if soft >= DESCRIPTORS => {
            let note = "enough for the full profile";
            Row::new(WHAT, soft.to_string(), State::Ok, note)
        }
        Ok(soft) => {
            let note = "raise to 4096 for the full profile: ulimit -n 4096";
            Row::new(WHAT, soft.to_string(), State::Short, note)
        }
        Err(error) => unreadable(WHAT, &error),
    }
}

/// What could not be read is neither enough nor too little.
fn unreadable(what: &str, error: &io::Error) -> Row {
    let note = "could not be read; runs may end for lack of it";
    Row::new(what, error.to_string(), State::Missing, note)
}

fn cores() -> Row {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let state = if cores >= CORES {
        State::Ok
    } else {
        State::Short
    };
    Row::new(
        "cores",
        cores.to_string(),
        state,
        "the server needs one to itself in V.3 and V.8",
    )
}

fn disk(reports: &Path) -> Row {
    let existing = reports
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(reports);
    let free = match machine::free_disk(existing) {
        Ok(free) => free,
        Err(error) => return unreadable("disk", &error),
    };
    let state = if free >= DISK_BYTES {
        State::Ok
    } else {
        State::Short
    };
    Row::new(
        "disk",
        format!("{} GiB free", free / GIB),
        state,
        "a record may take 2 GiB",
    )
}

/// Many identities speak from many loopback addresses.
fn loopback() -> Row {
    match TcpListener::bind((Ipv4Addr::new(127, 77, 0, 1), 0)) {
        Ok(_) => Row::new(
            "loopback",
            "127.0.0.0/8",
            State::Ok,
            "many client addresses",
        ),
        Err(error) => Row::new(
            "loopback",
            error.to_string(),
            State::Missing,
            "every client shares one address; V.3 and V.6 need 127.0.0.0/8, as on Linux",
        ),
    }
}

fn program(name: &str, purpose: &str, package: &str) -> Row {
    match which(name) {
        Some(path) => Row::new(name, path.display().to_string(), State::Ok, purpose),
        None => {
            let note = format!("{purpose}; package {package}");
            Row::new(name, "not on PATH", State::Missing, &note)
        }
    }
}

/// The rows as lines for people.
#[must_use]
pub fn lines(rows: &[Row]) -> Vec<String> {
    let width = |column: fn(&Row) -> &str| {
        rows.iter()
            .map(|row| column(row).chars().count())
            .max()
            .unwrap_or(0)
            .min(40)
    };
    let (what, found) = (width(|row| &row.what), width(|row| &row.found));
    rows.iter()
        .map(|row| {
            let mark = match row.state {
                State::Ok => "ok     ",
                State::Missing => "missing",
                State::Short => "short  ",
            };
            format!(
                "{:<what$}  {mark}  {:<found$}  {}",
                row.what, row.found, row.note
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_thing_names_its_fix() {
        for row in look(Path::new("/")) {
            let is_silent = row.state != State::Ok && row.note.len() < 10;
            assert!(!is_silent, "{row:?} does not say what to do");
        }
    }

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [
            Row::new("disk", "82 GiB free", State::Ok, "a record may take 2 GiB"),
            Row::new("descriptors", "1024", State::Short, "raise it"),
        ];
        let lines = lines(&rows);
        assert_eq!(
            lines[0],
            "disk         ok       82 GiB free  a record may take 2 GiB"
        );
        assert_eq!(lines[1], "descriptors  short    1024         raise it");
    }
}
