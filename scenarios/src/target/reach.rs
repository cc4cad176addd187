//! Where a server is and what it is: a command and the files it names, or an address.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use exai_harness::canonical::canonical;
use exai_harness::client::{Client, Http, HttpTarget, Identity, Revision, Stdio};
use exai_harness::history::Now;
use exai_harness::process::ProcessError;
use exai_harness::target::pipe::{Log, PipeError};
use exai_harness::target::{Door, Pipe, PipeTarget, Web, WebTarget};
use nix::errno::Errno;
use serde_json::{Value, json};

use super::file::TargetFile;
use crate::binaries;
use crate::cli::Ending;
use crate::facts::read_sha256;
use crate::stage::Trouble;

/// The variable in which a secret is planted: the name of a key that servers often need.
const PLANTED: &str = "SERVICE_API_KEY";

/// What a record says was judged.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The command with the digests of its files, or the address.
    pub shown: Value,
    /// SHA-256 (hex) of that; None for an address.
    pub sha256: Option<String>,
}

/// A server as `target.toml` names it.
#[derive(Debug, Clone)]
pub enum Reach {
    /// Started by us.
    Pipe(PipeTarget),
    /// Running elsewhere.
    Web(WebTarget, String),
}

impl Reach {
    /// Reads it from the file; relative paths are those of the file's folder.
    ///
    /// # Errors
    /// [`Ending::Usage`] for an address nobody can dial and a variable that is not set.
    pub async fn of(file: &TargetFile, folder: Option<&Path>) -> Result<Self, Ending> {
        let server = &file.server;
        let variable = |name: &String| {
            let value = std::env::var(name);
            value.map_err(|_| Ending::Usage(format!("{name}: this variable is not set")))
        };
        if let Some(url) = &server.url {
            let bearer = server.bearer_env.as_ref().map(variable).transpose()?;
            return Ok(Self::Web(dialled(url, bearer).await?, url.clone()));
        }
        let mut env: BTreeMap<String, String> = server.env.clone();
        for name in &server.secrets {
            env.insert(name.clone(), variable(name)?);
        }
        let here = folder.filter(|folder| !folder.as_os_str().is_empty());
        let here = here.map_or_else(|| PathBuf::from("."), Path::to_path_buf);
        let cwd = here
            .canonicalize()
            .map_err(|error| Ending::Usage(format!("{}: {error}", here.display())))?;
        let target = PipeTarget {
            command: server.stdio.clone().unwrap_or_default(),
            env,
            cwd,
        };
        match target.program() {
            Some(program) if program.is_file() => Ok(Self::Pipe(target)),
            _ => {
                let name = target.command.first().cloned().unwrap_or_default();
                let says = format!("{name}: there is no such program here or on PATH");
                Err(Ending::Usage(says))
            }
        }
    }

    /// Puts a secret into the server's environment, where it is ours to start.
    pub fn plant(&mut self, canary: &str) {
        if let Self::Pipe(target) = self {
            target.env.insert(PLANTED.to_owned(), canary.to_owned());
        }
    }

    /// The wire, as reports name it.
    #[must_use]
    pub const fn wire(&self) -> &'static str {
        match self {
            Self::Pipe(_) => "stdio",
            Self::Web(..) => "http",
        }
    }

    /// The server for people.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Pipe(target) => target.command.join(" "),
            Self::Web(_, url) => url.clone(),
        }
    }

    /// What a digest can be taken of: the command and the files it names. What an interpreter loads
    /// beside them is not in it, and an address shows no file at all.
    ///
    /// # Errors
    /// [`Ending::Harness`] when one of the files cannot be read.
    pub fn subject(&self) -> Result<Subject, Ending> {
        let target = match self {
            Self::Pipe(target) => target,
            Self::Web(_, url) => {
                let shown = json!({"url": url});
                return Ok(Subject {
                    shown,
                    sha256: None,
                });
            }
        };
        let mut digests = BTreeMap::new();
        for path in target.files() {
            digests.insert(binaries::shown(&path), read_sha256(&path)?);
        }
        let shown = json!({"command": target.command, "files": digests});
        let sha256 = Some(exai_judge::hex::sha256(canonical(&shown).as_bytes()));
        Ok(Subject { shown, sha256 })
    }

    /// A new way to it.
    ///
    /// # Errors
    /// When its process does not start.
    pub fn open(&self, log: &Log) -> Result<Door, Trouble> {
        match self {
            Self::Pipe(target) => Pipe::open(target, log).map(Door::Pipe).map_err(unopened),
            Self::Web(target, _) => Ok(Door::Web(Web::new(target.clone()))),
        }
    }

    /// A client for many requests at once, that has greeted.
    ///
    /// # Errors
    /// When the server does not start or does not answer the handshake.
    pub async fn client(&self, log: &Log, now: Now, wait: Duration) -> Result<Client, Trouble> {
        let mut identity = Identity::numbered("load", 0);
        let client = match self {
            Self::Pipe(target) => {
                let process = target.spawn(log.sink()).map_err(unstarted)?;
                let stdio = Stdio::of(process, Revision::V2025, identity, now);
                Client::Stdio(stdio.map_err(|error| Trouble::Rig(error.to_string()))?)
            }
            Self::Web(target, _) => {
                if let Some(bearer) = &target.bearer {
                    identity = identity.with_bearer(bearer);
                }
                Client::Http(Http::new(
                    HttpTarget {
                        address: target.address,
                        host: target.host.clone(),
                        path: target.path.clone(),
                        revision: Revision::V2025,
                        connections: 64,
                        redial: true,
                    },
                    identity,
                    now,
                ))
            }
        };
        let greeted = client.greet(wait).await;
        greeted.map_err(|error| Trouble::Server(error.to_string()))?;
        Ok(client)
    }
}

fn unopened(error: PipeError) -> Trouble {
    match error {
        PipeError::Start(error) => unstarted(error),
        PipeError::Pipes(error) => Trouble::Rig(error.to_string()),
    }
}

/// Whose fault it is that a process did not start: the program's, when there is none to execute.
fn unstarted(error: ProcessError) -> Trouble {
    let ProcessError::Start { cause, .. } = &error else {
        return Trouble::Rig(error.to_string());
    };
    let is_programs = matches!(
        cause.kind(),
        ErrorKind::NotFound | ErrorKind::PermissionDenied
    ) || cause.raw_os_error() == Some(Errno::ENOEXEC as i32);
    if is_programs {
        Trouble::Server(error.to_string())
    } else {
        Trouble::Rig(error.to_string())
    }
}

/// Where `http://host:port/path` is.
async fn dialled(url: &str, bearer: Option<String>) -> Result<WebTarget, Ending> {
    let target = crate::cli::clients::target(url, Revision::V2025).await?;
    Ok(WebTarget {
        address: target.address,
        host: target.host,
        path: target.path,
        bearer,
    })
}
