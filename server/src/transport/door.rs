//! A listener: accepts connections up to its limits, serves HTTP/1.1 on each, ends them in order.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::gate::Peer;
use super::held::Held;
use super::refusal::{Asked, Desk, Refusal};
use super::stream::{Busy, Clocks, TimedStream};
use crate::config::{Cidr, Limits};

/// Connections over the limit that are told so at once; more are closed without a word.
const TOLD: usize = 64;

/// How long a refused connection may take to hear it.
const TELLING: Duration = Duration::from_secs(1);

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

/// Limits shared by the listeners of one process.
#[derive(Clone)]
pub struct Threshold {
    all: Arc<Counts<()>>,
    addresses: Arc<Counts<IpAddr>>,
    told: Arc<Counts<()>>,
    trusted: Arc<[Cidr]>,
    clocks: Clocks,
    head: usize,
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
            clocks: Clocks {
                head: limits.header_timeout,
                idle: limits.connection_idle,
                write: limits.write_timeout,
            },
            head: limits.header_bytes,
        }
    }

    /// The proxies whose connections count in the total alone.
    #[must_use]
    pub fn trusted(&self) -> Arc<[Cidr]> {
        Arc::clone(&self.trusted)
    }

    /// A place for a connection; what it holds is given back when dropped. A trusted proxy speaks
    /// for many clients, so only the total counts for it.
    fn enter(&self, peer: IpAddr) -> Result<(Counted<()>, Option<Counted<IpAddr>>), &'static str> {
        let one = self.all.take(()).ok_or("connections")?;
        let peer = peer.to_canonical();
        if self.trusted.iter().any(|range| range.contains(peer)) {
            return Ok((one, None));
        }
        let address = self.addresses.take(peer).ok_or("connections_per_address")?;
        Ok((one, Some(address)))
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
        match self.threshold.enter(peer.ip()) {
            Ok(places) => {
                let serving = self.serve(stream, peer);
                self.connections.spawn(async move {
                    serving.await;
                    drop(places);
                });
            }
            Err(reason) => {
                let told = self.threshold.told.take(());
                let desk = self.desk.clone();
                self.connections
                    .spawn(turn_away(stream, peer, desk, (reason, told)));
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr) -> impl Future<Output = ()> + use<> {
        let busy = Busy::default();
        let io = TokioIo::new(TimedStream::new(
            stream,
            self.threshold.clocks,
            busy.clone(),
        ));
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let answering = busy.answering();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
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
            .max_buf_size(self.threshold.head)
            .serve_connection(io, service);
        let (stop, kill) = (self.stop.clone(), self.kill.clone());
        async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        ended = connection => ended,
                        () = kill.cancelled() => return,
                    }
                }
                () = kill.cancelled() => return,
            };
            if let Err(error) = ended {
                tracing::debug!(cause = %error, "connection ended early");
            }
        }
    }
}

/// Tells a connection over the limit why, without reading what it wants.
async fn turn_away(
    mut stream: TcpStream,
    peer: SocketAddr,
    desk: Desk,
    (reason, told): (&'static str, Option<Counted<()>>),
) {
    let message = "Too many connections; close one and try again.";
    let refusal = Refusal::over_count(reason, message);
    let asked = Asked {
        correlation_id: crate::protocol::caller::fresh_correlation_id(),
        principal: "unverified".to_owned(),
        source: peer.ip().to_string(),
        action: "connect".to_owned(),
        resource: String::new(),
        id: Value::Null,
        challenge: None,
    };
    let body = refusal
        .to_json(&Value::Null, &asked.correlation_id)
        .to_string();
    let correlation_id = Arc::clone(&asked.correlation_id);
    drop(desk.refuse(refusal, asked).await);
    if told.is_none() {
        return;
    }
    let text = format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
         exai-correlation-id: {correlation_id}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let telling = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        // Closing with unread bytes would reset the connection before the answer is read.
        let mut sink = [0; 4096];
        while stream.read(&mut sink).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    let _ = tokio::time::timeout(TELLING, telling).await;
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
