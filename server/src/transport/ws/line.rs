//! One WebSocket connection: text in, under a clock that pings; text out, through one bounded
//! queue; and at the end a close frame that says why.

use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::close::Farewell;
use crate::config::Limits;

/// An upgraded connection.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Messages waiting for a client that reads slowly; then whoever speaks to it waits.
const QUEUE: usize = 64;

/// Pings and pongs of a client in one second; more is a flood.
const CONTROL_FRAMES: u32 = 20;

/// How long the two sides may take to close.
const CLOSING: Duration = Duration::from_secs(1);

/// The way out; cheap to clone.
#[derive(Clone)]
pub struct Outbox(mpsc::Sender<Message>);

impl Outbox {
    /// Sends a message, after waiting for room; `false` when the connection has ended.
    pub async fn say(&self, text: String) -> bool {
        self.0.send(Message::text(text)).await.is_ok()
    }

    fn ping(&self) {
        // A full queue means that the client does not read; the clock will tell.
        drop(self.0.try_send(Message::Ping(Bytes::new())));
    }
}

/// The way in.
pub struct Line {
    frames: SplitStream<Socket>,
    out: Outbox,
    clock: Clock,
    flood: Flood,
}

impl Line {
    /// The next message, unless the connection has `drained` or all are `ending` before it comes.
    ///
    /// # Errors
    /// Why the connection is to be closed.
    pub async fn next_before(
        &mut self,
        drained: impl Future<Output = ()>,
        ending: &CancellationToken,
    ) -> Result<Utf8Bytes, Farewell> {
        tokio::select! {
            text = self.next() => text,
            () = drained => Err(Farewell::ending()),
            () = ending.cancelled() => Err(Farewell::ending()),
        }
    }

    /// The next message. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// Why the connection is to be closed.
    pub async fn next(&mut self) -> Result<Utf8Bytes, Farewell> {
        loop {
            let heard = tokio::time::timeout_at(self.clock.due, self.frames.next()).await;
            let message = match heard {
                Err(_) if self.clock.is_pinged => return Err(Farewell::silent()),
                Err(_) => {
                    self.clock.pinged(Instant::now());
                    self.out.ping();
                    continue;
                }
                Ok(None) => return Err(Farewell::gone()),
                Ok(Some(Err(error))) => return Err(Farewell::unread(&error)),
                Ok(Some(Ok(message))) => message,
            };
            let now = Instant::now();
            self.clock.heard(now);
            match message {
                Message::Text(text) => return Ok(text),
                Message::Binary(_) => return Err(Farewell::binary()),
                Message::Close(_) => return Err(Farewell::gone()),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => self.flood.count(now)?,
            }
        }
    }
}

/// When a silent peer is pinged, and when it is given up.
struct Clock {
    interval: Duration,
    patience: Duration,
    due: Instant,
    is_pinged: bool,
}

impl Clock {
    fn heard(&mut self, now: Instant) {
        self.is_pinged = false;
        self.due = now + self.interval;
    }

    fn pinged(&mut self, now: Instant) {
        self.is_pinged = true;
        self.due = now + self.patience;
    }
}

/// Control frames in the current second.
struct Flood {
    since: Instant,
    frames: u32,
}

impl Flood {
    fn count(&mut self, now: Instant) -> Result<(), Farewell> {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.frames) = (now, 0);
        }
        self.frames += 1;
        if self.frames > CONTROL_FRAMES {
            return Err(Farewell::over("too many control frames"));
        }
        Ok(())
    }
}

/// Runs a conversation on a connection until either side ends it, and closes the connection.
pub async fn serve<T>(socket: Socket, limits: &Limits, talk: T)
where
    T: AsyncFnOnce(&mut Line, Outbox) -> Farewell,
{
    let (mut sink, frames) = socket.split();
    let (out, mut queue) = mpsc::channel(QUEUE);
    let now = Instant::now();
    let mut line = Line {
        frames,
        out: Outbox(out.clone()),
        clock: Clock {
            interval: limits.ping_interval,
            patience: limits.ping_timeout,
            due: now + limits.ping_interval,
            is_pinged: false,
        },
        flood: Flood {
            since: now,
            frames: 0,
        },
    };
    let farewell = tokio::select! {
        farewell = talk(&mut line, Outbox(out)) => farewell,
        () = write(&mut sink, &mut queue) => Farewell::gone(),
    };
    queue.close();
    let ending = async {
        write(&mut sink, &mut queue).await;
        close(sink, line.frames, &farewell).await;
    };
    let _ = tokio::time::timeout(CLOSING, ending).await;
}

/// Sends what is queued until the queue is closed and empty, or nothing can be sent any more.
async fn write(sink: &mut SplitSink<Socket, Message>, queue: &mut mpsc::Receiver<Message>) {
    while let Some(message) = queue.recv().await {
        if sink.send(message).await.is_err() {
            return;
        }
    }
}

async fn close(
    mut sink: SplitSink<Socket, Message>,
    mut frames: SplitStream<Socket>,
    farewell: &Farewell,
) {
    let said = match farewell.frame() {
        Some(frame) => sink.send(Message::Close(Some(frame))).await,
        None => sink.flush().await,
    };
    if said.is_err() {
        return;
    }
    while let Some(Ok(_)) = frames.next().await {}
    // After a broken frame the library reads no more; closing with unread bytes would reset the
    // connection before the client has read why.
    let Ok(socket) = sink.reunite(frames) else {
        return;
    };
    let mut io = socket.into_inner();
    let _ = io.shutdown().await;
    let mut rest = [0; 4096];
    while matches!(io.read(&mut rest).await, Ok(length) if length > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_control_frames_ends_and_a_steady_trickle_does_not() {
        let mut flood = Flood {
            since: Instant::now(),
            frames: 0,
        };
        for _ in 0..10 {
            for _ in 0..CONTROL_FRAMES {
                assert_eq!(flood.count(Instant::now()), Ok(()));
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let counted: Result<(), Farewell> =
            (0..=CONTROL_FRAMES).try_for_each(|_| flood.count(Instant::now()));
        assert_eq!(counted, Err(Farewell::over("too many control frames")));
    }
}
