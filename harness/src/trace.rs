//! The system calls of a running process, as `strace` attached to it writes them down.
//!
//! Attaching needs the program and the right to trace: of root, or of a kernel that lets a user
//! trace what is theirs. Without either there is no trace, and the caller says why.

mod appends;
mod line;

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;

use crate::machine::which;
use crate::process::{Process, ProcessError, Spec};
pub use appends::{Marked, Place, follow};
pub use line::{SystemCall, read};

/// The package that brings the executable.
pub const PACKAGE: &str = "strace";
/// Calls that write, sync or send; nothing else is of use, and each costs the process a stop.
const CALLS: &str = "trace=write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,sendto,sendmsg";
/// The most bytes shown of one write: more than a page of the embedded store or a small reply.
const SHOWN: &str = "65536";
/// How long attaching, and letting go, may take.
const LIMIT: Duration = Duration::from_secs(10);
/// What it says once the process is traced.
const ATTACHED: &str = "attached";
/// The file it writes, in a folder of its own.
const FILE: &str = "calls";

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum Untraced {
    /// The program is not installed.
    #[error("strace is not on PATH: install the package {PACKAGE}")]
    Missing,
    /// The process is not one of this machine's, or is not running.
    #[error("there is no process of this machine to trace: {0}")]
    NoProcess(String),
    /// The kernel, or the program, refused.
    #[error("strace could not attach: {0}")]
    Refused(String),
    /// It attached and did not let go, or left no file.
    #[error("strace left no whole trace: {0}")]
    Broken(String),
}

impl From<ProcessError> for Untraced {
    fn from(error: ProcessError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// A trace that is being taken. Dropping it lets the process go.
pub struct Tracing {
    process: Process,
    /// Nobody else may look into it: the calls hold what the process sends, its keys among it.
    folder: TempDir,
}

impl Tracing {
    /// Attaches to a process and all its threads, and returns once it is traced.
    ///
    /// # Errors
    /// When `strace` is not installed, or may not trace that process.
    pub async fn attach(pid: u32) -> Result<Self, Untraced> {
        let program = which("strace").ok_or(Untraced::Missing)?;
        let folder = tempfile::tempdir().map_err(|error| Untraced::Broken(error.to_string()))?;
        let mut spec = Spec::new("strace", &program, folder.path());
        let pid = pid.to_string();
        let words = ["-f", "-yy", "-s", SHOWN, "-e", "signal=none", "-e", CALLS];
        spec.args = words.iter().map(Into::into).collect();
        spec.args.extend(["-p".into(), pid.into()]);
        spec.args.extend(["-o".into(), FILE.into()]);
        let (attached, mut seen) = watch::channel(false);
        spec.on_stderr = Some(Arc::new(move |line: &str| {
            if line.contains(ATTACHED) {
                attached.send_replace(true);
            }
        }));
        let process = Process::spawn(spec)?;
        let refused = || Untraced::Refused(process.tail());
        let hearing = async {
            tokio::select! {
                heard = seen.wait_for(|seen| *seen) => heard.is_ok(),
                _ended = process.wait() => false,
            }
        };
        match tokio::time::timeout(LIMIT, hearing).await {
            Ok(true) => Ok(Self { process, folder }),
            Ok(false) | Err(_) => Err(refused()),
        }
    }

    /// Lets the process go and reads what it did meanwhile.
    ///
    /// # Errors
    /// When `strace` ended before, does not end now, or left no readable file.
    pub async fn finish(self) -> Result<Vec<SystemCall>, Untraced> {
        let broken = |why: String| Untraced::Broken(why);
        if self.process.ended().is_some() {
            return Err(broken(self.process.tail()));
        }
        let ended = self.process.terminate(LIMIT).await;
        ended.map_err(|error| broken(error.to_string()))?;
        let folder = self.folder;
        let reading = tokio::task::spawn_blocking(move || {
            let bytes = std::fs::read(folder.path().join(FILE))?;
            Ok::<_, std::io::Error>(read(&String::from_utf8_lossy(&bytes)))
        });
        let read = reading.await.map_err(std::io::Error::other);
        read.and_then(|read| read)
            .map_err(|error| broken(error.to_string()))
    }
}

#[cfg(test)]
mod tests;
