//! Looks at the processes of the run each second: memory, descriptors, threads, CPU, and of the
//! server its connections; and at what our own rig stands on, whose trouble taints what was
//! observed meanwhile. What cannot be read is left out, never written as zero.

mod company;
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
use company::Company;
use rig::{HostRead, Look, ProcessRead, Rig, Trouble};
use tree::{Scope, usage};

/// Between two samples.
pub const EVERY: Duration = Duration::from_secs(1);

/// Samples until it is stopped.
pub struct Sampler {
    clock: RunClock,
    recorder: Recorder,
    followed: Vec<(String, watch::Receiver<Life>)>,
    /// What counts as part of the judged component.
    parts: Vec<watch::Receiver<Life>>,
    /// The judged component, whose CPU is not the rig's.
    judged: String,
    /// Whether the judged component's descendants and connections are looked at too.
    is_guarding: bool,
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
            parts: Vec::new(),
            judged: judged.to_owned(),
            is_guarding: false,
        }
    }

    /// Looks at whom the judged component starts and reaches, too. Everybody it may reach must be
    /// this process or followed.
    #[must_use]
    pub const fn guarding(mut self) -> Self {
        self.is_guarding = true;
        self
    }

    /// Follows a component through its lives; its samples carry its name.
    #[must_use]
    pub fn follow(mut self, component: &Supervisor) -> Self {
        self.followed
            .push((component.name().to_owned(), component.lives()));
        self
    }

    /// Counts a component as part of the judged one: what stands before the server on the clients'
    /// edge is, to its users, the server.
    #[must_use]
    pub fn with_part(mut self, component: &Supervisor) -> Self {
        self.parts.push(component.lives());
        self
    }

    /// Samples each second until `stop`. A process that cannot be read has no sample; when that, or
    /// the sampler's own lateness, lasts, the interval taints.
    pub async fn run(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rig = Rig::new(&self.judged, self.clock.now());
        let mut company = Company::of(self.is_guarding.then(|| self.judged.clone()));
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            let roots = self.roots();
            let (clock, looked_at) = (self.clock, roots.clone());
            let folders = vec![self.recorder.folder().to_owned(), std::env::temp_dir()];
            let mut kept = std::mem::take(&mut company);
            let looking = tokio::task::spawn_blocking(move || {
                let company = kept.look_all(&looked_at);
                let look = look(clock, looked_at, &folders);
                (Look { company, ..look }, kept)
            });
            let names = roots.iter().map(|root| root.name.as_str());
            match stop.run_until_cancelled(looking).await {
                Some(Ok((look, kept))) => {
                    company = kept;
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
        for seen in look.company.into_iter().flatten().flatten() {
            self.recorder.record_at(look.at, Event::Company(seen));
        }
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
                wait_ms: used.wait_ms,
                connections: used.connections,
            };
            self.recorder.record_at(look.at, Event::Sample(sample));
        }
    }

    fn roots(&self) -> Vec<Root> {
        let pid_of = |life: &watch::Receiver<Life>| {
            let life = life.borrow();
            life.process.as_ref().map(|process| process.pair().pid)
        };
        let running = self.followed.iter().filter_map(|(name, life)| {
            let parts: &[_] = if *name == self.judged {
                &self.parts
            } else {
                &[]
            };
            let scope = match *name == self.judged {
                true => Scope::WithConnections,
                false => Scope::Closed,
            };
            Some(Root {
                name: name.clone(),
                pid: pid_of(life)?,
                parts: parts.iter().filter_map(pid_of).collect(),
                scope,
            })
        });
        // This process is sampled alone: its children have rows of their own.
        let ourselves = Root {
            name: RIG.to_owned(),
            pid: std::process::id(),
            parts: Vec::new(),
            scope: Scope::Alone,
        };
        running.chain(std::iter::once(ourselves)).collect()
    }
}

/// A component's process and those that count as part of it.
#[derive(Debug, Clone)]
struct Root {
    name: String,
    pid: u32,
    parts: Vec<u32>,
    scope: Scope,
}

fn look(clock: RunClock, roots: Vec<Root>, folders: &[PathBuf]) -> Look {
    let at = clock.now();
    let processes = roots.into_iter().map(|root| {
        let Root {
            name,
            pid,
            parts,
            scope,
        } = root;
        let used = usage(pid, scope).and_then(|used| {
            parts.iter().try_fold(used, |sum, part| {
                let part = usage(*part, scope)?;
                Ok(sum.zip(part).map(|(sum, part)| sum.plus(part)))
            })
        });
        let used = used.map_err(|error| error.to_string());
        ProcessRead { name, pid, used }
    });
    Look {
        at,
        processes: processes.collect(),
        host: HostRead::now(clock.wall_drift(), folders),
        company: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
