//! `exai bridge`: a client that speaks MCP over standard input and output, at a daemon's WebSocket.
//!
//! Each request gets an id of its own at the daemon, waits while the daemon is lost, and is sent
//! again when it is back; tool calls carry an idempotency key, so that an answer that was paid is
//! not paid twice. A request ends with the daemon's answer or with a typed error, never with an
//! empty success. Files that a call names are left at the daemon first. Standard output carries the
//! protocol alone.

pub mod courier;
mod depot;
pub mod dial;
mod ledger;
mod packing;

use std::io;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{SplitSink, SplitStream};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::config::Bridge as Settings;
use crate::transport::lines::{BadLine, Lines};
use courier::Courier;
use dial::{DialError, Socket, Target};
use ledger::{Accepted, Ledger};
use packing::{Offered, Packed, Packing};

/// What requests at the daemon have left after the input has ended.
const GRACE: Duration = Duration::from_secs(1);

/// What closing the connection may take.
const CLOSING: Duration = Duration::from_millis(200);

/// How long the daemon may refuse to take a message before it is taken for lost.
const SENDING: Duration = Duration::from_secs(10);

/// The first wait between two attempts to reach the daemon; it doubles up to the second.
const WAITS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// Serves one client until its input ends or `cancel` fires.
///
/// # Errors
/// When the client's output cannot be written.
pub async fn run<R, W>(
    settings: Settings,
    (target, courier): (Target, Courier),
    (input, output): (R, W),
    cancel: CancellationToken,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let idle = settings.idle;
    let mut bridge = Bridge {
        ledger: Ledger::new(&settings, target.session(), Instant::now()),
        packing: Packing::new(courier, settings.in_flight),
        target,
        output,
        link: Link::Down(Instant::now()),
        wait: WAITS[0],
        idle,
    };
    let mut lines = Lines::new(input);
    let mut ending = None;
    loop {
        bridge.send_waiting().await;
        let now = Instant::now();
        if ending.is_some_and(|due| due <= now || bridge.is_idle()) {
            break;
        }
        let due = bridge.ledger.due();
        let due = due
            .into_iter()
            .chain(ending)
            .chain(bridge.link.due(idle))
            .min();
        tokio::select! {
            line = lines.next(), if ending.is_none() => match line? {
                Some(line) => bridge.take(line).await?,
                None => ending = Some(Instant::now() + GRACE),
            },
            event = bridge.link.event() => bridge.heed(event).await?,
            packed = bridge.packing.next() => bridge.pass_on(packed).await?,
            () = sleep_until(due.unwrap_or(now)), if due.is_some() => {
                bridge.look_at_the_clock().await?;
            }
            () = cancel.cancelled() => break,
        }
    }
    bridge.close().await;
    Ok(())
}

fn is_unauthorized(message: &Value) -> bool {
    let code = message.pointer("/error/data/code");
    code.is_some_and(|code| code == "unauthorized")
}

struct Bridge<W> {
    target: Target,
    ledger: Ledger,
    packing: Packing,
    output: W,
    link: Link,
    wait: Duration,
    idle: Duration,
}

/// The way to the daemon.
enum Link {
    /// There is none; the next attempt is due then.
    Down(Instant),
    /// It is being made.
    Dialling(BoxFuture<'static, Result<Socket, DialError>>),
    /// It is there.
    Up(Box<Up>),
}

struct Up {
    to: SplitSink<Socket, Message>,
    from: SplitStream<Socket>,
    heard: Instant,
}

enum Event {
    Due,
    Dialled(Box<Result<Socket, DialError>>),
    Heard(String),
    Lost(String),
}

impl Link {
    fn due(&self, idle: Duration) -> Option<Instant> {
        match self {
            Self::Up(up) => Some(up.heard + idle),
            Self::Down(_) | Self::Dialling(_) => None,
        }
    }

    /// The next thing that happens to it. Cancelling the wait loses nothing.
    async fn event(&mut self) -> Event {
        match self {
            Self::Down(due) => {
                sleep_until(*due).await;
                Event::Due
            }
            Self::Dialling(dialling) => Event::Dialled(Box::new(dialling.await)),
            Self::Up(up) => loop {
                let message = match up.from.next().await {
                    Some(Ok(message)) => message,
                    Some(Err(error)) => return Event::Lost(error.to_string()),
                    None => return Event::Lost("the connection ended".to_owned()),
                };
                up.heard = Instant::now();
                match message {
                    Message::Text(text) => return Event::Heard(text.to_string()),
                    Message::Close(Some(frame)) => {
                        return Event::Lost(format!("closed: {} {}", frame.code, frame.reason));
                    }
                    Message::Close(None) => return Event::Lost("closed".to_owned()),
                    _ => {}
                }
            },
        }
    }
}

impl<W: AsyncWrite + Unpin> Bridge<W> {
    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.output.write_all(text.as_bytes()).await?;
        self.output.write_all(b"\n").await?;
        self.output.flush().await
    }

