//! Progress of a running call: a sign of life at most five seconds apart, and the text as it is
//! written where the caller asked for it.

use std::pin::pin;
use std::time::Duration;

use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::{Peer, RoleServer};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

/// When the first sign of life is due.
const FIRST: Duration = Duration::from_secs(1);

/// Between two signs of life; the promise is five seconds, and a busy machine is late.
const EVERY: Duration = Duration::from_secs(4);

/// Pieces of text waiting to be sent; a client that does not read slows its own answer.
pub const QUEUE: usize = 64;

/// Where progress goes.
pub struct Progress {
    /// The client, by the token it gave.
    pub to: Option<(Peer<RoleServer>, ProgressToken)>,
    /// What a person reads: the tool and the model asked for.
    pub label: String,
    /// Text as it is written.
    pub texts: mpsc::Receiver<String>,
}

impl Progress {
    /// Runs `work` and tells of it meanwhile. All text has been sent when this returns.
    pub async fn tell<T>(mut self, work: impl Future<Output = T>) -> T {
        let Some((peer, token)) = self.to.take() else {
            return work.await;
        };
        let started = Instant::now();
        let mut sent = 0.0;
        let mut ticks = tokio::time::interval_at(started + FIRST, EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut work = pin!(work);
        let mut is_open = true;
        loop {
            let message = tokio::select! {
                biased;
                value = &mut work => {
                    let rest = self.waiting(String::new());
                    if !rest.is_empty() {
                        notify(&peer, &token, sent + 1.0, rest).await;
                    }
                    return value;
                }
                text = self.texts.recv(), if is_open => match text {
                    Some(text) => self.waiting(text),
                    None => {
                        is_open = false;
                        continue;
                    }
                },
                _ = ticks.tick() => {
                    format!("{} · working {} s", self.label, started.elapsed().as_secs())
                }
            };
            sent += 1.0;
            notify(&peer, &token, sent, message).await;
            ticks.reset();
        }
    }

    /// A piece of text with whatever else is waiting, as one message.
    fn waiting(&mut self, mut text: String) -> String {
        while let Ok(more) = self.texts.try_recv() {
            text.push_str(&more);
        }
        text
    }
}

async fn notify(peer: &Peer<RoleServer>, token: &ProgressToken, sent: f64, message: String) {
    let note = ProgressNotificationParam::new(token.clone(), sent).with_message(message);
    // A client that has gone is noticed by the call itself.
    drop(peer.notify_progress(note).await);
}
