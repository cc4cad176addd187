//! One person's calls on one edge, a tool after the other: what each was refused with.

use exai_harness::client::software::Software;
use exai_harness::client::{Request, Revision};
use exai_harness::raw::socket::{Heard, RawSocket, upgrade};
use exai_harness::raw::{self, RawReply, RawRequest, Source};
use exai_harness::token;
use exai_judge::Transport;
use serde_json::{Value, json};

use super::asker::tool_message;
use super::sockets::{DAEMON, MCP};
use super::{Attempt, Came, PACE, WAIT};
use crate::stage::{Person, Stage};

/// All calls of one person on one connection.
const LIFE: std::time::Duration = std::time::Duration::from_secs(60);
/// Below the rate of one person.
const APART: std::time::Duration = std::time::Duration::from_millis(10);

/// The edges on which every cell is tried: those that carry a token.
pub const EDGES: [&str; 4] = [
    Transport::Http2025.name(),
    Transport::Http2026.name(),
    MCP,
    DAEMON,
];

/// Somebody of one role at one edge.
pub struct Caller {
    line: String,
    source: Source,
    way: Way,
}

enum Way {
    /// A session of 2025-11-25.
    Session(String),
    /// Requests of 2026-07-28.
    Requests,
    Socket {
        socket: Box<RawSocket>,
        is_daemon: bool,
        calls: u64,
    },
}

impl Caller {
    /// Comes as `number` with one role.
    ///
    /// # Errors
    /// What came instead of a beginning.
    pub async fn enter(
        stage: &Stage,
        edge: &str,
        (number, role): (usize, &str),
    ) -> Result<Self, Came> {
        let line = stage
            .ground
            .authorization_with(Person::user(number), &[role]);
        let source = stage.ground.source(number);
        let way = if edge == EDGES[0] {
            Way::Session(begin(stage, (&line, source)).await?)
        } else if edge == EDGES[1] {
            Way::Requests
        } else {
            let is_daemon = edge == DAEMON;
            Way::Socket {
                socket: Box::new(connect(stage, (&line, source), is_daemon).await?),
                is_daemon,
                calls: 0,
            }
        };
        Ok(Self { line, source, way })
    }

    /// Calls a tool without arguments: `permitted`, or the status or category of the refusal. What
    /// a permitted call comes to is the tool's own affair.
    pub async fn call(&mut self, stage: &Stage, tool: &str) -> Came {
        tokio::time::sleep(PACE + APART).await;
        let line = self.line.as_str();
        match &mut self.way {
            Way::Requests => {
                let attempt = Attempt {
                    tool,
                    ..Attempt::new(Transport::Http2026, None)
                };
                let host = stage.ground.public().to_string();
                let head = attempt.head("/mcp", &host).header("Authorization", line);
                let request = head.body(attempt.message().to_string());
                of_reply(stage, &send(stage, self.source, &request).await)
            }
            Way::Session(id) => {
                let software = Software::numbered(1);
                let message = Request::tool(tool, &json!({}));
                let message = message.message(Some(2), Revision::V2025, software);
                let request = session_head(stage, line)
                    .header("Mcp-Session-Id", id.as_str())
                    .body(message.to_string());
                of_reply(stage, &send(stage, self.source, &request).await)
            }
            Way::Socket {
                socket,
                is_daemon,
                calls,
            } => {
                *calls += 1;
                let call = (*calls, tool, &json!({}));
                let said = ask(socket, *is_daemon, call).await;
                stage.search("a reply", &said.to_string());
                Came {
                    claimed: token::subject(line.trim_start_matches("Bearer ")),
                    ..of_message(&said, *is_daemon)
                }
            }
        }
    }
}

async fn send(stage: &Stage, source: Source, request: &RawRequest) -> RawReply {
    raw::send_request(stage.ground.public(), source, request, WAIT).await
}

fn session_head(stage: &Stage, line: &str) -> RawRequest {
    RawRequest::line("POST /mcp HTTP/1.1")
        .header("Host", stage.ground.public().to_string())
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", Revision::V2025.name())
        .header("Connection", "close")
        .header("Authorization", line)
}

/// Begins a session; its id.
async fn begin(stage: &Stage, (line, source): (&str, Source)) -> Result<String, Came> {
    let attempt = Attempt::new(Transport::Http2025, None);
    let message = attempt.message().to_string();
    let reply = send(stage, source, &session_head(stage, line).body(message)).await;
    let id = reply.header("mcp-session-id").map(str::to_owned);
    id.ok_or_else(|| super::came(stage, &reply))
}

async fn connect(
    stage: &Stage,
    (line, source): (&str, Source),
    is_daemon: bool,
) -> Result<RawSocket, Came> {
    let protocol = if is_daemon { "exai.v1" } else { "mcp" };
    let host = stage.ground.public().to_string();
    let request = upgrade("/ws", &host, Some(protocol)).header("Authorization", line);
    let opened = RawSocket::open(stage.ground.public(), source, &request, LIFE).await;
    let mut socket = opened.map_err(|reply| super::came(stage, &reply))?;
    if is_daemon {
        let hello = json!({"op": "hello"});
        let came = super::sockets::greet(stage, &mut socket, &hello).await;
        if came.word != "accepted" {
            return Err(came);
        }
    }
    Ok(socket)
}

/// Calls a tool on a socket; the message that answers it, or null.
pub async fn ask(
    socket: &mut RawSocket,
    is_daemon: bool,
    (id, tool, arguments): (u64, &str, &Value),
) -> Value {
    let name = if is_daemon { "request_id" } else { "id" };
    let message = if is_daemon {
        json!({"op": "call_tool", "request_id": id, "name": tool, "arguments": arguments})
    } else {
        let mut message = tool_message(tool, arguments);
        message["id"] = id.into();
        message
    };
    socket.say(&message).await;
    loop {
        match socket.hear().await {
            Heard::Message(said) if said[name] == id && said["op"] != "progress" => return said,
            Heard::Message(_) => {}
            Heard::Close(_) | Heard::Trouble(_) => return Value::Null,
        }
    }
}

fn of_reply(stage: &Stage, reply: &RawReply) -> Came {
    let came = super::came(stage, reply);
    // Whether there is such a tool is told to whoever may call some.
    let is_unknown = came.word == "-32602";
    if came.is_denied || is_unknown || reply.status.is_none() {
        return came;
    }
    Came {
        word: "permitted".to_owned(),
        ..came
    }
}

/// The same of a message: each dialect has the one error object in its place.
fn of_message(said: &Value, is_daemon: bool) -> Came {
    if said.is_null() {
        return Came::word("no answer");
    }
    let place = if is_daemon { "details" } else { "data" };
    let error = &said["error"][place];
    let correlation_id = error["correlation_id"].as_str().map(str::to_owned);
    let denied = |word: &str| Came {
        word: word.to_owned(),
        correlation_id: correlation_id.clone(),
        is_denied: true,
        code: raw::code(said),
        claimed: None,
    };
    match (error["category"].as_str(), error["code"].as_str()) {
        (Some("auth_error"), _) => denied("403"),
        (Some("rate_limit_error"), _) => denied("429"),
        (_, Some("unknown_tool")) => Came::word("-32602"),
        _ => Came::word("permitted"),
    }
}
