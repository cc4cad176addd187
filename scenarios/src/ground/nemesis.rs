//! Breaks things on purpose, and proves each time that they broke and that they healed.

pub mod feel;
pub mod lock;

use std::net::SocketAddr;
use std::time::Duration;

use exai_harness::history::Recorder;
use exai_harness::redis::RedisError;
use exai_harness::supervisor::Supervisor;
use exai_judge::Event;
use exai_judge::fault::{Fault, FaultKind, Step};
use nix::sys::signal::Signal;

use super::Ground;
use super::store::Store;
use crate::stage::Trouble;

/// How long a killed process may take to be gone.
const DEATH: Duration = Duration::from_secs(5);
/// How long the next life may take to come.
const BIRTH: Duration = Duration::from_secs(30);
/// How long a pause, a refusal or a slowness lasts.
const WINDOW: Duration = Duration::from_secs(2);
/// Added to each direction of a slow edge.
const LATENCY: Duration = Duration::from_millis(75);
/// How long a broken thing may take to heal before it is our own fault.
const HEALED: Duration = Duration::from_secs(10);

/// One fault being carried out.
struct Deed<'a> {
    recorder: &'a Recorder,
    fault: Fault,
}

impl Deed<'_> {
    fn step(&self, step: Step) {
        self.recorder.record(Event::Fault {
            fault: self.fault.clone(),
            step,
        });
    }

    fn cause(&self, proof: impl Into<String>) {
        self.step(Step::Cause {
            proof: proof.into(),
        });
    }

    /// The symptom at a probe of our own; without one the fault does not count.
    fn effect(&self, felt: Option<String>) {
        match felt {
            Some(proof) => self.step(Step::Effect { proof }),
            None => self.not_landed("no probe of ours felt it"),
        }
    }

    fn not_landed(&self, why: impl Into<String>) {
        self.step(Step::NotLanded { why: why.into() });
    }
}

