//! A way to call tools, over any transport: the same calls, and texts that are no call.

use std::time::Duration;

use exai_harness::client::software::Software;
use exai_harness::client::{Request, Revision};
use exai_harness::raw::socket::{Heard, RawSocket, TEXT, frame, upgrade};
use exai_harness::raw::{RawReply, RawRequest};
use exai_judge::Transport;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::asker::Asker;
use super::cells;
use super::pipe::Pipe;
use super::sockets::DAEMON;
use crate::stage::Trouble;

/// The transport without a token, beside those of [`cells::EDGES`].
pub const PIPE: &str = Transport::Stdio.name();
/// All of a connection's life.
const LIFE: Duration = Duration::from_secs(120);
/// An answer takes this long at most.
const ANSWER: Duration = Duration::from_secs(15);
/// Requests at once.
const LANES: usize = 4;

/// A way to call tools.
pub enum Way<'a> {
    /// Requests of 2026-07-28, or those of a session of 2025-11-25.
    Requests(Asker, Option<String>),
    /// The socket, and whether it speaks the daemon's frames.
    Socket(Box<RawSocket>, bool),
    /// A process of its own.
    Pipe(&'a mut Pipe),
}

impl Way<'_> {
    /// Somebody's way over one of [`cells::EDGES`].
    ///
    /// # Errors
    /// When the server does not let them begin.
    pub async fn open(asker: &Asker, edge: &str) -> Result<Self, Trouble> {
        let failed = |reply: RawReply| Trouble::Server(format!("{edge}: {}", reply.word()));
        let asker = asker.clone();
        if edge == cells::EDGES[0] {
            let begun = asker.send(&asker.greeting()).await;
            let session = begun.header("mcp-session-id").map(str::to_owned);
            return match session {
                Some(session) => Ok(Self::Requests(asker, Some(session))),
                None => Err(failed(begun)),
            };
        }
        if edge == cells::EDGES[1] {
            return Ok(Self::Requests(asker, None));
        }
        if edge != DAEMON {
            let socket = asker.socket(LIFE).await.map_err(failed)?;
            return Ok(Self::Socket(Box::new(socket), false));
        }
        let request = upgrade("/ws", &asker.at.to_string(), Some("exai.v1"))
            .header("Authorization", &asker.authorization);
        let opened = RawSocket::open(asker.at, asker.source, &request, LIFE).await;
        let mut socket = opened.map_err(failed)?;
        socket.say(&json!({"op": "hello"})).await;
        socket.hear().await;
        Ok(Self::Socket(Box::new(socket), true))
    }

    /// Calls them all; what was answered, in their order.
    pub async fn ask_all(&mut self, calls: Vec<(String, Value)>) -> Vec<Value> {
        let mut answers = Vec::new();
        match self {
            Self::Requests(asker, session) => {
                let session = session.as_deref();
                let requests: Vec<RawRequest> = calls
                    .iter()
                    .zip(1..)
                    .map(|((tool, arguments), id)| request(asker, session, (id, tool, arguments)))
                    .collect();
                for some in requests.chunks(LANES) {
                    let replies = join_all(some.iter().map(|request| asker.send(request))).await;
                    let said = replies.iter().map(|it| it.message().unwrap_or_default());
                    answers.extend(said);
                }
            }
            Self::Socket(socket, is_daemon) => {
                for (tool, arguments) in calls {
                    let call = (answers.len() as u64 + 1, tool.as_str(), &arguments);
                    answers.push(cells::ask(socket, *is_daemon, call).await);
                }
            }
            Self::Pipe(pipe) => {
                for (tool, arguments) in calls {
                    let id = answers.len() as u64 + 1;
                    answers.push(pipe.ask(id, &tool, arguments).await);
                }
            }
        }
        answers
    }

    /// Calls one tool.
    pub async fn ask(&mut self, tool: &str, arguments: Value) -> Value {
        let answers = self.ask_all(vec![(tool.to_owned(), arguments)]).await;
        answers.into_iter().next().unwrap_or_default()
    }

    /// Calls one tool under an id; null when no answer comes under it.
    pub async fn ask_as(&mut self, id: u64, tool: &str, arguments: &Value) -> Value {
        let asking = async {
            match self {
                Self::Requests(asker, session) => {
                    let request = request(asker, session.as_deref(), (id, tool, arguments));
                    asker.send(&request).await.message().unwrap_or_default()
                }
                Self::Socket(socket, is_daemon) => {
                    cells::ask(socket, *is_daemon, (id, tool, arguments)).await
                }
                Self::Pipe(pipe) => pipe.ask(id, tool, arguments.clone()).await,
            }
        };
        timeout(ANSWER, asking).await.unwrap_or_default()
    }

    /// Sends a message and waits for no answer, but for the status over HTTP.
    pub async fn say(&mut self, message: &Value) -> String {
        match self {
            Self::Requests(asker, session) => {
                let tool = message["params"]["name"].as_str().unwrap_or_default();
                let request = head(asker, session.as_deref(), tool);
                let request = request.body(message.to_string());
                let status = asker.send(&request).await.status;
                return status.map_or_else(|| "closed".to_owned(), |status| status.to_string());
            }
            Self::Socket(socket, _) => socket.say(message).await,
            Self::Pipe(pipe) => pipe.say(message).await,
        }
        "no answer".to_owned()
    }

    /// Sends a text as it is, whatever it is; a word for what came of it: a status over HTTP, the
    /// code that a connection is closed with, or that of an error.
    pub async fn write(&mut self, text: &[u8]) -> String {
        match self {
            Self::Requests(asker, session) => {
                let head = head(asker, session.as_deref(), "version");
                asker.send(&head.body(text)).await.word()
            }
            Self::Socket(socket, _) => {
                socket.send(&frame(TEXT, text)).await;
                match socket.hear().await {
                    Heard::Message(said) => word_of(&said),
                    Heard::Close(code) => code.to_string(),
                    Heard::Trouble(trouble) => trouble,
                }
            }
            Self::Pipe(pipe) => {
                pipe.write(&[text, b"\n"].concat()).await;
                word_of(&pipe.hear().await)
            }
        }
    }
}

