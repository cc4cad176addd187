//! Assembling the rig, in order: each part stands before the next is started on top of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use exai_judge::RunKey;
use exai_mocks::provider::Provider;

use super::configuration::{environment, settings, together};
use super::impostor::{Place, params};
use super::{
    Containers, Credentials, Impostor, Launcher, Setup, Site, Spoil, Store, Topology,
    TopologyError, Vendor, Watchers,
};
use crate::identity::Subject;
use crate::link::Link;
use crate::nemesis::Nemesis;
use crate::nemesis::embedded::Holder;
use crate::probe::Scraper;
use crate::process::Nobody;
use crate::redis::which;
use crate::scratch::Scratch;
use crate::server::{self, Server, Settings};
use crate::simulator;

impl Topology {
    /// Brings everything up and waits until the server is ready and identified.
    ///
    /// # Errors
    /// When a part does not come up, with its last lines, or on Ctrl-C; what had been started is
    /// gone then.
    pub async fn start(setup: Setup) -> Result<Self, TopologyError> {
        let stop = setup.stop.clone();
        let assembled = stop.run_until_cancelled(assemble(setup)).await;
        assembled.unwrap_or(Err(TopologyError::Interrupted))
    }
}

async fn assemble(setup: Setup) -> Result<Topology, TopologyError> {
    let base = Base::lay(&setup).await?;
    let count = setup.instances.max(1);
    let place = (count > 1).then_some(1);
    let server = Server::start(base.server(&setup, place)?, Arc::clone(&base.scratch)).await?;
    let mut peers = Vec::new();
    for place in 2..=count {
        let own = base.server(&setup, Some(place))?;
        peers.push(Server::start(own, Arc::clone(&base.scratch)).await?);
    }
    let impostor = match base.before_store {
        Some(impostor) => Some(impostor),
        None => impostor(&setup, &server, &base.vendors, &base.credentials).await?,
    };
    let front = seen_at(impostor.as_ref(), &["client", "websocket"], server.public());
    let admin = seen_at(impostor.as_ref(), &["admin"], server.admin());
    let client_link = Link::start("client-server", front).await?;
    peers
        .iter()
        .for_each(|peer| client_link.add_target(peer.public()));
    let bearer = base.credentials.bearer();
    let topology = Topology {
        client_link,
        scraper: Scraper::new(admin, bearer, setup.recorder.clone()).at_place(place),
        nemesis: nemesis(&setup),
        holder: Holder {
            program: setup.binaries.lock_holder.clone(),
            file: server.store_file(),
            clock: setup.clock,
        },
        impostor,
        server,
        peers,
        store: base.store,
        vendors: base.vendors,
        site: base.site,
        credentials: base.credentials,
        recorder: setup.recorder,
        watchers: Watchers::new(&setup.stop),
        pipes: pipes(
            setup.spoil.as_ref(),
            &setup.binaries.impostor,
            &base.scratch,
        )
        .map_err(files("a copy of the impostor"))?,
        scratch: base.scratch,
        containers: base.containers,
        launcher: setup.launcher,
    };
    for instance in topology.instances() {
        instance.identify("start").await?;
    }
    if let Some(containers) = &topology.containers {
        containers.record_start(&topology.recorder).await?;
    }
    topology.watch(setup.clock);
    Ok(topology)
}

fn files(what: &'static str) -> impl Fn(std::io::Error) -> TopologyError {
    move |cause| TopologyError::Files { what, cause }
}

/// What stands before the server is started on top of it.
struct Base {
    /// The build that was to be judged.
    subject: Subject,
    /// The one that runs.
    launched: Subject,
    /// What goes before the server's own command line.
    company: Vec<String>,
    before_store: Option<Impostor>,
    store: Store,
    vendors: Vec<Vendor>,
    site: Site,
    credentials: Credentials,
    scratch: Arc<Scratch>,
    containers: Option<Containers>,
}

