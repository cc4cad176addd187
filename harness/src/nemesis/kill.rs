//! SIGKILL: cause is the old process gone and another in its place, told apart by start time; in a
//! container also by the engine's own account of the two lives.

use std::time::Duration;

use exai_judge::fault::{FaultKind, Step};
use tokio::time::Instant;

use super::{Landed, Nemesis, NemesisError, Probe};
use crate::clock::monotonic;
use crate::process::Process;
use crate::supervisor::{Role, Supervisor, SupervisorError};

/// How long a killed process may take to be gone.
const DEATH: Duration = Duration::from_secs(5);
/// How long the restart policy may take to start the next life.
const BIRTH: Duration = Duration::from_secs(30);
/// How long the judge's own probe looks for the gap.
const GAP: Duration = Duration::from_secs(2);

impl Nemesis {
    /// Kills `supervisor`'s process and waits for its next life to be whole. `component` is the
    /// name under which the fault counts: the embedded store dies with its server.
    ///
    /// # Errors
    /// When the process could not be killed or started again, or a component of the rig was not
    /// whole in time.
    pub async fn kill(
        &self,
        component: &str,
        supervisor: &Supervisor,
        role: Role,
        probe: &Probe,
    ) -> Result<Landed, NemesisError> {
        let deed = self.deed(component, FaultKind::Kill);
        let life = supervisor.lives().borrow().number;
        let process = supervisor.process()?;
        let old = process.pair();
        deed.injected();
        let mut since = 0;
        if !self.is_toothless {
            let (_, ended) = supervisor.kill(DEATH).await?;
            since = monotonic().saturating_sub(ended.at);
        }
        let dead_at = self.recorder.now().saturating_sub(since);
        if old.is_alive() {
            deed.not_landed(format!(
                "pid {} (started {}) still runs",
                old.pid, old.start_ticks
            ));
            return Ok(Landed::No);
        }
        let feel = deed.feel(probe, Instant::now() + GAP);
        // There is a next life to be identified whether the gap was felt or not.
        let (_is_felt, next) = tokio::join!(feel, supervisor.next_life(life, BIRTH));
        match proof(&process, next.as_deref()) {
            Ok(proof) => deed.step_at(dead_at, Step::Cause { proof }),
            Err(why) => deed.not_landed(why),
        }
        next?;
        match deed.heal(probe, role).await {
            Err(NemesisError::NotHealed { .. }) if role == Role::Judged => Ok(Landed::NeverBack),
            healed => healed.map(|()| Landed::Yes),
        }
    }
}

/// That the old process is gone and another in its place. Of a container the engine has to say the
/// same: another process, another start.
fn proof(old: &Process, new: Result<&Process, &SupervisorError>) -> Result<String, String> {
    let pair = old.pair();
    let gone = format!("pid {} (started {}) gone", pair.pid, pair.start_ticks);
    let new = match new {
        Ok(new) => new,
        Err(error) => return Ok(format!("{gone}; {error}")),
    };
    if let (Some(before), Some(after)) = (old.contained(), new.contained()) {
        return before.proves(after);
    }
    let next = new.pair();
    Ok(format!(
        "{gone}, pid {} (started {}) running",
        next.pid, next.start_ticks
    ))
}
