//! The impostor on its edge, and its own account of what it spoiled.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use exai_mocks::impostor::journal::Line;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Credentials, Spoil, TopologyError};
use crate::client::software::SOFTWARE;
use crate::history::Recorder;
use crate::port;
use crate::process::{Process, ProcessError, Spec, Stdout};
use crate::supervisor::{Role, Supervisor, SupervisorError, Watch};
use crate::token::Signature;

const START: Duration = Duration::from_secs(10);
/// An impostor that dies is our own trouble; it is back at once.
const RESTART: Duration = Duration::from_millis(50);
/// Spoiled operations kept; more are counted.
const KEPT: usize = 10_000;

/// What an impostor says it did.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// Operations spoiled, the first of them in full.
    pub spoiled: Vec<Line>,
    /// How many in all.
    pub count: u64,
    /// How many it could have spoiled; None until it has ended.
    pub eligible: Option<u64>,
}

/// An account that is still written; it is whole when its impostor has ended.
#[derive(Debug, Clone, Default)]
pub struct Book(Arc<Mutex<Account>>);

impl Book {
    /// What it says so far.
    #[must_use]
    pub fn read(&self) -> Account {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A running impostor on an HTTP edge.
pub struct Impostor {
    edge: String,
    address: SocketAddr,
    book: Book,
    supervisor: Supervisor,
    release: CancellationToken,
}

/// Where an impostor stands.
pub(super) struct Place<'a> {
    pub(super) program: &'a Path,
    pub(super) spoil: &'a Spoil,
    /// The impostor's word for the edge.
    pub(super) edge: &'static str,
    pub(super) upstream: SocketAddr,
    pub(super) params: Value,
}

impl Impostor {
    pub(super) async fn start(place: Place<'_>, recorder: Recorder) -> Result<Self, TopologyError> {
        let spoil = place.spoil;
        let failed = |why: String| TopologyError::Impostor {
            edge: spoil.edge.clone(),
            why,
        };
        let port = port::free_port().map_err(|error| failed(error.to_string()))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (is_ready, mut ready) = watch::channel(false);
        let book = Book::default();
        let mut spec = Spec::new("impostor", place.program, Path::new("/"));
        spec.args = command(spoil, place.edge).map(Into::into).collect();
        for word in ["--params", "--upstream"] {
            spec.args.push(word.into());
        }
        spec.args.push(format!("http://{}", place.upstream).into());
        spec.args.push("--listen".into());
        spec.args.push(address.to_string().into());
        spec.stdin = true;
        let kept = book.clone();
        spec.stdout = Stdout::Lines(Some(Arc::new(move |line: &str| {
            note(line, &kept.0, &is_ready);
        })));
        let watch = Watch {
            name: "impostor".to_owned(),
            role: Role::Rig,
            delay: RESTART,
            recorder,
        };
        let params = format!("{}\n", place.params);
        let release = CancellationToken::new();
        let order = release.clone();
        let starter = Box::new(move |_life| begin(spec.clone(), params.clone(), order.clone()));
        let supervisor =
            Supervisor::start(watch, starter).map_err(|error| failed(error.to_string()))?;
        let came = tokio::time::timeout(START, ready.wait_for(|ready| *ready)).await;
        if !matches!(came, Ok(Ok(_))) {
            let tail = supervisor.process().map(|process| process.tail());
            return Err(failed(tail.unwrap_or_else(|error| error.to_string())));
        }
        Ok(Self {
            edge: spoil.edge.clone(),
            address,
            book,
            supervisor,
            release,
        })
    }

    /// The edge it stands on.
    #[must_use]
    pub fn edge(&self) -> &str {
        &self.edge
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    #[must_use]
    pub const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Closes its input, on which it writes the last line of its record and ends.
    ///
    /// # Errors
    /// When it was not running or did not end in time; it is killed then.
    pub async fn stop(&self) -> Result<(), SupervisorError> {
        self.release.cancel();
        self.supervisor.retire(START).await?;
        Ok(())
    }

    /// What it says it spoiled.
    #[must_use]
    pub fn book(&self) -> Book {
        self.book.clone()
    }
}

/// `--edge E --spoil S --every K --offset O`.
fn command(spoil: &Spoil, edge: &str) -> impl Iterator<Item = String> {
    [
        "--edge".to_owned(),
        edge.to_owned(),
        "--spoil".to_owned(),
        spoil.name.clone(),
        "--every".to_owned(),
        spoil.every.to_string(),
        "--offset".to_owned(),
        spoil.offset.to_string(),
    ]
    .into_iter()
}

/// The command line to put before a server on pipes, whose pipes the impostor lends it.
pub(super) fn wrapper(program: &Path, spoil: &Spoil, journal: &Path) -> Vec<String> {
    let mut words = vec![program.display().to_string()];
    words.extend(command(spoil, "stdio"));
    words.extend([
        "--journal".to_owned(),
        journal.display().to_string(),
        "--".to_owned(),
    ]);
    words
}

/// The command line to put before the server's own program, which the impostor becomes.
pub(super) fn company(program: &Path, spoil: &Spoil) -> Vec<String> {
    let mut words = vec![program.display().to_string()];
    words.extend(command(spoil, "process"));
    words.push("--".to_owned());
    words
}

/// Kept for each request by `leak`: tens of MiB a second under load.
const LEAK_BYTES: usize = 160 * 1024;

/// What the spoilers may need: tokens to smuggle, a secret to leak.
pub(super) fn params(credentials: &Credentials, canary: &str) -> Value {
    let token = |subject: &str, role: &str| credentials.token(subject, &[role], Signature::Hs256);
    let neighbours: Vec<String> = (0..16)
        .map(|n| token(&format!("neighbour-{n}"), "user"))
        .collect();
    json!({
        "token": token("mallory", "user"),
        "admin_token": token("operator", "admin"),
        "tool": "status",
        "canary": canary,
        "tokens": neighbours,
        "leak_bytes": LEAK_BYTES,
        "clients": SOFTWARE.map(|software| software.name),
    })
}

fn begin(spec: Spec, params: String, release: CancellationToken) -> Result<Process, ProcessError> {
    let process = Process::spawn(spec)?;
    process.feed(params, release);
    Ok(process)
}

fn note(line: &str, account: &Mutex<Account>, ready: &watch::Sender<bool>) {
    let mut account = account.lock().unwrap_or_else(PoisonError::into_inner);
    match serde_json::from_str(line) {
        Ok(Line::Ready { .. }) => {
            ready.send_replace(true);
        }
        Ok(Line::Done { eligible, .. }) => {
            account.eligible = Some(account.eligible.unwrap_or(0) + eligible);
        }
        Ok(spoiled @ Line::Spoiled { .. }) => {
            account.count += 1;
            if account.spoiled.len() < KEPT {
                account.spoiled.push(spoiled);
            }
        }
        // Not a line of the record; it stays in the process' tail.
        Err(_other) => {}
    }
}
