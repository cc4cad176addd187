//! Who the running server is, by what the kernel says (judging.md §6, I1-I5).
//!
//! The subject is the hash of the *running* executable. What the server says of itself is a
//! cross-check. A rule that breaks is written into the running hash, which then equals nothing.

mod listener;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use exai_judge::hex;
use exai_judge::observation::IdentitySeen;
use sha2::{Digest, Sha256};

use crate::process::Pair;
use crate::scratch::Scratch;
pub(crate) use listener::sockets_of;
pub use listener::{Owners, connections, owners};

/// Loaders read these before the program runs a line of its own.
const LOADER: &str = "LD_";
/// A file whose libraries are loaded into every program.
const PRELOAD: &str = "/etc/ld.so.preload";

/// The binary to be judged, in a copy that only this run can replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    path: PathBuf,
    sha256: String,
}

impl Subject {
    /// Hashes the binary through one descriptor while copying it to a 0555 file of the run, so
    /// that what was hashed is what will be executed.
    ///
    /// # Errors
    /// The operating system's.
    pub fn take(binary: &Path, scratch: &Scratch) -> io::Result<Self> {
        Self::copy(binary, scratch, "bin", b"")
    }

    /// Another build than the one to be judged: the same with one byte appended. It is the
    /// launcher of the saboteur that serves a foreign binary.
    ///
    /// # Errors
    /// The operating system's.
    pub fn foreign(binary: &Path, scratch: &Scratch) -> io::Result<Self> {
        Self::copy(binary, scratch, "sbin", b"\0")
    }

    fn copy(binary: &Path, scratch: &Scratch, folder: &str, tail: &[u8]) -> io::Result<Self> {
        let folder = scratch.path().join(folder);
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
        let name = binary.file_name().unwrap_or_else(|| "exai".as_ref());
        let path = folder.join(name);
        let mut from = File::open(binary)?;
        let mut to = File::options()
            .write(true)
            .create_new(true)
            .mode(0o555)
            .open(&path)?;
        let mut hash = Sha256::new();
        each_block(&mut from, |block| {
            hash.update(block);
            to.write_all(block)
        })?;
        hash.update(tail);
        to.write_all(tail)?;
        to.set_permissions(std::fs::Permissions::from_mode(0o555))?;
        Ok(Self {
            path,
            sha256: hex::encode(&hash.finalize()),
        })
    }

    /// The copy to execute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its SHA-256, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

fn each_block(
    from: &mut impl Read,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut block = vec![0; 1 << 20];
    loop {
        match from.read(&mut block)? {
            0 => return Ok(()),
            read => take(block.get(..read).unwrap_or_default())?,
        }
    }
}

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// The operating system's.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    each_block(&mut File::open(path)?, |block| {
        hash.update(block);
        Ok(())
    })?;
    Ok(hex::encode(&hash.finalize()))
}

/// SHA-256 of what a process executes, whatever its path holds by now.
///
/// # Errors
/// When the process is gone or belongs to somebody we may not look into.
pub fn running_sha256(pid: u32) -> io::Result<String> {
    sha256_of(Path::new(&format!("/proc/{pid}/exe")))
}

/// A process' environment as the kernel keeps it.
///
/// # Errors
/// When the process is gone or may not be looked into.
pub fn environment(pid: u32) -> io::Result<Vec<(String, String)>> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ"))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// What was to run, and where it was to listen.
#[derive(Debug, Clone)]
pub struct Expected {
    /// SHA-256 of the binary that was to be judged.
    pub sha256: String,
    /// The environment it was given.
    pub env: Vec<(String, String)>,
    /// Ports it alone should listen on.
    pub ports: Vec<u16>,
}

/// What the server says of itself.
#[derive(Debug, Clone, Default)]
pub struct Reported {
    /// `executable_sha256` of the manifest.
    pub sha256: Option<String>,
    /// `instance` of the manifest.
    pub instance: Option<String>,
}

/// Looks at the process and says who it is. Reads whole executables: not for the event loop.
#[must_use]
pub fn look(moment: &str, pair: Pair, expected: &Expected, reported: Reported) -> IdentitySeen {
    let mut running = running_sha256(pair.pid).unwrap_or_else(|error| format!("unread: {error}"));
    for broken in broken_rules(pair, expected) {
        running.push_str(&format!(" ({broken})"));
    }
    IdentitySeen {
        moment: moment.to_owned(),
        pid: pair.pid,
        start_ticks: pair.start_ticks,
        running_sha256: running,
        expected_sha256: expected.sha256.clone(),
        reported_sha256: reported.sha256,
        instance: reported.instance,
        place: None,
        owns_listeners: expected
            .ports
            .iter()
            .all(|port| owners(pair.pid, *port).is_ok_and(|found| found.is_sole())),
    }
}

fn broken_rules(pair: Pair, expected: &Expected) -> Vec<String> {
    let mut broken = Vec::new();
    if !pair.is_alive() {
        broken.push("the process is another or gone".to_owned());
    }
    match environment(pair.pid) {
        Ok(mut seen) => {
            let mut given = expected.env.clone();
            seen.sort_unstable();
            given.sort_unstable();
            let loader = seen.iter().find(|(name, _)| name.starts_with(LOADER));
            if let Some((name, _)) = loader {
                broken.push(format!("{name} is set"));
            }
            if seen != given {
                broken.push("its environment is not the one it was given".to_owned());
            }
        }
        Err(error) => broken.push(format!("its environment cannot be read: {error}")),
    }
    if Path::new(PRELOAD).exists() {
        broken.push(format!("{PRELOAD} exists"));
    }
    match std::fs::read_to_string(format!("/proc/{}/maps", pair.pid)) {
        Ok(maps) => broken.extend(foreign_code(&maps)),
        Err(error) => broken.push(format!("its mappings cannot be read: {error}")),
    }
    broken
}

/// Executable mappings without a file behind them, or whose file is gone (I3).
fn foreign_code(maps: &str) -> Option<String> {
    let is_foreign = |line: &&str| {
        let mut words = line.split_whitespace();
        let may_execute = words.nth(1).is_some_and(|rights| rights.contains('x'));
        let file = words.nth(3).unwrap_or("");
        let is_kernels = matches!(file, "[vdso]" | "[vsyscall]" | "[uprobes]");
        may_execute && !is_kernels && (!file.starts_with('/') || line.ends_with("(deleted)"))
    };
    let line = maps.lines().find(is_foreign)?;
    Some(format!("it executes code from no file: {line}"))
}

#[cfg(test)]
mod tests;
