//! MCP over WebSocket, subprotocol `mcp`: many requests at once on one connection, by their ids.
//!
//! Nothing is dialled by a request: a connection that ended stays ended until
//! [`WebSocket::reconnect`], and each request until then has the reason as its trouble.

mod connection;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use self::connection::Connection;
use super::exchange::Exchange;
use super::request::{Request, Revision, initialize};
use super::{ClientError, Identity};
use crate::history::Now;

/// Where a server listens and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketTarget {
    /// Where to connect, a link included.
    pub address: SocketAddr,
    /// The `Host` header.
    pub host: String,
    /// Such as `/ws`.
    pub path: String,
}

/// A client on WebSocket.
pub struct WebSocket {
    target: WebSocketTarget,
    identity: Identity,
    now: Now,
    ids: AtomicU64,
    connection: Mutex<Result<Arc<Connection>, String>>,
}

impl WebSocket {
    /// The revision spoken, with its handshake.
    pub const REVISION: Revision = Revision::V2025;

    /// A client that has not connected yet; see [`WebSocket::reconnect`].
    #[must_use]
    pub fn new(target: WebSocketTarget, identity: Identity, now: Now) -> Self {
        Self {
            target,
            identity,
            now,
            ids: AtomicU64::new(1),
            connection: Mutex::new(Err("never connected".to_owned())),
        }
    }

    /// Who speaks.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The run's clock.
    pub(super) fn now(&self) -> u64 {
        (self.now)()
    }

    /// Leaves the connection to the requests that still wait on it, opens another one and performs
    /// the handshake of 2025-11-25 there.
    ///
    /// # Errors
    /// When the upgrade is refused, or the handshake is not answered as the revision asks.
    pub async fn reconnect(&self, wait: Duration) -> Result<(), ClientError> {
        let until = self.now() + u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let dialled = Connection::dial(&self.target, &self.identity, &self.now);
        let dialled = tokio::time::timeout(wait, dialled).await;
        let dialled = dialled.unwrap_or_else(|_| Err("deadline".to_owned()));
        let connected = dialled.map(Arc::new);
        *self.hold() = connected.clone();
        let connection = connected.map_err(ClientError::Handshake)?;
        let hello = initialize(self.identity.software);
        let exchange = self.ask(&connection, &hello, until).await;
        if exchange.result().is_none() {
            return Err(ClientError::handshake(&exchange));
        }
        let done = Request::new("notifications/initialized", Value::Null);
        let done = done.message(None, Self::REVISION, self.identity.software);
        let (_, written) = connection.write(&done).await;
        written.map_err(ClientError::Handshake)
    }

    /// Sends a request and reads all that comes back for it until `until`, ns on the run's clock.
    pub async fn exchange(&self, request: &Request, until: u64) -> Exchange {
        let connected = self.hold().clone();
        match connected {
            Ok(connection) => self.ask(&connection, request, until).await,
            Err(trouble) => {
                let mut exchange = Exchange::begun(self.now());
                exchange.fail(self.now(), trouble);
                exchange
            }
        }
    }

    async fn ask(&self, connection: &Connection, request: &Request, until: u64) -> Exchange {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let message = request.message(Some(id), Self::REVISION, self.identity.software);
        connection.exchange(id, &message, until).await
    }

    fn hold(&self) -> std::sync::MutexGuard<'_, Result<Arc<Connection>, String>> {
        let held = self.connection.lock();
        held.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