impl Base {
    async fn lay(setup: &Setup) -> Result<Self, TopologyError> {
        let user = Nobody::when_root();
        let scratch = Arc::new(Scratch::new(user).map_err(files("the run's folder"))?);
        let (subject, launched) = subjects(setup, &scratch).map_err(files("a copied binary"))?;
        let seen = (launched.path(), scratch.path());
        let containers = match &setup.binaries.containers {
            Some(leaf) => Some(Containers::open(leaf, setup, seen).await?),
            None => None,
        };
        let vendors = vendors(setup, containers.as_ref(), scratch.path()).await?;
        let policy = (setup.restart.store, setup.recorder.clone());
        let berth = containers.as_ref().and_then(Containers::store);
        let syncs_late = setup.launcher == Launcher::SyncsLate;
        let place = (berth, host(containers.as_ref()), syncs_late);
        let folder = scratch.path().join("redis");
        let store = Store::start(setup.store, &folder, user, policy, place).await?;
        let credentials = Credentials::draw(&scratch)?;
        Ok(Self {
            company: company(setup, &scratch).map_err(files("a copy of the impostor"))?,
            before_store: store_impostor(setup, &store, &credentials).await?,
            site: Site::draw(subject.sha256())?,
            subject,
            launched,
            store,
            vendors,
            credentials,
            scratch,
            containers,
        })
    }

    fn server(&self, setup: &Setup, place: Option<u32>) -> Result<server::Setup, TopologyError> {
        let containers = self.containers.as_ref();
        let before_store = self.before_store.as_ref().map(Impostor::address);
        let database = match (setup.launcher, place) {
            (Launcher::Apart, Some(place)) => place - 1,
            _ => 0,
        };
        let store = self.store.environment(before_store, database);
        let shared = match place {
            None => Settings::default(),
            Some(_) => together(&self.scratch).map_err(files("the stored files"))?,
        };
        Ok(server::Setup {
            place,
            program: self.launched.path().to_path_buf(),
            expected_sha256: self.subject.sha256().to_owned(),
            user: Nobody::when_root(),
            env: environment(&self.vendors, store, &self.credentials, containers),
            settings: settings(&self.site, &self.vendors, &self.store, &self.credentials)
                .merged(&standing(containers))
                .merged(&shared)
                .merged(&setup.asked()),
            bearer: self.credentials.bearer(),
            restart_delay: setup.restart.server,
            berths: containers.map(Containers::server),
            company: self.company.clone(),
            forgets: setup.launcher == Launcher::Forgets,
            panics_quietly: setup.launcher == Launcher::PanicsQuietly,
            port_taken: setup.launcher == Launcher::TakenPort,
            log: setup.log.clone(),
            recorder: setup.recorder.clone(),
        })
    }
}

/// The build to be judged and the one that runs, which a launcher that cheats has exchanged.
fn subjects(setup: &Setup, scratch: &Scratch) -> std::io::Result<(Subject, Subject)> {
    let subject = Subject::take(&setup.binaries.exai, scratch)?;
    let launched = match setup.launcher {
        Launcher::ForeignBuild => Subject::foreign(&setup.binaries.exai, scratch)?,
        _ => subject.clone(),
    };
    Ok((subject, launched))
}

/// Where a listener of the server is reached: at the impostor on one of these edges, or at itself.
fn seen_at(impostor: Option<&Impostor>, edges: &[&str], own: SocketAddr) -> SocketAddr {
    let before = impostor.filter(|impostor| edges.contains(&impostor.edge()));
    before.map_or(own, Impostor::address)
}

fn nemesis(setup: &Setup) -> Nemesis {
    let nemesis = Nemesis::new(setup.recorder.clone()).waiting(setup.restart.patience);
    if setup.launcher == Launcher::KillsNothing {
        nemesis.toothless()
    } else {
        nemesis
    }
}

/// Where the links stand that the server uses: here, or where its container reaches us.
fn host(containers: Option<&Containers>) -> Ipv4Addr {
    containers.map_or(Ipv4Addr::LOCALHOST, Containers::gateway)
}

/// What the server has to know of where it stands.
fn standing(containers: Option<&Containers>) -> Settings {
    containers.map(Containers::settings).unwrap_or_default()
}

/// The run key; for MiniMax one that nobody drew, where the launcher mixes them up.
fn key_of(setup: &Setup, provider: Provider) -> RunKey {
    if setup.launcher == Launcher::WrongKey && provider == Provider::MiniMax {
        RunKey::new([0; 32])
    } else {
        setup.key.clone()
    }
}

