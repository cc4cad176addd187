//! What the nemesis can do to this topology, by component and kind.

use std::time::Duration;

use exai_judge::fault::FaultKind;

use super::{Store, Topology, TopologyError};
use crate::link::Link;
use crate::nemesis::edge::Slow;
use crate::nemesis::embedded::Pattern;
use crate::nemesis::{self, Landed, Probe};
use crate::supervisor::{Role, Supervisor};

/// How long a pause lasts (CRITERIA, Store faults).
const PAUSE: Duration = Duration::from_secs(2);
/// How long a slow, refusing, full or read-only store stays so; the criteria name no time.
const WINDOW: Duration = Duration::from_millis(1_200);
/// Added to each direction of a slow edge.
const SLOW: Slow = Slow {
    each_way: Duration::from_millis(75),
    window: WINDOW,
};
/// How long a write waits at most: the server's shipped `store.busy_timeout` and a second of grace.
/// A lock held longer refuses every write that comes at its begin, whatever waits before it.
const WRITE_WAITS: Duration = Duration::from_secs(4);

impl Topology {
    /// Kills a component, `server`, `store` or a provider, and waits until it is whole again. The
    /// embedded store is killed with its server; a server that is back is identified.
    ///
    /// # Errors
    /// When there is no such component, or the rig cannot kill or heal it.
    pub async fn kill(&self, component: &str) -> Result<Landed, TopologyError> {
        if component == "server" || (component == "store" && self.store.supervisor().is_none()) {
            let landed = self
                .nemesis
                .kill(
                    component,
                    self.server.supervisor(),
                    Role::Judged,
                    &self.server_probe(),
                )
                .await?;
            if landed == Landed::Yes {
                // One that has ended again at once is told by its supervisor.
                let _gone = self.server.identify("restart").await;
            }
            return Ok(landed);
        }
        let (supervisor, probe) = self.of_rig(component)?;
        Ok(self
            .nemesis
            .kill(component, supervisor, Role::Rig, &probe)
            .await?)
    }

    /// Kills a component of the rig as somebody else on the machine would: nobody of ours ordered
    /// it, and nobody waits for it.
    ///
    /// # Errors
    /// When there is no such component, or it is not running.
    pub fn lose(&self, component: &str) -> Result<(), TopologyError> {
        let (supervisor, _probe) = self.of_rig(component)?;
        supervisor.process()?.kill_group();
        Ok(())
    }

    /// Makes the store's edge keep its delays when it is healed.
    ///
    /// # Errors
    /// When the store has no edge.
    pub fn keep_store_slow(&self) -> Result<(), TopologyError> {
        match &self.store {
            Store::Redis { link, .. } => {
                link.stay_slow();
                Ok(())
            }
            Store::Embedded => Err(TopologyError::NoSuchPart("an edge of the store".to_owned())),
        }
    }

    /// Right when the server says that it is ready, past link and impostor.
    fn server_probe(&self) -> Probe {
        nemesis::answers_http(self.server.admin(), "/health/ready", Some(200))
    }

    /// Breaks the store in one way for its window and heals it.
    ///
    /// # Errors
    /// When the rig cannot do it, or it does not heal in time.
    pub async fn break_store(&self, kind: FaultKind) -> Result<Landed, TopologyError> {
        if kind == FaultKind::Kill {
            return self.kill("store").await;
        }
        match &self.store {
            Store::Embedded => self.lock_store(kind).await,
            Store::Redis { link, redis } => {
                let probe = nemesis::pong(link.address(), redis.password());
                Ok(match kind {
                    FaultKind::Pause => {
                        let supervisor = redis.supervisor();
                        self.nemesis
                            .pause("store", supervisor, PAUSE, &probe)
                            .await?
                    }
                    FaultKind::Full => self.nemesis.fill(redis, WINDOW).await?,
                    FaultKind::ReadOnly => self.nemesis.make_read_only(redis, WINDOW).await?,
                    _ => self.break_edge("store", link, kind, &probe).await?,
                })
            }
        }
    }

