//! Looks at the processes of the run each second: memory, descriptors, threads, CPU; and at what
//! our own rig stands on, whose trouble taints what was observed meanwhile.

mod rig;
mod tree;

use std::time::Duration;

use exai_judge::Event;
use exai_judge::observation::Sample;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::clock::RunClock;
use crate::history::Recorder;
use crate::supervisor::{Life, Supervisor};
use rig::Rig;
pub use tree::{Usage, usage};

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

    /// Samples each second until `stop`. A second in which the sampler itself was late shows as a
    /// gap, never as an invented sample.
    pub async fn run(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rig = Rig::new(self.clock);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            let roots = self.roots();
            let looked = tokio::task::spawn_blocking(move || {
                let samples: Vec<Sample> = roots.into_iter().filter_map(one).collect();
                samples
            });
            let Ok(samples) = looked.await else { continue };
            let rigs = samples.iter().filter(|one| one.process != self.judged);
            let cpu_ms = rigs.map(|one| one.cpu_ms).sum();
            for trouble in rig.look(cpu_ms) {
                self.recorder.record_at(trouble.from, trouble.event);
            }
            for sample in samples {
                self.recorder.record(Event::Sample(sample));
            }
        }
    }

    fn roots(&self) -> Vec<(String, u32)> {
        let running = self.followed.iter().filter_map(|(name, life)| {
            let pid = life.borrow().process.as_ref()?.pair().pid;
            Some((name.clone(), pid))
        });
        let ourselves = ("rig".to_owned(), std::process::id());
        running.chain(std::iter::once(ourselves)).collect()
    }
}

/// This process is sampled alone: its children have rows of their own.
fn one((process, pid): (String, u32)) -> Option<Sample> {
    let with_children = pid != std::process::id();
    let used = usage(pid, with_children)?;
    Some(Sample {
        process,
        pid,
        resident_bytes: used.resident_bytes,
        descriptors: used.descriptors,
        threads: used.threads,
        cpu_ms: used.cpu_ms,
    })
}

#[cfg(test)]
mod tests;
