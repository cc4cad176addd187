//! Looks at the ground before anything starts: what this machine has, what that is needed for, and
//! the command that mends it. Nothing here fails a run; what is absent makes its criteria
//! Inconclusive, and says so.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::statvfs::statvfs;
use serde::Serialize;

use crate::process::Nobody;
use crate::redis::{PACKAGE, which};

/// Below this the generator, the simulators and the server share one core.
const CORES: usize = 2;
/// A hundred and fifty calls in flight, each with a connection at client, link, server and vendor.
const DESCRIPTORS: u64 = 8_192;
/// Room for the histories of some runs, MiB.
const DISK_MIB: u64 = 1_024;
/// Memory that the server, the rig and a Redis need together, MiB.
const MEMORY_MIB: u64 = 2_048;
/// Where an engine listens.
const ENGINE: &str = "/var/run/docker.sock";
const ENGINE_LIMIT: Duration = Duration::from_secs(2);

/// How the ground is in one respect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As needed.
    Good,
    /// There, and less than needed.
    Low,
    /// Not there.
    Absent,
}

/// One row of the doctor's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Stable id, such as `redis-server`.
    pub id: &'static str,
    /// How it is.
    pub state: State,
    /// What was found, for people.
    pub found: String,
    /// What it is needed for.
    pub needed_for: &'static str,
    /// What to do; empty when nothing is.
    pub fix: String,
}

impl Row {
    fn new(id: &'static str, needed_for: &'static str, (state, found): (State, String)) -> Self {
        Self {
            id,
            state,
            found,
            needed_for,
            fix: String::new(),
        }
    }

    /// The same with what to do unless all is good.
    fn or(mut self, fix: impl Into<String>) -> Self {
        if self.state != State::Good {
            self.fix = fix.into();
        }
        self
    }
}

/// Looks at everything; `evidence` is where histories will be written, there or not.
#[must_use]
pub fn look(evidence: &Path) -> Vec<Row> {
    let mut rows = vec![
        Row::new("cores", "every timed criterion", cores()).or("use a machine with two cores"),
        Row::new("memory", "every criterion", memory()).or("stop what else runs here"),
        Row::new("descriptors", "V.3, V.8", descriptors())
            .or(format!("ulimit -n {DESCRIPTORS}, or raise the hard limit")),
        Row::new("disk", "the record of a run", disk(evidence))
            .or(format!("free {DISK_MIB} MiB at {}", evidence.display())),
        Row::new("loopback", "many client addresses (V.3, V.6)", loopback())
            .or("judge on Linux, where 127.0.0.0/8 is one interface"),
        Row::new(
            "user",
            "hiding evidence and run key from the server",
            user(),
        )
        .or("run as root, so that the server runs as nobody"),
        Row::new(
            "redis-server",
            "--store redis; release claims",
            version("redis-server"),
        )
        .or(format!("apt-get install {PACKAGE}")),
        Row::new("engine", "--driver container; production claims", engine())
            .or("start a container engine, or use --driver local"),
    ];
    let tests = [
        (
            "postgres",
            "tests of the archive",
            "apt-get install postgresql",
        ),
        (
            "chromium",
            "tests of the report in a browser",
            "apt-get install chromium",
        ),
        (
            "node",
            "the TypeScript client in CI",
            "apt-get install nodejs",
        ),
        (
            "python3",
            "the Python client in CI",
            "apt-get install python3",
        ),
    ];
    rows.extend(
        tests.map(|(name, needed_for, fix)| Row::new(name, needed_for, version(name)).or(fix)),
    );
    rows
}

/// The table for a terminal: one line a row, and its fix below it.
#[must_use]
pub fn lines(rows: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    for row in rows {
        let word = match row.state {
            State::Good => "good",
            State::Low => "low",
            State::Absent => "absent",
        };
        let Row {
            id,
            found,
            needed_for,
            fix,
            ..
        } = row;
        lines.push(format!("{id:<13} {word:<7} {found}  (for {needed_for})"));
        if !fix.is_empty() {
            lines.push(format!("{:<13} {:<7} {fix}", "", "->"));
        }
    }
    lines
}

/// Raises the soft limit of descriptors to the hard one, for us and what we start, and says what it
/// is then.
#[must_use]
pub fn raise_descriptors() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 0;
    };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return hard;
    }
    soft
}

