//! The store edge: bytes between the server and its store, slowed or kept apart. It knows nothing
//! of the store's protocol; what is read at once from the server is one operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::arrival;
use crate::clock::monotonic_ns;
use crate::impostor::spoiler::Stage;

/// Chunks on their way at once; reading waits for the oldest.
const HELD: usize = 256;
const READ: usize = 16 * 1024;
/// The spoiler that lets a new connection break off in its greeting and keeps it open.
const WEDGED: &str = "wedged-store";
/// What a wedged connection says: less than any whole reply of a store.
const FIRST: usize = 2;

/// The store edge.
pub struct StoreEdge {
    stage: Arc<Stage>,
    upstream: String,
    /// Until when no connection comes about, ns; 0 while none has broken.
    away_until: AtomicU64,
}

impl StoreEdge {
    /// An edge with this spoiler before `upstream`, host and port.
    #[must_use]
    pub const fn new(stage: Arc<Stage>, upstream: String) -> Self {
        Self {
            stage,
            upstream,
            away_until: AtomicU64::new(0),
        }
    }

    /// Accepts connections until it is dropped.
    pub async fn run(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (socket, _) = arrival::next(&listener).await;
            // Each connection owns itself and ends with the process.
            tokio::spawn(Arc::clone(&self).serve(socket));
        }
    }

    /// A connection that is not served is closed: the nearest thing to a refusal left to us.
    async fn serve(self: Arc<Self>, server: TcpStream) {
        let is_away = self.is_away();
        let is_wedged = is_away && self.stage.name() == WEDGED;
        if is_away && !is_wedged {
            return;
        }
        let Ok(store) = TcpStream::connect(&self.upstream).await else {
            return;
        };
        let _ = server.set_nodelay(true);
        let _ = store.set_nodelay(true);
        // It lives until the loss is noted: a server that reads the end may be back at once.
        let (from_server, mut to_server) = server.into_split();
        let (from_store, to_store) = store.into_split();
        let asked = Arc::clone(&self).forward(from_server, to_store);
        tokio::select! {
            () = asked => {}
            () = back(from_store, &mut to_server, is_wedged) => self.lost(),
        }
    }

    /// Saboteurs 13 and 13b: whether the store is kept away from a server that lost it.
    fn is_away(&self) -> bool {
        let is_away = monotonic_ns() < self.away_until.load(Ordering::Relaxed);
        if is_away && self.stage.trigger.due().is_some() {
            let is_wedged = self.stage.name() == WEDGED;
            let detail = json!({"refused": !is_wedged, "wedged": is_wedged});
            self.stage.record(&Value::Null, detail);
        }
        is_away
    }

    /// The store's side ended. Only the first time counts.
    fn lost(&self) {
        if !["never-reconnects", WEDGED].contains(&self.stage.name()) {
            return;
        }
        let until = monotonic_ns() + self.stage.params.away_ms * 1_000_000;
        let once = (Ordering::Relaxed, Ordering::Relaxed);
        // Another connection that broke at the same time has set it already.
        let _ = self.away_until.compare_exchange(0, until, once.0, once.1);
    }

    /// Server to store; each chunk leaves when its own delay is over, and in order.
    async fn forward(self: Arc<Self>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let (sender, mut held) = mpsc::channel::<(Instant, Bytes)>(HELD);
        let reading = async move {
            let mut buffer = vec![0; READ];
            while let Ok(read) = from.read(&mut buffer).await {
                let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
                    return;
                };
                let due = Instant::now() + self.delay();
                let chunk = Bytes::copy_from_slice(chunk);
                if sender.send((due, chunk)).await.is_err() {
                    return;
                }
            }
        };
        let writing = async move {
            while let Some((due, chunk)) = held.recv().await {
                tokio::time::sleep_until(due).await;
                if to.write_all(&chunk).await.is_err() {
                    return;
                }
            }
        };
        tokio::join!(reading, writing);
    }

    /// Saboteurs 12 and 12b.
    fn delay(&self) -> Duration {
        if self.stage.name() != "slow-store" || self.stage.trigger.due().is_none() {
            return Duration::ZERO;
        }
        let wait = self.stage.params.store_delay_ms;
        self.stage.record(&Value::Null, json!({"wait_ms": wait}));
        Duration::from_millis(wait)
    }
}

/// Store to server, until either side ends; of a wedged connection the first bytes alone.
async fn back(mut from: OwnedReadHalf, to: &mut OwnedWriteHalf, is_wedged: bool) {
    if is_wedged {
        let mut heard = [0; FIRST];
        if from.read_exact(&mut heard).await.is_ok() && to.write_all(&heard).await.is_ok() {
            // What follows is taken from the store and given to nobody.
            let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
        }
        return;
    }
    let _ = tokio::io::copy(&mut from, to).await;
}
