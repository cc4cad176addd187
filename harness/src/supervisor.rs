//! Keeps one component running, as `restart: unless-stopped` would: a process that ends is started
//! again after a stated delay, unless it is held or stopped.
//!
//! Orders come from the nemesis and the topology alone. An end that nobody ordered is a critical
//! error of the judged server, and a fault of the rig for everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use exai_judge::Event;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::engine::{Berth, Greet, Tenant};
use crate::history::Recorder;
use crate::process::{Ended, Pair, Process, ProcessError, Spec};

/// How long after a rig component is back its absence still taints: the server's breaker before it
/// lets nothing through for five seconds of its first interval, and is right to.
const SETTLE: Duration = Duration::from_secs(6);
/// How long a rig component may have been gone before we hear of its end: whoever was connected to
/// it has seen the loss, and answered for it, before a busy machine lets us look.
const NOTICE: Duration = Duration::from_millis(500);
/// Between two tries to start a component that does not start.
const RETRY: Duration = Duration::from_millis(100);
/// Tries before a component is given up.
const TRIES: u32 = 100;

/// Whose fault an end that nobody ordered is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The server under judgement.
    Judged,
    /// Our own rig: simulators, store, impostor.
    Rig,
}

/// Starts the n-th life of a component, n from 1.
pub type Starter = Box<dyn FnMut(u64) -> Result<Process, ProcessError> + Send>;

/// Who begins the lives of a component.
enum Keeper {
    /// We do, as children of ours.
    Us(Starter),
    /// The engine does, by the restart policy of a container.
    Engine(Box<Tenant>),
}

/// The life a component is in.
#[derive(Clone)]
pub struct Life {
    /// Counts from 1.
    pub number: u64,
    /// None between two lives.
    pub process: Option<Arc<Process>>,
    /// The last lines of the life before, for messages; empty in the first.
    pub before: String,
}

/// What to keep running, and how.
pub struct Watch {
    /// For messages and records.
    pub name: String,
    /// Whose fault an unordered end is.
    pub role: Role,
    /// From the end of one life to the start of the next.
    pub delay: Duration,
    /// Told of unordered ends.
    pub recorder: Recorder,
}

/// A component that was asked for and is not there.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// Its process could not be started or ended.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It is between two lives, or stopped.
    #[error("could not reach {0}: it is not running")]
    NotRunning(String),
    /// The next life did not come.
    #[error("could not see {name} come back within {limit:?}")]
    NotBack {
        /// The component.
        name: String,
        /// How long was waited.
        limit: Duration,
    },
}

/// A supervised component.
pub struct Supervisor {
    name: String,
    life: watch::Receiver<Life>,
    ordered: Arc<AtomicBool>,
    held: watch::Sender<bool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Starts the first life and watches over it from then on.
    ///
    /// # Errors
    /// When the first life does not start.
    pub fn start(watch: Watch, mut starter: Starter) -> Result<Self, ProcessError> {
        let first = starter(1)?;
        Ok(Self::over(watch, first, Keeper::Us(starter)))
    }

    /// Puts a container up and watches over it from then on. Its engine brings it back, after the
    /// delay of its restart policy instead of the watch's; `greet` sees each life as it begins.
    ///
    /// # Errors
    /// When the engine cannot put it up.
    pub async fn contain(
        watch: Watch,
        berth: &Berth,
        spec: Spec,
        greet: Greet,
    ) -> Result<Self, ProcessError> {
        let (first, tenant) = berth.put_up(spec, greet).await?;
        Ok(Self::over(watch, first, Keeper::Engine(Box::new(tenant))))
    }

    fn over(watch: Watch, first: Process, keeper: Keeper) -> Self {
        let first = Life {
            number: 1,
            process: Some(Arc::new(first)),
            before: String::new(),
        };
        let name = watch.name.clone();
        let (lives, life) = watch::channel(first);
        let (held, is_held) = watch::channel(false);
        let ordered = Arc::new(AtomicBool::new(false));
        let stop = CancellationToken::new();
        let task = tokio::spawn(supervise(Duty {
            watch,
            keeper,
            lives,
            is_held,
            ordered: Arc::clone(&ordered),
            stop: stop.clone(),
        }));
        Self {
            name,
            life,
            ordered,
            held,
            stop,
            task,
        }
    }

    /// The component's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The life it is in, to read once or to follow.
    #[must_use]
    pub fn lives(&self) -> watch::Receiver<Life> {
        self.life.clone()
    }

    /// The running process.
    ///
    /// # Errors
    /// When it is between two lives, or stopped.
    pub fn process(&self) -> Result<Arc<Process>, SupervisorError> {
        let life = self.life.borrow();
        let process = life.process.clone();
        process.ok_or_else(|| SupervisorError::NotRunning(self.name.clone()))
    }

    /// The last lines it wrote, for messages: of the life before while the present one is silent.
    #[must_use]
    pub fn tail(&self) -> String {
        let life = self.life.borrow();
        let own = life.process.as_ref().map(|process| process.tail());
        own.filter(|said| !said.is_empty())
            .unwrap_or_else(|| life.before.clone())
    }

    /// SIGKILL by order; returns when the process is proven gone. Its next life follows by itself.
    ///
    /// # Errors
    /// When it was not running or did not die.
    pub async fn kill(&self, limit: Duration) -> Result<(Pair, Ended), SupervisorError> {
        let process = self.process()?;
        self.ordered.store(true, Ordering::SeqCst);
        let killed = process.kill(limit).await;
        if killed.is_err() {
            // It had ended by itself: the order must not excuse another end.
            self.ordered.store(false, Ordering::SeqCst);
        }
        Ok((process.pair(), killed?))
    }

