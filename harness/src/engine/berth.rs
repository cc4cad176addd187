//! Where a component stands when it is a container, and its lives there as processes.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::leaf::Follower;
use super::wire::{Errand, Life, Order, Plan};
use super::{Container, Engine, EngineError};
use crate::process::{Ended, LineSink, Nobody, Process, Spec, Stdout, Tail};

/// Told of each life as it begins, with its number, from 1.
pub type Greet = Box<dyn FnMut(u64, &Process) + Send>;

/// How long the restart policy may take to begin the next life.
const NEXT: Duration = Duration::from_secs(30);
/// How long after an end the last lines may take to come.
const DRAIN: Duration = Duration::from_secs(1);
/// Whom the image's own program runs as.
const UNPRIVILEGED: (u32, u32) = (65_532, 65_532);
/// Above it stands a signal.
const SIGNAL: i64 = 128;

/// A place for one container.
#[derive(Clone)]
pub struct Berth {
    /// Whose container it is.
    pub engine: Engine,
    /// What it is, but for its command line, environment and user.
    pub plan: Plan,
    /// Words before the executable, such as those of a program that becomes it.
    pub before: Vec<String>,
    /// The executable's path in the image.
    pub program: String,
    /// Its address in the run's network.
    pub address: Ipv4Addr,
    /// The leaf's executable, for programs beside the main one.
    pub leaf: PathBuf,
}

impl Berth {
    /// Where it listens on `port`.
    #[must_use]
    pub const fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(std::net::IpAddr::V4(self.address), port)
    }

    /// Puts the container up: arguments, environment, user, folder and input of `spec`, the program
    /// of the berth.
    ///
    /// # Errors
    /// When the engine cannot.
    pub async fn put_up(&self, spec: Spec, greet: Greet) -> Result<(Process, Tenant), EngineError> {
        let mut plan = self.plan.clone();
        plan.command = self.command(&spec);
        plan.env = pairs(&spec.env);
        plan.user = user_of(spec.user);
        plan.cwd = shown(&spec.cwd);
        plan.input = spec.stdin;
        let container = Container {
            engine: self.engine.clone(),
            name: plan.name.clone(),
        };
        let mut tenant = Tenant {
            name: spec.name.clone(),
            signals: Arc::default(),
            lines: lines_of(&spec),
            is_fed: spec.stdin,
            container,
            greet,
        };
        tenant.listen();
        let plan = Box::new(plan);
        let first = self.engine.life(Order::Up { plan }).await?;
        Ok((tenant.process(1, first), tenant))
    }

    /// The same program beside the main one of the container whose id is `container`, as a process
    /// of ours on its pipes.
    #[must_use]
    pub fn beside(&self, spec: &Spec, container: &str) -> Spec {
        // What the container has already is not said again, least of all its secrets.
        let mut own = pairs(&spec.env);
        own.retain(|pair| !self.plan.env.contains(pair));
        let errand = Errand {
            container: container.to_owned(),
            command: self.command(spec),
            env: own,
            user: user_of(spec.user),
            cwd: shown(&spec.cwd),
        };
        let text = serde_json::to_string(&errand).unwrap_or_default();
        let host = std::env::var("DOCKER_HOST").ok();
        Spec {
            program: self.leaf.clone(),
            args: vec!["pipe".into(), text.into()],
            env: host
                .map(|host| ("DOCKER_HOST".to_owned(), host))
                .into_iter()
                .collect(),
            cwd: PathBuf::from("/"),
            user: None,
            is_piped: true,
            ..spec.clone()
        }
    }

    fn command(&self, spec: &Spec) -> Vec<String> {
        let words = spec.args.iter().map(|word| word.display().to_string());
        let before = self.before.iter().cloned();
        before.chain([self.program.clone()]).chain(words).collect()
    }
}

/// An environment as an engine takes it.
pub(crate) fn pairs(env: &[(String, String)]) -> Vec<String> {
    let pair = |(name, value): &(String, String)| format!("{name}={value}");
    env.iter().map(pair).collect()
}

/// Never root: nobody needs it in a container.
fn user_of(user: Option<Nobody>) -> String {
    let own = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    );
    let (uid, gid) = match (user, own) {
        (Some(user), _) => (user.uid, user.gid),
        (None, (0, _)) => UNPRIVILEGED,
        (None, own) => own,
    };
    format!("{uid}:{gid}")
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn lines_of(spec: &Spec) -> [LineSink; 2] {
    let nobody: LineSink = Arc::new(|_line: &str| {});
    let out = match &spec.stdout {
        Stdout::Lines(Some(sink)) => Arc::clone(sink),
        Stdout::Lines(None) | Stdout::Piped => Arc::clone(&nobody),
    };
    [out, spec.on_stderr.clone().unwrap_or(nobody)]
}

