//! The whole rig on this machine: simulators, store, server, an impostor if there is one, and a
//! fault link on every edge. Assembled in that order, taken down in reverse.
//!
//! Nothing of it outlives the run: dropping the topology kills every process, and the kernel
//! does so
//! when we die.

mod assembly;
mod credentials;
mod deeds;
mod impostor;
mod site;
mod store;
mod vendor;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use exai_judge::{Event, RunKey};
use exai_mocks::plan::Plan;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::RunClock;
use crate::history::Recorder;
use crate::link::{Link, LinkError};
use crate::nemesis::embedded::Holder;
use crate::nemesis::{Nemesis, NemesisError};
use crate::probe::Scraper;
use crate::process::{Ended, LineSink, Nobody, Process, ProcessError};
use crate::redis::RedisError;
use crate::sample::Sampler;
use crate::scratch::Scratch;
use crate::server::{self, Server, ServerError, Settings};
use crate::simulator::SimulatorError;
use crate::supervisor::{Supervisor, SupervisorError};
pub use assembly::auto_store;
pub use credentials::Credentials;
pub use impostor::{Account, Impostor};
pub use site::Site;
pub use store::{Store, StoreKind};
pub use vendor::Vendor;

/// Between two looks at the server's health.
const HEALTH_EVERY: Duration = Duration::from_millis(250);

/// How the topology is brought up and broken. One variant until containers come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// Child processes of this one.
    Local,
}

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
}

/// A saboteur on an edge; `none` is the honest control in pass-through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoil {
    /// The impostor's spoiler.
    pub name: String,
    /// `client`, `admin`, `stdio`, or a provider's name.
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
    /// The server is not given the key of GLM, so that the provider is not registered.
    Unregistered,
}

/// What to assemble.
pub struct Setup {
    /// The executables.
    pub binaries: Binaries,
    /// The store behind the server.
    pub store: StoreKind,
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
    /// The restart policy's delay from a death to the next start; part of every recovery figure.
    pub restart_delay: Duration,
    /// Sees each line of the server's log.
    pub log: Option<LineSink>,
    /// The run's clock.
    pub clock: RunClock,
    /// The history.
    pub recorder: Recorder,
    /// Cancelled by Ctrl-C: assembling ends early, watchers stop.
    pub stop: CancellationToken,
}

/// A rig that could not be assembled or does not do as ordered.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// Files of the run.
    #[error("could not prepare {what}: {cause}")]
    Files {
        /// What.
        what: &'static str,
        /// Why.
        cause: std::io::Error,
    },
    /// A link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A simulator.
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    /// The store.
    #[error(transparent)]
    Store(#[from] RedisError),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The impostor.
    #[error("could not put the impostor on edge {edge}: {why}")]
    Impostor {
        /// Which edge.
        edge: String,
        /// Why.
        why: String,
    },
    /// A fault.
    #[error(transparent)]
    Nemesis(#[from] NemesisError),
    /// There is no such part.
    #[error("could not find {0} in this topology")]
    NoSuchPart(String),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl From<SupervisorError> for TopologyError {
    fn from(error: SupervisorError) -> Self {
        Self::Server(error.into())
    }
}

impl From<ProcessError> for TopologyError {
    fn from(error: ProcessError) -> Self {
        Self::Server(error.into())
    }
}

/// Everything that runs. Fields are dropped in this order: clients' edge first, folder last.
pub struct Topology {
    client_link: Link,
    impostor: Option<Impostor>,
    server: Server,
    store: Store,
    vendors: Vec<Vendor>,
    site: Site,
    credentials: Credentials,
    nemesis: Nemesis,
    holder: Holder,
    scraper: Scraper,
    recorder: Recorder,
    clock: RunClock,
    watchers: TaskTracker,
    watching: CancellationToken,
    /// Goes before the command line of a server on pipes.
    pipes: Option<Vec<String>>,
    scratch: Arc<Scratch>,
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

    /// The server.
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

    /// A server on pipes, on the same store, with the impostor around it where that is its edge.
    /// Dropping the process kills it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn on_pipes(&self) -> Result<Process, TopologyError> {
        Ok(self.server.on_pipes(self.pipes.as_deref())?)
    }

    /// Ends the server by SIGTERM and starts it with `overrides` on top of its configuration; empty
    /// settings are the configuration the run began with.
    ///
    /// # Errors
    /// When it does not end within its drain or is not ready in time.
    pub async fn restart_with(&self, overrides: &Settings) -> Result<Ended, TopologyError> {
        Ok(self.server.restart_with(overrides).await?)
    }

    /// Tells a simulator what to do from now on.
    ///
    /// # Errors
    /// When there is no such simulator, or it refuses the plan.
    pub async fn plan(&self, provider: &str, plan: &Plan) -> Result<(), TopologyError> {
        Ok(self.vendor(provider)?.simulator().set_plan(plan).await?)
    }

    fn supervisors(&self) -> impl Iterator<Item = &Supervisor> {
        let vendors = self
            .vendors
            .iter()
            .map(|vendor| vendor.simulator().supervisor());
        let impostor = self.impostor.as_ref().map(Impostor::supervisor);
        std::iter::once(self.server.supervisor())
            .chain(vendors)
            .chain(self.store.supervisor())
            .chain(impostor)
    }

    /// Samples, health, liveness and audit, until the end.
    fn watch(&self) {
        let stop = || self.watching.clone();
        let sampler = Sampler::new(self.clock, self.recorder.clone(), "server");
        let sampler = self.supervisors().fold(sampler, Sampler::follow);
        self.watchers.spawn(sampler.run(stop()));
        let (scraper, over) = (self.scraper.clone(), stop());
        self.watchers
            .spawn(async move { scraper.watch_health(HEALTH_EVERY, over).await });
        let (scraper, over) = (self.scraper.clone(), stop());
        self.watchers
            .spawn(async move { scraper.watch_liveness(over).await });
        let (file, recorder, over) = (self.server.audit_file(), self.recorder.clone(), stop());
        self.watchers
            .spawn(async move { server::audit::follow(&file, &recorder, over).await });
    }

    /// Takes everything down: the server first, by SIGTERM; what it still writes is read. Looks at
    /// the simulators' journals for holes.
    ///
    /// # Errors
    /// When the server did not end by itself within its drain.
    pub async fn stop(self) -> Result<Ended, TopologyError> {
        let identified = self.server.identify("end").await;
        let ended = self.server.stop().await;
        self.watching.cancel();
        self.watchers.close();
        self.watchers.wait().await;
        if let Some(impostor) = &self.impostor {
            self.note(impostor.stop().await.err());
        }
        for vendor in &self.vendors {
            self.note(vendor.simulator().stop().await.err());
            let missing = vendor.simulator().missing_lines();
            if missing > 0 {
                let name = vendor.provider().name();
                // Nobody knows which ones: all that was observed is in doubt.
                let detail = format!("{missing} requests of {name} are not in its journal");
                self.rig("journal_gap", 0, detail);
            }
        }
        self.note(identified.err());
        Ok(ended?)
    }

    fn note(&self, trouble: Option<impl std::fmt::Display>) {
        if let Some(trouble) = trouble {
            // At the very end: nothing that was observed before is in doubt for it.
            self.rig("teardown", self.recorder.now(), trouble.to_string());
        }
    }

    fn rig(&self, what: &str, from: u64, detail: String) {
        let event = Event::Rig {
            what: what.to_owned(),
            until: self.recorder.now(),
            detail,
        };
        self.recorder.record_at(from, event);
    }
}
