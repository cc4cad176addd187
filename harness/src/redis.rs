//! A local `redis-server` with the settings every driver uses (DESIGN §8): acknowledged writes are
//! on disk, nothing is evicted, no snapshots.

pub mod wire;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Berth;
use crate::history::Recorder;
pub use crate::machine::which;
use crate::port;
use crate::process::{Nobody, Process, Spec};
use crate::supervisor::{Role, Supervisor, SupervisorError, Watch};
pub use wire::{Reply, Wire, WireError};

/// How long one command may take before the store counts as silent.
pub const COMMAND: Duration = Duration::from_secs(2);
/// How long a store may take from its start to its first PONG.
pub const START: Duration = Duration::from_secs(10);
/// Its port in a container.
const PORT: u16 = 6_379;
const POLL: Duration = Duration::from_millis(5);

/// The package that brings the executable.
pub const PACKAGE: &str = "redis-server";

/// A store that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The executable is not installed.
    #[error("could not find redis-server on PATH: install the package {PACKAGE}")]
    Missing,
    /// No port.
    #[error("could not place the store: {0}")]
    Port(#[from] port::NoPort),
    /// Its folder could not be prepared.
    #[error("could not prepare {path} for the store: {cause}")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Its process did not do as ordered.
    #[error(transparent)]
    Process(#[from] SupervisorError),
    /// It runs and does not answer.
    #[error("could not hear the store at {address} within {START:?}: {why}; last lines:\n{tail}")]
    Silent {
        /// Where it should listen.
        address: SocketAddr,
        /// The last answer.
        why: String,
        /// The last lines it wrote.
        tail: String,
    },
    /// A command was refused or broke.
    #[error(transparent)]
    Command(#[from] WireError),
}

/// Where and as whom a store runs.
pub struct Setup<'a> {
    /// Its data; created, and handed to `user`.
    pub folder: &'a Path,
    /// Whom it runs as.
    pub user: Option<Nobody>,
    /// From a death to the next start; a container's engine and command line have their own.
    pub restart_delay: Duration,
    /// The container it runs in, if it does.
    pub berth: Option<Berth>,
    /// Whether it syncs its file each second instead of before each acknowledgement; then it is a
    /// saboteur, for no driver runs it so.
    pub syncs_late: bool,
    /// Told when it dies by itself.
    pub recorder: Recorder,
}

/// A running store.
pub struct RedisStore {
    address: SocketAddr,
    password: String,
    supervisor: Supervisor,
}

impl RedisStore {
    /// Starts it and waits for its first PONG.
    ///
    /// # Errors
    /// When `redis-server` is absent, does not start or does not answer.
    pub async fn start(setup: Setup<'_>) -> Result<Self, RedisError> {
        let program = which("redis-server").ok_or(RedisError::Missing)?;
        let address = match &setup.berth {
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, port::free_port()?)),
            Some(berth) => berth.at(PORT),
        };
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes).map_err(|cause| RedisError::Folder {
            path: PathBuf::from("/dev/urandom"),
            cause: cause.into(),
        })?;
        let password = exai_judge::hex::encode(&bytes);
        let config = prepare(&setup, &settings(&setup, address, &password))?;
        let mut spec = Spec::new("store", &program, setup.folder);
        spec.args = vec![config.into()];
        spec.user = setup.user;
        let watch = Watch {
            name: "store".to_owned(),
            role: Role::Rig,
            delay: setup.restart_delay,
            recorder: setup.recorder,
        };
        let supervisor = match &setup.berth {
            None => Supervisor::start(watch, Box::new(move |_life| Process::spawn(spec.clone()))),
            Some(berth) => {
                // Its health command finds the password where a person's client would.
                spec.env = vec![("REDISCLI_AUTH".to_owned(), password.clone())];
                let greet = Box::new(|_life, _process: &Process| {});
                Supervisor::contain(watch, berth, spec, greet).await
            }
        };
        let supervisor = supervisor.map_err(SupervisorError::from)?;
        let store = Self {
            address,
            password,
            supervisor,
        };
        store.wait_ready(START).await?;
        Ok(store)
    }

    /// Where it listens itself, without a link.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its password; clients get it in their URL.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The URL of one of its databases as seen through `edge`, password included: a secret.
    #[must_use]
    pub fn url(&self, edge: SocketAddr, database: u32) -> String {
        format!("redis://:{}@{edge}/{database}", self.password)
    }

    /// Its process and restart policy.
    #[must_use]
    pub const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// An authenticated connection of ours, past every link.
    ///
    /// # Errors
    /// When it cannot be opened within [`COMMAND`].
    pub async fn connect(&self) -> Result<Wire, RedisError> {
        Ok(Wire::open(self.address, &self.password, COMMAND).await?)
    }

    /// Performs one command on a connection of its own.
    ///
    /// # Errors
    /// When it is refused, or not answered within [`COMMAND`].
    pub async fn command(&self, words: &[&str]) -> Result<Reply, RedisError> {
        Ok(self.connect().await?.ask(words).await?)
    }

    /// The fields of `INFO`.
    ///
    /// # Errors
    /// When it is refused or not answered.
    pub async fn info(&self) -> Result<BTreeMap<String, String>, RedisError> {
        let reply = self.command(&["INFO", "everything"]).await?;
        let text = reply.text().unwrap_or_default();
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        Ok(fields
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect())
    }

    /// Waits until it answers PING.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), RedisError> {
        let mut last = String::new();
        let heard = tokio::time::timeout(limit, async {
            loop {
                match self.command(&["PING"]).await {
                    Ok(_pong) => return,
                    Err(error) => last = error.to_string(),
                }
                tokio::time::sleep(POLL).await;
            }
        });
        if heard.await.is_ok() {
            return Ok(());
        }
        let process: Option<Arc<Process>> = self.supervisor.process().ok();
        Err(RedisError::Silent {
            address: self.address,
            why: last,
            tail: process.map(|process| process.tail()).unwrap_or_default(),
        })
    }
}

fn settings(setup: &Setup<'_>, address: SocketAddr, password: &str) -> String {
    let folder = setup.folder.display();
    let syncs = if setup.syncs_late {
        "everysec"
    } else {
        "always"
    };
    let (host, port) = (address.ip(), address.port());
    format!(
        "bind {host}\nport {port}\nrequirepass {password}\ndir {folder}\nappendonly yes\n\
         appendfsync {syncs}\nmaxmemory-policy noeviction\nsave \"\"\ndaemonize no\n\
         tcp-backlog 511\n"
    )
}

fn prepare(setup: &Setup<'_>, text: &str) -> Result<PathBuf, RedisError> {
    let failed = |path: &Path, cause| RedisError::Folder {
        path: path.to_path_buf(),
        cause,
    };
    let path = setup.folder.join("redis.conf");
    std::fs::create_dir_all(setup.folder).map_err(|cause| failed(setup.folder, cause))?;
    crate::scratch::write_private(&path, text.as_bytes()).map_err(|cause| failed(&path, cause))?;
    if let Some(user) = setup.user {
        user.own(setup.folder)
            .map_err(|cause| failed(setup.folder, cause))?;
        user.own(&path).map_err(|cause| failed(&path, cause))?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests;