/// The head of a message in a session, or of 2026-07-28 that calls this tool.
fn head(asker: &Asker, session: Option<&str>, tool: &str) -> RawRequest {
    let Some(session) = session else {
        return asker.message_head("tools/call", tool);
    };
    asker
        .head("POST /mcp HTTP/1.1")
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", Revision::V2025.name())
        .header("Mcp-Session-Id", session)
}

fn request(
    asker: &Asker,
    session: Option<&str>,
    (id, tool, arguments): (u64, &str, &Value),
) -> RawRequest {
    let revision = match session {
        Some(_) => Revision::V2025,
        None => Revision::V2026,
    };
    let message = Request::tool(tool, arguments);
    let message = message.message(Some(id), revision, Software::numbered(1));
    head(asker, session, tool).body(message.to_string())
}

/// The one error object, wherever a dialect keeps it.
#[must_use]
pub fn error_of(said: &Value) -> &Value {
    let places = [
        "/result/structuredContent/error",
        "/structuredContent/error",
        "/error/details",
        "/error/data",
    ];
    let mut found = places.iter().filter_map(|place| said.pointer(place));
    found.next().unwrap_or(&Value::Null)
}

/// The code of an answer's error, `accepted`, or `no answer`.
#[must_use]
pub fn word_of(said: &Value) -> String {
    match error_of(said) {
        Value::Null if said.is_null() => "no answer".to_owned(),
        Value::Null if said["error"].is_null() => "accepted".to_owned(),
        Value::Null => said["error"].to_string(),
        error => error["code"].as_str().unwrap_or("an error").to_owned(),
    }
}
