//! One life of a container, and the proof that another one followed it.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::plan::Bounds;

/// One life of a container, as the engine tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// The name in the run.
    pub name: String,
    /// The container's id.
    pub id: String,
    /// The image's id.
    pub image: String,
    /// The main process as this machine counts it; 0 when none runs.
    pub pid: u32,
    /// When this life began, in the engine's words.
    pub started_at: String,
    /// Restarts by the policy so far.
    pub restarts: u64,
    /// `running`, `paused`, `restarting`, `exited`, …
    pub status: String,
    /// `healthy`, `unhealthy`, `starting`, or empty without a health command.
    pub health: String,
    /// The exit code of the life before, or of this one when it has ended.
    pub exit_code: i64,
    /// The kernel killed it for its memory.
    pub oom_killed: bool,
    /// Its address; None off the network.
    pub address: Option<Ipv4Addr>,
    /// What the engine says that it may use and do, read back.
    pub bounds: Bounds,
    /// Ports published to this machine; empty when it is reached inside the network alone.
    pub published: Vec<String>,
    /// Whom it runs as.
    pub user: String,
}

impl Life {
    /// Whether `next` is another life of this container, in words; the error says what did not
    /// change.
    ///
    /// # Errors
    /// When container, process or start are not as they must be.
    pub fn proves(&self, next: &Self) -> Result<String, String> {
        let of = format!("container {}", short(&self.id));
        if self.id != next.id {
            return Err(format!("{of} is now container {}", short(&next.id)));
        }
        if next.pid == 0 || next.status != "running" {
            return Err(format!("{of} does not run: {}", next.status));
        }
        if self.started_at == next.started_at || self.pid == next.pid {
            return Err(format!(
                "{of} still has pid {}, started at {}",
                next.pid, next.started_at
            ));
        }
        let by = if next.restarts > self.restarts {
            format!("restart {} by its policy", next.restarts)
        } else {
            "started again by order".to_owned()
        };
        Ok(format!(
            "{of}: pid {} became {}, started at {} instead of {}, {by}",
            self.pid, next.pid, next.started_at, self.started_at
        ))
    }
}

/// An id as people read it.
#[must_use]
pub fn short(id: &str) -> &str {
    let bare = id.strip_prefix("sha256:").unwrap_or(id);
    bare.get(..12).unwrap_or(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(pid: u32, started_at: &str, restarts: u64) -> Life {
        Life {
            name: "exai-redis".to_owned(),
            id: "0123456789abcdef".to_owned(),
            pid,
            started_at: started_at.to_owned(),
            restarts,
            status: "running".to_owned(),
            ..Life::default()
        }
    }

    #[test]
    fn a_restart_is_proven_by_pid_start_and_count_and_by_nothing_less() {
        let before = life(10, "noon", 0);
        let proof = before.proves(&life(11, "later", 1)).unwrap();
        assert!(proof.contains("pid 10 became 11"), "{proof}");
        assert!(proof.contains("restart 1 by its policy"), "{proof}");
        let ordered = before.proves(&life(11, "later", 0)).unwrap();
        assert!(ordered.contains("by order"), "{ordered}");
        assert!(before.proves(&before).is_err());
        assert!(before.proves(&life(10, "later", 1)).is_err());
        assert!(before.proves(&life(11, "noon", 1)).is_err());
        let mut foreign = life(11, "later", 1);
        foreign.id = "ffff".to_owned();
        assert!(before.proves(&foreign).is_err());
        let mut dead = life(0, "later", 1);
        dead.status = "exited".to_owned();
        assert!(before.proves(&dead).is_err());
    }
}
