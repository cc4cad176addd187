//! What a workload breaks on the ground, and who is to blame when it stays broken.

use std::time::Duration;

use exai_harness::nemesis::Landed;
use exai_harness::topology::StoreTrace;
use exai_harness::trace::Untraced;
use exai_judge::fault::FaultKind;

use super::Ground;
use crate::stage::Trouble;

impl Ground {
    /// Attaches to the process that writes the store's file and traces its system calls.
    ///
    /// # Errors
    /// Why there can be no trace here.
    pub async fn trace_store(&self) -> Result<StoreTrace, Untraced> {
        self.topology.trace_store().await
    }

    /// The name of that process.
    #[must_use]
    pub const fn store_writer(&self) -> &'static str {
        self.topology.store_writer()
    }

    /// Kills a component; its restart policy brings it back.
    ///
    /// # Errors
    /// [`Trouble::Server`] when the server did not come back; the rig's when the rig cannot do it.
    pub async fn kill(&self, component: &str) -> Result<(), Trouble> {
        back(self.topology.kill(component).await?)
    }

    /// Breaks the store in one way for a while.
    ///
    /// # Errors
    /// As [`Ground::kill`].
    pub async fn break_store(&self, kind: FaultKind) -> Result<(), Trouble> {
        back(self.topology.break_store(kind).await?)
    }

    /// Takes the store away for so long.
    ///
    /// # Errors
    /// When it does not come back, or has no edge.
    pub async fn take_store_away(&self, time: Duration) -> Result<(), Trouble> {
        back(self.topology.take_store_away(time).await?)
    }

    /// Breaks a component, or the clients' edge, in one way for a while.
    ///
    /// # Errors
    /// As [`Ground::kill`].
    pub async fn break_component(&self, component: &str, kind: FaultKind) -> Result<(), Trouble> {
        let landed = match component {
            part if kind == FaultKind::Partition => self.topology.partition(part).await?,
            "server" => self.topology.kill(component).await?,
            "store" => self.topology.break_store(kind).await?,
            "clients" => self.topology.break_clients(kind).await?,
            provider => self.topology.break_provider(provider, kind).await?,
        };
        back(landed)
    }

    /// Breaks the link between the server and a provider in one way for a while.
    ///
    /// # Errors
    /// As [`Ground::kill`].
    pub async fn break_link(&self, provider: &str, kind: FaultKind) -> Result<(), Trouble> {
        back(self.topology.break_link(provider, kind).await?)
    }
}

/// A fault that did not land is told by the history; a server that is gone ends the run.
fn back(landed: Landed) -> Result<(), Trouble> {
    match landed {
        Landed::Yes | Landed::No => Ok(()),
        Landed::NeverBack => Err(Trouble::Server(
            "the server did not come back after it was killed".to_owned(),
        )),
    }
}
