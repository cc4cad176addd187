//! Progress of a running call: a sign of life at most five seconds apart, and the text as it is
//! written where the caller asked for it.

use std::pin::{Pin, pin};
use std::time::Duration;

use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::{Peer, RoleServer};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// When the first sign of life is due.
const FIRST: Duration = Duration::from_secs(1);

/// Between two signs of life; the promise is five seconds, and a busy machine is late.
const EVERY: Duration = Duration::from_secs(4);

/// Pieces of text waiting to be sent; a client that does not read slows its own answer.
pub const QUEUE: usize = 64;

/// What there is to tell of a running call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// It is at work, in words for a person.
    Working(String),
    /// Text of the answer, in order.
    Text(String),
}

/// What becomes of a call in the next moment.
pub enum Next<T> {
    /// It goes on.
    Sign(Sign),
    /// It has ended; with text that was not told yet.
    Done(T, Option<String>),
}

/// What is told of a running call.
pub struct Progress {
    label: String,
    texts: mpsc::Receiver<String>,
    is_open: bool,
    started: Instant,
    ticks: Interval,
}

impl Progress {
    /// Begins now. `label` is what a person reads, `texts` the text as it is written.
    #[must_use]
    pub fn new(label: String, texts: mpsc::Receiver<String>) -> Self {
        let started = Instant::now();
        let mut ticks = tokio::time::interval_at(started + FIRST, EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            label,
            texts,
            is_open: true,
            started,
            ticks,
        }
    }

    /// Waits for the work's end or the next thing to tell of it, whichever is first.
    pub async fn next<T>(&mut self, mut work: Pin<&mut impl Future<Output = T>>) -> Next<T> {
        let sign = loop {
            tokio::select! {
                biased;
                value = work.as_mut() => {
                    let rest = self.waiting(String::new());
                    return Next::Done(value, Some(rest).filter(|rest| !rest.is_empty()));
                }
                text = self.texts.recv(), if self.is_open => match text {
                    Some(text) => break Sign::Text(self.waiting(text)),
                    None => self.is_open = false,
                },
                _ = self.ticks.tick() => {
                    let seconds = self.started.elapsed().as_secs();
                    break Sign::Working(format!("{} · working {seconds} s", self.label));
                }
            }
        };
        self.ticks.reset();
        Next::Sign(sign)
    }

    /// A piece of text with whatever else is waiting, as one message.
    fn waiting(&mut self, mut text: String) -> String {
        while let Ok(more) = self.texts.try_recv() {
            text.push_str(&more);
        }
        text
    }
}

/// What a person reads of a call: its tool and the model it asks for.
#[must_use]
pub fn label(tool: &str, arguments: &Map<String, Value>) -> String {
    let model = arguments.get("model").and_then(Value::as_str);
    let model = model.unwrap_or("auto").chars().take(100);
    let model: String = model.filter(|c| !c.is_control()).collect();
    format!("{} · {model}", crate::tool::registry::canonical(tool))
}

/// Whether the caller wants the text as it is written.
#[must_use]
pub fn wants_text(arguments: &Map<String, Value>) -> bool {
    arguments
        .get("stream")
        .is_some_and(|stream| *stream == true)
}

/// Runs `work` and tells the client of it by the token it gave, if it gave one.
pub async fn notifying<T>(
    mut progress: Progress,
    to: Option<(Peer<RoleServer>, ProgressToken)>,
    work: impl Future<Output = T>,
) -> T {
    let Some((peer, token)) = to else {
        return work.await;
    };
    let mut sent = 0.0;
    let mut notify = |message: String| {
        sent += 1.0;
        let note = ProgressNotificationParam::new(token.clone(), sent).with_message(message);
        // A client that has gone is noticed by the call itself.
        let peer = peer.clone();
        async move { drop(peer.notify_progress(note).await) }
    };
    let mut work = pin!(work);
    loop {
        match progress.next(work.as_mut()).await {
            Next::Sign(Sign::Working(message) | Sign::Text(message)) => notify(message).await,
            Next::Done(value, rest) => {
                if let Some(rest) = rest {
                    notify(rest).await;
                }
                return value;
            }
        }
    }
}
