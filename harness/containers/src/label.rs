//! Whose a container, network or image is: labels that outlive their owner.

use std::collections::HashMap;

use exai_harness::process::Pair;

const RUN: &str = "dev.exai.run";
/// What every object of ours carries.
pub(crate) const OWNER: &str = "dev.exai.owner";
const STARTED: &str = "dev.exai.owner-started";
const BOOT: &str = "dev.exai.boot";

/// One process that owns containers, told apart from any other that ever had its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) run: String,
    pid: u32,
    started: u64,
    boot: String,
}

impl Owner {
    /// This process.
    pub(crate) fn own() -> Self {
        let pid = std::process::id();
        let started = Pair::of(pid).map_or(0, |pair| pair.start_ticks);
        Self {
            run: format!("{pid}-{started}"),
            pid,
            started,
            boot: boot(),
        }
    }

    pub(crate) fn labels(&self) -> HashMap<String, String> {
        [
            (RUN, self.run.clone()),
            (OWNER, self.pid.to_string()),
            (STARTED, self.started.to_string()),
            (BOOT, self.boot.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// The labels as an image's build takes them.
    pub(crate) fn changes(&self) -> Vec<String> {
        let labels = self.labels().into_iter();
        labels
            .map(|(name, value)| format!("LABEL {name}={value}"))
            .collect()
    }

    /// The owner that labels name; None when they are not ours, or not whole.
    pub(crate) fn of(labels: &HashMap<String, String>) -> Option<Self> {
        Some(Self {
            run: labels.get(RUN)?.clone(),
            pid: labels.get(OWNER)?.parse().ok()?,
            started: labels.get(STARTED)?.parse().ok()?,
            boot: labels.get(BOOT)?.clone(),
        })
    }

    /// Whether it is certain that the owner is gone. An owner of another boot is gone where the
    /// engine is this machine's own; at a remote engine it may be another machine's, and alive.
    pub(crate) fn is_dead(&self, engine_is_local: bool) -> bool {
        if self.boot != boot() {
            return engine_is_local;
        }
        let pair = Pair {
            pid: self.pid,
            start_ticks: self.started,
        };
        !pair.is_alive()
    }
}

fn boot() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    read.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_dead_only_when_that_very_process_is_gone() {
        let own = Owner::own();
        assert!(!own.is_dead(true));
        assert_eq!(Owner::of(&own.labels()), Some(own.clone()));
        let mut reused = own.clone();
        reused.started += 1;
        assert!(reused.is_dead(false), "another process has its id");
        let mut elsewhere = own;
        elsewhere.boot = "another".to_owned();
        assert!(!elsewhere.is_dead(false), "another machine's may live");
        assert!(elsewhere.is_dead(true));
    }

    #[test]
    fn labels_of_somebody_else_name_no_owner() {
        let foreign = HashMap::from([("maintainer".to_owned(), "you".to_owned())]);
        assert_eq!(Owner::of(&foreign), None);
    }
}
