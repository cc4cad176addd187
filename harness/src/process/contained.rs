//! A process that runs in a container: as its main one, kept by the engine, which is asked to end
//! or freeze it; or beside the main one, on the pipes of a child of ours.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Ended, LineSink, Pair, Process, ProcessError, Spec, Tail, look_up};
use crate::engine::Container;
use crate::engine::wire::{Life, PIPED, short};

/// How much longer than we wait an engine waits before it kills what it stops.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// How a process is reached.
pub(super) enum Means {
    /// It is a child of ours; or lends its pipes to this one, which runs in a container.
    Child(Arc<OnceLock<Pair>>),
    /// It is the main process of a container, in this life of it.
    Contained(Container, Box<Life>),
}

impl Means {
    /// A child; one that lends its pipes tells of the program they belong to.
    pub(super) fn child(spec: &mut Spec) -> Self {
        let inner: Arc<OnceLock<Pair>> = Arc::default();
        if spec.is_piped {
            let (told, rest) = (Arc::clone(&inner), spec.on_stderr.take());
            spec.on_stderr = Some(Arc::new(move |line: &str| hear(line, &told, rest.as_ref())));
        }
        Self::Child(inner)
    }

    /// The program in the container, for one that lends it its pipes, once it is known.
    pub(super) fn inner(&self) -> Option<Pair> {
        match self {
            Self::Child(inner) => inner.get().copied(),
            Self::Contained(..) => None,
        }
    }
}

fn hear(line: &str, inner: &OnceLock<Pair>, rest: Option<&LineSink>) {
    let pid = line.strip_prefix(PIPED).and_then(|pid| pid.parse().ok());
    match (pid.and_then(Pair::of), rest) {
        (Some(pair), _) => {
            // The first line tells; the program may write the same later and is not believed.
            let _told_before = inner.set(pair);
        }
        (None, Some(rest)) => rest(line),
        (None, None) => {}
    }
}

impl Process {
    /// The main process of a container in the life that the engine told of.
    pub(crate) fn in_container(
        name: &str,
        container: Container,
        life: Life,
        (tail, ended): (Tail, watch::Receiver<Option<Ended>>),
    ) -> Self {
        Self {
            name: name.to_owned(),
            pair: Pair {
                pid: life.pid,
                start_ticks: look_up(life.pid).map_or(0, |(ticks, _)| ticks),
            },
            tail,
            ended,
            stdin: Mutex::default(),
            stdout: Mutex::default(),
            means: Means::Contained(container, Box::new(life)),
        }
    }

    /// The container's life that this is the main process of; None for a child of ours.
    #[must_use]
    pub const fn contained(&self) -> Option<&Life> {
        match &self.means {
            Means::Child(_) => None,
            Means::Contained(_, life) => Some(life),
        }
    }

    /// The container that this is the main process of, to be ordered about.
    #[must_use]
    pub const fn container(&self) -> Option<&Container> {
        match &self.means {
            Means::Child(_) => None,
            Means::Contained(container, _) => Some(container),
        }
    }

    /// [`Process::feed`] for the main process of a container, after `wait` and only if it still
    /// lives then; nothing for a child of ours.
    pub fn feed_after(&self, wait: Duration, first: String, release: CancellationToken) {
        let Means::Contained(container, _) = &self.means else {
            return;
        };
        let (container, mut ended) = (container.clone(), self.until_ended());
        tokio::spawn(async move {
            let is_early = {
                let early = ended.wait_for(Option::is_some);
                tokio::time::timeout(wait, early).await.is_ok()
            };
            // One that cannot be fed never says that it is ready, which is noticed there.
            if is_early || container.feed(first).await.is_err() {
                return;
            }
            let over = ended.wait_for(Option::is_some);
            if release.run_until_cancelled(over).await.is_none() {
                let _gone = container.close().await;
            }
        });
    }

    /// Stops it where it stands: SIGSTOP, or the engine's pause.
    ///
    /// # Errors
    /// When it has ended, or the system or the engine refuses.
    pub async fn freeze(&self) -> Result<(), ProcessError> {
        match &self.means {
            Means::Child(_) => self.signal(Signal::SIGSTOP),
            Means::Contained(container, _) => Ok(container.pause().await.map(|_paused| ())?),
        }
    }

    /// Lets a frozen one go on, without waiting.
    pub fn thaw(&self) {
        match &self.means {
            Means::Child(_) => {
                let _ended_meanwhile = self.signal(Signal::SIGCONT);
            }
            Means::Contained(container, _) => {
                let container = container.clone();
                // Without a runtime we are ending, and the leaf takes the container down.
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(async move { container.unpause().await.is_ok() });
                }
            }
        }
    }

    /// How it is frozen, by the kernel's or the engine's word; the error says how it is not.
    ///
    /// # Errors
    /// In words, when it is not frozen.
    pub async fn frozen(&self) -> Result<String, String> {
        let pid = self.pair.pid;
        match &self.means {
            Means::Child(_) if self.pair.is_stopped() => Ok(format!("pid {pid} in state T")),
            Means::Child(_) => Err(format!("pid {pid} is not in state T")),
            Means::Contained(container, life) => {
                let of = format!("container {} (pid {pid})", short(&life.id));
                let seen = container.look().await.map_err(|error| error.to_string())?;
                let is_same = seen.id == life.id && seen.pid == pid;
                match seen.status.as_str() {
                    "paused" if is_same => Ok(format!("{of} paused")),
                    other => Err(format!("{of} is {other}")),
                }
            }
        }
    }
}
