//! Other processes of the same program beside the one under judgement: to see whether one starts at
//! all, what one says on its way, and what becomes of one that is pressed in ways from which the
//! judged one should be spared.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::{POLL, STORE, Server, ServerError, Settings};
use crate::port;
use crate::process::{Nobody, Process, ProcessError, Spec, Stdout};

/// Names the folder of what [`Server::start_beside`] starts.
const BESIDE: &str = "beside";
/// A process that was told to go is given this long.
const GOING: Duration = Duration::from_secs(5);

/// How a start went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It serves; it was ended again.
    Served,
    /// It ended by itself, with this exit code; None for a signal.
    Ended(Option<i32>),
    /// Neither within the limit.
    Neither,
}

/// What is other than at the server under judgement.
#[derive(Debug, Clone, Copy)]
pub struct Other<'a> {
    /// Names its folder; no two at a time may share one.
    pub name: &'a str,
    /// Its settings on top of the run's.
    pub settings: &'a Settings,
    /// Its variables in the place of those of the same name.
    pub variables: &'a [(&'a str, &'a str)],
}

/// A server beside the one under judgement; dropping it kills it.
pub struct Beside {
    public: SocketAddr,
    admin: SocketAddr,
    state: PathBuf,
    process: Process,
}

/// What a command of the program came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its exit code; None for a signal, or when it had to be killed.
    pub code: Option<i32>,
    /// The last lines of what it wrote, on either stream.
    pub text: String,
}

impl Server {
    /// Starts the same program with a folder and ports of its own, with `changes` to its settings
    /// and these variables in the place of those of the same name, and ends it again. One at a
    /// time: all that are started so have one folder and one file of settings.
    ///
    /// # Errors
    /// When its files cannot be written or no process can be made.
    pub async fn start_beside(
        &self,
        changes: &Settings,
        variables: &[(&str, &str)],
        limit: Duration,
    ) -> Result<Start, ServerError> {
        let _turn = self.turn.lock().await;
        let other = Other {
            name: BESIDE,
            settings: &changes
                .clone()
                .with("server.listen", "127.0.0.1:0")
                .with("server.admin", "127.0.0.1:0"),
            variables,
        };
        let (mut spec, _) = self.spec_of(other, "serve")?;
        let listening = Arc::new(Notify::new());
        let told = Arc::clone(&listening);
        spec.on_stderr = Some(Arc::new(move |line: &str| {
            if line.contains("\"listening\"") {
                told.notify_one();
            }
        }));
        let process = self.files.beside(spec)?;
        let start = tokio::select! {
            ended = process.wait() => Start::Ended(ended.status.and_then(|status| status.code())),
            () = listening.notified() => Start::Served,
            () = sleep(limit) => Start::Neither,
        };
        if !matches!(start, Start::Ended(_)) {
            process.kill(GOING).await?;
        }
        Ok(start)
    }

