//! The floor: a service on the same web framework that reads a request and gives the same bytes
//! back each time.

use std::net::SocketAddr;

use axum::Router;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running null service; ends when dropped.
pub struct NullService {
    address: SocketAddr,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Drop for NullService {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl NullService {
    /// Starts on a free port of 127.0.0.1; every request is answered with `reply`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(reply: http::Response<Bytes>) -> std::io::Result<Self> {
        let (mut head, body) = reply.into_parts();
        for written_by_the_connection in [CONTENT_LENGTH, DATE, TRANSFER_ENCODING] {
            head.headers.remove(written_by_the_connection);
        }
        let routes = Router::new().fallback(move |_request: Bytes| {
            let reply = (head.headers.clone(), body.clone());
            async move { reply }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| {
            // A loopback socket takes the option; if it did not, the reply would come 40 ms late.
            let _ = stream.set_nodelay(true);
        });
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { address, serving })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}
