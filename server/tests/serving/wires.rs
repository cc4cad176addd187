//! One call on any wire, by clients that hide nothing: what is heard of it, and how it ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::dialect::greeted;
use super::piped::Bridge;
use super::process::{Server, call};
use super::socket::Socket;

/// Longer than a WebSocket stays silent before it is pinged.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a client reaches a server that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Stateless,
    Session,
    Mcp,
    Daemon,
}

/// A tool call.
#[derive(Debug, Clone)]
pub struct Asking {
    pub tool: String,
    pub arguments: Value,
    pub key: Option<String>,
    /// Whether a progress token goes with it.
    pub has_token: bool,
}

/// What comes from a server.
#[derive(Debug)]
pub enum Heard {
    /// A keep-alive that says nothing.
    Comment,
    /// Progress in words.
    Note(String),
    /// The result, in the form of `tools/call`.
    Answer(Value),
}

/// A call that was sent.
pub enum Asked {
    Http(BufReader<TcpStream>),
    Socket(Box<Socket>),
    Pipe(Box<Bridge>),
}

impl Asking {
    pub fn chat(prompt: &str) -> Self {
        Self {
            tool: "chat".into(),
            arguments: json!({"prompt": prompt}),
            key: None,
            has_token: false,
        }
    }

    pub fn keyed(prompt: &str, key: &str) -> Self {
        Self {
            key: Some(key.into()),
            ..Self::chat(prompt)
        }
    }

    /// The call that a reply before the answer names.
    pub fn next(result: &Value) -> Option<Self> {
        let status = &result["structuredContent"];
        let next = &status["next_call"];
        (status["status"] == "in_progress").then(|| Self {
            tool: next["tool"].as_str().unwrap().into(),
            arguments: next["arguments"].clone(),
            key: None,
            has_token: false,
        })
    }

    /// As a message of either revision; the older one passes over what it does not know.
    fn message(&self) -> Value {
        let mut message = call(&self.tool, self.arguments.clone());
        let meta = &mut message["params"]["_meta"];
        if let Some(key) = &self.key {
            meta["dev.exai/idempotency-key"] = json!(key);
        }
        if self.has_token {
            meta["progressToken"] = json!("p");
        }
        message
    }

    fn older(&self) -> Value {
        let mut message = self.message();
        let meta = message["params"]["_meta"].as_object_mut().unwrap();
        meta.retain(|name, _| !name.starts_with("io."));
        message
    }
}

impl Wire {
    pub const ALL: [Self; 4] = [Self::Stateless, Self::Session, Self::Mcp, Self::Daemon];

    /// Sends a call on a connection of its own.
    pub fn ask(self, server: &Server, asking: &Asking) -> Asked {
        self.ask_at(server, server.public, asking)
    }

    /// As [`Wire::ask`], over HTTP through another address.
    pub fn ask_at(self, server: &Server, address: SocketAddr, asking: &Asking) -> Asked {
        match self {
            Self::Stateless => {
                let head = format!(
                    "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n\
                     mcp-name: {}\r\n",
                    asking.tool
                );
                post(address, &head, &asking.message())
            }
            Self::Session => {
                let head = format!(
                    "mcp-protocol-version: 2025-11-25\r\nmcp-session-id: {}\r\n",
                    server.session(&[])
                );
                post(address, &head, &asking.older())
            }
            Self::Mcp => {
                let mut socket = Socket::mcp(server, &[]);
                socket.patience(PATIENCE);
                socket.say(&asking.older());
                Asked::Socket(Box::new(socket))
            }
            Self::Daemon => {
                let mut socket = greeted(server, json!({}));
                socket.patience(PATIENCE);
                let mut frame = json!({"op": "call_tool", "request_id": 7, "name": asking.tool,
                    "arguments": asking.arguments});
                if let Some(key) = &asking.key {
                    frame["idempotency_key"] = json!(key);
                }
                socket.say(&frame);
                Asked::Socket(Box::new(socket))
            }
        }
    }
}

/// Sends a call to a process of the caller's own.
pub fn ask_pipe(command: &mut Command, asking: &Asking) -> Asked {
    let mut pipe = Bridge::spawn(command);
    pipe.begin();
    pipe.say(&asking.older());
    Asked::Pipe(Box::new(pipe))
}

fn post(address: SocketAddr, head: &str, body: &Value) -> Asked {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\n{head}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    Asked::Http(BufReader::new(stream))
}

impl Asked {
    /// The next thing that says something, or `None` when the connection has ended.
    pub fn hear(&mut self) -> Option<Heard> {
        loop {
            let said = match self {
                Self::Http(reader) => {
                    let mut line = String::new();
                    if reader.read_line(&mut line).ok()? == 0 {
                        return None;
                    }
                    if line.starts_with(": ") {
                        return Some(Heard::Comment);
                    }
                    let data = line.strip_prefix("data:").unwrap_or(&line).trim();
                    serde_json::from_str(data).ok().filter(Value::is_object)
                }
                Self::Socket(socket) => Some(socket.hear().ok()?),
                Self::Pipe(pipe) => Some(pipe.hear()),
            };
            if let Some(heard) = said.as_ref().and_then(heard) {
                return Some(heard);
            }
        }
    }

    /// The result, whatever comes before it.
    pub fn answer(mut self) -> Option<Value> {
        loop {
            if let Heard::Answer(result) = self.hear()? {
                return Some(result);
            }
        }
    }
}

fn heard(said: &Value) -> Option<Heard> {
    if said["method"] == "notifications/progress" {
        let message = said["params"]["message"].as_str()?;
        return Some(Heard::Note(message.to_owned()));
    }
    if said["id"] == 7 {
        let error = json!({"isError": true, "structuredContent": {"error": said["error"]["data"]}});
        let result = said.get("result").cloned();
        return Some(Heard::Answer(result.unwrap_or(error)));
    }
    if said["request_id"] != 7 {
        return None;
    }
    Some(match said["op"].as_str()? {
        "progress" => Heard::Note(said["message"].as_str()?.to_owned()),
        "call_tool_res" => {
            let mut result = said.clone();
            result["content"] = result["outputs"].take();
            Heard::Answer(result)
        }
        "error" => {
            let error = &said["error"]["details"];
            Heard::Answer(json!({"isError": true, "structuredContent": {"error": error}}))
        }
        _ => return None,
    })
}

/// The text of a result.
pub fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}

/// The code of a result that is a failure.
pub fn code(result: &Value) -> &str {
    let error = &result["structuredContent"]["error"];
    error["code"].as_str().unwrap_or_default()
}
