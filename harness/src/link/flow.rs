//! One connection through a link, and what all connections of the link share.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::Behaviour;
use super::delay::DelayLine;
use crate::client::http::lane;

const CHUNK: usize = 32 * 1024;
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long the last words of a target that takes nothing more may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Connections and bytes a link has seen since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections for which the target could not be reached.
    pub unreachable: u64,
    /// Flows open at the moment.
    pub open: u64,
    /// Flows ended by the link with RST.
    pub cut: u64,
    /// Bytes passed from clients to the target.
    pub to_target: u64,
    /// Bytes passed from the target to clients.
    pub to_client: u64,
    /// Bytes swallowed by a black hole.
    pub swallowed: u64,
}

/// Delays measured on chunks that went through, from read to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delays {
    /// Chunks measured.
    pub chunks: u64,
    /// Shortest.
    pub shortest: Duration,
    /// Mean.
    pub mean: Duration,
}

/// What the flows of one link share.
pub(super) struct Shared {
    /// Never empty; the next connection goes to the first.
    targets: Mutex<VecDeque<SocketAddr>>,
    cut: watch::Sender<u64>,
    accepted: AtomicU64,
    unreachable: AtomicU64,
    open: AtomicU64,
    cut_flows: AtomicU64,
    to_target: AtomicU64,
    to_client: AtomicU64,
    swallowed: AtomicU64,
    delays: Mutex<(u64, Duration, Duration)>,
}

impl Shared {
    pub(super) fn new(target: SocketAddr) -> Self {
        Self {
            targets: Mutex::new(VecDeque::from([target])),
            cut: watch::Sender::new(0),
            accepted: AtomicU64::new(0),
            unreachable: AtomicU64::new(0),
            open: AtomicU64::new(0),
            cut_flows: AtomicU64::new(0),
            to_target: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
            swallowed: AtomicU64::new(0),
            delays: Mutex::new((0, Duration::ZERO, Duration::ZERO)),
        }
    }

    /// Where the next connection goes first.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.targets().front().copied()
    }

    pub(super) fn retarget(&self, target: SocketAddr) {
        *self.targets() = VecDeque::from([target]);
    }

    pub(super) fn add_target(&self, target: SocketAddr) {
        self.targets().push_back(target);
    }

    fn targets(&self) -> MutexGuard<'_, VecDeque<SocketAddr>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next turn and connects; a target that takes no connection is passed over.
    async fn dial(&self, from: IpAddr) -> io::Result<TcpStream> {
        let turn = {
            let mut targets = self.targets();
            let turn = targets.clone();
            targets.rotate_left(1);
            turn
        };
        let mut refused = io::ErrorKind::NotConnected.into();
        for target in turn {
            match timeout(CONNECT_LIMIT, connect(target, from)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => refused = error,
                Err(_silent) => refused = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(refused)
    }

    pub(super) fn counters(&self) -> Counters {
        Counters {
            accepted: self.accepted.load(Relaxed),
            unreachable: self.unreachable.load(Relaxed),
            open: self.open.load(Relaxed),
            cut: self.cut_flows.load(Relaxed),
            to_target: self.to_target.load(Relaxed),
            to_client: self.to_client.load(Relaxed),
            swallowed: self.swallowed.load(Relaxed),
        }
    }

    pub(super) fn delays(&self) -> Delays {
        let (chunks, shortest, sum) = *self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        let mean = u32::try_from(chunks.max(1)).map_or(Duration::ZERO, |count| sum / count);
        Delays {
            chunks,
            shortest,
            mean,
        }
    }

    pub(super) fn forget_delays(&self) {
        let mut delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        *delays = (0, Duration::ZERO, Duration::ZERO);
    }

    fn measured(&self, delay: Duration) {
        let mut delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        delays.1 = if delays.0 == 0 {
            delay
        } else {
            delays.1.min(delay)
        };
        delays.0 += 1;
        delays.2 += delay;
    }

    /// Ends every flow open now with RST; says how many.
    pub(super) fn cut_all(&self) -> u64 {
        let open = self.open.load(Relaxed);
        self.cut.send_modify(|generation| *generation += 1);
        open
    }

    /// Counts a connection in; from here on it is cut with the others.
    pub(super) fn admit(&self) -> watch::Receiver<u64> {
        self.accepted.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        self.cut.subscribe()
    }

    /// Passes an admitted connection until either side ends it or the link cuts it.
    pub(super) async fn pass(
        &self,
        (mut client, from): (TcpStream, IpAddr),
        mut cut: watch::Receiver<u64>,
        wanted: watch::Receiver<Behaviour>,
    ) {
        if let Ok(mut target) = self.dial(from).await {
            let ended = tokio::select! {
                ended = self.run(&mut client, &mut target, wanted) => ended,
                _ = cut.changed() => Err(End::Cut),
            };
            if matches!(ended, Err(End::Cut)) {
                self.cut_flows.fetch_add(1, Relaxed);
            }
            if ended.is_err() {
                // Without lingering, dropping the sockets sends RST instead of FIN.
                let _may_be_closed = client.set_zero_linger();
                let _may_be_closed = target.set_zero_linger();
            }
        } else {
            self.unreachable.fetch_add(1, Relaxed);
            // The client learns what it would have learned without a link: reset, not an end.
            let _may_be_closed = client.set_zero_linger();
        }
        self.open.fetch_sub(1, Relaxed);
    }

    async fn run(
        &self,
        client: &mut TcpStream,
        target: &mut TcpStream,
        wanted: watch::Receiver<Behaviour>,
    ) -> Result<(), End> {
        client.set_nodelay(true)?;
        target.set_nodelay(true)?;
        let (from_client, to_client) = client.split();
        let (from_target, to_target) = target.split();
        let forth = Direction {
            shared: self,
            counter: &self.to_target,
            cuts: false,
            wanted: wanted.clone(),
            line: DelayLine::default(),
            passed: 0,
        };
        let back = Direction {
            shared: self,
            counter: &self.to_client,
            cuts: true,
            wanted,
            line: DelayLine::default(),
            passed: 0,
        };
        let mut forth = std::pin::pin!(forth.run(from_client, to_target));
        let mut back = std::pin::pin!(back.run(from_target, to_client));
        tokio::select! {
            ended = &mut forth => match ended {
                Ok(()) => back.await,
                // A target that takes no more may have answered before: its last words arrive.
                Err(end) => {
                    let _or_silent = timeout(LAST_WORDS, back).await;
                    Err(end)
                }
            },
            ended = &mut back => {
                ended?;
                forth.await
            }
        }
    }
}

/// Connects from the client's own address. 127.0.0.1 is left to the kernel, which takes it anyway
/// and then need not find a port that is free towards everybody.
async fn connect(target: SocketAddr, from: IpAddr) -> io::Result<TcpStream> {
    match from {
        IpAddr::V4(source) if source.is_loopback() && source != Ipv4Addr::LOCALHOST => {
            lane::open(source, target).await
        }
        _ => TcpStream::connect(target).await,
    }
}

struct Direction<'a> {
    shared: &'a Shared,
    counter: &'a AtomicU64,
    cuts: bool,
    wanted: watch::Receiver<Behaviour>,
    line: DelayLine,
    passed: u64,
}

