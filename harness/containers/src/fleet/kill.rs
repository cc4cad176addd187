//! SIGKILL to a container's main process, proven by the kernel where it is this machine's.

use std::time::{Duration, Instant};

use bollard::query_parameters::KillContainerOptionsBuilder;
use exai_harness::engine::wire::{Answer, Life};
use exai_harness::process::Pair;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::{Fleet, LOOK_EVERY};
use crate::engine::is_contained;
use crate::trouble::Trouble;

/// How long a killed process may take to be gone.
const DEATH: Duration = Duration::from_secs(5);

impl Fleet {
    pub(super) async fn kill(&self, name: &str) -> Result<Answer, Trouble> {
        let before = self.look(name).await?;
        if before.pid == 0 {
            return Err(Trouble::new(
                format!("could not kill {name}: it is {}", before.status),
                "kill it while it runs",
            ));
        }
        let is_ours = self.engine.facts.may_kill && is_contained(before.pid, &before.id);
        let how = if is_ours {
            signal(name, before.pid)?;
            "signal from the host"
        } else {
            self.order_kill(name).await?;
            "engine's order"
        };
        self.wait_dead(&before, is_ours).await?;
        Ok(Answer::Killed {
            before: Box::new(before),
            how: how.to_owned(),
        })
    }

    /// An engine lets the restart policy rest after its own kill: the next life is begun by order.
    async fn order_kill(&self, name: &str) -> Result<(), Trouble> {
        let known = self.known(name)?;
        self.note_stopped(name, true);
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL");
        let killed = self
            .engine
            .docker
            .kill_container(&known.id, Some(options.build()));
        let killed = killed.await;
        killed.map_err(|error| Trouble::engine("kill", name, &error))
    }

    async fn wait_dead(&self, before: &Life, is_ours: bool) -> Result<(), Trouble> {
        let until = Instant::now() + DEATH;
        let pair = Pair::of(before.pid).filter(|_| is_ours);
        while Instant::now() < until {
            let is_dead = match pair {
                Some(pair) => !pair.is_alive(),
                None if is_ours => true,
                None => {
                    let life = self.look(&before.name).await?;
                    life.pid == 0 || life.started_at != before.started_at
                }
            };
            if is_dead {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(Trouble::new(
            format!(
                "{} (pid {}) still runs after SIGKILL",
                before.name, before.pid
            ),
            "unpause it first: a frozen process cannot die",
        ))
    }
}

fn signal(name: &str, pid: u32) -> Result<(), Trouble> {
    let raw = Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX));
    nix::sys::signal::kill(raw, Signal::SIGKILL).map_err(|cause| {
        Trouble::new(
            format!("could not send SIGKILL to {name} (pid {pid}): {cause}"),
            "run as a user who may signal the engine's processes",
        )
    })
}
