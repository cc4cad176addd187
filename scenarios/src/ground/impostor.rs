//! The saboteur's place: nowhere, before a listener, before a provider, or around a pipe.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::Plan;
use super::people::Mints;
use super::server::Server;
use super::simulators::{PROVIDERS, Simulators};
use crate::cli::arguments::SpoilWord;
use crate::stage::Trouble;

/// How long an impostor may take to listen.
const START: Duration = Duration::from_secs(5);

/// An impostor, if the run has one.
pub struct Impostor {
    spoil: Option<SpoilWord>,
    program: PathBuf,
    /// The process on an HTTP edge; its standard input is held open while it lives.
    child: Option<tokio::sync::Mutex<Child>>,
    address: Option<SocketAddr>,
}

impl Impostor {
    /// Puts the saboteur of the plan on its edge.
    ///
    /// # Errors
    /// When it does not come up, or the edge is none.
    pub async fn start(
        plan: &Plan,
        server: &Server,
        simulators: &Simulators,
        mints: &Mints,
    ) -> Result<Self, Trouble> {
        let mut impostor = Self {
            spoil: plan.spoil.clone(),
            program: plan.built.impostor.clone(),
            child: None,
            address: None,
        };
        let Some(spoil) = &plan.spoil else {
            return Ok(impostor);
        };
        let upstream = match spoil.edge.as_str() {
            "client" => server.public(),
            "admin" => server.admin(),
            "stdio" | "launcher" => return Ok(impostor),
            edge => simulators
                .address(edge)
                .ok_or_else(|| Trouble::Rig(format!("there is no edge {edge}")))?,
        };
        let is_provider = PROVIDERS
            .iter()
            .any(|provider| provider.name() == spoil.edge);
        let edge = if is_provider {
            "provider"
        } else {
            spoil.edge.as_str()
        };
        let (child, address) = listen(&impostor.program, spoil, edge, upstream, mints).await?;
        if let Some(link) = simulators.link(&spoil.edge) {
            link.retarget(address);
        }
        impostor.child = Some(tokio::sync::Mutex::new(child));
        impostor.address = Some(address);
        Ok(impostor)
    }

    fn is_on(&self, edge: &str) -> bool {
        self.spoil.as_ref().is_some_and(|spoil| spoil.edge == edge)
    }

    /// Where clients connect.
    #[must_use]
    pub fn public(&self, server: &Server) -> SocketAddr {
        self.address
            .filter(|_| self.is_on("client"))
            .unwrap_or_else(|| server.public())
    }

    /// Where probes look.
    #[must_use]
    pub fn admin(&self, server: &Server) -> SocketAddr {
        self.address
            .filter(|_| self.is_on("admin"))
            .unwrap_or_else(|| server.admin())
    }

    /// A server on a pipe, with the impostor around it where that is its edge.
    #[must_use]
    pub fn wrap(&self, command: Command) -> Command {
        let Some(spoil) = self.spoil.as_ref().filter(|spoil| spoil.edge == "stdio") else {
            return command;
        };
        let inner = command.as_std();
        let mut outer = Command::new(&self.program);
        outer.args(["--edge", "stdio", "--spoil", &spoil.name]);
        outer.args(["--every", &spoil.every.to_string()]);
        outer.args(["--offset", &spoil.offset.to_string()]);
        outer.args(["--journal", "/dev/null", "--"]);
        outer
            .arg(inner.get_program())
            .args(inner.get_args())
            .env_clear();
        for (name, value) in inner.get_envs() {
            if let Some(value) = value {
                outer.env(name, value);
            }
        }
        if let Some(folder) = inner.get_current_dir() {
            outer.current_dir(folder);
        }
        outer.stderr(Stdio::null());
        outer
    }

    /// Ends it.
    pub async fn stop(&self) {
        if let Some(child) = &self.child {
            // It ends when its input does; a kill makes sure.
            let _ = child.lock().await.kill().await;
        }
    }
}

async fn listen(
    program: &std::path::Path,
    spoil: &SpoilWord,
    edge: &str,
    upstream: SocketAddr,
    mints: &Mints,
) -> Result<(Child, SocketAddr), Trouble> {
    let rig = |error: &dyn std::fmt::Display| Trouble::Rig(format!("impostor: {error}"));
    let mut command = Command::new(program);
    command.args(["--edge", edge, "--spoil", &spoil.name, "--params"]);
    command.args(["--upstream", &format!("http://{upstream}")]);
    command.args([
        "--every",
        &spoil.every.to_string(),
        "--offset",
        &spoil.offset.to_string(),
    ]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let mut child = command
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| rig(&error))?;
    let parameters = mints.impostor_parameters();
    if let Some(stdin) = child.stdin.as_mut() {
        use tokio::io::AsyncWriteExt as _;
        let line = format!("{parameters}\n");
        stdin
            .write_all(line.as_bytes())
            .await
            .map_err(|error| rig(&error))?;
    }
    let Some(stdout) = child.stdout.take() else {
        return Err(rig(&"has no output"));
    };
    let mut lines = BufReader::new(stdout).lines();
    let ready = tokio::time::timeout(START, lines.next_line()).await;
    let ready = ready
        .map_err(|_late| rig(&"was not ready in time"))?
        .map_err(|e| rig(&e))?;
    let ready: Value = serde_json::from_str(&ready.unwrap_or_default()).unwrap_or_default();
    let address = ready["url"]
        .as_str()
        .and_then(|url| url.strip_prefix("http://")?.parse().ok());
    // Its record of what it spoiled is read to the end so that the pipe never fills.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let address = address.ok_or_else(|| rig(&format!("said {ready} instead of where it is")))?;
    Ok((child, address))
}
