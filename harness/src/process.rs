//! A child process that cannot outlive the run.
//!
//! Each child leads a process group of its own, so that Ctrl-C at the terminal reaches only us and
//! teardown stays orderly; the kernel kills it when we die (`PR_SET_PDEATHSIG`), and dropping it
//! kills its whole group. The environment is cleared and rebuilt from the given pairs alone.

mod capture;
mod command;
mod contained;
mod pair;
mod spawner;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::monotonic;
use crate::engine::EngineError;
pub use capture::{LineSink, Tail};
use command::command;
use contained::Means;
pub use pair::Pair;
use pair::look_up;

/// The unprivileged user that judged processes run as when we are root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nobody {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Nobody {
    /// `nobody` (65534) when this process is root and may become it; None otherwise, and then
    /// judged processes run as ourselves, which the run record states.
    #[must_use]
    pub fn when_root() -> Option<Self> {
        nix::unistd::geteuid().is_root().then_some(Self {
            uid: 65_534,
            gid: 65_534,
        })
    }

    /// Hands a file or directory to this user.
    ///
    /// # Errors
    /// The operating system's.
    pub fn own(self, path: &Path) -> std::io::Result<()> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
    }
}

/// What becomes of the child's standard output.
#[derive(Clone)]
pub enum Stdout {
    /// Line by line into the tail and, if given, the sink.
    Lines(Option<LineSink>),
    /// Left to the caller, see [`Process::take_stdout`].
    Piped,
}

/// How to start a child.
#[derive(Clone)]
pub struct Spec {
    /// For messages: `server`, `kimi`, `store`.
    pub name: String,
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
    /// Its working directory.
    pub cwd: PathBuf,
    /// Whom it runs as; None is ourselves.
    pub user: Option<Nobody>,
    /// Its standard output.
    pub stdout: Stdout,
    /// Sees each line of standard error.
    pub on_stderr: Option<LineSink>,
    /// Whether standard input is a pipe, see [`Process::take_stdin`]; otherwise it is empty.
    pub stdin: bool,
    /// Whether it lends its pipes to a program in a container ([`crate::engine::Berth::beside`]).
    pub is_piped: bool,
}

impl Spec {
    /// A child without arguments, environment or input, in `cwd`, whose lines are kept.
    #[must_use]
    pub fn new(name: &str, program: &Path, cwd: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_path_buf(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: cwd.to_path_buf(),
            user: None,
            stdout: Stdout::Lines(None),
            on_stderr: None,
            stdin: false,
            is_piped: false,
        }
    }
}

/// A child that did not start or could not be signalled.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It did not start.
    #[error("could not start {name} ({program}): {cause}")]
    Start {
        /// The child's name.
        name: String,
        /// The executable.
        program: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A signal could not be sent.
    #[error("could not send {signal} to {name} ({pid}): {cause}")]
    Signal {
        /// The child's name.
        name: String,
        /// Its process id.
        pid: u32,
        /// The signal's name.
        signal: &'static str,
        /// Why.
        cause: nix::Error,
    },
    /// It did not end in time.
    #[error("could not end {name} ({pid}) within {limit:?}; last lines:\n{tail}")]
    StillRunning {
        /// The child's name.
        name: String,
        /// Its process id.
        pid: u32,
        /// How long it was given.
        limit: Duration,
        /// The last lines it wrote.
        tail: String,
    },
    /// The engine that keeps it did not do as ordered.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Exit code or signal; None when the system lost track of it.
    pub status: Option<ExitStatus>,
    /// When it was seen, absolute `CLOCK_MONOTONIC` ns.
    pub at: u64,
}

/// A running child, or one that has ended.
pub struct Process {
    name: String,
    pair: Pair,
    tail: Tail,
    ended: watch::Receiver<Option<Ended>>,
    stdin: Mutex<Option<ChildStdin>>,
    stdout: Mutex<Option<ChildStdout>>,
    means: Means,
}

impl Process {
    /// Starts a child; needs a tokio runtime.
    ///
    /// # Errors
    /// When it cannot be started, naming the executable.
    pub fn spawn(mut spec: Spec) -> Result<Self, ProcessError> {
        let means = Means::child(&mut spec);
        let name = spec.name.clone();
        let program = spec.program.clone();
        let failed = |cause| ProcessError::Start {
            name: name.clone(),
            program: program.clone(),
            cause,
        };
        let mut child = spawner::spawn(command(&spec)).map_err(failed)?;
        let pid = child.id().unwrap_or_default();
        // The child is not reaped before `wait` below, so its row exists even if it has died.
        let start_ticks = look_up(pid).map_or(0, |(ticks, _)| ticks);
        let tail = Tail::default();
        let stdin = child.stdin.take();
        let mut stdout = child.stdout.take();
        let mut reading = Vec::new();
        if let Stdout::Lines(sink) = spec.stdout
            && let Some(lines) = stdout.take()
        {
            reading.push(tail.follow(lines, sink));
        }
        if let Some(lines) = child.stderr.take() {
            reading.push(tail.follow(lines, spec.on_stderr));
        }
        let (over, ended) = watch::channel(None);
        tokio::spawn(async move {
            let status = child.wait().await.ok();
            let at = monotonic();
            // Now, while the group's id cannot have been given to anybody else.
            let _nobody_left = killpg(raw(pid), Signal::SIGKILL);
            // Lines written before the end are read before the end is announced; a grandchild that
            // holds the pipe open must not delay it for ever.
            let drained = futures::future::join_all(reading);
            let _late = tokio::time::timeout(Duration::from_secs(1), drained).await;
            over.send_replace(Some(Ended { status, at }));
        });
        Ok(Self {
            name: spec.name,
            pair: Pair { pid, start_ticks },
            tail,
            ended,
            stdin: Mutex::new(stdin),
            stdout: Mutex::new(stdout),
            means,
        })
    }