/// Why a flow ended other than by both sides closing it.
enum End {
    /// The link did it.
    Cut,
    /// One of the peers did; the other is to see the same.
    Peer,
}

impl From<io::Error> for End {
    fn from(_reset_or_broken: io::Error) -> Self {
        Self::Peer
    }
}

enum Next {
    Read(usize),
    Due,
}

impl Direction<'_> {
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), End> {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        let mut ended = false;
        loop {
            if ended && self.line.is_empty() {
                return Ok(to.shutdown().await?);
            }
            let due = self.line.due();
            let may_read = !ended && !self.line.is_full();
            buffer.reserve(CHUNK);
            let next = tokio::select! {
                read = from.read_buf(&mut buffer), if may_read => Next::Read(read?),
                () = wait(due), if due.is_some() => Next::Due,
            };
            match next {
                Next::Read(0) => ended = true,
                Next::Read(_) => {
                    let chunk = buffer.split().freeze();
                    self.take(chunk, &mut to).await?;
                }
                Next::Due => {
                    if let Some((read, chunk)) = self.line.pop() {
                        self.put(&chunk, &mut to).await?;
                        self.shared.measured(read.elapsed());
                    }
                }
            }
        }
    }

    async fn take(&mut self, chunk: Bytes, to: &mut WriteHalf<'_>) -> Result<(), End> {
        let now = *self.wanted.borrow();
        if now.black_hole {
            let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            self.shared.swallowed.fetch_add(bytes, Relaxed);
            return Ok(());
        }
        if now.latency.is_zero() && self.line.is_empty() {
            return self.put(&chunk, to).await;
        }
        self.line.push(Instant::now(), now.latency, chunk);
        Ok(())
    }

    async fn put(&mut self, chunk: &Bytes, to: &mut WriteHalf<'_>) -> Result<(), End> {
        let limit = self.wanted.borrow().cut_after.filter(|_| self.cuts);
        let room = limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.passed));
        let length = usize::try_from(room).map_or(chunk.len(), |room| room.min(chunk.len()));
        let part = chunk.get(..length).unwrap_or_default();
        to.write_all(part).await?;
        let bytes = u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.passed += bytes;
        self.counter.fetch_add(bytes, Relaxed);
        if limit.is_some_and(|limit| self.passed >= limit) {
            return Err(End::Cut);
        }
        Ok(())
    }
}

async fn wait(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
