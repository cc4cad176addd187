//! The leaf process as seen from here: orders go in, answers and what containers do by themselves
//! come out.
//!
//! The leaf is no child that dies with us: it takes down what it put up when its input ends, in
//! whichever way we end.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};

use super::wire::{Answer, Facts, Life, Order, Plan, Request, Saying};
use crate::process::LineSink;

/// How long an order may take beyond the time it names itself.
const ORDER: Duration = Duration::from_secs(60);
/// How long the leaf may take to go once everything is down.
const GONE: Duration = Duration::from_secs(20);
/// Orders that may wait to be written.
const WAITING: usize = 1_024;
/// What the leaf needs of our environment: the engine's address, and where `ldd` is.
const INHERITED: [&str; 2] = ["DOCKER_HOST", "PATH"];

/// An order that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {fix}")]
pub struct EngineError {
    /// What could not be done, to what, and why.
    pub what: String,
    /// What a person can do about it.
    pub fix: String,
}

impl EngineError {
    fn gone(why: impl std::fmt::Display) -> Self {
        Self {
            what: format!("could not speak to the containers' process: {why}"),
            fix: "look at its last lines above".to_owned(),
        }
    }

    /// An answer to another question than was asked.
    pub(super) fn strange(answer: &Answer) -> Self {
        Self::gone(format!("it answered {answer:?}"))
    }
}

/// Whoever follows one container.
pub(super) struct Follower {
    /// Sees lines of standard output and of standard error.
    pub(super) lines: [LineSink; 2],
    /// Told when the main process has ended: when, absolute ns, and its exit code.
    pub(super) ended: Box<dyn Fn(u64, i64) + Send>,
    /// Told when the last line of one that was fed has been passed on.
    pub(super) silent: Box<dyn Fn() + Send>,
}

/// A running leaf.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    orders: Mutex<Option<mpsc::Sender<String>>>,
    desk: Arc<Mutex<Desk>>,
    /// Each container that was ordered, in that order, whether or not it came up.
    plans: Mutex<Vec<Plan>>,
    child: tokio::sync::Mutex<Child>,
}

#[derive(Default)]
struct Desk {
    number: u64,
    open: BTreeMap<u64, oneshot::Sender<Result<Answer, EngineError>>>,
    followers: BTreeMap<String, Follower>,
    is_gone: bool,
}

impl Engine {
    /// Starts the leaf; it reaches for the engine at its first order.
    ///
    /// # Errors
    /// When `program` cannot be started.
    pub fn start(program: &Path) -> Result<Self, EngineError> {
        let given = INHERITED
            .into_iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new(program)
            .env_clear()
            .envs(given)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|cause| EngineError {
                what: format!("could not start {}: {cause}", program.display()),
                fix: "build it: cargo build -p exai-containers".to_owned(),
            })?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.ok_or_else(|| EngineError::gone("it has no pipes"))?;
        let (orders, waiting) = mpsc::channel(WAITING);
        let desk: Arc<Mutex<Desk>> = Arc::default();
        tokio::spawn(write(stdin, waiting));
        tokio::spawn(read(stdout, Arc::clone(&desk)));
        Ok(Self {
            shared: Arc::new(Shared {
                orders: Mutex::new(Some(orders)),
                desk,
                plans: Mutex::default(),
                child: tokio::sync::Mutex::new(child),
            }),
        })
    }

    /// Has an order carried out.
    ///
    /// # Errors
    /// When it is not, or the leaf is gone.
    pub async fn order(&self, order: Order) -> Result<Answer, EngineError> {
        let limit = ORDER + named(&order);
        if let Order::Up { plan } = &order {
            held(&self.shared.plans).push(Plan::clone(plan));
        }
        let (reply, answer) = oneshot::channel();
        let line = {
            let mut desk = held(&self.shared.desk);
            if desk.is_gone {
                return Err(EngineError::gone("it has ended"));
            }
            desk.number += 1;
            let id = desk.number;
            desk.open.insert(id, reply);
            serde_json::to_string(&Request { id, order }).map_err(EngineError::gone)?
        };
        let orders = held(&self.shared.orders).clone();
        let orders = orders.ok_or_else(|| EngineError::gone("it was told to go"))?;
        let sent = orders.send(line).await;
        sent.map_err(|_closed| EngineError::gone("it takes no orders"))?;
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_dropped)) => Err(EngineError::gone("it ended meanwhile")),
            Err(_elapsed) => Err(EngineError::gone(format!("no answer within {limit:?}"))),
        }
    }

    /// Each container that was ordered, in that order, whether or not it came up.
    pub(crate) fn ordered(&self) -> Vec<Plan> {
        held(&self.shared.plans).clone()
    }

    /// An order that is answered with a life.
    pub(crate) async fn life(&self, order: Order) -> Result<Life, EngineError> {
        match self.order(order).await? {
            Answer::Life(life) => Ok(*life),
            other => Err(EngineError::strange(&other)),
        }
    }

    /// Which engine answers; what owners that are gone had left is removed by then.
    ///
    /// # Errors
    /// When none answers, with the package to install.
    pub async fn facts(&self) -> Result<Facts, EngineError> {
        match self.order(Order::Doctor).await? {
            Answer::Engine(facts) => Ok(facts),
            other => Err(EngineError::strange(&other)),
        }
    }

    /// Has `follower` told of everything that the container `name` does from now on.
    pub(super) fn follow(&self, name: &str, follower: Follower) {
        let mut desk = held(&self.shared.desk);
        desk.followers.insert(name.to_owned(), follower);
    }

    /// Takes everything down and waits until the leaf has gone.
    ///
    /// # Errors
    /// When something could not be removed, or the leaf stays.
    pub async fn stop(&self) -> Result<(), EngineError> {
        let down = self.order(Order::Down).await;
        held(&self.shared.orders).take();
        let mut child = self.shared.child.lock().await;
        let gone = tokio::time::timeout(GONE, child.wait()).await;
        down?;
        match gone {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(EngineError::gone(status)),
            Ok(Err(cause)) => Err(EngineError::gone(cause)),
            Err(_elapsed) => Err(EngineError::gone(format!(
                "it is still there after {GONE:?}"
            ))),
        }
    }
}

