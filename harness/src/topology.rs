//! The whole rig, as processes of this machine or as containers: simulators, store, server, an
//! impostor if there is one, and a fault link on every edge. Assembled in that order, taken down in
//! reverse. Several instances of the server stand behind the clients' edge, which is then a plain
//! round-robin proxy.
//!
//! Nothing of it outlives the run: dropping the topology kills every process, and the kernel does
//! so when we die.

mod assembly;
mod canaries;
mod configuration;
mod containers;
mod credentials;
mod deeds;
mod error;
mod impostor;
mod instances;
mod schema;
pub mod services;
mod site;
mod store;
mod traced;
mod vendor;
mod watchers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use exai_judge::RunKey;
use exai_mocks::plan::Plan;
use exai_mocks::provider::Provider;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::clock::RunClock;
use crate::engine::wire::Life;
use crate::history::Recorder;
use crate::link::Link;
use crate::nemesis::embedded::Holder;
use crate::nemesis::{BACK, Nemesis};
use crate::probe::Scraper;
use crate::process::{LineSink, Nobody, Process};
use crate::scratch::Scratch;
use crate::server::{Server, Settings};
pub use assembly::auto_store;
use containers::Containers;
pub use credentials::Credentials;
pub use error::TopologyError;
pub use impostor::{Account, Book, Impostor};
pub use schema::SchemaStarts;
pub use site::Site;
pub use store::{Store, StoreKind};
pub use traced::StoreTrace;
pub use vendor::Vendor;
use watchers::Watchers;

/// The executables, as the caller built or was handed them.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The server to be judged.
    pub exai: PathBuf,
    /// The simulators.
    pub mock_provider: PathBuf,
    /// The proxy that spoils a good server in one named way.
    pub impostor: PathBuf,
    /// Takes `hold-lock`, see [`Holder`].
    pub lock_holder: PathBuf,
    /// Speaks to a container engine, where the parts run in containers; None is as children of this
    /// process.
    pub containers: Option<PathBuf>,
}

/// A saboteur on an edge; `none` is the honest control in pass-through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoil {
    /// The impostor's spoiler.
    pub name: String,
    /// `client`, `websocket`, `stdio`, `admin`, `store`, or a provider's name.
    pub edge: String,
    /// Spoil every k-th eligible operation.
    pub every: u64,
    /// The first one, from 0.
    pub offset: u64,
}

/// How the server is launched and its parts killed; each but the first is a saboteur.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Launcher {
    /// As asked.
    #[default]
    Honest,
    /// Another binary than the one to be judged: a copy with one byte appended.
    ForeignBuild,
    /// Kills report success and kill nothing.
    KillsNothing,
    /// GLM's row of the configuration is switched off, so that the provider is not registered.
    Unregistered,
    /// Breakers are configured to open after more failures than there are.
    NeverOpens,
    /// No answer is kept for an equal question.
    KeepsNone,
    /// The newest turns of the embedded store are gone each time the server is started again.
    Forgets,
    /// The store syncs its file each second instead of before each acknowledgement.
    SyncsLate,
    /// A newer schema is taken back before the server can see it, as if it did not look.
    HidesSchema,
    /// The server's log tells of a panic once, as information.
    PanicsQuietly,
    /// The server is told to use the embedded store, whichever was asked for.
    OtherStore,
    /// Each of several instances has a database of the store of its own.
    Apart,
    /// The simulator of MiniMax holds another run key than everybody else.
    WrongKey,
    /// The simulator of GLM takes some seconds longer to answer than a plan that paces it says.
    SlowSimulator,
    /// Lines of the simulators' journals are lost on their way to us.
    LosesLines,
    /// Somebody else listens on the server's port.
    TakenPort,
}

/// How much longer than planned a slow simulator takes: more than V.3 allows its 95th percentile,
/// with a third of its calls going there.
const LATE: Duration = Duration::from_millis(5_500);

impl Launcher {
    /// The plan that a simulator is really given.
    fn given(self, provider: &str, plan: &Plan) -> Plan {
        let late = u64::try_from(LATE.as_millis()).unwrap_or(u64::MAX);
        let is_slow = self == Self::SlowSimulator && provider == Provider::Glm.name();
        let first_byte_ms = match plan.first_byte_ms {
            paced if is_slow && paced > 0 => paced.saturating_add(late),
            planned => planned,
        };
        Plan {
            first_byte_ms,
            ..plan.clone()
        }
    }
}

/// How each part comes back: from a death to the next start. Part of every recovery figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// The server's delay.
    pub server: Duration,
    /// The store's delay, where it is a process of its own.
    pub store: Duration,
    /// A simulator's delay.
    pub vendor: Duration,
    /// How long the server may take to be whole after a kill before it counts as never back.
    pub patience: Duration,
}

impl Default for RestartPolicy {
    /// The server is back at once; what it depends on stays away long enough for its health to
    /// show the loss.
    fn default() -> Self {
        Self {
            server: Duration::from_millis(200),
            store: Duration::from_millis(1_500),
            vendor: Duration::from_millis(2_500),
            patience: BACK,
        }
    }
}