async fn vendors(
    setup: &Setup,
    containers: Option<&Containers>,
    cwd: &Path,
) -> Result<Vec<Vendor>, TopologyError> {
    let starting = Provider::ALL.map(|provider| {
        let berth = containers.map(|containers| containers.vendor(provider));
        // A container of a simulator sees nothing of this machine.
        let cwd = berth.as_ref().map_or(cwd, |_| Path::new("/"));
        let setup = simulator::Setup {
            program: setup.binaries.mock_provider.clone(),
            provider,
            key: key_of(setup, provider),
            keys: Vec::new(),
            plan: setup.plan.clone(),
            cwd: cwd.to_path_buf(),
            loses_lines: setup.launcher == Launcher::LosesLines,
            restart_delay: setup.restart.vendor,
            berth,
            clock: setup.clock,
            recorder: setup.recorder.clone(),
        };
        Vendor::start(setup, host(containers))
    });
    futures::future::try_join_all(starting).await
}

/// The impostor between the server and a store that is a process of its own. It stands before the
/// server starts, and past it the nemesis and its probes see the edge as it is.
async fn store_impostor(
    setup: &Setup,
    store: &Store,
    credentials: &Credentials,
) -> Result<Option<Impostor>, TopologyError> {
    let Some(spoil) = setup.spoil.as_ref().filter(|spoil| spoil.edge == "store") else {
        return Ok(None);
    };
    let Some(link) = store.link() else {
        return Err(TopologyError::Impostor {
            edge: spoil.edge.clone(),
            why: "the embedded store has no edge: run with --store redis".to_owned(),
        });
    };
    let place = Place {
        program: &setup.binaries.impostor,
        spoil,
        edge: "store",
        upstream: link.address(),
        params: params(credentials, ""),
    };
    let impostor = Impostor::start(place, setup.recorder.clone()).await?;
    Ok(Some(impostor))
}

async fn impostor(
    setup: &Setup,
    server: &Server,
    vendors: &[Vendor],
    credentials: &Credentials,
) -> Result<Option<Impostor>, TopologyError> {
    let is_beside = |spoil: &&Spoil| !matches!(spoil.edge.as_str(), "stdio" | "process");
    let Some(spoil) = setup.spoil.as_ref().filter(is_beside) else {
        return Ok(None);
    };
    let vendor = vendors
        .iter()
        .find(|vendor| vendor.provider().name() == spoil.edge);
    let (edge, upstream) = match (spoil.edge.as_str(), vendor) {
        ("client", _) => ("client", server.public()),
        ("websocket", _) => ("websocket", server.public()),
        ("admin", _) => ("admin", server.admin()),
        (_, Some(vendor)) => ("provider", vendor.simulator().address()),
        (other, None) => {
            return Err(TopologyError::Impostor {
                edge: other.to_owned(),
                why: "there is no such edge".to_owned(),
            });
        }
    };
    let canary = vendors.first().map_or("", Vendor::key);
    let place = Place {
        program: &setup.binaries.impostor,
        spoil,
        edge,
        upstream,
        params: params(credentials, canary),
    };
    let impostor = Impostor::start(place, setup.recorder.clone()).await?;
    if let Some(vendor) = vendor {
        vendor.link().retarget(impostor.address());
        // Connections opened so far go past the impostor.
        let _cut = vendor.link().reset();
    }
    Ok(Some(impostor))
}

/// The command line that goes before a server on pipes when the impostor's edge is `stdio`. It runs
/// as the server's user, who may not be able to reach the original.
fn pipes(
    spoil: Option<&Spoil>,
    program: &Path,
    scratch: &Scratch,
) -> std::io::Result<Option<Vec<String>>> {
    let Some(spoil) = spoil.filter(|spoil| spoil.edge == "stdio") else {
        return Ok(None);
    };
    let copy = Subject::take(program, scratch)?;
    let journal = scratch.path().join("state").join("pipes.ndjson");
    Ok(Some(super::impostor::wrapper(copy.path(), spoil, &journal)))
}

/// The command line that goes before the server's own when the impostor's edge is `process`.
fn company(setup: &Setup, scratch: &Scratch) -> std::io::Result<Vec<String>> {
    match setup.spoil.as_ref().filter(|spoil| spoil.edge == "process") {
        Some(spoil) => {
            let copy = Subject::take(&setup.binaries.impostor, scratch)?;
            Ok(super::impostor::company(copy.path(), spoil))
        }
        None => Ok(Vec::new()),
    }
}

/// The store `auto` stands for: Redis when `redis-server` is on PATH, else the embedded one.
#[must_use]
pub fn auto_store() -> super::StoreKind {
    if which("redis-server").is_some() {
        super::StoreKind::Redis
    } else {
        super::StoreKind::Embedded
    }
}
