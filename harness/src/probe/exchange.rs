//! One HTTP request on one connection, within a deadline.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// The most bytes of a body read.
const BODY: usize = 16 * 1024 * 1024;

/// Why a look brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No connection.
    #[error("could not connect to {address}: {cause}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// The system's word.
        cause: std::io::Error,
    },
    /// The connection broke, or what came was no HTTP.
    #[error("could not get {path} from {address}: {cause}")]
    Broken {
        /// Where from.
        address: SocketAddr,
        /// What.
        path: String,
        /// In words.
        cause: String,
    },
    /// Nothing came in time.
    #[error("could not get {path} from {address} within {limit:?}")]
    Late {
        /// Where from.
        address: SocketAddr,
        /// What.
        path: String,
        /// How long.
        limit: Duration,
    },
    /// Another status than 200.
    #[error("could not use an answer of status {status}: {body}")]
    Status {
        /// The status.
        status: u16,
        /// The body's beginning.
        body: String,
    },
    /// The body is not JSON.
    #[error("could not read JSON: {0}")]
    Json(serde_json::Error),
}

/// How long a listener may take to accept. Whoever is there does so at once; where nobody is, as at
/// the address of a dead container, the kernel asks again after a second, and a probe that waited
/// would see the next life instead of the death.
const CONNECT: Duration = Duration::from_millis(250);

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not.
    pub fn json(&self) -> Result<Value, ProbeError> {
        serde_json::from_slice(&self.body).map_err(ProbeError::Json)
    }

    /// A header's value, if it is there and text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// This answer, if its status is 200.
    ///
    /// # Errors
    /// [`ProbeError::Status`] otherwise.
    pub fn ok(self) -> Result<Self, ProbeError> {
        if self.status == 200 {
            return Ok(self);
        }
        Err(ProbeError::Status {
            status: self.status,
            body: self.text().chars().take(300).collect(),
        })
    }
}

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Ask {
    address: SocketAddr,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Ask {
    /// A GET.
    #[must_use]
    pub fn get(address: SocketAddr, path: &str) -> Self {
        Self {
            address,
            method: Method::GET,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// A request with a JSON body.
    #[must_use]
    pub fn json(address: SocketAddr, method: Method, path: &str, body: &Value) -> Self {
        let mut ask = Self::get(address, path).header("content-type", "application/json");
        ask.method = method;
        ask.body = Bytes::from(body.to_string());
        ask
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a bearer token, if there is one.
    #[must_use]
    pub fn bearer(self, token: Option<String>) -> Self {
        match token {
            Some(token) => self.header("authorization", &format!("Bearer {token}")),
            None => self,
        }
    }

    /// Sends it on a connection of its own and reads the whole answer.
    ///
    /// # Errors
    /// When no whole answer came within `limit`.
    pub async fn send(self, limit: Duration) -> Result<Answer, ProbeError> {
        let late = ProbeError::Late {
            address: self.address,
            path: self.path.clone(),
            limit,
        };
        tokio::time::timeout(limit, self.exchange())
            .await
            .map_err(|_elapsed| late)?
    }

    async fn exchange(self) -> Result<Answer, ProbeError> {
        let address = self.address;
        let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
        let connected = connecting.unwrap_or_else(|elapsed| Err(elapsed.into()));
        let stream = connected.map_err(|cause| ProbeError::Connect { address, cause })?;
        let path = self.path.clone();
        let broken = |cause: String| ProbeError::Broken {
            address,
            path: path.clone(),
            cause,
        };
        stream
            .set_nodelay(true)
            .map_err(|cause| broken(cause.to_string()))?;
        let opened = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = opened.map_err(|cause| broken(cause.to_string()))?;
        let request = self
            .request()
            .map_err(|cause: http::Error| broken(cause.to_string()))?;
        let exchange = async {
            let response = sender.send_request(request).await;
            let response = response.map_err(|cause| broken(cause.to_string()))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, BODY).collect().await;
            let body = body.map_err(|cause| broken(cause.to_string()))?.to_bytes();
            Ok(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
            })
        };
        // The connection is driven here rather than by a task, so that nothing outlives the look.
        tokio::pin!(exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            _closed = connection => exchange.await,
        }
    }

    fn request(self) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .header(header::HOST, self.address.to_string());
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body))
    }
}