/// What to assemble.
pub struct Setup {
    /// The executables.
    pub binaries: Binaries,
    /// The store behind the server.
    pub store: StoreKind,
    /// Instances of the server on that store; 0 counts as 1. More than one needs a store that is a
    /// process of its own, and stands on no container.
    pub instances: u32,
    /// The run key, for the simulators alone.
    pub key: RunKey,
    /// The simulators' first plan.
    pub plan: Plan,
    /// A saboteur on an edge.
    pub spoil: Option<Spoil>,
    /// How things are launched.
    pub launcher: Launcher,
    /// Settings on top of the shipped defaults, for the whole run; printed as overrides.
    pub settings: Settings,
    /// How each part comes back.
    pub restart: RestartPolicy,
    /// Sees each line of the server's log.
    pub log: Option<LineSink>,
    /// The run's clock.
    pub clock: RunClock,
    /// The history.
    pub recorder: Recorder,
    /// Cancelled by Ctrl-C: assembling ends early, watchers stop.
    pub stop: CancellationToken,
}

/// Everything that runs. Fields are dropped in this order: clients' edge first, folder last.
pub struct Topology {
    client_link: Link,
    impostor: Option<Impostor>,
    server: Server,
    /// The instances behind the same proxy.
    peers: Vec<Server>,
    store: Store,
    vendors: Vec<Vendor>,
    site: Site,
    credentials: Credentials,
    nemesis: Nemesis,
    holder: Holder,
    scraper: Scraper,
    recorder: Recorder,
    watchers: Watchers,
    /// Goes before the command line of a server on pipes.
    pipes: Option<Vec<String>>,
    scratch: Arc<Scratch>,
    containers: Option<Containers>,
    launcher: Launcher,
}

impl Topology {
    /// Where clients connect: the link before the impostor, if any, and the public listener.
    #[must_use]
    pub const fn public(&self) -> SocketAddr {
        self.client_link.address()
    }

    /// Where probes look: the admin listener, or the impostor before it.
    #[must_use]
    pub const fn scraper(&self) -> &Scraper {
        &self.scraper
    }

    /// The server; of several instances the first.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The impostor on an HTTP edge, if there is one.
    #[must_use]
    pub const fn impostor(&self) -> Option<&Impostor> {
        self.impostor.as_ref()
    }

    /// The edge between clients and server.
    #[must_use]
    pub const fn client_link(&self) -> &Link {
        &self.client_link
    }

    /// The simulated vendors, in the order of the reports.
    #[must_use]
    pub fn vendors(&self) -> &[Vendor] {
        &self.vendors
    }

    /// The containers that stand, as their engine has them; none where the parts are processes of
    /// this machine.
    ///
    /// # Errors
    /// When the engine does not tell.
    pub async fn containers(&self) -> Result<Vec<Life>, TopologyError> {
        match &self.containers {
            Some(containers) => Ok(containers.lives(&self.vendors).await?),
            None => Ok(Vec::new()),
        }
    }

    /// A vendor by its provider's name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn vendor(&self, provider: &str) -> Result<&Vendor, TopologyError> {
        let found = self
            .vendors
            .iter()
            .find(|vendor| vendor.provider().name() == provider);
        found.ok_or_else(|| TopologyError::NoSuchPart(provider.to_owned()))
    }

    /// The random strings of the configuration.
    #[must_use]
    pub const fn site(&self) -> &Site {
        &self.site
    }

    /// The secrets and mints.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Who breaks things.
    #[must_use]
    pub const fn nemesis(&self) -> &Nemesis {
        &self.nemesis
    }

    /// Whether clients reach the server through a gateway that it trusts as a proxy: every one of
    /// them then comes from one address, and says its own in `X-Forwarded-For`.
    #[must_use]
    pub const fn is_behind_proxy(&self) -> bool {
        self.containers.is_some()
    }

    /// Whom the judged processes run as; None is ourselves, which the run record states.
    #[must_use]
    pub fn user(&self) -> Option<Nobody> {
        Nobody::when_root()
    }

    /// The folder the judged processes work in; never the evidence's.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// A file that the server may read, written anew when it is there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> std::io::Result<PathBuf> {
        self.scratch.file(name, text.as_bytes())
    }

    /// A server on pipes, on the same store, with the impostor around it where that is its edge.
    /// Dropping the process kills it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn on_pipes(&self) -> Result<Process, TopologyError> {
        Ok(self.server.on_pipes(self.pipes.as_deref())?)
    }

    /// Records who answers a client on pipes; nothing for a client on another wire.
    ///
    /// # Errors
    /// When nothing runs there.
    pub async fn identify_on_pipes(&self, client: &Client) -> Result<(), TopologyError> {
        let is_wrapped = self.pipes.is_some();
        Ok(self.server.identify_on_pipes(client, is_wrapped).await?)
    }

    /// Tells a simulator what to do from now on.
    ///
    /// # Errors
    /// When there is no such simulator, or it refuses the plan.
    pub async fn plan(&self, provider: &str, plan: &Plan) -> Result<(), TopologyError> {
        let given = self.launcher.given(provider, plan);
        let simulator = self.vendor(provider)?.simulator();
        Ok(simulator.set_plan(plan, &given).await?)
    }
}
