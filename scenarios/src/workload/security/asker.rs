//! Whoever asks, in raw parts: of the server under judgement or of one beside it.

use std::net::SocketAddr;
use std::time::Duration;

use exai_harness::client::request::initialize;
use exai_harness::client::software::Software;
use exai_harness::client::{Request, Revision};
use exai_harness::raw::socket::{RawSocket, upgrade};
use exai_harness::raw::{self, RawReply, RawRequest, Source};
use exai_harness::server::beside::Beside;
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};

use super::{Came, Seen, note};
use crate::stage::{Person, Stage};

/// A call that asks a model may take this long.
const CALL: Duration = Duration::from_secs(20);

/// Somebody with a token, at one address, before one listener.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The listener.
    pub at: SocketAddr,
    /// Where from.
    pub source: Source,
    /// The `Authorization` header.
    pub authorization: String,
}

impl Asker {
    /// An ordinary user before the server under judgement.
    #[must_use]
    pub fn user(stage: &Stage, number: usize) -> Self {
        Self::with(stage, number, &["user"])
    }

    /// Somebody of these roles.
    #[must_use]
    pub fn with(stage: &Stage, number: usize, roles: &[&str]) -> Self {
        Self {
            at: stage.ground.public(),
            source: stage.ground.source(number),
            authorization: stage.ground.authorization_with(Person::user(number), roles),
        }
    }

    /// The same before another server.
    #[must_use]
    pub fn before(mut self, beside: &Beside) -> Self {
        self.at = beside.public();
        // Nobody stands before that one.
        self.source.forwarded = false;
        self
    }

    /// The same from another address.
    #[must_use]
    pub fn from(mut self, source: impl Into<Source>) -> Self {
        self.source = source.into();
        self
    }

    /// A request with the right host and this caller's credential.
    #[must_use]
    pub fn head(&self, line: &str) -> RawRequest {
        RawRequest::line(line)
            .header("Host", self.at.to_string())
            .header("Connection", "close")
            .header("Authorization", &self.authorization)
    }

    /// The head of a message of 2026-07-28; an empty name is none.
    #[must_use]
    pub fn message_head(&self, method: &str, name: &str) -> RawRequest {
        let head = self
            .head("POST /mcp HTTP/1.1")
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", Revision::V2026.name())
            .header("Mcp-Method", method);
        match name {
            "" => head,
            name => head.header("Mcp-Name", name),
        }
    }

    /// A tool call of 2026-07-28.
    #[must_use]
    pub fn request(&self, tool: &str, arguments: &Value) -> RawRequest {
        let message = tool_message(tool, arguments);
        self.message_head("tools/call", tool)
            .body(message.to_string())
    }

    /// The handshake of 2025-11-25.
    #[must_use]
    pub fn greeting(&self) -> RawRequest {
        let software = Software::numbered(1);
        let message = initialize(software).message(Some(1), Revision::V2025, software);
        self.head("POST /mcp HTTP/1.1")
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .body(message.to_string())
    }

    /// Sends a request of whatever kind.
    pub async fn send(&self, request: &RawRequest) -> RawReply {
        raw::send_request(self.at, self.source, request, CALL).await
    }

    /// Calls a tool.
    pub async fn call(&self, tool: &str, arguments: Value) -> RawReply {
        self.send(&self.request(tool, &arguments)).await
    }

    /// Calls a tool with entries of `params` beside name and arguments.
    pub async fn call_with(&self, tool: &str, arguments: Value, more: Value) -> RawReply {
        let mut message = tool_message(tool, &arguments);
        merge(&mut message["params"], &more);
        let head = self.message_head("tools/call", tool);
        self.send(&head.body(message.to_string())).await
    }

    /// Fetches something.
    pub async fn get(&self, path: &str) -> RawReply {
        self.send(&self.head(&format!("GET {path} HTTP/1.1"))).await
    }

    /// An open WebSocket of MCP that lives for `wait`.
    ///
    /// # Errors
    /// The reply when it is no upgrade.
    pub async fn socket(&self, wait: Duration) -> Result<RawSocket, RawReply> {
        let request = upgrade("/ws", &self.at.to_string(), Some("mcp"))
            .header("Authorization", &self.authorization);
        RawSocket::open(self.at, self.source, &request, wait).await
    }
}

/// A good tool call.
#[must_use]
pub fn tool_message(tool: &str, arguments: &Value) -> Value {
    Request::tool(tool, arguments).message(Some(1), Revision::V2026, Software::numbered(1))
}

/// Puts what `more` holds over what is there, object by object.
fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (name, value) in more {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

/// Sends requests, `lanes` at once, each on a connection of its own; the replies in any order.
pub async fn volley(lanes: usize, requests: Vec<(Asker, RawRequest)>) -> Vec<RawReply> {
    let sending = requests
        .into_iter()
        .map(|(asker, request)| async move { asker.send(&request).await });
    stream::iter(sending)
        .buffer_unordered(lanes)
        .collect()
        .await
}

/// How many replies say this word.
#[must_use]
pub fn count(replies: &[RawReply], word: &str) -> usize {
    replies.iter().filter(|reply| reply.word() == word).count()
}

/// The result of a reply.
#[must_use]
pub fn result(reply: &RawReply) -> Value {
    let message = reply.message().unwrap_or_default();
    message["result"].clone()
}

/// What a reply of ours says about itself.
#[must_use]
pub fn about(reply: &RawReply) -> Value {
    result(reply)["_meta"]["dev.exai/reply"].clone()
}

/// The code of a tool's failure or of a refusal; otherwise the reply's own word.
#[must_use]
pub fn code(reply: &RawReply) -> String {
    let message = reply.message().unwrap_or_default();
    let tool = message["result"]["structuredContent"]["error"]["code"].as_str();
    let wire = message["error"]["data"]["code"].as_str();
    tool.or(wire).map_or_else(|| reply.word(), str::to_owned)
}

/// Records a case by a word of the workload's own.
pub fn tell(stage: &Stage, (id, edge): (&str, &str), (good, wanted): (bool, &[&str]), word: &str) {
    let seen = Seen {
        id,
        edge,
        good,
        allowed: wanted,
    };
    note(stage, &seen, Came::word(word));
}

/// Records an attack, and the good case beside it.
pub fn pair(
    stage: &Stage,
    place: (&str, &str),
    (bad, wanted): (&str, &[&str]),
    good: (&str, &[&str]),
) {
    tell(stage, place, (false, wanted), bad);
    tell(stage, place, (true, good.1), good.0);
}

/// One of two words.
#[must_use]
pub const fn either<'a>(holds: bool, yes: &'a str, no: &'a str) -> &'a str {
    if holds { yes } else { no }
}

/// A chat's arguments.
#[must_use]
pub fn prompt(text: &str) -> Value {
    json!({"prompt": text})
}
