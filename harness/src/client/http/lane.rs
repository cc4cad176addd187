//! One keep-alive connection, and whether the next request may use it.

use std::net::{Ipv4Addr, SocketAddr};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use super::HttpTarget;
use crate::client::trouble::io_words;

/// A place for one connection.
pub(super) enum Lane {
    /// Never dialled, or closed by us.
    Idle,
    /// Usable.
    Open(Connection),
    /// Closed by the peer.
    Broken,
}

/// A connection and the task that moves its bytes; the task ends with it.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    mover: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.mover.abort();
    }
}

impl Connection {
    pub(super) async fn send(
        &mut self,
        wanted: http::Request<Full<Bytes>>,
    ) -> Result<http::Response<Incoming>, String> {
        self.sender
            .send_request(wanted)
            .await
            .map_err(|error| words(&error))
    }

    fn is_usable(&self) -> bool {
        !self.sender.is_closed() && !self.mover.is_finished()
    }
}

impl Lane {
    /// A connection for the next request, dialled where that is allowed.
    pub(super) async fn ready(
        self,
        source: Ipv4Addr,
        target: &HttpTarget,
    ) -> Result<Connection, (Self, String)> {
        match self {
            Self::Open(mut connection) if connection.is_usable() => {
                match connection.sender.ready().await {
                    Ok(()) => Ok(connection),
                    Err(_) if target.redial => dial(source, target).await,
                    Err(error) => Err((Self::Broken, words(&error))),
                }
            }
            Self::Idle => dial(source, target).await,
            Self::Open(_) | Self::Broken if target.redial => dial(source, target).await,
            Self::Open(_) | Self::Broken => Err((Self::Broken, "connection closed".to_owned())),
        }
    }
}

async fn dial(source: Ipv4Addr, target: &HttpTarget) -> Result<Connection, (Lane, String)> {
    let lane = || {
        if target.redial {
            Lane::Idle
        } else {
            Lane::Broken
        }
    };
    let stream = open(source, target.address)
        .await
        .map_err(|error| (lane(), io_words(&error)))?;
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (sender, moving) = shaken.map_err(|error| (lane(), words(&error)))?;
    // What ends a connection is told to the request on it; an idle one needs no report.
    let mover = tokio::spawn(async move {
        let _ended = moving.await;
    });
    Ok(Connection { sender, mover })
}

/// Opens a stream from `source` to `address`, without Nagle's delay.
pub(crate) async fn open(source: Ipv4Addr, address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = if address.is_ipv4() {
        let socket = TcpSocket::new_v4()?;
        if address.ip().is_loopback() {
            socket.bind(SocketAddr::from((source, 0)))?;
        }
        socket.connect(address).await?
    } else {
        TcpStream::connect(address).await?
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// An error of hyper in the few words the judge knows.
pub(super) fn words(error: &hyper::Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(current) = cause {
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            return io_words(io);
        }
        cause = current.source();
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        "connection closed".to_owned()
    } else if error.is_parse() {
        "not http".to_owned()
    } else {
        format!("http: {error}")
    }
}
