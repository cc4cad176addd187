//! What looks on while the rig runs, and taking the rig down.

use std::time::Duration;

use exai_judge::Event;
use exai_judge::observation::ContainerSeen;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Topology, TopologyError};
use crate::clock::RunClock;
use crate::process::Ended;
use crate::sample::Sampler;
use crate::server;
use crate::supervisor::Supervisor;

/// Between two looks at the server's health: it must show a loss of some hundred milliseconds.
const HEALTH_EVERY: Duration = Duration::from_millis(100);

/// An impostor here is, to its users, part of the server.
const CLIENT_EDGE: &str = "client";

/// Tasks that look on, and the order to end.
pub(super) struct Watchers {
    /// Samples, health and liveness: these end before the server does.
    looks: (TaskTracker, CancellationToken),
    /// The audit log: read until the server has written its last line.
    reads: (TaskTracker, CancellationToken),
}

impl Watchers {
    /// Nobody yet; all end early when `stop` is cancelled.
    pub(super) fn new(stop: &CancellationToken) -> Self {
        Self {
            looks: (TaskTracker::new(), stop.child_token()),
            reads: (TaskTracker::new(), stop.child_token()),
        }
    }
}

async fn end((tasks, stop): &(TaskTracker, CancellationToken)) {
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

impl Topology {
    fn supervisors(&self) -> impl Iterator<Item = &Supervisor> {
        let vendors = self
            .vendors
            .iter()
            .map(|vendor| vendor.simulator().supervisor());
        let servers = self.instances().map(server::Server::supervisor);
        servers.chain(vendors).chain(self.store.supervisor())
    }

    fn sampler(&self, clock: RunClock) -> Sampler {
        let sampler = Sampler::new(clock, self.recorder.clone(), "server");
        // In a container its network is the run's own, and its processes are no children of ours.
        let sampler = match self.containers {
            Some(_) => sampler,
            None => sampler.guarding(),
        };
        let sampler = self.supervisors().fold(sampler, Sampler::follow);
        match &self.impostor {
            Some(impostor) if impostor.edge() == CLIENT_EDGE => {
                sampler.with_part(impostor.supervisor())
            }
            Some(impostor) => sampler.follow(impostor.supervisor()),
            None => sampler,
        }
    }

    /// Samples, health, liveness and audit, until the end.
    pub(super) fn watch(&self, clock: RunClock) {
        let (looks, stop) = &self.watchers.looks;
        looks.spawn(self.sampler(clock).run(stop.clone()));
        let others = self.peers.iter().map(server::Server::scraper);
        for scraper in std::iter::once(&self.scraper).chain(others) {
            let (health, over) = (scraper.clone(), stop.clone());
            looks.spawn(async move { health.watch_health(HEALTH_EVERY, over).await });
            let (liveness, over) = (scraper.clone(), stop.clone());
            looks.spawn(async move { liveness.watch_liveness(over).await });
        }
        let (reads, stop) = &self.watchers.reads;
        for instance in self.instances() {
            let (file, recorder) = (instance.audit_file(), self.recorder.clone());
            let over = stop.clone();
            reads.spawn(async move { server::audit::follow(&file, &recorder, over).await });
        }
    }

    /// Takes everything down: the server first, by SIGTERM; what it still writes is read. Looks at
    /// the simulators' journals for holes.
    ///
    /// # Errors
    /// When the server did not end by itself within its drain.
    pub async fn stop(self) -> Result<Ended, TopologyError> {
        // A server that is not there has no identity; that it went is told by its supervisor.
        for instance in self.instances() {
            let _gone = instance.identify("end").await;
        }
        end(&self.watchers.looks).await;
        let mut ended = self.server.stop().await;
        for peer in &self.peers {
            ended = ended.and(peer.stop().await);
        }
        end(&self.watchers.reads).await;
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
        if let Some(containers) = &self.containers {
            // The store goes with the rest; nobody is to look for its next life.
            self.supervisors().for_each(Supervisor::dismiss);
            if let Err(error) = containers.record(&self.recorder, ContainerSeen::END).await {
                // Nobody knows what was judged.
                self.rig("containers_unseen", 0, error.to_string());
            }
            self.note(containers.stop().await.err());
        }
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
