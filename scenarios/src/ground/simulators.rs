//! Kimi, GLM and MiniMax, each a process of its own behind a fault link.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use exai_harness::history::Recorder;
use exai_harness::link::Link;
use exai_harness::simulator::{KeyRow, Setup, Simulator};
use exai_harness::supervisor::Supervisor;
use exai_mocks::plan::Plan;
use exai_mocks::provider::Provider;

use crate::stage::Trouble;

/// From a simulator's death to its next start: the restart policy's delay, part of every figure,
/// and long enough for the server's health to show the loss.
const RESTART_DELAY: Duration = Duration::from_millis(2_500);
/// The vendors, in the order of the reports.
pub const PROVIDERS: [Provider; 3] = [Provider::Kimi, Provider::Glm, Provider::MiniMax];
/// How long a simulator may take to go.
const GOODBYE: Duration = Duration::from_secs(2);

/// One vendor as the server sees it.
#[derive(Debug, Clone)]
pub struct Edge {
    /// The provider row's name.
    pub name: &'static str,
    /// Its base URL, through the link.
    pub base_url: String,
    /// The key the server is given.
    pub key: String,
}

struct Vendor {
    simulator: Simulator,
    link: Link,
    key: String,
}

/// The three vendors.
pub struct Simulators {
    vendors: Vec<Vendor>,
}

impl Simulators {
    /// Starts all three.
    ///
    /// # Errors
    /// When one does not come up.
    pub async fn start(
        plan: &super::Plan,
        folder: &Path,
        recorder: &Recorder,
    ) -> Result<Self, Trouble> {
        let rig = |error: &dyn std::fmt::Display| Trouble::Rig(error.to_string());
        let mut vendors = Vec::new();
        for provider in PROVIDERS {
            let row = KeyRow::fresh(provider).map_err(|error| rig(&error))?;
            let key = row.key.clone();
            let simulator = Simulator::start(Setup {
                program: plan.built.mock_provider.clone(),
                provider,
                key: plan.key.clone(),
                keys: vec![row],
                plan: Plan {
                    seed: plan.seed,
                    ..Plan::default()
                },
                cwd: folder.to_path_buf(),
                restart_delay: RESTART_DELAY,
                clock: plan.clock,
                recorder: recorder.clone(),
            });
            let simulator = simulator.await.map_err(|error| rig(&error))?;
            let name = format!("server-{}", provider.name());
            let link = Link::start(&name, simulator.address()).await;
            let link = link.map_err(|error| rig(&error))?;
            vendors.push(Vendor {
                simulator,
                link,
                key,
            });
        }
        Ok(Self { vendors })
    }

    /// The vendors as the server sees them.
    #[must_use]
    pub fn edges(&self) -> Vec<Edge> {
        let edge = |vendor: &Vendor| Edge {
            name: vendor.simulator.provider().name(),
            base_url: vendor.simulator.base_url(vendor.link.address()),
            key: vendor.key.clone(),
        };
        self.vendors.iter().map(edge).collect()
    }

    /// Sends the server's connections to `provider` elsewhere from now on, and says where the real
    /// simulator is: an impostor sits down in between.
    #[must_use]
    pub fn address(&self, provider: &str) -> Option<SocketAddr> {
        self.find(provider).map(|vendor| vendor.simulator.address())
    }

    /// The link on a provider's edge.
    #[must_use]
    pub fn link(&self, provider: &str) -> Option<&Link> {
        self.find(provider).map(|vendor| &vendor.link)
    }

    /// The process and restart policy of a provider.
    #[must_use]
    pub fn supervisor(&self, provider: &str) -> Option<&Supervisor> {
        self.find(provider)
            .map(|vendor| vendor.simulator.supervisor())
    }

    /// All three processes.
    pub fn supervisors(&self) -> impl Iterator<Item = &Supervisor> {
        self.vendors
            .iter()
            .map(|vendor| vendor.simulator.supervisor())
    }

    /// The simulator of a provider.
    #[must_use]
    pub fn simulator(&self, provider: &str) -> Option<&Simulator> {
        self.find(provider).map(|vendor| &vendor.simulator)
    }

    fn find(&self, provider: &str) -> Option<&Vendor> {
        self.vendors
            .iter()
            .find(|vendor| vendor.simulator.provider().name() == provider)
    }

    /// Tells a vendor what to do from now on.
    ///
    /// # Errors
    /// When it does not take the plan.
    pub async fn plan(&self, provider: &str, plan: &Plan) -> Result<(), Trouble> {
        let Some(vendor) = self.find(provider) else {
            return Err(Trouble::Rig(format!("there is no simulator {provider}")));
        };
        vendor
            .simulator
            .set_plan(plan)
            .await
            .map_err(|error| Trouble::Rig(error.to_string()))
    }

    /// Lines missing from the journals: holes in our own evidence.
    #[must_use]
    pub fn missing_lines(&self) -> u64 {
        self.vendors
            .iter()
            .map(|vendor| vendor.simulator.missing_lines())
            .sum()
    }

    /// Ends all three.
    pub async fn stop(&self) {
        for vendor in &self.vendors {
            // A simulator that does not go by itself is killed when it is dropped.
            let _ = vendor.simulator.supervisor().stop(GOODBYE).await;
        }
    }
}
