//! A listener: accepts connections up to its limits, serves HTTP/1.1 on each, ends them in order.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::away::{self, Away};
use super::gate::Peer;
use super::held::Held;
use super::preamble;
use super::refusal::{Asked, Desk, Refusal};
use super::stream::{Answering, Busy, Clocks, TimedStream};
use crate::config::{Cidr, Limits};
use crate::observe::Metrics;
use crate::observe::metrics::Connected;
use crate::protocol::caller::Transport;

/// Connections over the limit that are told so at once; more are closed without a word.
const TOLD: usize = 64;

/// Pause after the listener itself failed, for instance without descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// How many of each key there are, up to a limit.
#[derive(Debug)]
pub struct Counts<K: Hash + Eq> {
    table: Mutex<HashMap<K, usize>>,
    most: usize,
}

/// One of a key, until dropped.
#[derive(Debug)]
pub struct Counted<K: Hash + Eq> {
    counts: Arc<Counts<K>>,
    key: K,
}

impl<K: Hash + Eq + Clone> Counts<K> {
    /// At most `most` of each key.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::default(),
            most,
        })
    }

    /// One more, or `None` at the limit.
    pub fn take(self: &Arc<Self>, key: K) -> Option<Counted<K>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let held = table.entry(key.clone()).or_default();
        if *held >= self.most {
            return None;
        }
        *held += 1;
        drop(table);
        Some(Counted {
            counts: Arc::clone(self),
            key,
        })
    }
}

impl<K: Hash + Eq> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut table = self
            .counts
            .table
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = table.get_mut(&self.key) {
            *held -= 1;
            if *held == 0 {
                table.remove(&self.key);
            }
        }
    }
}

/// The places a connection takes among all and among those of its address.
type Places = (Counted<()>, Option<Counted<IpAddr>>, Connected);

/// A connection's claim on its places and on the patience of its clocks, in the extensions of each
/// of its requests. One that outlives HTTP keeps both by [`Lease::renew`].
#[derive(Debug, Clone)]
pub struct Lease {
    // Weak, since the extensions of a request may outlive its connection.
    places: Weak<Places>,
    busy: Busy,
}

/// A lease kept; the connection counts and may be silent until this is dropped.
#[derive(Debug)]
pub struct Renewed {
    _places: Arc<Places>,
    _answering: Answering,
}

impl Lease {
    /// Keeps the connection's places; `None` when it has ended.
    #[must_use]
    pub fn renew(&self) -> Option<Renewed> {
        Some(Renewed {
            _places: self.places.upgrade()?,
            _answering: self.busy.answering(),
        })
    }
}

/// Limits shared by the listeners of one process.
#[derive(Clone)]
pub struct Threshold {
    all: Arc<Counts<()>>,
    addresses: Arc<Counts<IpAddr>>,
    told: Arc<Counts<()>>,
    trusted: Arc<[Cidr]>,
    asks_preamble: bool,
    clocks: Clocks,
    head: usize,
}

/// A connection that has its places.
struct Guest {
    stream: TcpStream,
    peer: SocketAddr,
    places: Places,
}

impl Threshold {
    /// From the configuration.
    #[must_use]
    pub fn new(limits: &Limits, trusted: Arc<[Cidr]>) -> Self {
        Self {
            all: Counts::new(limits.connections),
            addresses: Counts::new(limits.connections_per_address),
            told: Counts::new(TOLD),
            trusted,
            asks_preamble: false,
            clocks: Clocks {
                head: limits.header_timeout,
                idle: limits.connection_idle,
                write: limits.write_timeout,
            },
            head: limits.header_bytes,
        }
    }

    /// The same, where trusted proxies begin each connection with a preamble, or do not.
    #[must_use]
    pub fn with_preamble(self, asks_preamble: bool) -> Self {
        Self {
            asks_preamble,
            ..self
        }
    }

    /// The proxies whose connections count in the total alone.
    #[must_use]
    pub fn trusted(&self) -> Arc<[Cidr]> {
        Arc::clone(&self.trusted)
    }

    /// A place for a connection; what it holds is given back when dropped. A trusted proxy speaks
    /// for many clients, so only the total counts for it.
    fn enter(&self, peer: IpAddr, metrics: &Metrics) -> Result<Places, &'static str> {
        let one = self.all.take(()).ok_or("connections")?;
        Ok((one, self.place_of(peer)?, metrics.connected()))
    }

    fn place_of(&self, peer: IpAddr) -> Result<Option<Counted<IpAddr>>, &'static str> {
        let peer = peer.to_canonical();
        if self.is_trusted(peer) {
            return Ok(None);
        }
        let place = self.addresses.take(peer);
        place.map(Some).ok_or("connections_per_address")
    }

    fn is_trusted(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted.iter().any(|range| range.contains(peer))
    }

    fn asks_preamble_of(&self, peer: IpAddr) -> bool {
        self.asks_preamble && self.is_trusted(peer)
    }

    fn away(&self, reason: &'static str, asks_preamble: bool) -> Away {
        Away {
            reason,
            told: self.told.take(()),
            asks_preamble,
        }
    }

    /// Takes a trusted proxy's word for who is behind this one connection, and that one's place;
    /// `None` when the connection has been ended.
    async fn introduce(&self, mut guest: Guest, desk: &Desk) -> Option<Guest> {
        if !self.asks_preamble_of(guest.peer.ip()) {
            return Some(guest);
        }
        let Ok(source) = preamble::read(&mut guest.stream, self.clocks.head).await else {
            note_misplaced(desk, guest.peer).await;
            return None;
        };
        let Some(source) = source else {
            return Some(guest);
        };
        guest.peer = source;
        match self.place_of(source.ip()) {
            Ok(place) => guest.places.1 = place,
            Err(reason) => {
                let away = self.away(reason, false);
                away::turn_away(guest.stream, source, desk.clone(), away).await;
                return None;
            }
        }
        Some(guest)
    }
}

