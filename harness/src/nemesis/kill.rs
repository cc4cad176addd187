//! SIGKILL: cause is the old process gone and another in its place, told apart by start time.

use std::time::Duration;

use exai_judge::fault::{FaultKind, Step};
use tokio::time::Instant;

use super::{Landed, Nemesis, NemesisError, Probe};
use crate::process::Pair;
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
        let old = supervisor.process()?.pair();
        deed.injected();
        if !self.is_toothless {
            supervisor.kill(DEATH).await?;
        }
        let dead_at = self.recorder.now();
        if old.is_alive() {
            deed.not_landed(format!(
                "pid {} (started {}) still runs",
                old.pid, old.start_ticks
            ));
            return Ok(Landed::No);
        }
        let feel = deed.feel(probe, Instant::now() + GAP);
        let ((), next) = tokio::join!(feel, supervisor.next_life(life, BIRTH));
        let proof = proof(old, next.as_ref().map(|process| process.pair()));
        deed.step_at(dead_at, Step::Cause { proof });
        next?;
        match deed.heal(probe, role).await {
            Err(NemesisError::NotHealed { .. }) if role == Role::Judged => Ok(Landed::NeverBack),
            healed => healed.map(|()| Landed::Yes),
        }
    }
}

fn proof(old: Pair, new: Result<Pair, &SupervisorError>) -> String {
    let gone = format!("pid {} (started {}) gone", old.pid, old.start_ticks);
    match new {
        Ok(new) => format!(
            "{gone}, pid {} (started {}) running",
            new.pid, new.start_ticks
        ),
        Err(error) => format!("{gone}; {error}"),
    }
}