/// What is told of the present life.
#[derive(Default)]
struct Signals {
    life: u64,
    tail: Tail,
    ended: Option<watch::Sender<Option<Ended>>>,
    /// How it ended, while its last lines are still on their way.
    ending: Option<Ended>,
    is_silent: bool,
}

impl Signals {
    /// Announces the end once the last line is read too.
    fn settle(&mut self) {
        if let (Some(ended), Some(sender)) = (self.ending.filter(|_| self.is_silent), &self.ended) {
            sender.send_replace(Some(ended));
        }
    }
}

/// A container that is up, and whose lives follow each other.
pub struct Tenant {
    name: String,
    container: Container,
    signals: Arc<Mutex<Signals>>,
    lines: [LineSink; 2],
    is_fed: bool,
    greet: Greet,
}

impl Tenant {
    /// The life after `old`: the restart policy's doing, or begun by order after a stop.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn next(&mut self, old: &Process, number: u64) -> Result<Process, EngineError> {
        let before = old.contained().map_or("", |life| life.started_at.as_str());
        let life = self.container.next(before, NEXT).await?;
        Ok(self.process(number, life))
    }

    fn process(&mut self, number: u64, life: Life) -> Process {
        let (sender, ended) = watch::channel(None);
        let tail = Tail::default();
        *lock(&self.signals) = Signals {
            life: number,
            tail: tail.clone(),
            ended: Some(sender),
            ending: None,
            // Lines of one that is not fed come from the engine's log, which outlives it.
            is_silent: !self.is_fed,
        };
        let process =
            Process::in_container(&self.name, self.container.clone(), life, (tail, ended));
        if !process.pair().is_alive() {
            // Its end was told before anybody listened.
            let mut signals = lock(&self.signals);
            signals.is_silent = true;
            signals.ending = Some(Ended {
                status: None,
                at: crate::clock::monotonic(),
            });
            signals.settle();
        }
        (self.greet)(number, &process);
        process
    }

    fn listen(&self) {
        let sink = |which: usize| -> LineSink {
            let (signals, line) = (Arc::clone(&self.signals), Arc::clone(&self.lines[which]));
            Arc::new(move |text: &str| {
                let tail = lock(&signals).tail.clone();
                tail.keep(text);
                line(text);
            })
        };
        let (dying, falling) = (Arc::clone(&self.signals), Arc::clone(&self.signals));
        let follower = Follower {
            lines: [sink(0), sink(1)],
            ended: Box::new(move |at, code| {
                let status = Some(status(code));
                let mut signals = lock(&dying);
                signals.ending = Some(Ended { status, at });
                signals.settle();
                tokio::spawn(give_up(Arc::clone(&dying), signals.life));
            }),
            silent: Box::new(move || {
                let mut signals = lock(&falling);
                signals.is_silent = true;
                signals.settle();
            }),
        };
        self.container.engine.follow(&self.container.name, follower);
    }
}

/// One that was never fed has no last line to wait for.
async fn give_up(signals: Arc<Mutex<Signals>>, life: u64) {
    tokio::time::sleep(DRAIN).await;
    let mut signals = lock(&signals);
    if signals.life == life {
        signals.is_silent = true;
        signals.settle();
    }
}

fn lock(signals: &Mutex<Signals>) -> std::sync::MutexGuard<'_, Signals> {
    signals.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An exit code as the engine tells it: above 128 stands the signal that ended the process.
fn status(code: i64) -> ExitStatus {
    let raw = match code {
        code if code > SIGNAL => code - SIGNAL,
        code => code << 8,
    };
    ExitStatus::from_raw(i32::try_from(raw).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engines_exit_code_is_a_code_or_a_signal() {
        assert_eq!(status(0).code(), Some(0));
        assert_eq!(status(64).code(), Some(64));
        assert_eq!(status(137).signal(), Some(9));
        assert_eq!(status(143).signal(), Some(15));
    }

    #[test]
    fn an_end_is_announced_after_the_last_line() {
        let (sender, ended) = watch::channel(None);
        let mut signals = Signals {
            ended: Some(sender),
            ..Signals::default()
        };
        signals.ending = Some(Ended {
            status: None,
            at: 1,
        });
        signals.settle();
        assert_eq!(*ended.borrow(), None);
        signals.is_silent = true;
        signals.settle();
        assert!(ended.borrow().is_some());
    }
}
