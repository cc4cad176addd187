//! A frozen process, by SIGSTOP or by the engine's pause: cause is that it is seen frozen for the
//! whole window.

use std::time::Duration;

use exai_judge::fault::FaultKind;
use tokio::time::{Instant, sleep};

use super::{Landed, Nemesis, NemesisError, PROBE_EVERY, Probe};
use crate::process::Process;
use crate::supervisor::{Role, Supervisor};

/// How long it may take until a process stands still.
const STOPPED: Duration = Duration::from_secs(1);

impl Nemesis {
    /// Stops the process for `window`, then lets it go on.
    ///
    /// # Errors
    /// When it could not be signalled, or was not whole in time afterwards.
    pub async fn pause(
        &self,
        component: &str,
        supervisor: &Supervisor,
        window: Duration,
        probe: &Probe,
    ) -> Result<Landed, NemesisError> {
        let deed = self.deed(component, FaultKind::Pause);
        let process = supervisor.process()?;
        if let Ok(word) = process.frozen().await {
            deed.not_landed(format!("{word} already"));
            return Ok(Landed::No);
        }
        deed.injected();
        let stopped = Stopped::stop(&process).await?;
        let until = Instant::now() + window;
        let standing = wait_stopped(&process).await;
        if let Ok(proof) = &standing {
            deed.cause(proof);
        }
        let (whole, is_felt) = tokio::join!(stays(&process, until), deed.feel(probe, until));
        drop(stopped);
        let landed = standing.and(whole);
        if let Err(why) = &landed {
            deed.not_landed(why);
        }
        deed.heal(probe, Role::Rig).await?;
        Ok(Landed::when(landed.is_ok() && is_felt))
    }
}

/// A stopped process; going out of scope lets it go on, however we leave.
struct Stopped<'a>(&'a Process);

impl<'a> Stopped<'a> {
    async fn stop(process: &'a Process) -> Result<Self, NemesisError> {
        // Made first: whatever comes of the order, it is undone.
        let stopped = Self(process);
        process.freeze().await?;
        Ok(stopped)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.thaw();
    }
}

/// How it is frozen, once it is; the error says how it was when the time was over.
async fn wait_stopped(process: &Process) -> Result<String, String> {
    let until = Instant::now() + STOPPED;
    loop {
        let seen = process.frozen().await;
        if seen.is_ok() || Instant::now() >= until {
            return seen;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// Frozen at each look until then; the error is the first look that found it otherwise.
async fn stays(process: &Process, until: Instant) -> Result<String, String> {
    while Instant::now() < until {
        process.frozen().await?;
        sleep(PROBE_EVERY).await;
    }
    process.frozen().await
}
