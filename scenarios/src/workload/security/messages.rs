//! Bodies, JSON, messages and arguments that no client would send, each beside a good one that
//! differs in one respect.

use exai_harness::client::software::Software;
use exai_harness::client::{Request, Revision};
use exai_harness::raw::{self, RawRequest};
use exai_judge::Transport;
use serde_json::{Value, json};

use super::{CRITERION, Seen, record, send_to};
use crate::stage::{Person, Stage, Trouble};

/// Each message is whole in itself: no session stands between it and what reads it.
const WIRE: Transport = Transport::Http2026;

/// A request that must be refused.
pub struct Abuse {
    /// Row and variant.
    pub id: &'static str,
    raw: RawRequest,
    /// The words that refuse it.
    pub refused_by: &'static [&'static str],
}

/// Those of every kind that are sent beside healthy traffic: what costs a server most to take
/// apart, for what it costs to send.
const HOSTILE: [&str; 6] = [
    "B5.depth",
    "B6.not a number",
    "B7.surrogate",
    "B8.batch",
    "B12.length",
    "B14.long",
];

/// What is sent beside healthy traffic, each by somebody of their own.
///
/// # Errors
/// When the catalogue lacks a bound or one of them.
pub fn hostile(stage: &Stage) -> Result<Vec<Abuse>, Trouble> {
    let body_bytes = stage.row(CRITERION)?.limit("body_bytes")? as usize;
    let abuses = (0..).zip(HOSTILE).map(|(number, id)| {
        let all = Post::by(stage, 570 + number).abuses(body_bytes);
        let found = all.into_iter().find(|abuse| abuse.id == id);
        found.ok_or_else(|| Trouble::Rig(format!("the catalogue has no abuse {id}")))
    });
    abuses.collect()
}

/// Tries every row beside its good case.
///
/// # Errors
/// When someone pressed Ctrl-C.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let body_bytes = stage.row(CRITERION)?.limit("body_bytes")? as usize;
    let post = Post::by(stage, 504);
    for abuse in post.abuses(body_bytes) {
        stage.check_stop()?;
        let seen = |good, allowed| Seen {
            id: abuse.id,
            edge: WIRE.name(),
            good,
            allowed,
        };
        let reply = send(stage, &abuse).await;
        record(stage, &seen(false, abuse.refused_by), &reply);
        let reply = send_raw(stage, &post.call("version", &json!({}))).await;
        record(stage, &seen(true, &["accepted"]), &reply);
    }
    Ok(())
}

/// Sends it.
pub async fn send(stage: &Stage, abuse: &Abuse) -> raw::RawReply {
    send_raw(stage, &abuse.raw).await
}

async fn send_raw(stage: &Stage, raw: &RawRequest) -> raw::RawReply {
    send_to(stage, stage.ground.public(), 504, raw).await
}

/// Whoever posts: a person with every right that a call of `version` needs.
struct Post {
    host: String,
    authorization: String,
}

impl Post {
    fn by(stage: &Stage, number: usize) -> Self {
        Self {
            host: stage.ground.public().to_string(),
            authorization: stage.ground.authorization(Person::user(number)),
        }
    }

    fn abuses(&self, body_bytes: usize) -> Vec<Abuse> {
        let all = [
            self.bodies(body_bytes),
            self.json(),
            self.lengths(),
            self.messages(),
            self.arguments(),
            self.paths(),
        ];
        all.into_iter().flatten().collect()
    }

    /// The head of a tool call.
    fn head(&self, method: &str, name: &str) -> RawRequest {
        RawRequest::line("POST /mcp HTTP/1.1")
            .header("Host", &self.host)
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("Connection", "close")
            .header("MCP-Protocol-Version", Revision::V2026.name())
            .header("Mcp-Method", method)
            .header("Mcp-Name", name)
    }

    fn call(&self, tool: &str, arguments: &Value) -> RawRequest {
        let message = message(tool, arguments).to_string();
        self.head("tools/call", tool).body(message)
    }

    /// A call of `version` whose message is changed in one respect.
    fn changed(&self, change: impl FnOnce(&mut Value)) -> RawRequest {
        let mut message = message("version", &json!({}));
        change(&mut message);
        self.head("tools/call", "version").body(message.to_string())
    }

