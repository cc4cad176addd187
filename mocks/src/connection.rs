//! One client connection: reads requests, plays replies step by step, and notices a client that
//! leaves early. The only engine there is: paced streams and byte faults are steps like any other.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::clock::monotonic_ns;
use crate::reply::{Head, Reply, Step};
use crate::request::{Inbox, ReadError, Request};
use crate::simulator::Simulator;

/// What became of a reply on the socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Played {
    /// When the first byte was written.
    pub first_byte_at: Option<u64>,
    /// Bytes written.
    pub bytes: u64,
    /// The client left before the last step.
    pub client_closed: bool,
}

/// Serves one connection until either side ends it.
pub async fn serve(mut socket: TcpStream, simulator: Arc<Simulator>) {
    // Small frames on a kept connection wait 40 ms for an acknowledgement otherwise.
    let _ = socket.set_nodelay(true);
    let mut inbox = Inbox::default();
    loop {
        let request = match inbox.next(&mut socket).await {
            Ok(Some(request)) => request,
            Ok(None) | Err(ReadError::Io(_)) => return,
            Err(error) => {
                let text = error.to_string();
                let head = Head::new(400, "text/plain").with("connection", "close");
                play(
                    &mut socket,
                    &mut inbox,
                    &Reply::whole(head, text.as_bytes()),
                )
                .await;
                return;
            }
        };
        if !answer(&mut socket, &mut inbox, &simulator, request).await {
            return;
        }
    }
}

/// Answers one request; whether the connection may go on.
async fn answer(
    socket: &mut TcpStream,
    inbox: &mut Inbox,
    simulator: &Simulator,
    request: Request,
) -> bool {
    let keep_alive = request.keep_alive;
    let turn = simulator.begin(request).await;
    let goes_on = keep_alive && turn.reply.keep_alive;
    let played = play(socket, inbox, &turn.reply).await;
    simulator.end(turn, played).await;
    goes_on && !played.client_closed
}

/// Plays a reply. Returns early when the client closes.
pub async fn play(socket: &mut TcpStream, inbox: &mut Inbox, reply: &Reply) -> Played {
    let mut player = Player {
        socket,
        inbox,
        due: Instant::now(),
        played: Played::default(),
    };
    for step in &reply.steps {
        if player.step(step).await.is_err() {
            player.played.client_closed = true;
            break;
        }
    }
    player.played
}

struct Player<'a> {
    socket: &'a mut TcpStream,
    inbox: &'a mut Inbox,
    /// The end of the last pause: pauses follow an absolute clock, so that pace does not drift.
    due: Instant,
    played: Played,
}

impl Player<'_> {
    async fn step(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::Send(bytes) => self.send(bytes).await,
            Step::Wait(wait) => self.wait(*wait).await,
            Step::Repeat { bytes, gap, times } => {
                for _ in 0..*times {
                    self.wait(*gap).await?;
                    self.send(bytes).await?;
                }
                Ok(())
            }
            Step::HalfClose => self.socket.shutdown().await,
            Step::Reset => self.socket.set_zero_linger(),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            // Before it leaves: whoever has it cannot have had it earlier.
            let leaves = monotonic_ns();
            let written = self.socket.write(rest).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.played.first_byte_at.get_or_insert(leaves);
            self.played.bytes += written as u64;
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    async fn wait(&mut self, wait: Duration) -> io::Result<()> {
        if wait.is_zero() {
            return Ok(());
        }
        self.due = (self.due + wait).max(Instant::now());
        tokio::select! {
            biased;
            () = self.inbox.closed(self.socket) => Err(io::ErrorKind::ConnectionAborted.into()),
            () = sleep_until(self.due) => Ok(()),
        }
    }
}