    /// The embedded store of what [`Self::start_beside`] starts.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn store_beside(&self) -> Result<PathBuf, ServerError> {
        Ok(self.files.scratch.folder(BESIDE)?.join(STORE))
    }

    /// A variable of the environment that the server was given.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        let is_it = |(given, _): &&(String, String)| given == name;
        let found = self.files.env.iter().find(is_it);
        found.map(|(_, value)| value.as_str())
    }

    /// Starts another server that stays, and waits until it listens on both its addresses.
    ///
    /// # Errors
    /// When it does not within `limit`, with its last lines.
    pub async fn beside(&self, other: Other<'_>, limit: Duration) -> Result<Beside, ServerError> {
        self.beside_within(other, limit, |spec, _| spec).await
    }

    /// As [`Self::beside`], started as `within` makes it of its command and its state folder.
    pub(super) async fn beside_within(
        &self,
        other: Other<'_>,
        limit: Duration,
        within: impl FnOnce(Spec, &Path) -> Spec,
    ) -> Result<Beside, ServerError> {
        let place = || port::free_port().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let (public, admin) = (place()?, place()?);
        let settings = other
            .settings
            .clone()
            .with("server.listen", public.to_string())
            .with("server.admin", admin.to_string());
        let other = Other {
            settings: &settings,
            ..other
        };
        let (spec, state) = self.spec_of(other, "serve")?;
        let beside = Beside {
            public,
            admin,
            process: Process::spawn(within(spec, &state))?,
            state,
        };
        let until = Instant::now() + limit;
        for address in [public, admin] {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                if Instant::now() > until || beside.process.ended().is_some() {
                    let tail = beside.tail();
                    return Err(ServerError::NotReady { limit, tail });
                }
                sleep(POLL).await;
            }
        }
        Ok(beside)
    }

    /// Starts the program on pipes, with a state folder and a working directory of its own; the
    /// latter is given too.
    ///
    /// # Errors
    /// When its files cannot be written or no process can be made.
    pub fn piped(&self, other: Other<'_>, verb: &str) -> Result<(Process, PathBuf), ServerError> {
        let (mut spec, _) = self.spec_of(other, verb)?;
        spec.cwd = self.files.scratch.folder(&format!("{}-work", other.name))?;
        spec.stdin = true;
        spec.stdout = Stdout::Piped;
        let work = spec.cwd.clone();
        Ok((Process::spawn(spec)?, work))
    }

    /// Runs a command of the program to its end.
    ///
    /// # Errors
    /// When its files cannot be written or no process can be made.
    pub async fn command(
        &self,
        other: Other<'_>,
        words: &[&str],
        limit: Duration,
    ) -> Result<Said, ServerError> {
        let (mut spec, _) = self.spec_of(other, words.first().copied().unwrap_or("version"))?;
        let more = words.iter().skip(1);
        spec.args.extend(more.map(|word| (*word).into()));
        let process = Process::spawn(spec)?;
        let ended = tokio::time::timeout(limit, process.wait()).await;
        let code = ended.ok().and_then(|ended| ended.status?.code());
        let text = process.tail();
        Ok(Said { code, text })
    }

    fn spec_of(&self, other: Other<'_>, verb: &str) -> Result<(Spec, PathBuf), ServerError> {
        let state = self.files.scratch.folder(other.name)?;
        let below = |name: &str| state.join(name).display().to_string();
        let own = Settings::default()
            .with("server.state_dir", state.display().to_string())
            .with("store.path", below(STORE))
            .with("audit.file", below("audit.jsonl"))
            .merged(other.settings);
        let config = format!("{}.toml", other.name);
        self.files.configure(&config, &own)?;
        let mut spec = self.files.spec(other.name, verb, &config);
        let is_given = |name: &str| other.variables.iter().any(|(given, _)| *given == name);
        spec.env.retain(|(name, _)| !is_given(name));
        let given = other.variables.iter();
        spec.env
            .extend(given.map(|(name, value)| ((*name).into(), (*value).into())));
        Ok((spec, state))
    }
}

impl Beside {
    /// Its public listener.
    #[must_use]
    pub const fn public(&self) -> SocketAddr {
        self.public
    }

    /// Its admin listener.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Its state folder.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Its audit log so far; empty when there is none.
    #[must_use]
    pub fn audit(&self) -> String {
        std::fs::read_to_string(self.state.join("audit.jsonl")).unwrap_or_default()
    }

    /// Its last log lines.
    #[must_use]
    pub fn tail(&self) -> String {
        self.process.tail()
    }

    /// Its command line, as anybody on the machine may read it.
    #[must_use]
    pub fn command_line(&self) -> String {
        let line = self.row().and_then(|row| row.cmdline().ok());
        line.unwrap_or_default().join(" ")
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.process.ended().is_some()
    }

    /// Its resident memory, bytes; None when it has ended.
    #[must_use]
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = self.row()?.status().ok()?;
        Some(status.vmrss? * 1024)
    }

    /// Its open descriptors; None when it has ended or they may not be looked at.
    #[must_use]
    pub fn descriptors(&self) -> Option<usize> {
        self.row()?.fd_count().ok()
    }

    /// Gives it another limit of open descriptors, by `prlimit` of util-linux.
    ///
    /// # Errors
    /// When that program is not there or may not.
    pub async fn limit_descriptors(&self, most: u64) -> std::io::Result<()> {
        // A process may do so to one of its own user.
        let mut command = Self::command_of_its_user("prlimit");
        command
            .arg(format!("--pid={}", self.process.pair().pid))
            .arg(format!("--nofile={most}:"));
        succeeded(&mut command).await
    }

    pub(super) fn command_of_its_user(program: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(program);
        command.stdin(std::process::Stdio::null());
        if let Some(user) = Nobody::when_root() {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        self.process.signal(signal)
    }

    pub(super) fn row(&self) -> Option<procfs::process::Process> {
        let pid = i32::try_from(self.process.pair().pid).ok()?;
        procfs::process::Process::new(pid).ok()
    }
}

pub(super) async fn succeeded(command: &mut tokio::process::Command) -> std::io::Result<()> {
    let status = command.status().await?;
    let program = command.as_std().get_program().display();
    let refused = || std::io::Error::other(format!("{program} ended with {status}"));
    status.success().then_some(()).ok_or_else(refused)
}