/// The time that an order names itself.
fn named(order: &Order) -> Duration {
    match order {
        Order::Stop { within_ms, .. }
        | Order::Next { within_ms, .. }
        | Order::Restart { within_ms, .. } => Duration::from_millis(*within_ms),
        _ => Duration::ZERO,
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes orders until the last one who could give any has gone; that is the leaf's end of input.
async fn write(mut stdin: ChildStdin, mut orders: mpsc::Receiver<String>) {
    while let Some(mut line) = orders.recv().await {
        line.push('\n');
        if stdin.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stdout: ChildStdout, desk: Arc<Mutex<Desk>>) {
    let mut lines = BufReader::with_capacity(256 * 1024, stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        // A line that is no saying is answered by nobody; its order runs into its limit.
        if let Ok(saying) = serde_json::from_str(&line) {
            hear(saying, &mut held(&desk));
        }
    }
    let mut desk = held(&desk);
    desk.is_gone = true;
    desk.open.clear();
}

fn hear(saying: Saying, desk: &mut Desk) {
    let (id, answer) = match saying {
        Saying::Done { id, answer } => (id, Ok(answer)),
        Saying::Failed { id, what, fix } => (id, Err(EngineError { what, fix })),
        Saying::Line {
            name,
            text,
            is_error,
        } => {
            if let Some(follower) = desk.followers.get(&name) {
                follower.lines[usize::from(is_error)](&text);
            }
            return;
        }
        Saying::Ended { name, at, code } => {
            if let Some(follower) = desk.followers.get(&name) {
                (follower.ended)(at, code);
            }
            return;
        }
        Saying::Silent { name } => {
            if let Some(follower) = desk.followers.get(&name) {
                (follower.silent)();
            }
            return;
        }
    };
    if let Some(asker) = desk.open.remove(&id) {
        // Whoever asked may have given up.
        let _unheard = asker.send(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_leaf_that_is_not_there_is_named_with_the_build() {
        let error = Engine::start(Path::new("/no/such/leaf")).err().unwrap();
        assert!(error.to_string().contains("/no/such/leaf"), "{error}");
        assert!(error.to_string().contains("exai-containers"), "{error}");
    }

    #[tokio::test]
    async fn a_leaf_that_ends_leaves_no_order_without_an_answer() {
        let engine = Engine::start(Path::new("/bin/true")).unwrap();
        let error = engine.facts().await.unwrap_err();
        assert!(error.what.contains("could not speak"), "{error}");
    }
}