fn least(found: u64, needed: u64, unit: &str) -> (State, String) {
    let state = if found >= needed {
        State::Good
    } else {
        State::Low
    };
    (state, format!("{found} {unit} of {needed}"))
}

fn cores() -> (State, String) {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let state = if cores >= CORES {
        State::Good
    } else {
        State::Low
    };
    (state, format!("{cores} of {CORES}"))
}

fn memory() -> (State, String) {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    match kib {
        Some(kib) => least(kib / 1_024, MEMORY_MIB, "MiB"),
        None => (State::Absent, "/proc/meminfo does not say".to_owned()),
    }
}

fn descriptors() -> (State, String) {
    // The soft limit is raised at the start of a run; the hard one decides.
    let hard = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(_, hard)| hard);
    least(hard, DESCRIPTORS, "descriptors")
}

fn disk(folder: &Path) -> (State, String) {
    let existing = folder.ancestors().find(|path| path.exists());
    let Some(found) = existing.and_then(|path| statvfs(path).ok()) else {
        return (State::Absent, "the disk does not say".to_owned());
    };
    // The widths of the fields differ between platforms.
    #[expect(
        clippy::useless_conversion,
        reason = "c_ulong is 32 bits wide on some targets"
    )]
    let (blocks, size) = (
        u64::from(found.blocks_available()),
        u64::from(found.fragment_size()),
    );
    least(blocks.saturating_mul(size) >> 20, DISK_MIB, "MiB")
}

fn loopback() -> (State, String) {
    match TcpListener::bind((Ipv4Addr::new(127, 77, 0, 1), 0)) {
        Ok(_bound) => (State::Good, "127.77.0.1 can be bound".to_owned()),
        Err(error) => (State::Absent, format!("127.77.0.1: {error}")),
    }
}

fn user() -> (State, String) {
    match Nobody::when_root() {
        Some(nobody) => (
            State::Good,
            format!("the server runs as user {}", nobody.uid),
        ),
        None => (State::Low, "the server runs as ourselves".to_owned()),
    }
}

/// The first line an executable prints for `--version`.
fn version(name: &str) -> (State, String) {
    let Some(program) = which(name) else {
        return (State::Absent, "not on PATH".to_owned());
    };
    let said = Command::new(&program).arg("--version").output().ok();
    let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let first = text.as_deref().and_then(|text| text.lines().next());
    let line: String = first.unwrap_or("").chars().take(60).collect();
    let place: PathBuf = program;
    let found = if line.is_empty() {
        place.display().to_string()
    } else {
        line
    };
    (State::Good, found)
}

/// Asks the engine's socket; milliseconds when nobody is there.
fn engine() -> (State, String) {
    let asked = UnixStream::connect(ENGINE).and_then(|mut stream| {
        stream.set_read_timeout(Some(ENGINE_LIMIT))?;
        stream.set_write_timeout(Some(ENGINE_LIMIT))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")?;
        let mut answer = [0; 64];
        let read = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned())
    });
    match asked {
        Ok(answer) if answer.contains(" 200 ") => (State::Good, format!("answers at {ENGINE}")),
        Ok(_other) => (State::Absent, format!("something else answers at {ENGINE}")),
        Err(error) => (State::Absent, format!("{ENGINE}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_that_is_not_good_says_what_to_do_and_good_ones_do_not() {
        let rows = look(Path::new("/no/such/folder/yet"));
        assert!(rows.len() >= 8);
        for row in &rows {
            assert_eq!(row.fix.is_empty(), row.state == State::Good, "{row:?}");
            assert!(!row.found.is_empty(), "{row:?}");
        }
        let mut ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        ids.dedup();
        assert_eq!(ids.len(), rows.len());
    }

    #[test]
    fn an_absent_thing_is_shown_with_its_fix_below_it() {
        let row = Row::new(
            "redis-server",
            "V.4",
            (State::Absent, "not on PATH".to_owned()),
        );
        let lines = lines(&[row.or("apt-get install redis-server")]);
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].contains("absent") && lines[0].contains("V.4"),
            "{lines:?}"
        );
        assert!(lines[1].ends_with("-> apt-get install redis-server") || lines[1].contains("->"));
    }

    #[test]
    fn a_program_on_path_is_found_with_its_version_and_a_made_up_one_is_absent() {
        assert_eq!(version("sh").0, State::Good);
        assert_eq!(version("no-such-program-here").0, State::Absent);
    }
}