    /// Waits for a life with a number above `after` that is running.
    ///
    /// # Errors
    /// When none came within `limit`.
    pub async fn next_life(
        &self,
        after: u64,
        limit: Duration,
    ) -> Result<Arc<Process>, SupervisorError> {
        let mut life = self.life.clone();
        let came = life.wait_for(|life| life.number > after && life.process.is_some());
        let came = tokio::time::timeout(limit, came).await;
        let process = came
            .ok()
            .and_then(Result::ok)
            .and_then(|life| life.process.clone());
        process.ok_or_else(|| SupervisorError::NotBack {
            name: self.name.clone(),
            limit,
        })
    }

    /// SIGTERM by order, and no next life until [`Supervisor::release`].
    ///
    /// # Errors
    /// When it was not running, or did not end by itself within `limit` (it is killed then).
    pub async fn hold(&self, limit: Duration) -> Result<Ended, SupervisorError> {
        self.held.send_replace(true);
        self.end(limit).await
    }

    /// Lets the next life begin.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// SIGTERM by order, for good.
    ///
    /// # Errors
    /// When it was not running, or did not end by itself within `limit` (it is killed then).
    pub async fn stop(&self, limit: Duration) -> Result<Ended, SupervisorError> {
        self.stop.cancel();
        self.end(limit).await
    }

    /// No next life from now on, however the present one ends.
    pub fn dismiss(&self) {
        self.stop.cancel();
    }

    /// No next life, and waits for the process to end by itself: its input was closed.
    ///
    /// # Errors
    /// When it was not running, or did not end within `limit` (it is killed then).
    pub async fn retire(&self, limit: Duration) -> Result<Ended, SupervisorError> {
        self.stop.cancel();
        let process = self.process()?;
        let ended = tokio::time::timeout(limit, process.wait()).await;
        ended.map_err(|_elapsed| {
            process.kill_group();
            SupervisorError::Process(ProcessError::StillRunning {
                name: self.name.clone(),
                pid: process.pair().pid,
                limit,
                tail: process.tail(),
            })
        })
    }

    async fn end(&self, limit: Duration) -> Result<Ended, SupervisorError> {
        let process = self.process()?;
        self.ordered.store(true, Ordering::SeqCst);
        let ended = process.terminate(limit).await;
        if ended.is_err() {
            process.kill_group();
        }
        Ok(ended?)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
        if let Some(process) = &self.life.borrow().process {
            process.kill_group();
        }
    }
}

struct Duty {
    watch: Watch,
    keeper: Keeper,
    lives: watch::Sender<Life>,
    is_held: watch::Receiver<bool>,
    ordered: Arc<AtomicBool>,
    stop: CancellationToken,
}

async fn supervise(mut duty: Duty) {
    loop {
        let Life {
            number, process, ..
        } = duty.lives.borrow().clone();
        let Some(process) = process else { return };
        let ended = process.wait().await;
        let at = duty.watch.recorder.now();
        duty.lives.send_replace(Life {
            number,
            process: None,
            before: process.tail(),
        });
        let ordered = duty.ordered.swap(false, Ordering::SeqCst);
        if duty.stop.is_cancelled() {
            return;
        }
        // At once: the run may end before the next life begins.
        if !ordered {
            duty.tell_end(at, ended);
        }
        let next = duty.stop.clone();
        let reviving = duty.revive(&process, number + 1);
        let Some(Some(process)) = next.run_until_cancelled(reviving).await else {
            return;
        };
        if !ordered && duty.watch.role == Role::Rig {
            let detail = format!("{} is process {}", duty.watch.name, process.pair().pid);
            duty.say_rig("back", at, detail);
        }
    }
}

impl Duty {
    /// The delay, then tries until a process runs; None when it was given up.
    async fn revive(&mut self, old: &Process, number: u64) -> Option<Arc<Process>> {
        if matches!(self.keeper, Keeper::Us(_)) {
            tokio::time::sleep(self.watch.delay).await;
        }
        self.is_held.wait_for(|held| !held).await.ok()?;
        for _ in 0..TRIES {
            let next = match &mut self.keeper {
                Keeper::Us(starter) => starter(number),
                Keeper::Engine(tenant) => tenant.next(old, number).await.map_err(Into::into),
            };
            match next {
                Ok(process) => {
                    let process = Arc::new(process);
                    self.lives.send_modify(|life| {
                        life.number = number;
                        life.process = Some(Arc::clone(&process));
                    });
                    return Some(process);
                }
                Err(error) => self.say_rig("start", self.watch.recorder.now(), error.to_string()),
            }
            tokio::time::sleep(RETRY).await;
        }
        None
    }

    fn tell_end(&self, at: u64, ended: Ended) {
        let name = &self.watch.name;
        let status = ended
            .status
            .map_or_else(|| "status lost".to_owned(), |status| status.to_string());
        let detail = format!("{name} ended ({status}), ordered by nobody");
        match self.watch.role {
            Role::Judged => self.watch.recorder.record_at(
                at,
                Event::Critical {
                    what: "unordered_exit".to_owned(),
                    detail,
                    control: false,
                },
            ),
            Role::Rig => self.say_rig("down", at.saturating_sub(nanos(NOTICE)), detail),
        }
    }

    fn say_rig(&self, what: &str, from: u64, detail: String) {
        let event = Event::Rig {
            what: format!("{}_{what}", self.watch.name),
            until: self.watch.recorder.now().saturating_add(nanos(SETTLE)),
            detail,
        };
        self.watch.recorder.record_at(from, event);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
