//! Looks at the processes of the run each second: memory, descriptors, threads, CPU; and at what
//! our own rig stands on, whose trouble taints what was observed meanwhile. What cannot be read is
//! left out, never written as zero.

mod gaps;
mod rig;
mod tree;

use std::path::PathBuf;
use std::time::Duration;

use exai_judge::Event;
use exai_judge::ground::RIG;
use exai_judge::observation::Sample;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::clock::RunClock;
use crate::history::Recorder;
use crate::supervisor::{Life, Supervisor};
use rig::{HostRead, Look, ProcessRead, Rig, Trouble};
use tree::{Scope, usage};

/// Between two samples.
pub const EVERY: Duration = Duration::from_secs(1);

/// Samples until it is stopped.
pub struct Sampler {
    clock: RunClock,
    recorder: Recorder,
    followed: Vec<(String, watch::Receiver<Life>)>,
    /// The judged component, whose CPU is not the rig's.
    judged: String,
}

impl Sampler {
    /// A sampler that follows nothing but this process yet. The component called `judged` is the
    /// server; all others, and this process, are the rig.
    #[must_use]
    pub fn new(clock: RunClock, recorder: Recorder, judged: &str) -> Self {
        Self {
            clock,
            recorder,
            followed: Vec::new(),
            judged: judged.to_owned(),
        }
    }

    /// Follows a component through its lives; its samples carry its name.
    #[must_use]
    pub fn follow(mut self, component: &Supervisor) -> Self {
        self.followed
            .push((component.name().to_owned(), component.lives()));
        self
    }

    /// Samples each second until `stop`. A process that cannot be read has no sample; when that, or
    /// the sampler's own lateness, lasts, the interval taints.
    pub async fn run(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rig = Rig::new(&self.judged, self.clock.now());
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            let roots = self.roots();
            let (clock, looked_at) = (self.clock, roots.clone());
            let folders = vec![self.recorder.folder().to_owned(), std::env::temp_dir()];
            let looking = tokio::task::spawn_blocking(move || look(clock, looked_at, &folders));
            let names = roots.iter().map(|(name, _)| name.as_str());
            match stop.run_until_cancelled(looking).await {
                Some(Ok(look)) => {
                    self.tell(rig.look(&look));
                    self.samples(look);
                }
                Some(Err(error)) => rig.missed(names, &format!("could not look: {error}")),
                None => rig.missed(names, "the last look did not end"),
            }
        }
        self.tell(rig.close(self.clock.now()));
    }

    fn tell(&self, found: Vec<Trouble>) {
        for trouble in found {
            self.recorder.record_at(trouble.from, trouble.event);
        }
    }

    fn samples(&self, look: Look) {
        for process in look.processes {
            // An unreadable process is among the rig's gaps.
            let Ok(Some(used)) = process.used else {
                continue;
            };
            let sample = Sample {
                process: process.name,
                pid: process.pid,
                resident_bytes: used.resident_bytes,
                descriptors: used.descriptors,
                threads: used.threads,
                cpu_ms: used.cpu_ms,
            };
            self.recorder.record_at(look.at, Event::Sample(sample));
        }
    }

    fn roots(&self) -> Vec<(String, u32)> {
        let running = self.followed.iter().filter_map(|(name, life)| {
            let pid = life.borrow().process.as_ref()?.pair().pid;
            Some((name.clone(), pid))
        });
        let ourselves = (RIG.to_owned(), std::process::id());
        running.chain(std::iter::once(ourselves)).collect()
    }
}

fn look(clock: RunClock, roots: Vec<(String, u32)>, folders: &[PathBuf]) -> Look {
    let at = clock.now();
    let processes = roots.into_iter().map(|(name, pid)| {
        // This process is sampled alone: its children have rows of their own.
        let scope = if pid == std::process::id() {
            Scope::Alone
        } else {
            Scope::WithDescendants
        };
        let used = usage(pid, scope).map_err(|error| error.to_string());
        ProcessRead { name, pid, used }
    });
    Look {
        at,
        processes: processes.collect(),
        host: HostRead::now(clock.wall_drift(), folders),
    }
}

#[cfg(test)]
mod tests;