impl Ground {
    fn deed(&self, component: &str, kind: FaultKind) -> Deed<'_> {
        let number = self.deeds.next();
        let id = format!("{component}.{}.{number}", kind.name());
        let fault = Fault {
            id,
            component: component.to_owned(),
            kind,
        };
        Deed {
            recorder: &self.recorder,
            fault,
        }
    }

    /// Kills a component; its restart policy brings it back.
    ///
    /// # Errors
    /// When it did not die, or did not come back.
    pub async fn kill(&self, component: &str) -> Result<(), Trouble> {
        let deed = self.deed(component, FaultKind::Kill);
        let Some(supervisor) = self.supervisor_of(component) else {
            deed.not_landed(format!("{component} is not a process of its own here"));
            return Ok(());
        };
        if self.kills_nothing() {
            // The saboteur: the order is given and nothing is done.
            deed.step(Step::Injected);
            deed.not_landed("the process is the same as before");
            return Ok(());
        }
        let rig = |error: &dyn std::fmt::Display| Trouble::Rig(error.to_string());
        let life = supervisor.lives().borrow().number;
        deed.step(Step::Injected);
        let (old, _) = supervisor.kill(DEATH).await.map_err(|error| rig(&error))?;
        let gone = self.recorder.now();
        let felt = feel::refusal(self.address_of(component)).await;
        let next = supervisor
            .next_life(life, BIRTH)
            .await
            .map_err(|error| rig(&error))?;
        let new = next.pair();
        let proof = format!(
            "pid {} (started {}) gone, pid {} (started {}) running",
            old.pid, old.start_ticks, new.pid, new.start_ticks
        );
        self.recorder.record_at(
            gone,
            Event::Fault {
                fault: deed.fault.clone(),
                step: Step::Cause { proof },
            },
        );
        deed.effect(felt);
        self.await_heal(&deed, component, life + 1).await
    }

    /// Where a component itself listens.
    fn address_of(&self, component: &str) -> SocketAddr {
        match (&self.store, component) {
            (Store::Redis { redis, .. }, "store") => redis.address(),
            _ => self
                .simulators
                .address(component)
                .unwrap_or_else(|| self.server.public()),
        }
    }

    async fn await_heal(&self, deed: &Deed<'_>, component: &str, life: u64) -> Result<(), Trouble> {
        let rig = |error: &dyn std::fmt::Display| Trouble::Rig(error.to_string());
        if component == "server" {
            self.wait_ready(BIRTH).await?;
            self.identify("restart", &self.recorder).await;
        } else if let Some(simulator) = self.simulators.simulator(component) {
            simulator
                .wait_ready(life, BIRTH)
                .await
                .map_err(|error| rig(&error))?;
        } else if let Store::Redis { redis, .. } = &self.store {
            redis.wait_ready(BIRTH).await.map_err(|error| rig(&error))?;
        }
        deed.step(Step::Healed);
        Ok(())
    }

    fn supervisor_of(&self, component: &str) -> Option<&Supervisor> {
        match (component, &self.store) {
            ("server", _) => Some(self.server.supervisor()),
            ("store", Store::Redis { redis, .. }) => Some(redis.supervisor()),
            ("store", Store::Embedded { .. }) => None,
            (provider, _) => self.simulators.supervisor(provider),
        }
    }

    /// Breaks the store in one way for a while.
    ///
    /// # Errors
    /// When the rig cannot do it, or it does not heal.
    pub async fn break_store(&self, kind: FaultKind) -> Result<(), Trouble> {
        match &self.store {
            Store::Embedded { file } if kind == FaultKind::Kill => {
                let _ = file;
                self.kill_as_store().await
            }
            Store::Embedded { file } => lock::hold(&self.deed("store", kind), file).await,
            Store::Redis { .. } if kind == FaultKind::Kill => self.kill("store").await,
            Store::Redis { .. } => self.break_redis(kind).await,
        }
    }

    /// The embedded store dies with the server that holds it.
    async fn kill_as_store(&self) -> Result<(), Trouble> {
        let deed = self.deed("store", FaultKind::Kill);
        let supervisor = self.server.supervisor();
        let rig = |error: &dyn std::fmt::Display| Trouble::Rig(error.to_string());
        let life = supervisor.lives().borrow().number;
        deed.step(Step::Injected);
        let (old, _) = supervisor.kill(DEATH).await.map_err(|error| rig(&error))?;
        deed.cause(format!("pid {} holding the store is gone", old.pid));
        deed.effect(feel::refusal(self.server.public()).await);
        supervisor
            .next_life(life, BIRTH)
            .await
            .map_err(|error| rig(&error))?;
        self.await_heal(&deed, "server", life + 1).await
    }

    async fn break_redis(&self, kind: FaultKind) -> Result<(), Trouble> {
        let Store::Redis { redis, link } = &self.store else {
            return Ok(());
        };
        let rig = |error: &dyn std::fmt::Display| Trouble::Rig(error.to_string());
        let deed = self.deed("store", kind);
        deed.step(Step::Injected);
        match kind {
            FaultKind::Reset => {
                let before = link.counters().accepted;
                deed.cause(format!("{} flows cut", link.reset()));
                deed.effect(feel::reconnected(link, before).await);
            }
            FaultKind::Refuse => {
                deed.cause(format!(
                    "{} flows cut, new ones refused",
                    link.refuse().await
                ));
                deed.effect(feel::refusal(link.address()).await);
                tokio::time::sleep(WINDOW).await;
                link.heal().await.map_err(|error| rig(&error))?;
            }
            FaultKind::Slow => {
                link.set_latency(LATENCY);
                deed.cause(format!(
                    "{LATENCY:?} added to each direction of {}",
                    link.name()
                ));
                deed.effect(feel::slowness(link.address(), LATENCY * 2).await);
                tokio::time::sleep(WINDOW).await;
                link.set_latency(Duration::ZERO);
            }
            FaultKind::Pause => {
                let process = redis.supervisor().process().map_err(|error| rig(&error))?;
                process
                    .signal(Signal::SIGSTOP)
                    .map_err(|error| rig(&error))?;
                let felt = feel::silence(redis.address()).await;
                let is_stopped = process.pair().is_stopped();
                tokio::time::sleep(WINDOW).await;
                process
                    .signal(Signal::SIGCONT)
                    .map_err(|error| rig(&error))?;
                if is_stopped {
                    deed.cause(format!("pid {} in state T", process.pair().pid));
                    deed.effect(felt);
                } else {
                    deed.not_landed("the process was never in state T");
                }
            }
            FaultKind::Full | FaultKind::ReadOnly => self.refuse_writes(&deed, kind).await?,
            FaultKind::Kill => return Ok(()),
        }
        redis
            .wait_ready(HEALED)
            .await
            .map_err(|error| rig(&error))?;
        deed.step(Step::Healed);
        Ok(())
    }

    /// `maxmemory` below what is in use, or a replica of nobody.
    async fn refuse_writes(&self, deed: &Deed<'_>, kind: FaultKind) -> Result<(), Trouble> {
        let Store::Redis { redis, .. } = &self.store else {
            return Ok(());
        };
        let rig = |error: &dyn std::fmt::Display| Trouble::Rig(error.to_string());
        let (break_it, heal_it): (&[&str], &[&str]) = if kind == FaultKind::Full {
            (
                &["CONFIG", "SET", "maxmemory", "1"],
                &["CONFIG", "SET", "maxmemory", "0"],
            )
        } else {
            (
                &["REPLICAOF", "127.0.0.1", "1"],
                &["REPLICAOF", "NO", "ONE"],
            )
        };
        redis.command(break_it).await.map_err(|error| rig(&error))?;
        let refused = redis.command(&["SET", "judge:probe", "1"]).await;
        tokio::time::sleep(WINDOW).await;
        redis.command(heal_it).await.map_err(|error| rig(&error))?;
        match refused {
            Err(error @ RedisError::Command(_)) => {
                deed.cause(format!("{} was accepted", break_it.join(" ")));
                deed.effect(Some(format!("a write of our own was refused: {error}")));
            }
            Err(error) => deed.not_landed(error.to_string()),
            Ok(_) => deed.not_landed("a write of our own was accepted"),
        }
        Ok(())
    }
}