    /// A call of `version` whose text is changed in one respect.
    fn text(&self, from: &str, to: impl AsRef<[u8]>) -> RawRequest {
        let text = message("version", &json!({})).to_string();
        let (before, after) = text.split_once(from).unwrap_or((&text, ""));
        let body = [before.as_bytes(), to.as_ref(), after.as_bytes()].concat();
        self.head("tools/call", "version").body(body)
    }

    fn bodies(&self, body_bytes: usize) -> Vec<Abuse> {
        let head = || self.head("tools/call", "version");
        let good = message("version", &json!({})).to_string();
        let long = || "x".repeat(body_bytes + 1);
        let chunked = format!("{:x}\r\n{}\r\n0\r\n\r\n", body_bytes + 1, long());
        let two = head().header("Content-Length", "5").body(good.clone());
        let both = head()
            .header("Transfer-Encoding", "chunked")
            .body(good.clone());
        // The rest of the message is behind what the head announces.
        let short = head()
            .header("Content-Length", (good.len() / 2).to_string())
            .unmeasured_body(good.clone());
        vec![
            abuse("B1.length", head().body(long()), &["413"]),
            abuse(
                "B1.chunked",
                head()
                    .header("Transfer-Encoding", "chunked")
                    .unmeasured_body(chunked),
                &["413"],
            ),
            abuse("B2.two lengths", two, &["400"]),
            abuse("B2.both", both, &["400"]),
            abuse("B2.short", short, &["400"]),
            abuse(
                "B4.compressed",
                head().header("Content-Encoding", "gzip").body(good),
                &["415", "400", "413"],
            ),
        ]
    }

    fn json(&self) -> Vec<Abuse> {
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        let items = format!("[{}1]", "1,".repeat(1_000_000));
        let arguments = "\"arguments\":{}";
        let argument = |value: &str| format!("\"arguments\":{{\"model\":{value}}}");
        vec![
            abuse("B5.depth", self.text(arguments, argument(&deep)), &["400"]),
            abuse(
                "B5.items",
                self.text(arguments, argument(&items)),
                &["validation_error", "400"],
            ),
            abuse(
                "B6.duplicate",
                self.text(arguments, "\"arguments\":{},\"arguments\":{}"),
                &["400"],
            ),
            abuse(
                "B6.not a number",
                self.text(arguments, argument("NaN")),
                &["400"],
            ),
            abuse(
                "B6.infinite",
                self.text(arguments, argument("1e999")),
                &["400"],
            ),
            abuse(
                "B7.encoding",
                self.text("version", b"ver\xffsion"),
                &["400"],
            ),
            abuse(
                "B7.surrogate",
                self.text(arguments, argument("\"\\ud800\"")),
                &["400"],
            ),
        ]
    }

    /// What is long, or says more than its kind holds, below the limit of a body.
    fn lengths(&self) -> Vec<Abuse> {
        let arguments = "\"arguments\":{}";
        let named = |name: &str| format!("\"arguments\":{{\"{name}\":1}}");
        let keys: Vec<String> = (0..100_000).map(|key| format!("\"k{key}\":1")).collect();
        let keys = format!("\"arguments\":{{{}}}", keys.join(","));
        let long = "x".repeat(3_900_000);
        let refused = &["validation_error"];
        let own_id = "\"id\":1";
        vec![
            abuse("B5.keys", self.text(arguments, keys), refused),
            abuse(
                "B5.string",
                self.call("version", &json!({"model": long})),
                refused,
            ),
            abuse(
                "B6.beyond 64 bits",
                self.text(own_id, "\"id\":18446744073709551617"),
                &["400"],
            ),
            abuse("B6.fraction", self.text(own_id, "\"id\":1.5"), &["400"]),
            abuse(
                "B7.nul",
                self.text(arguments, named("mo\\u0000del")),
                refused,
            ),
            abuse(
                "B7.bidi",
                self.text(arguments, named("mo\u{202e}del")),
                refused,
            ),
        ]
    }

