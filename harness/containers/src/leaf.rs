//! The loop: a line in is an order, each carried out beside the others; lines out tell what came of
//! them. However the loop ends, everything is taken down before the process does.

use std::process::ExitCode;
use std::sync::Arc;

use exai_harness::engine::wire::{Request, Saying};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OnceCell, mpsc};
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::fleet::Fleet;
use crate::trouble::Trouble;

/// Sayings that may wait for a reader; more make the sayer wait.
const WAITING: usize = 4_096;

/// Why the loop ended, as the process tells it.
enum Over {
    /// Nobody gives orders any more.
    Input,
    /// A signal of this number.
    Signal(u8),
    /// A defect of ours.
    Panic,
}

/// The fleet, made by the first order that needs an engine.
#[derive(Clone)]
struct Leaf {
    fleet: Arc<OnceCell<Arc<Fleet>>>,
    out: mpsc::Sender<Saying>,
}

/// Serves standard input until it ends.
pub(crate) async fn run() -> ExitCode {
    let (out, sayings) = mpsc::channel(WAITING);
    let telling = tokio::spawn(tell(sayings));
    let leaf = Leaf {
        fleet: Arc::default(),
        out,
    };
    let over = serve(&leaf).await;
    let is_clean = take_down(&leaf).await;
    telling.abort();
    ExitCode::from(match over {
        Over::Signal(number) => 128 + number,
        Over::Input if is_clean => 0,
        Over::Input => 3,
        Over::Panic => 70,
    })
}

async fn serve(leaf: &Leaf) -> Over {
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return Over::Panic;
    };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            line = lines.next_line() => match line {
                Ok(Some(line)) => {
                    let leaf = leaf.clone();
                    open.spawn(async move { leaf.order(&line).await });
                }
                Ok(None) | Err(_) => return Over::Input,
            },
            Some(ended) = open.join_next() => {
                if ended.is_err() {
                    return Over::Panic;
                }
            }
            _ = term.recv() => return Over::Signal(15),
            _ = int.recv() => return Over::Signal(2),
        }
    }
}

/// Removes what is left, and whether that was possible; nothing without an engine.
async fn take_down(leaf: &Leaf) -> bool {
    let Some(fleet) = leaf.fleet.get() else {
        return true;
    };
    match fleet.down().await {
        Ok(_gone) => true,
        Err(trouble) => {
            eprintln!("containers: {trouble}");
            false
        }
    }
}

impl Leaf {
    async fn order(&self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        let said = match serde_json::from_str::<Request>(line) {
            Ok(request) => {
                let id = request.id;
                let fleet = self.fleet.get_or_try_init(|| self.embark()).await;
                let done = match fleet {
                    Ok(fleet) => fleet.obey(request.order).await,
                    Err(trouble) => Err(trouble),
                };
                done.map_or_else(
                    |trouble| failed(id, trouble),
                    |answer| Saying::Done { id, answer },
                )
            }
            Err(error) => failed(
                0,
                Trouble::new(
                    format!("could not read an order: {error}"),
                    "send one object a line: {\"id\": 1, \"do\": \"doctor\"}",
                ),
            ),
        };
        // Without a reader nobody waits for the answer.
        let _unread = self.out.send(said).await;
    }

    async fn embark(&self) -> Result<Arc<Fleet>, Trouble> {
        let engine = Engine::connect(std::env::var("DOCKER_HOST").ok()).await?;
        Fleet::new(engine, self.out.clone()).await
    }
}

fn failed(id: u64, trouble: Trouble) -> Saying {
    Saying::Failed {
        id,
        what: trouble.what,
        fix: trouble.fix,
    }
}

/// Writes what is waiting in one piece: a write is a trip to another thread, and a simulator under
/// load writes a thousand lines a second.
async fn tell(mut sayings: mpsc::Receiver<Saying>) {
    let mut out = tokio::io::stdout();
    let mut waiting = Vec::new();
    while sayings.recv_many(&mut waiting, WAITING).await > 0 {
        let lines: String = waiting
            .drain(..)
            .filter_map(|saying| line(&saying))
            .collect();
        if out.write_all(lines.as_bytes()).await.is_err() || out.flush().await.is_err() {
            return;
        }
    }
}

fn line(saying: &Saying) -> Option<String> {
    let mut line = serde_json::to_string(saying).ok()?;
    line.push('\n');
    Some(line)
}
