//! A plain WebSocket client for a test.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, HandshakeError, Message, WebSocket, client};

use super::process::{PATIENCE, Server};

/// An open connection.
pub struct Socket(pub WebSocket<TcpStream>);

/// What a refused upgrade was told.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub body: Value,
}

/// Opens `/ws` with a subprotocol (none when empty) and more headers; one given replaces the usual.
pub fn open(
    server: &Server,
    protocol: &str,
    headers: &[(&'static str, &str)],
) -> Result<Socket, Refused> {
    open_at(server.public, "/ws", protocol, headers)
}

/// Opens a path of a listener.
pub fn open_at(
    address: SocketAddr,
    path: &str,
    protocol: &str,
    headers: &[(&'static str, &str)],
) -> Result<Socket, Refused> {
    let url = format!("ws://{address}{path}");
    let mut request = url.into_client_request().unwrap();
    let offered = ("sec-websocket-protocol", protocol);
    let offered = (!protocol.is_empty()).then_some(offered);
    for (name, value) in headers.iter().copied().chain(offered) {
        let value = HeaderValue::from_str(value).unwrap();
        request
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match client(request, stream) {
        Ok((socket, _)) => Ok(Socket(socket)),
        Err(HandshakeError::Failure(Error::Http(response))) => {
            let body = response.body().clone().unwrap_or_default();
            Err(Refused {
                status: response.status().as_u16(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            })
        }
        Err(other) => panic!("neither opened nor refused: {other:?}"),
    }
}

impl Socket {
    /// MCP over a connection of its own, after `initialize`.
    pub fn mcp(server: &Server, headers: &[(&'static str, &str)]) -> Self {
        let mut socket = open(server, "mcp", headers).unwrap();
        let begun = socket.ask(super::process::initialize());
        assert_eq!(begun["result"]["protocolVersion"], "2025-11-25", "{begun}");
        socket.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        socket
    }

    pub fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string());
    }

    pub fn say_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    /// The next message, or the code and reason of the close frame.
    pub fn hear(&mut self) -> Result<Value, (u16, String)> {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return Ok(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(Some(frame))) => {
                    return Err((frame.code.into(), frame.reason.to_string()));
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("neither a message nor a close frame: {other:?}"),
            }
        }
    }

    /// The close code that ends the connection, whatever comes before it.
    pub fn closed(&mut self) -> u16 {
        loop {
            if let Err((code, _)) = self.hear() {
                return code;
            }
        }
    }

    /// Sends a request and returns the answer with its id, and what came before it.
    pub fn ask_noting(&mut self, request: Value) -> (Value, Vec<Value>) {
        let id = request["id"].clone();
        self.say(&request);
        let mut notes = Vec::new();
        loop {
            let message = self.hear().unwrap();
            if message["id"] == id {
                return (message, notes);
            }
            notes.push(message);
        }
    }

    pub fn ask(&mut self, request: Value) -> Value {
        self.ask_noting(request).0
    }

    /// Waits this long at most for the next read.
    pub fn patience(&mut self, span: Duration) {
        self.0.get_ref().set_read_timeout(Some(span)).unwrap();
    }
}

/// A call of a tool as revision 2025-11-25 has it.
pub fn tool_call(id: u64, tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments}})
}
