//! The rig in containers: images of local files, the run's network, and a berth for each part. The
//! links stay in this process, at the network's gateway, where the containers reach them.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use exai_judge::Event;
use exai_judge::ground::{CONTAINERS as ORDERED, RUN};
use exai_judge::observation::{ContainerSeen, PhaseMark};
use exai_mocks::provider::Provider;
use futures::future::try_join_all;

use super::services::{CONTAINERS, EXAI, MOCK_PROVIDER, REDIS, REDIS_CLI, Service};
use super::{Setup, StoreKind, TopologyError, Vendor};
use crate::engine::wire::{Answer, Carried, Facts, Life, Order};
use crate::engine::{Berth, Engine, EngineError};
use crate::history::Recorder;
use crate::redis::{self, RedisError};
use crate::server::{Berths, Settings};

/// The engine's side of a run.
pub(super) struct Containers {
    engine: Engine,
    leaf: PathBuf,
    gateway: Ipv4Addr,
    /// The configuration that the server reads.
    config: String,
    folder: PathBuf,
    images: Images,
    /// From a start of the store's container to the store's own.
    late: Duration,
}

/// The ids of the run's images.
struct Images {
    exai: String,
    vendor: String,
    redis: Option<String>,
}

impl Containers {
    /// Reaches the engine, builds the images and makes the network. `program` is the server to run,
    /// `folder` what the judged processes may see of this machine.
    ///
    /// # Errors
    /// When no engine answers here, or it cannot.
    pub(super) async fn open(
        leaf: &Path,
        setup: &Setup,
        (program, folder): (&Path, &Path),
    ) -> Result<Self, TopologyError> {
        let engine = Engine::start(leaf)?;
        is_here(&engine.facts().await?)?;
        let network = engine.order(Order::Network).await?;
        let Answer::Network { gateway, .. } = network else {
            return Err(unexpected(&network).into());
        };
        let vendor = [carried(&setup.binaries.mock_provider, MOCK_PROVIDER)];
        let exai = [carried(program, EXAI)];
        let (exai, vendor, redis) = futures::try_join!(
            image(&engine, "exai", exai.into()),
            image(&engine, "mock-provider", vendor.into()),
            redis_image(&engine, setup.store, leaf),
        )?;
        Ok(Self {
            engine,
            leaf: leaf.to_path_buf(),
            gateway,
            config: folder.join("exai.toml").display().to_string(),
            folder: folder.to_path_buf(),
            late: setup.restart.store,
            images: Images {
                exai,
                vendor,
                redis,
            },
        })
    }

    /// This machine's address in the run's network.
    pub(super) const fn gateway(&self) -> Ipv4Addr {
        self.gateway
    }

    /// What the server has to know of where it stands: clients come through the gateway, and probes
    /// name it by its address.
    pub(super) fn settings(&self) -> Settings {
        let address = Service::Server.address(self.gateway);
        Settings::default()
            .with("server.trusted_proxies", vec![self.gateway.to_string()])
            .with("server.allowed_hosts", vec![address.to_string()])
    }

