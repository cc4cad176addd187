//! The HTTP proxy under the client, admin and provider edges. Each client connection gets one
//! upstream connection from the same loopback address, so that what the server sees of connections
//! and addresses is what it would see without us, and either side's end ends the other.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::arrival;
use crate::impostor::admin::AdminEdge;
use crate::impostor::client::ClientEdge;
use crate::impostor::provider::ProviderEdge;
use crate::impostor::spoiler::Stage;
use crate::impostor::websocket;

/// Any failure on either side: the client's connection ends with it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// HTTP broke.
    #[error("could not go on in HTTP")]
    Http(#[from] hyper::Error),
    /// The upstream could not be reached.
    #[error("could not connect")]
    Io(#[from] std::io::Error),
    /// A parameter is no header value.
    #[error("could not set a header")]
    Header(#[from] http::header::InvalidHeaderValue),
    /// A body ended before it was whole.
    #[error("could not pass on a body that broke")]
    Broken,
}

/// A body from anywhere.
pub type Body = UnsyncBoxBody<Bytes, Failure>;

/// One exchange under way. Boxed: its type is too deep to be proven `Send` otherwise.
type Exchange = Pin<Box<dyn Future<Output = Result<Response<Body>, Failure>> + Send>>;

/// What stands on the edge.
pub enum Edge {
    /// Before the public listener.
    Client(ClientEdge),
    /// Before the admin listener.
    Admin(AdminEdge),
    /// Before a provider.
    Provider(ProviderEdge),
    /// Before the public listener, where connections are upgraded.
    WebSocket(Arc<Stage>),
}

/// A proxy before one address.
pub struct Proxy {
    /// Host and port of what stands behind.
    pub upstream: String,
    /// What stands on the edge.
    pub edge: Edge,
    connections: AtomicU64,
}

/// One client connection and its counterpart.
pub struct Link {
    /// Where it leads.
    pub upstream: String,
    /// The client's address.
    pub peer: IpAddr,
    /// Counts connections, from 1.
    pub number: u64,
    sender: Mutex<SendRequest<Body>>,
    /// An upgrade was asked for and not refused: upstream HTTP then ends, the connection does not.
    upgrading: AtomicBool,
}

impl Proxy {
    /// A proxy that has seen no connection yet.
    #[must_use]
    pub const fn new(upstream: String, edge: Edge) -> Self {
        Self {
            upstream,
            edge,
            connections: AtomicU64::new(0),
        }
    }

    /// Accepts connections until it is dropped.
    pub async fn run(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (socket, peer) = arrival::next(&listener).await;
            // Each connection owns itself and ends with the process.
            tokio::spawn(Arc::clone(&self).serve(socket, peer));
        }
    }

    async fn serve(self: Arc<Self>, socket: TcpStream, peer: SocketAddr) {
        let _ = socket.set_nodelay(true);
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let Ok((link, mut driver)) = Link::open(&self.upstream, peer.ip(), number).await else {
            // A server that refuses connections: the nearest thing to a refusal left to us.
            let _ = socket.set_zero_linger();
            return;
        };
        let link = Arc::new(link);
        let service = service_fn(|request| {
            let (proxy, link) = (Arc::clone(&self), Arc::clone(&link));
            let exchange: Exchange = Box::pin(async move { proxy.exchange(&link, request).await });
            exchange
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .preserve_header_case(true)
            .half_close(false)
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades();
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            _ = serving.as_mut() => driver.abort(),
            _ = &mut driver => {
                // The server has closed: finish what is being written, take no more. An upgrade
                // ends by itself; told to end, it would say that it closes.
                if !link.upgrading.load(Ordering::Relaxed) {
                    serving.as_mut().graceful_shutdown();
                }
                let _ = serving.await;
            }
        }
    }

    async fn exchange(
        &self,
        link: &Arc<Link>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Failure> {
        match &self.edge {
            Edge::Client(edge) => edge.exchange(link, request).await,
            Edge::Admin(edge) => edge.exchange(link, request).await,
            Edge::Provider(edge) => edge.exchange(link, request).await,
            Edge::WebSocket(stage) => {
                let request = request.map(streamed);
                link.pass_to(request, Some(Arc::clone(stage))).await
            }
        }
    }
}

impl Link {
    /// Connects upstream, from the same address where that is a loopback one.
    ///
    /// # Errors
    /// When the upstream does not accept.
    pub async fn open(
        upstream: &str,
        peer: IpAddr,
        number: u64,
    ) -> Result<(Self, JoinHandle<()>), Failure> {
        let target = lookup_host(upstream).await?.next();
        let target = target.ok_or(std::io::ErrorKind::AddrNotAvailable);
        let target = target.map_err(std::io::Error::from)?;
        let socket = if target.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if peer.is_loopback() && target.ip().is_loopback() && peer.is_ipv4() == target.is_ipv4() {
            socket.bind(SocketAddr::new(peer, 0))?;
        }
        let stream = socket.connect(target).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::Builder::new()
            .preserve_header_case(true)
            .handshake(TokioIo::new(stream))
            .await?;
        // Owned by the connection's `serve`, which aborts it when the client is gone.
        let driver = tokio::spawn(async move {
            let _ = connection.with_upgrades().await;
        });
        let link = Self {
            upstream: upstream.to_owned(),
            peer,
            number,
            sender: sender.into(),
            upgrading: AtomicBool::new(false),
        };
        Ok((link, driver))
    }

    /// Forwards a request.
    ///
    /// # Errors
    /// When the upstream connection fails.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        let mut sender = self.sender.lock().await;
        sender.ready().await?;
        let reply = sender.send_request(request);
        drop(sender);
        Ok(reply.await?)
    }

    /// Forwards a request and passes the reply on as it comes, upgrades included.
    ///
    /// # Errors
    /// When the upstream connection fails.
    pub async fn pass(&self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        self.pass_to(request, None).await
    }

    /// The same; what an upgraded connection carries goes past `stage`, if there is one.
    async fn pass_to(
        &self,
        mut request: Request<Body>,
        stage: Option<Arc<Stage>>,
    ) -> Result<Response<Body>, Failure> {
        let caller = format!("session websocket {}", self.number);
        let client = hyper::upgrade::on(&mut request);
        let asks = request.headers().contains_key(http::header::UPGRADE);
        self.upgrading.store(asks, Ordering::Relaxed);
        let mut reply = self.send(request).await?;
        let is_upgraded = reply.status() == StatusCode::SWITCHING_PROTOCOLS;
        self.upgrading.store(is_upgraded, Ordering::Relaxed);
        if is_upgraded {
            let server = hyper::upgrade::on(&mut reply);
            // Ends when either side closes.
            tokio::spawn(async move {
                if let (Ok(client), Ok(server)) = (client.await, server.await) {
                    if let Some(stage) = stage {
                        return websocket::relay(stage, caller, client, server).await;
                    }
                    let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
        Ok(reply.map(streamed))
    }
}

/// A body passed on frame by frame.
pub fn streamed(body: Incoming) -> Body {
    body.map_err(Failure::from).boxed_unsync()
}

/// A body from bytes.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Reads a body up to `limit` bytes. `Err` gives what is needed to pass it on unread.
pub async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, Body> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Failure::from).map(|frame| frame.into_data()) else {
            return Err(broken(bytes));
        };
        bytes.extend_from_slice(&data.unwrap_or_default());
        if bytes.len() > limit {
            return Err(prefixed(bytes, body));
        }
    }
    Ok(Bytes::from(bytes))
}

fn prefixed(bytes: Vec<u8>, rest: Incoming) -> Body {
    use futures::StreamExt;
    use http_body::Frame;
    let first = futures::stream::once(async { Ok(Frame::data(Bytes::from(bytes))) });
    let rest = http_body_util::BodyStream::new(rest).map(|frame| frame.map_err(Failure::from));
    http_body_util::StreamBody::new(first.chain(rest)).boxed_unsync()
}

/// What had come of a body that broke: passed on, then broken likewise.
fn broken(bytes: Vec<u8>) -> Body {
    use http_body::Frame;
    let frames = [Ok(Frame::data(Bytes::from(bytes))), Err(Failure::Broken)];
    http_body_util::StreamBody::new(futures::stream::iter(frames)).boxed_unsync()
}

/// Sets the length of a body that was replaced.
pub fn set_length(headers: &mut http::HeaderMap, length: usize) {
    headers.remove(http::header::TRANSFER_ENCODING);
    headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
}
