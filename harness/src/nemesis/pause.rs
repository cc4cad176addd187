//! SIGSTOP: cause is state T for the whole window.

use std::time::Duration;

use exai_judge::fault::FaultKind;
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use super::{Landed, Nemesis, NemesisError, PROBE_EVERY, Probe};
use crate::process::{Pair, Process};
use crate::supervisor::{Role, Supervisor};

/// How long the kernel may take to stop a process.
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
        let pair = process.pair();
        if pair.is_stopped() {
            deed.not_landed(format!("pid {} was stopped already", pair.pid));
            return Ok(Landed::No);
        }
        deed.injected();
        let stopped = Stopped::stop(&process)?;
        let until = Instant::now() + window;
        let is_stopped = wait_stopped(pair).await;
        if is_stopped {
            deed.cause(format!("pid {} in state T", pair.pid));
        }
        let (whole, ()) = tokio::join!(stays(pair, until), deed.feel(probe, until));
        drop(stopped);
        let landed = is_stopped && whole;
        if !landed {
            deed.not_landed(format!("pid {} was not in state T throughout", pair.pid));
        }
        deed.heal(probe, Role::Rig).await?;
        Ok(if landed { Landed::Yes } else { Landed::No })
    }
}

/// A stopped process; going out of scope lets it go on, however we leave.
struct Stopped<'a>(&'a Process);

impl<'a> Stopped<'a> {
    fn stop(process: &'a Process) -> Result<Self, NemesisError> {
        process.signal(Signal::SIGSTOP)?;
        Ok(Self(process))
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let _ended_meanwhile = self.0.signal(Signal::SIGCONT);
    }
}

async fn wait_stopped(pair: Pair) -> bool {
    let until = Instant::now() + STOPPED;
    while Instant::now() < until {
        if pair.is_stopped() {
            return true;
        }
        sleep(Duration::from_millis(1)).await;
    }
    false
}

async fn stays(pair: Pair, until: Instant) -> bool {
    while Instant::now() < until {
        if !pair.is_stopped() {
            return false;
        }
        sleep(PROBE_EVERY).await;
    }
    pair.is_stopped()
}
