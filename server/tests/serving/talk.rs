//! Clients that answer questions, on standard input and output, `/ws` and HTTP.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::piped::Bridge;
use super::process::{PATIENCE, Server, exai, initialize, serve};
use super::socket::{Socket, open};

/// A client of 2025-11-25 that answers questions, on any wire.
pub trait Talk {
    fn say(&mut self, message: &Value);
    fn hear(&mut self) -> Value;

    /// Calls a tool, answers the one question that comes, and returns question and answer.
    fn asked(&mut self, request: &Value, answer: &Value) -> (Value, Value) {
        self.say(request);
        let mut question = Value::Null;
        loop {
            let heard = self.hear();
            if heard["method"] == "elicitation/create" {
                self.say(&json!({"jsonrpc": "2.0", "id": heard["id"], "result": answer}));
                question = heard;
            } else if heard["id"] == request["id"] {
                return (question, heard["result"].clone());
            }
        }
    }
}

impl Talk for Bridge {
    fn say(&mut self, message: &Value) {
        Bridge::say(self, message);
    }
    fn hear(&mut self) -> Value {
        Bridge::hear(self)
    }
}

impl Talk for Socket {
    fn say(&mut self, message: &Value) {
        Socket::say(self, message);
    }
    fn hear(&mut self) -> Value {
        Socket::hear(self).unwrap()
    }
}

/// Streamable HTTP: each message is a POST, and the answer to a call is read as it comes.
struct Http<'a> {
    server: &'a Server,
    session: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Talk for Http<'_> {
    fn say(&mut self, message: &Value) {
        let mut stream = TcpStream::connect(self.server.public).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (host, body) = (self.server.public, message.to_string());
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: {host}\r\naccept: application/json, text/event-stream\r\n\
             content-type: application/json\r\nmcp-session-id: {}\r\n\
             mcp-protocol-version: 2025-11-25\r\ncontent-length: {}\r\n\r\n{body}",
            self.session,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut status = String::new();
        reader.read_line(&mut status).unwrap();
        if message["method"].is_string() {
            assert!(status.contains(" 200 "), "{status}");
            self.stream = Some(reader);
        } else {
            assert!(status.contains(" 202 "), "{status}");
        }
    }

    fn hear(&mut self) -> Value {
        loop {
            let mut line = String::new();
            let read = self.stream.as_mut().unwrap().read_line(&mut line).unwrap();
            assert!(read > 0, "the stream ended without an answer");
            let data = line.trim().strip_prefix("data:").unwrap_or(line.trim());
            if let Ok(message @ Value::Object(_)) = serde_json::from_str(data.trim()) {
                return message;
            }
        }
    }
}

pub fn capable() -> Value {
    let mut first = initialize();
    first["params"]["capabilities"] = json!({"elicitation": {}});
    first
}

const READY: &str = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";

pub fn piped(first: Option<&Value>, state: &tempfile::TempDir) -> Bridge {
    let mut command = exai(&[]);
    let dir = format!("server.state_dir={}", state.path().display());
    let mut pipe = Bridge::spawn(command.args(["stdio", "--demo", "--set", &dir]));
    if let Some(first) = first {
        pipe.ask(first);
        pipe.say(&serde_json::from_str(READY).unwrap());
    }
    pipe
}

/// Does the same on standard input and output, `/ws` and HTTP, each after `first`.
pub fn on_every_wire(
    first: &Value,
    mut act: impl FnMut(&str, &mut dyn FnMut(&Value, &Value) -> (Value, Value)),
) {
    let state = tempfile::tempdir().unwrap();
    let mut pipe = piped(Some(first), &state);
    act("stdio", &mut |request, answer| pipe.asked(request, answer));
    let server = serve(&["--demo"], &[]);
    let mut socket = open(&server, "mcp", &[]).unwrap();
    socket.ask(first.clone());
    Socket::say(&mut socket, &serde_json::from_str(READY).unwrap());
    act("ws", &mut |request, answer| socket.asked(request, answer));
    let begun = server.post(first, &[]);
    let session = begun.header("mcp-session-id").unwrap().to_owned();
    let mut http = Http {
        server: &server,
        session,
        stream: None,
    };
    act("http", &mut |request, answer| http.asked(request, answer));
}
