//! A server that does nothing but answer: the ceiling of the generator and the floor of latency.

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A bare HTTP handler that gives every request the same result under the request's own id. Ends
/// when dropped.
pub struct NullServer {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for NullServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl NullServer {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(result: &Value) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let result: Bytes = result.to_string().into();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                // Without it small replies wait for the peer's acknowledgement.
                if stream.set_nodelay(true).is_err() {
                    continue;
                }
                let result = result.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(request, result.clone()));
                    // A client that goes away is no event here.
                    let _gone = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, serving })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn answer(
    request: http::Request<Incoming>,
    result: Bytes,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let body = request
        .into_body()
        .collect()
        .await
        .map_or_else(|_| Bytes::new(), |body| body.to_bytes());
    let mut reply = Vec::with_capacity(result.len() + 64);
    reply.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    reply.extend_from_slice(id(&body));
    reply.extend_from_slice(b",\"result\":");
    reply.extend_from_slice(&result);
    reply.push(b'}');
    let mut reply = http::Response::new(Full::new(Bytes::from(reply)));
    let kind = http::HeaderValue::from_static("application/json");
    reply.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    Ok(reply)
}

/// The digits behind the first `"id":`, which our own client writes before the parameters.
fn id(body: &[u8]) -> &[u8] {
    const KEY: &[u8] = b"\"id\":";
    let Some(at) = body.windows(KEY.len()).position(|window| window == KEY) else {
        return b"null";
    };
    let rest = &body[at + KEY.len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        b"null"
    } else {
        &rest[..digits]
    }
}
