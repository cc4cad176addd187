//! A container off its network: cause is that the engine says it has no address any more.

use std::time::Duration;

use exai_judge::fault::FaultKind;
use tokio::time::{Instant, sleep_until};

use super::{Landed, Nemesis, NemesisError, Probe};
use crate::engine::Container;
use crate::engine::wire::short;
use crate::process::ProcessError;
use crate::supervisor::{Role, Supervisor};

impl Nemesis {
    /// Takes the component's container off its network for `window` and puts it back under the
    /// address it had.
    ///
    /// # Errors
    /// When the engine cannot, or it was not whole in time afterwards.
    pub async fn partition(
        &self,
        component: &str,
        supervisor: &Supervisor,
        window: Duration,
        probe: &Probe,
    ) -> Result<Landed, NemesisError> {
        let process = supervisor.process()?;
        let Some(container) = process.container() else {
            let why = "a process of this machine has no network of its own to be taken off";
            return Ok(self.cannot(component, FaultKind::Partition, why));
        };
        let deed = self.deed(component, FaultKind::Partition);
        let before = container.look().await.map_err(ProcessError::from)?;
        deed.injected();
        let until = Instant::now() + window;
        let off = Off(container);
        let during = container.partition().await.map_err(ProcessError::from)?;
        let is_off = match (before.address, during.address) {
            (Some(address), None) => {
                let of = short(&during.id);
                deed.cause(format!("container {of} off its network, without {address}"));
                true
            }
            (before, during) => {
                deed.not_landed(format!("its address is {during:?} and was {before:?}"));
                false
            }
        };
        let is_felt = deed.feel(probe, until).await;
        sleep_until(until).await;
        off.back().await.map_err(ProcessError::from)?;
        deed.heal(probe, Role::Rig).await?;
        Ok(Landed::when(is_off && is_felt))
    }
}

/// A container off its network; going out of scope puts it back, however we leave.
struct Off<'a>(&'a Container);

impl Off<'_> {
    async fn back(self) -> Result<(), crate::engine::EngineError> {
        let back = self.0.rejoin().await;
        std::mem::forget(self);
        back.map(|_life| ())
    }
}

impl Drop for Off<'_> {
    fn drop(&mut self) {
        let container = self.0.clone();
        // Without a runtime we are ending, and the leaf takes the container down.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { container.rejoin().await.is_ok() });
        }
    }
}
