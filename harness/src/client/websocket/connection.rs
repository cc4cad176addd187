//! One WebSocket connection: the upgrade, one JSON-RPC message a text frame, and how it ended.

use std::sync::Arc;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http::HeaderValue;
use http::header::{self, HeaderName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::WebSocketTarget;
use crate::client::Identity;
use crate::client::duplex::{Duplex, Written};
use crate::client::exchange::Exchange;
use crate::client::http::FORWARDED;
use crate::client::http::lane::open;
use crate::client::trouble::io_words;
use crate::history::Now;

/// A message larger than this is trouble, not memory.
const MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// Bytes read at once.
const READ_BUFFER: usize = 16 * 1024;

/// What is spoken.
const SUBPROTOCOL: &str = "mcp";

type Socket = WebSocketStream<TcpStream>;

/// An open connection and the task that reads it; the task ends with it.
pub(super) struct Connection {
    output: tokio::sync::Mutex<SplitSink<Socket, Message>>,
    duplex: Arc<Duplex>,
    reader: JoinHandle<()>,
    instance: Option<String>,
    now: Now,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Connection {
    /// Connects from the identity's address and upgrades; the trouble in words.
    pub(super) async fn dial(
        target: &WebSocketTarget,
        identity: &Identity,
        now: &Now,
    ) -> Result<Self, String> {
        let stream = open(identity.source, target.address).await;
        let stream = stream.map_err(|error| io_words(&error))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(MESSAGE_BYTES))
            .max_frame_size(Some(MESSAGE_BYTES));
        let upgraded = client_async_with_config(upgrade(target, identity), stream, Some(config));
        // A server that answers the upgrade with another subprotocol, or none, is refused here.
        let (socket, reply) = upgraded.await.map_err(|error| words(&error))?;
        let instance = reply.headers().get("exai-instance");
        let instance = instance.and_then(|value| value.to_str().ok());
        let (output, input) = socket.split();
        let duplex = Arc::new(Duplex::new(Arc::clone(now)));
        Ok(Self {
            output: tokio::sync::Mutex::new(output),
            reader: tokio::spawn(listen(input, Arc::clone(&duplex))),
            duplex,
            instance: instance.map(str::to_owned),
            now: Arc::clone(now),
        })
    }

    /// Sends `message`, the request `id`, and reads all that comes back for it until `until`.
    pub(super) async fn exchange(&self, id: u64, message: &Value, until: u64) -> Exchange {
        let write = self.write(message);
        let mut exchange = self.duplex.exchange(id, until, write).await;
        if exchange.reply.is_some() {
            exchange.instance.clone_from(&self.instance);
        }
        exchange
    }

    /// Writes one frame; when its first byte went out, and what came of it.
    pub(super) async fn write(&self, message: &Value) -> Written {
        let frame = Message::text(message.to_string());
        let mut output = self.output.lock().await;
        let at = (self.now)();
        let written = output.send(frame).await;
        (at, written.map_err(|error| words(&error)))
    }
}

/// The upgrade's request. No `Origin`: only browsers send one.
fn upgrade(target: &WebSocketTarget, identity: &Identity) -> http::Request<()> {
    let mut wanted = http::Request::new(());
    let uri = format!("ws://{}{}", target.address, target.path);
    *wanted.uri_mut() = uri.parse().unwrap_or_default();
    let bearer = identity.bearer.as_ref();
    let bearer = bearer.map(|token| format!("Bearer {token}"));
    let agent = identity.software.user_agent.map(str::to_owned);
    let source = identity.forwarded.then(|| identity.source.to_string());
    let lines: [(HeaderName, Option<String>); 9] = [
        (header::HOST, Some(identity.software.host(&target.host))),
        (header::CONNECTION, Some("Upgrade".to_owned())),
        (header::UPGRADE, Some("websocket".to_owned())),
        (header::SEC_WEBSOCKET_VERSION, Some("13".to_owned())),
        (header::SEC_WEBSOCKET_KEY, Some(generate_key())),
        (header::SEC_WEBSOCKET_PROTOCOL, Some(SUBPROTOCOL.to_owned())),
        (header::USER_AGENT, agent),
        (header::AUTHORIZATION, bearer),
        (HeaderName::from_static(FORWARDED), source),
    ];
    for (name, value) in lines {
        // Text that no header can hold is left out, and the server refuses.
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            wanted.headers_mut().insert(name, value);
        }
    }
    let headers = wanted.headers_mut();
    *headers = identity.software.written(std::mem::take(headers));
    wanted
}

async fn listen(mut input: SplitStream<Socket>, duplex: Arc<Duplex>) {
    let end = loop {
        match input.next().await {
            Some(Ok(Message::Text(text))) => duplex.hear(text.as_bytes()),
            Some(Ok(Message::Binary(_))) => duplex.hear_noise(),
            Some(Ok(Message::Close(frame))) => break close_words(frame),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => break words(&error),
            None => break "connection closed".to_owned(),
        }
    };
    duplex.end(&end);
    // The answer to a close goes out while the rest is read.
    while let Some(Ok(_)) = input.next().await {}
}

/// How the server closed, by its code and its own words.
fn close_words(frame: Option<CloseFrame>) -> String {
    match frame {
        Some(frame) if frame.reason.is_empty() => {
            format!("connection closed {}", u16::from(frame.code))
        }
        Some(frame) => format!(
            "connection closed {}: {}",
            u16::from(frame.code),
            frame.reason
        ),
        None => "connection closed".to_owned(),
    }
}

/// An error of the library in the few words the judge knows.
fn words(error: &Error) -> String {
    match error {
        Error::Io(error) => io_words(error),
        Error::Http(reply) => format!("status {}", reply.status().as_u16()),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake
            | ProtocolError::HandshakeIncomplete
            | ProtocolError::SendAfterClosing,
        ) => "connection closed".to_owned(),
        Error::Capacity(_) => "reply too large".to_owned(),
        other => format!("websocket: {other}"),
    }
}