    /// The child's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Process id and start time; of the program in the container, where this lends it its pipes.
    #[must_use]
    pub fn pair(&self) -> Pair {
        self.means.inner().unwrap_or(self.pair)
    }

    /// The last lines it wrote, for messages.
    #[must_use]
    pub fn tail(&self) -> String {
        self.tail.text()
    }

    /// Its standard input, once; dropping it is end of file.
    pub fn take_stdin(&self) -> Option<ChildStdin> {
        self.stdin
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Writes `first` to its standard input and holds it open until the child has ended or
    /// `release` is cancelled: end of file is the order to stop. Nothing without a piped input.
    pub fn feed(&self, first: String, release: CancellationToken) {
        let Some(mut stdin) = self.take_stdin() else {
            return;
        };
        let mut ended = self.until_ended();
        tokio::spawn(async move {
            if stdin.write_all(first.as_bytes()).await.is_ok() {
                let over = ended.wait_for(Option::is_some);
                let _released = release.run_until_cancelled(over).await;
            }
        });
    }

    /// Its standard output, once, if it was asked for as [`Stdout::Piped`].
    pub fn take_stdout(&self) -> Option<ChildStdout> {
        self.stdout
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        *self.ended.borrow()
    }

    /// How it ended, to follow without holding the process itself.
    #[must_use]
    pub fn until_ended(&self) -> watch::Receiver<Option<Ended>> {
        self.ended.clone()
    }

    /// Waits until it has ended and been reaped.
    pub async fn wait(&self) -> Ended {
        let mut ended = self.ended.clone();
        let gone = Ended {
            status: None,
            at: monotonic(),
        };
        ended
            .wait_for(Option::is_some)
            .await
            .map_or(gone, |ended| ended.unwrap_or(gone))
    }

    /// Sends a signal to the child alone.
    ///
    /// # Errors
    /// When it has ended already or the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        let failed = |cause| ProcessError::Signal {
            name: self.name.clone(),
            pid: self.pair.pid,
            signal: signal.as_str(),
            cause,
        };
        if self.ended().is_some() {
            return Err(failed(nix::Error::ESRCH));
        }
        kill(raw(self.pair().pid), signal).map_err(failed)
    }

    /// SIGKILL, then waits until the process is gone.
    ///
    /// # Errors
    /// When it could not be signalled, or is still there after `limit`.
    pub async fn kill(&self, limit: Duration) -> Result<Ended, ProcessError> {
        match &self.means {
            Means::Child(_) => {
                self.signal(Signal::SIGKILL)?;
                self.wait_within(limit).await
            }
            Means::Contained(container, _) => {
                container.kill().await?;
                // The kernel has it dead by now; the engine tells later.
                let dead = monotonic();
                let ended = self.wait_within(limit).await?;
                let at = ended.at.min(dead);
                Ok(Ended { at, ..ended })
            }
        }
    }

    /// SIGTERM, then waits for the child to end by itself.
    ///
    /// # Errors
    /// When it could not be signalled, or is still there after `limit`.
    pub async fn terminate(&self, limit: Duration) -> Result<Ended, ProcessError> {
        match &self.means {
            Means::Child(_) => {
                self.signal(Signal::SIGTERM)?;
                self.wait_within(limit).await
            }
            Means::Contained(container, _) => {
                let stopping = container.stop(limit + contained::GRACE);
                let (stopped, ended) = tokio::join!(stopping, self.wait_within(limit));
                stopped?;
                ended
            }
        }
    }

    /// SIGKILL to the child and all its descendants, without waiting; nothing if it has ended. A
    /// container is its engine's to end.
    pub fn kill_group(&self) {
        if matches!(self.means, Means::Child(_)) && self.ended().is_none() {
            let _gone_already = killpg(raw(self.pair.pid), Signal::SIGKILL);
        }
    }

    async fn wait_within(&self, limit: Duration) -> Result<Ended, ProcessError> {
        tokio::time::timeout(limit, self.wait())
            .await
            .map_err(|_elapsed| ProcessError::StillRunning {
                name: self.name.clone(),
                pid: self.pair.pid,
                limit,
                tail: self.tail(),
            })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// A process id as the system's calls take it; 0 never names a process of ours.
fn raw(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests;
