//! A server for the suite: a copy of the binary, started as production starts it on free loopback
//! ports without authentication (the suite sends none), with the marked demo provider.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::baseline::Served;
use crate::client::{Client, ClientError, Http, HttpTarget, Identity, Revision};
use crate::clock::RunClock;
use crate::identity::Subject;
use crate::probe::{Ask, ProbeError};
use crate::process::{Nobody, Process, ProcessError, Spec};
use crate::scratch::Scratch;

/// From the start to the line that says where it listens; a debug build on a busy machine is slow.
const START: Duration = Duration::from_secs(60);
/// For one look at it.
const LOOK: Duration = Duration::from_secs(10);
const DRAIN: Duration = Duration::from_secs(25);

/// The server did not come up, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Its files.
    #[error("could not prepare the server's files: {0}")]
    Files(#[from] std::io::Error),
    /// Its process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It never said where it listens.
    #[error("could not see the server listen; its last lines:\n{0}")]
    Silent(String),
    /// A look at its admin listener brought nothing.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Its lists could not be read.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A running server.
pub struct Booted {
    /// Where MCP is.
    pub public: SocketAddr,
    /// SHA-256 of the binary it was started from.
    pub sha256: String,
    /// What it says of itself.
    pub manifest: Value,
    process: Process,
    _scratch: Scratch,
}

impl Booted {
    /// Starts `binary` and waits until it listens.
    ///
    /// # Errors
    /// When it does not start or says nothing in time, with its last lines.
    pub async fn start(binary: &Path) -> Result<Self, BootError> {
        let user = Nobody::when_root();
        let scratch = Scratch::new(user)?;
        let subject = Subject::take(binary, &scratch)?;
        let (listening, heard) = watch::channel(None);
        let mut spec = Spec::new("server", subject.path(), &scratch.folder("work")?);
        spec.args = arguments(&scratch.folder("state")?);
        spec.user = user;
        spec.on_stderr = Some(Arc::new(move |line: &str| {
            if let Some(place) = place(line) {
                listening.send_replace(Some(place));
            }
        }));
        let process = Process::spawn(spec)?;
        let (public, admin) = tokio::select! {
            found = first(heard) => found,
            _ended = process.wait() => None,
        }
        .ok_or_else(|| BootError::Silent(process.tail()))?;
        let page = Ask::get(admin, "/manifest").send(LOOK).await?.ok()?;
        Ok(Self {
            public,
            sha256: subject.sha256().to_owned(),
            manifest: page.json()?,
            process,
            _scratch: scratch,
        })
    }

    /// Its last log lines.
    #[must_use]
    pub fn tail(&self) -> String {
        self.process.tail()
    }

    /// What it has, by its own lists in a revision.
    ///
    /// # Errors
    /// When a list cannot be read.
    pub async fn served(&self, revision: Revision) -> Result<Served, BootError> {
        let target = HttpTarget {
            address: self.public,
            host: self.public.to_string(),
            path: "/mcp".to_owned(),
            revision,
            connections: 1,
            redial: true,
        };
        let clock = RunClock::start();
        let identity = Identity::numbered("conformance", 1);
        let client = Client::Http(Http::new(target, identity, Arc::new(move || clock.now())));
        client.greet(LOOK).await?;
        let facts = client.facts(LOOK).await?;
        let tools = list(&client, "tools/list", "tools").await?;
        let prompts = list(&client, "prompts/list", "prompts").await?;
        let resources = list(&client, "resources/list", "resources").await?;
        let templates = "resources/templates/list";
        let templates = list(&client, templates, "resourceTemplates").await?;
        let resources = names(&resources, "uri").chain(names(&templates, "uriTemplate"));
        Ok(Served {
            tools: names(&tools, "name").collect(),
            prompts: names(&prompts, "name").collect(),
            resources: resources.collect(),
            capabilities: facts["capabilities"].clone(),
            schemas: tools
                .iter()
                .map(|tool| tool["inputSchema"].to_string())
                .collect(),
        })
    }

    /// Ends it by SIGTERM.
    ///
    /// # Errors
    /// When it does not end within its drain.
    pub async fn stop(self) -> Result<(), BootError> {
        self.process.terminate(DRAIN).await?;
        Ok(())
    }
}

fn arguments(state: &Path) -> Vec<OsString> {
    // The suite is one address that asks faster than a person would.
    let plain = "serve --demo --listen 127.0.0.1:0 --admin 127.0.0.1:0 \
                 --set limits.rate.address=2000 --set";
    let mut state_dir = OsString::from("server.state_dir=");
    state_dir.push(state);
    let words = plain.split(' ').map(OsString::from);
    words.chain([state_dir]).collect()
}

/// The two addresses, from the log line that says where it listens.
fn place(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line["message"] != "listening" {
        return None;
    }
    let address = |name: &str| line[name].as_str()?.parse().ok();
    Some((address("public")?, address("admin")?))
}

async fn first<T: Copy>(mut heard: watch::Receiver<Option<T>>) -> Option<T> {
    let waiting = heard.wait_for(Option::is_some);
    let seen = tokio::time::timeout(START, waiting).await.ok()?.ok()?;
    *seen
}

/// All pages of a list.
async fn list(client: &Client, method: &str, field: &str) -> Result<Vec<Value>, ClientError> {
    let mut all = Vec::new();
    let mut params = json!({});
    loop {
        let exchange = client.request(method, params, LOOK).await;
        let page = exchange.result().filter(|page| page[field].is_array());
        let page = page.ok_or_else(|| ClientError::List {
            what: method.to_owned(),
            why: format!("{:?}", exchange.reply),
        })?;
        all.extend(page[field].as_array().into_iter().flatten().cloned());
        match page["nextCursor"].as_str() {
            Some(cursor) => params = json!({ "cursor": cursor }),
            None => return Ok(all),
        }
    }
}

fn names<'a>(items: &'a [Value], field: &'static str) -> impl Iterator<Item = String> + 'a {
    items
        .iter()
        .filter_map(move |item| item[field].as_str())
        .map(str::to_owned)
}
