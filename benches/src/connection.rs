//! One keep-alive connection that posts the same request again and again. It reads the reply whole
//! and does not look into it, so that its own cost stays small.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::setup::Trouble;

/// The revision spoken: stateless, everything in each request.
const REVISION: &str = "2026-07-28";

/// An open connection; ends when dropped.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    mover: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.mover.abort();
    }
}

impl Connection {
    /// Connects, without Nagle's delay.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn open(address: SocketAddr) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, moving) = http1::handshake(TokioIo::new(stream)).await?;
        // What ends a connection is told to the request on it.
        let mover = tokio::spawn(async move {
            let _ended = moving.await;
        });
        Ok(Self {
            sender,
            host: address.to_string(),
            mover,
        })
    }

    /// Posts a tool call and reads the whole reply.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn call(&mut self, tool: &str, body: Bytes) -> Result<Response<Bytes>, Trouble> {
        let request = Request::post("/mcp")
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", REVISION)
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let reply = self.sender.send_request(request).await?;
        let (head, body) = reply.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

/// The body of a call of `tool`.
#[must_use]
pub fn call_of(tool: &str, arguments: &Value) -> Bytes {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "exai-benches", "version": "1" },
    });
    let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    message.to_string().into()
}