    /// What an engine adds to every environment, said before it does.
    pub(super) fn environment() -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![pair("HOME", "/"), pair("HOSTNAME", Service::Server.name())]
    }

    pub(super) fn vendor(&self, provider: Provider) -> Berth {
        let number = Provider::ALL.iter().position(|one| *one == provider);
        let number = number.and_then(|number| u8::try_from(number).ok());
        let service = Service::Vendor(number.unwrap_or_default(), provider.name());
        self.berth(service, &self.images.vendor, None)
    }

    pub(super) fn store(&self) -> Option<Berth> {
        let image = self.images.redis.as_ref()?;
        let mut berth = self.berth(Service::Redis, image, Some(&self.folder.join("redis")));
        let late = self.late.as_millis().to_string();
        berth.before = vec![CONTAINERS.to_owned(), "linger".to_owned(), late];
        Some(berth)
    }

    pub(super) fn server(&self) -> Berths {
        let berth = |service| self.berth(service, &self.images.exai, Some(&self.folder));
        Berths {
            serve: berth(Service::Server),
            stdio: berth(Service::Stdio),
        }
    }

    fn berth(&self, service: Service, image: &str, folder: Option<&Path>) -> Berth {
        let mut plan = service.plan(image, &self.config);
        // Under the same path as here, so that every path of the configuration holds there too.
        plan.binds = folder
            .map(|folder| format!("{0}:{0}", folder.display()))
            .into_iter()
            .collect();
        Berth {
            engine: self.engine.clone(),
            plan,
            before: Vec::new(),
            program: service.program().to_owned(),
            address: service.address(self.gateway),
            leaf: self.leaf.clone(),
        }
    }

    /// The present life of each container of these vendors, of the store and of the server.
    ///
    /// # Errors
    /// When the engine does not tell.
    pub(super) async fn lives(&self, vendors: &[Vendor]) -> Result<Vec<Life>, EngineError> {
        let vendors = vendors.iter().map(|vendor| vendor.provider().name());
        let store = self.images.redis.as_ref().map(|_| Service::Redis.name());
        let names = vendors.chain(store).chain([Service::Server.name()]);
        let looks = names.map(|name| {
            let name = name.to_owned();
            self.engine.life(Order::Look { name })
        });
        try_join_all(looks).await
    }

    /// Records how many containers were ordered, and what each is made of.
    ///
    /// # Errors
    /// When the engine does not tell of one of them.
    pub(super) async fn record_start(&self, recorder: &Recorder) -> Result<(), EngineError> {
        let count = self.engine.ordered().len();
        recorder.record(Event::Phase(PhaseMark {
            criterion: RUN.to_owned(),
            phase: format!("{ORDERED}{count}"),
            ended: false,
        }));
        self.record(recorder, ContainerSeen::START).await
    }

    /// Records what each container is made of, beside what was ordered.
    ///
    /// # Errors
    /// When the engine does not tell of one of them.
    pub(super) async fn record(
        &self,
        recorder: &Recorder,
        moment: &str,
    ) -> Result<(), EngineError> {
        let seen = |seen| recorder.record(Event::Container(seen));
        self.engine.look_at_forms(moment, seen).await
    }

    /// Takes everything down.
    ///
    /// # Errors
    /// When something could not be removed.
    pub(super) async fn stop(&self) -> Result<(), EngineError> {
        self.engine.stop().await
    }
}

/// The judge looks at processes, files and addresses of the containers, which are this machine's
/// only where its engine is.
fn is_here(facts: &Facts) -> Result<(), EngineError> {
    if facts.is_local {
        return Ok(());
    }
    Err(EngineError {
        what: format!(
            "could not use the engine at {}: its containers are another machine's, where nobody \
             here can see what runs",
            facts.address
        ),
        fix: "set DOCKER_HOST to an engine of this machine (unix://…)".to_owned(),
    })
}

fn carried(from: &Path, to: &str) -> Carried {
    Carried {
        from: from.to_path_buf(),
        to: to.to_owned(),
    }
}

async fn redis_image(
    engine: &Engine,
    store: StoreKind,
    leaf: &Path,
) -> Result<Option<String>, TopologyError> {
    if store == StoreKind::Embedded {
        return Ok(None);
    }
    let found = |name| redis::which(name).ok_or(RedisError::Missing);
    let files = vec![
        carried(&found("redis-server")?, REDIS),
        carried(&found("redis-cli")?, REDIS_CLI),
        carried(leaf, CONTAINERS),
    ];
    Ok(Some(image(engine, "redis", files).await?))
}

async fn image(engine: &Engine, name: &str, files: Vec<Carried>) -> Result<String, TopologyError> {
    let order = Order::Build {
        image: name.to_owned(),
        files,
    };
    match engine.order(order).await? {
        Answer::Image { id, .. } => Ok(id),
        other => Err(unexpected(&other).into()),
    }
}

fn unexpected(answer: &Answer) -> EngineError {
    EngineError {
        what: format!("the containers' process answered {answer:?}"),
        fix: "report this".to_owned(),
    }
}