    /// Refuses the edge to a store that is a process of its own for this long.
    ///
    /// # Errors
    /// When the store has no edge, or does not heal in time.
    pub async fn take_store_away(&self, time: Duration) -> Result<Landed, TopologyError> {
        let Store::Redis { link, redis } = &self.store else {
            return Err(TopologyError::NoSuchPart("an edge of the store".to_owned()));
        };
        let probe = nemesis::pong(link.address(), redis.password());
        Ok(self.nemesis.refuse("store", link, time, &probe).await?)
    }

    /// Takes a component's container off its network for a while: the server, a store that is one,
    /// or a provider. Nothing lands where components are processes of this machine.
    ///
    /// # Errors
    /// When there is no such component, or it does not heal in time.
    pub async fn partition(&self, component: &str) -> Result<Landed, TopologyError> {
        let (supervisor, probe) = match component {
            "server" => (self.server.supervisor(), self.server_probe()),
            _ => self.of_rig(component)?,
        };
        Ok(self
            .nemesis
            .partition(component, supervisor, WINDOW, &probe)
            .await?)
    }

    /// A component of the rig that can be ordered about, and the probe of its edge.
    fn of_rig(&self, component: &str) -> Result<(&Supervisor, Probe), TopologyError> {
        if let ("store", Store::Redis { link, redis }) = (component, &self.store) {
            let probe = nemesis::pong(link.address(), redis.password());
            return Ok((redis.supervisor(), probe));
        }
        let vendor = self.vendor(component)?;
        let probe = nemesis::answers_http(vendor.link().address(), "/", None);
        Ok((vendor.simulator().supervisor(), probe))
    }

    async fn lock_store(&self, kind: FaultKind) -> Result<Landed, TopologyError> {
        let pattern = match kind {
            FaultKind::Pause => Pattern::PAUSE,
            FaultKind::Slow => Pattern::SLOW,
            FaultKind::Refuse => Pattern::refuse(WRITE_WAITS),
            other => {
                let why = format!(
                    "{} of an embedded store needs a small file system",
                    other.name()
                );
                return Ok(self.nemesis.cannot("store", other, &why));
            }
        };
        Ok(self.nemesis.lock(&self.holder, pattern).await?)
    }

    /// Breaks the edge to a provider for its window and heals it: reset, refuse or slow.
    ///
    /// # Errors
    /// When there is no such provider, or the edge does not heal in time.
    pub async fn break_provider(
        &self,
        provider: &str,
        kind: FaultKind,
    ) -> Result<Landed, TopologyError> {
        if kind == FaultKind::Kill {
            return self.kill(provider).await;
        }
        let link = self.vendor(provider)?.link();
        let probe = nemesis::answers_http(link.address(), "/", None);
        self.break_edge(provider, link, kind, &probe).await
    }

    /// Breaks the link to a provider for its window and heals it: reset, refuse or slow. It counts
    /// under the edge's own name, `server-kimi`, as a fault of the link.
    ///
    /// # Errors
    /// When there is no such provider, or the edge does not heal in time.
    pub async fn break_link(
        &self,
        provider: &str,
        kind: FaultKind,
    ) -> Result<Landed, TopologyError> {
        let link = self.vendor(provider)?.link();
        let probe = nemesis::answers_http(link.address(), "/", None);
        self.break_edge(link.name(), link, kind, &probe).await
    }

    /// Breaks the edge between clients and server: reset, refuse or slow.
    ///
    /// # Errors
    /// When the edge does not heal in time.
    pub async fn break_clients(&self, kind: FaultKind) -> Result<Landed, TopologyError> {
        let link = &self.client_link;
        let probe = nemesis::answers_http(link.address(), "/", None);
        self.break_edge("clients", link, kind, &probe).await
    }

    async fn break_edge(
        &self,
        component: &str,
        link: &Link,
        kind: FaultKind,
        probe: &Probe,
    ) -> Result<Landed, TopologyError> {
        Ok(match kind {
            FaultKind::Reset => self.nemesis.reset(component, link, probe).await?,
            FaultKind::Refuse => self.nemesis.refuse(component, link, WINDOW, probe).await?,
            FaultKind::Slow => self.nemesis.slow(component, link, SLOW, probe).await?,
            other => {
                let why = format!("{} is no fault of a link", other.name());
                self.nemesis.cannot(component, other, &why)
            }
        })
    }
}