/// One listener and what it serves.
pub struct Door {
    /// Bound and listening.
    pub listener: TcpListener,
    /// What is served.
    pub router: Router,
    /// Connection limits and clocks.
    pub threshold: Threshold,
    /// Records refused connections.
    pub desk: Desk,
    /// Owns the connection tasks.
    pub connections: TaskTracker,
    /// Stop accepting; idle connections end, busy ones after their answer.
    pub stop: CancellationToken,
    /// End every connection now.
    pub kill: CancellationToken,
}

impl Door {
    /// Accepts until told to stop. Connections outlive this call; their tracker is waited for.
    pub async fn run(self) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => self.welcome(stream, peer),
                Err(error) => {
                    tracing::warn!(cause = %error, "could not accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn welcome(&self, stream: TcpStream, peer: SocketAddr) {
        // Without this small events wait 40 ms for the client's acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(cause = %error, "could not set TCP_NODELAY");
        }
        match self.threshold.enter(peer.ip(), &self.desk.metrics) {
            Ok(places) => {
                let guest = Guest {
                    stream,
                    peer,
                    places,
                };
                self.connections.spawn(self.receive(guest));
            }
            Err(reason) => {
                let asks_preamble = self.threshold.asks_preamble_of(peer.ip());
                let away = self.threshold.away(reason, asks_preamble);
                let desk = self.desk.clone();
                self.connections
                    .spawn(away::turn_away(stream, peer, desk, away));
            }
        }
    }

    /// Serves a connection once it is known whose it is.
    fn receive(&self, guest: Guest) -> impl Future<Output = ()> + use<> {
        let (threshold, desk) = (self.threshold.clone(), self.desk.clone());
        let (router, stop, kill) = (self.router.clone(), self.stop.clone(), self.kill.clone());
        async move {
            let introduced = tokio::select! {
                introduced = threshold.introduce(guest, &desk) => introduced,
                () = stop.cancelled() => return,
            };
            let Some(guest) = introduced else { return };
            let peer = guest.peer;
            if serve(guest, &threshold, router, (stop, kill)).await {
                note_misplaced(&desk, peer).await;
            }
        }
    }
}

/// Speaks HTTP until the connection ends, in order after `stop` and at once after `kill`; true when
/// it began with a preamble.
async fn serve(
    guest: Guest,
    threshold: &Threshold,
    router: Router,
    (stop, kill): (CancellationToken, CancellationToken),
) -> bool {
    let Guest {
        stream,
        peer,
        places,
    } = guest;
    let busy = Busy::default();
    let places = Arc::new(places);
    let lease = Lease {
        places: Arc::downgrade(&places),
        busy: busy.clone(),
    };
    let stream = TimedStream::new(stream, threshold.clocks, busy.clone());
    let is_misplaced = stream.is_misplaced();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let answering = busy.answering();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(lease.clone());
        let answer = router.clone().oneshot(request);
        async move {
            answer
                .await
                .map(|response| response.map(|body| Held::body(body, answering)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The stream's own clocks tell a slow head from an idle connection; this one cannot.
        .header_read_timeout(None)
        .max_buf_size(threshold.head)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = kill.cancelled() => Ok(()),
            }
        }
        () = kill.cancelled() => Ok(()),
    };
    if let Err(error) = ended {
        tracing::debug!(cause = %error, "connection ended early");
    }
    is_misplaced.load(Ordering::Acquire)
}

/// Puts on record a connection that began with a preamble nobody asked for, or without one that is
/// asked for. It is closed without a word: what it speaks is not known.
async fn note_misplaced(desk: &Desk, peer: SocketAddr) {
    let asked = Asked::to_connect(peer, Transport::Http);
    desk.record(&Refusal::misplaced(), &asked).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_counts_what_is_held_and_forgets_what_is_dropped() {
        let counts = Counts::new(2);
        let first = counts.take("a").unwrap();
        let _second = counts.take("a").unwrap();
        assert!(counts.take("a").is_none());
        assert!(counts.take("b").is_some());
        drop(first);
        assert!(counts.take("a").is_some());
        assert_eq!(counts.table.lock().unwrap().len(), 1);
    }
}