    fn messages(&self) -> Vec<Abuse> {
        let response = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
        let response = self
            .head("tools/call", "version")
            .body(response.to_string());
        let batch = Value::from(vec![message("version", &json!({}))]).to_string();
        let batch = self.head("tools/call", "version").body(batch);
        let unknown = Request::new("tools/no-such-method", json!({}));
        let unknown = unknown.message(Some(1), Revision::V2026, Software::numbered(1));
        let unknown = self
            .head("tools/no-such-method", "version")
            .body(unknown.to_string());
        let good = || message("version", &json!({})).to_string();
        let named = self.head("tools/call", "chat").body(good());
        let method = self.head("tools/list", "version").body(good());
        vec![
            abuse("B8.batch", batch, &["400"]),
            abuse(
                "B8.id null",
                self.changed(|it| it["id"] = Value::Null),
                &["400"],
            ),
            abuse(
                "B8.id object",
                self.changed(|it| it["id"] = json!({})),
                &["400"],
            ),
            abuse(
                "B8.version",
                self.changed(|it| it["jsonrpc"] = json!("1.0")),
                &["400"],
            ),
            abuse(
                "B8.method number",
                self.changed(|it| it["method"] = json!(7)),
                &["400"],
            ),
            abuse("B8.response", response, &["400"]),
            abuse("B8.unknown method", unknown, &["404"]),
            abuse("B10.name", named, &["400"]),
            abuse("B10.method", method, &["400"]),
            abuse("B11.unknown", self.of_revision("1999-01-01"), &["400"]),
        ]
    }

    /// A call that names another protocol version in head and body.
    fn of_revision(&self, revision: &str) -> RawRequest {
        let text = message("version", &json!({})).to_string();
        RawRequest::line("POST /mcp HTTP/1.1")
            .header("Host", &self.host)
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("Connection", "close")
            .header("MCP-Protocol-Version", revision)
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", "version")
            .body(text.replace(Revision::V2026.name(), revision))
    }

    fn arguments(&self) -> Vec<Abuse> {
        let chat = |arguments: Value| self.call("chat", &arguments);
        let plan = |step_number: Value| {
            let arguments = json!({
                "step": "a", "step_number": step_number, "total_steps": 1,
                "next_step_required": false,
            });
            self.call("planner", &arguments)
        };
        let refused = |id, raw| abuse(id, raw, &["validation_error"]);
        let long = "x".repeat(100_001);
        vec![
            refused(
                "B12.unknown field",
                chat(json!({"prompt": "a", "colour": 1})),
            ),
            refused("B12.type", chat(json!({"prompt": 7}))),
            refused(
                "B12.choice",
                chat(json!({"prompt": "a", "thinking_mode": "huge"})),
            ),
            refused(
                "B12.bound",
                chat(json!({"prompt": "a", "temperature": 1.01})),
            ),
            refused("B12.length", chat(json!({"prompt": long}))),
            refused("B12.empty", chat(json!({"prompt": ""}))),
            refused("B13.zero", plan(json!(0))),
            refused("B13.negative", plan(json!(-1))),
            refused("B13.beyond", plan(json!(1_u64 << 63))),
        ]
    }

    /// Paths of the server's own machine: over HTTP none is readable, whether or not it exists.
    fn paths(&self) -> Vec<Abuse> {
        let file = |id, path: &str| {
            let arguments = json!({"prompt": "a", "files": [path]});
            abuse(
                id,
                self.call("chat", &arguments),
                &["validation_error", "auth_error"],
            )
        };
        let long = "x/".repeat(5_000);
        vec![
            file("B14.parent", "../../etc/passwd"),
            file("B14.encoded", "%2e%2e/%2e%2e/etc/passwd"),
            file("B14.drive", "C:\\Windows\\win.ini"),
            file("B14.share", "\\\\server\\share\\file"),
            file("B14.device", "/dev/zero"),
            file("B14.nul", "/etc/passwd\0.txt"),
            file("B14.long", &long),
            file("B22.there", "/etc/passwd"),
            file("B22.missing", "/no/such/file"),
            file("B22.folder", "/etc"),
            file("B22.device", "/dev/zero"),
        ]
    }
}

fn abuse(id: &'static str, raw: RawRequest, refused_by: &'static [&'static str]) -> Abuse {
    Abuse {
        id,
        raw,
        refused_by,
    }
}

/// A good tool call.
fn message(tool: &str, arguments: &Value) -> Value {
    Request::tool(tool, arguments).message(Some(1), Revision::V2026, Software::numbered(1))
}