    async fn say_all(&mut self, texts: Vec<String>) -> io::Result<()> {
        for text in texts {
            self.say(&text).await?;
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.ledger.is_empty() && self.packing.is_empty()
    }

    /// A line of the client.
    async fn take(&mut self, line: Result<String, BadLine>) -> io::Result<()> {
        let accepted = match line {
            Ok(line) if line.trim().is_empty() => Accepted::Nothing,
            Ok(line) => match self.packing.offer(line) {
                Offered::Untouched(line) => self.ledger.accept(&line, Instant::now()),
                Offered::Taken => Accepted::Nothing,
                Offered::Answer(text) => Accepted::Answer(text),
            },
            Err(bad) => Accepted::Answer(ledger::unread(bad)),
        };
        self.act_on(accepted).await
    }

    /// A call whose files are at the daemon, or that was refused for them.
    async fn pass_on(&mut self, packed: Packed) -> io::Result<()> {
        let accepted = match packed {
            Packed::Line(line) => self.ledger.accept(&line, Instant::now()),
            Packed::Answer(text) => Accepted::Answer(text),
        };
        self.act_on(accepted).await
    }

    async fn act_on(&mut self, accepted: Accepted) -> io::Result<()> {
        match accepted {
            Accepted::Nothing => {}
            Accepted::Answer(text) => self.say(&text).await?,
            Accepted::Note(text) => self.send(text).await,
        }
        Ok(())
    }

    /// Sends what waits for its turn.
    async fn send_waiting(&mut self) {
        while matches!(self.link, Link::Up(_)) {
            match self.ledger.next_to_send(Instant::now()) {
                Some(text) => self.send(text).await,
                None => return,
            }
        }
    }

    /// Sends a message, if there is a daemon to send it to.
    async fn send(&mut self, text: String) {
        let Link::Up(up) = &mut self.link else {
            return;
        };
        let sent = timeout(SENDING, up.to.send(Message::text(text))).await;
        if !matches!(sent, Ok(Ok(()))) {
            self.lose("a message could not be sent");
        }
    }

    fn lose(&mut self, why: &str) {
        let now = Instant::now();
        tracing::warn!(why, "the daemon is lost");
        self.ledger.lost(now);
        self.link = Link::Down(now + self.wait);
    }

    async fn heed(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Due => {
                let dialling = dial::dial(self.target.clone(), self.ledger.greeting());
                self.link = Link::Dialling(dialling.boxed());
            }
            Event::Dialled(dialled) => match *dialled {
                Ok(socket) => {
                    let (to, from) = socket.split();
                    let heard = Instant::now();
                    self.link = Link::Up(Box::new(Up { to, from, heard }));
                    self.ledger.found();
                }
                Err(error) => {
                    tracing::warn!(cause = %error, "could not reach the daemon");
                    let now = Instant::now();
                    self.link = Link::Down(now + self.wait);
                    self.wait = (self.wait * 2).min(WAITS[1]);
                    self.ledger.lost(now);
                    if let Some(refusal) = error.refusal() {
                        let answers = self.ledger.refuse(&refusal);
                        self.say_all(answers).await?;
                    }
                }
            },
            Event::Heard(text) => {
                // A daemon that speaks is one to come back to at once.
                self.wait = WAITS[0];
                let Ok(message) = serde_json::from_str::<Value>(&text) else {
                    return Ok(());
                };
                if self.target.may_renew() && is_unauthorized(&message) {
                    self.lose("its token is no longer good");
                } else if let Some(text) = self.ledger.answer(message, Instant::now()) {
                    self.say(&text).await?;
                }
            }
            Event::Lost(why) => self.lose(&why),
        }
        Ok(())
    }

    /// What time has decided: answers that waited too long, a daemon that went silent.
    async fn look_at_the_clock(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if self.link.due(self.idle).is_some_and(|due| due <= now) {
            self.lose("it is silent");
        }
        let answers = self.ledger.expire(now);
        self.say_all(answers).await
    }

    /// What is at the daemon goes on there: its answer is paid for, and may be asked for again.
    async fn close(self) {
        let Link::Up(mut up) = self.link else { return };
        let _ = timeout(CLOSING, up.to.close()).await;
    }
}
