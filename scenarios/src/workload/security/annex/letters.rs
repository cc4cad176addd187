//! Texts that are no message, and messages that no client would send, where they come one after the
//! other: in a session, on a WebSocket, in frames and on a pipe. Each is refused and the next good
//! one answered. Whole requests of 2026-07-28 are tried on the server under judgement.

use exai_harness::client::software::Software;
use exai_harness::client::{Request, Revision};
use serde_json::{Value, json};

use super::super::asker::{Asker, either, pair, prompt};
use super::super::cells;
use super::super::sockets::{DAEMON, MCP};
use super::super::stand_in::StandIn;
use super::super::way::{PIPE, Way, word_of};
use crate::stage::{Stage, Trouble};

/// What a good message is changed into.
struct Letter {
    id: &'static str,
    text: Vec<u8>,
    /// Over HTTP, on a WebSocket and on a pipe.
    wanted: [&'static str; 3],
}

/// What ends a connection of frames: text that is no JSON.
const NO_JSON: &str = "4000";
/// What any other frame is refused with that is none.
const NO_FRAME: &str = "invalid_frame";
/// What ends a WebSocket: text that is none.
const CLOSED_BY: &str = "1007";
const PARSE: [&str; 3] = ["400", "parse_error", "parse_error"];
const INVALID: [&str; 3] = ["400", "invalid_request", "invalid_request"];

/// Tries B5 to B8 on an edge of JSON-RPC over the network.
///
/// # Errors
/// When somebody cannot begin again.
pub async fn one_edge(
    stage: &Stage,
    (edge, asker): (&str, &Asker),
    way: &mut Way<'_>,
) -> Result<(), Trouble> {
    let column = usize::from(edge == MCP);
    for letter in letters(&good(edge)) {
        let came = way.write(&letter.text).await;
        if came == CLOSED_BY {
            *way = Way::open(asker, edge).await?;
        }
        judge(stage, (edge, column), (&letter, &came), way).await;
    }
    Ok(())
}

/// Tries them on a pipe.
pub async fn on_pipe(stage: &Stage, way: &mut Way<'_>) {
    for letter in letters(&good(PIPE)) {
        let came = way.write(&letter.text).await;
        judge(stage, (PIPE, 2), (&letter, &came), way).await;
    }
}

async fn judge(
    stage: &Stage,
    (edge, column): (&str, usize),
    (letter, came): (&Letter, &str),
    way: &mut Way<'_>,
) {
    let wanted = letter.wanted.get(column).copied().unwrap_or_default();
    let good = word_of(&way.ask("version", json!({})).await);
    let place = (letter.id, edge);
    pair(stage, place, (came, &[wanted]), (&good, &["accepted"]));
}

/// A good call of `version`, in the words of a transport.
fn good(edge: &str) -> Value {
    good_call(edge, "version", &json!({}))
}

fn good_call(edge: &str, tool: &str, arguments: &Value) -> Value {
    let revision = match edge {
        PIPE => Revision::V2025,
        _ if edge == cells::EDGES[0] => Revision::V2025,
        _ => Revision::V2026,
    };
    Request::tool(tool, arguments).message(Some(1), revision, Software::numbered(1))
}

fn letters(good: &Value) -> Vec<Letter> {
    let letter = |id, text: Vec<u8>, wanted| Letter { id, text, wanted };
    let changed = |name: &str, value: Value| {
        let mut message = good.clone();
        message[name] = value;
        message.to_string().into_bytes()
    };
    let replaced = |from: &str, to: &[u8]| {
        let text = good.to_string();
        let (before, after) = text.split_once(from).unwrap_or((&text, ""));
        [before.as_bytes(), to, after.as_bytes()].concat()
    };
    let arguments = |value: &str| {
        let to = format!("\"arguments\":{{\"model\":{value}}}");
        replaced("\"arguments\":{}", to.as_bytes())
    };
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let twice = b"\"arguments\":{\"a\":[{\"b\":1,\"b\":2}]}";
    vec![
        letter("B5.depth", arguments(&deep), PARSE),
        letter("B6.duplicate", replaced("\"arguments\":{}", twice), INVALID),
        letter("B6.not a number", arguments("NaN"), PARSE),
        letter("B6.infinite", arguments("1e999"), PARSE),
        letter("B6.fraction", changed("id", json!(1.5)), INVALID),
        letter(
            "B6.beyond 64 bits",
            replaced("\"id\":1", b"\"id\":18446744073709551617"),
            INVALID,
        ),
        letter(
            "B7.encoding",
            replaced("version", b"ver\xffsion"),
            ["400", CLOSED_BY, "parse_error"],
        ),
        letter("B7.surrogate", arguments("\"\\ud800\""), PARSE),
        letter("B8.batch", format!("[{good}]").into_bytes(), INVALID),
        letter("B8.id null", changed("id", Value::Null), INVALID),
        letter("B8.id object", changed("id", json!({})), INVALID),
        letter("B8.version", changed("jsonrpc", json!("1.0")), INVALID),
        letter("B8.method number", changed("method", json!(7)), INVALID),
        letter("B8.parameters", changed("params", json!([1])), INVALID),
        letter(
            "B8.unknown method",
            changed("method", json!("tools/no-such-method")),
            ["-32601", "unknown_method", "unknown_method"],
        ),
    ]
}

/// B5 to B8 in the daemon's own frames: what is no JSON ends the connection, any other frame that
/// is none is refused.
///
/// # Errors
/// When somebody cannot begin again.
pub async fn frames(stage: &Stage, asker: &Asker, way: &mut Way<'_>) -> Result<(), Trouble> {
    for (id, text, wanted) in frame_rows() {
        let bad = way.write(text.as_bytes()).await;
        if bad == NO_JSON {
            *way = Way::open(asker, DAEMON).await?;
        }
        let good = word_of(&way.ask("version", json!({})).await);
        pair(
            stage,
            (id, DAEMON),
            (&bad, &[wanted]),
            (&good, &["accepted"]),
        );
    }
    Ok(())
}

fn frame_rows() -> Vec<(&'static str, String, &'static str)> {
    let frame = |id: &str, arguments: &str| {
        format!(
            "{{\"op\":\"call_tool\",\"request_id\":{id},\"name\":\"version\",\
             \"arguments\":{arguments}}}"
        )
    };
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    vec![
        ("B5.depth", frame("\"a\"", &deep), NO_JSON),
        (
            "B6.duplicate",
            frame("\"a\"", "{\"a\":1,\"a\":2}"),
            NO_FRAME,
        ),
        (
            "B6.duplicate inside",
            frame("\"a\"", "{\"a\":[{\"b\":1,\"b\":2}]}"),
            NO_FRAME,
        ),
        ("B6.not a number", frame("\"a\"", "{\"a\":NaN}"), NO_JSON),
        ("B6.infinite", frame("\"a\"", "{\"a\":1e999}"), NO_FRAME),
        ("B6.fraction", frame("1.5", "{}"), NO_FRAME),
        (
            "B6.beyond 64 bits",
            frame("18446744073709551617", "{}"),
            NO_FRAME,
        ),
        (
            "B7.surrogate",
            frame("\"a\"", "{\"a\":\"\\ud800\"}"),
            NO_FRAME,
        ),
        ("B8.batch", format!("[{}]", frame("\"a\"", "{}")), NO_FRAME),
        ("B8.id null", frame("null", "{}"), NO_FRAME),
        ("B8.id object", frame("{}", "{}"), NO_FRAME),
        ("B8.no id", "{\"op\":\"list_tools\"}".to_owned(), NO_FRAME),
        (
            "B8.method number",
            "{\"op\":7,\"request_id\":\"a\"}".to_owned(),
            NO_FRAME,
        ),
        (
            "B8.unknown method",
            "{\"op\":\"no_such_op\",\"request_id\":\"a\"}".to_owned(),
            NO_FRAME,
        ),
    ]
}

/// B6 and B8 in the id: one that a reader of doubles would take for another comes back as it was,
/// and a call that has none is never made.
pub async fn ids(stage: &Stage, (edge, provider): (&str, &StandIn), way: &mut Way<'_>) {
    let id = (1_u64 << 53) + 1;
    let said = way.ask_as(id, "version", &json!({})).await;
    let name = if edge == DAEMON { "request_id" } else { "id" };
    let word = match &said[name] {
        own if *own == id => "its own id".to_owned(),
        other => format!("id {other}"),
    };
    let good = word_of(&way.ask("version", json!({})).await);
    let place = ("B6.id beyond 2^53", edge);
    pair(
        stage,
        place,
        (&word, &["its own id"]),
        (&good, &["accepted"]),
    );
    if edge == DAEMON {
        return;
    }
    let mark = format!("nobody asked for this over {edge}");
    let mut message = good_call(edge, "chat", &prompt(&mark));
    if let Some(message) = message.as_object_mut() {
        message.remove("id");
    }
    let answer = way.say(&message).await;
    // What would have been begun has been, once the next call is answered.
    let good = word_of(&way.ask("chat", prompt(&format!("asked over {edge}"))).await);
    let is_made = provider.heard().contains(&mark);
    let word = format!("{answer}, {}", either(is_made, "made", "not made"));
    let wanted = ["no answer, not made", "202, not made", "400, not made"];
    pair(
        stage,
        ("B8.no id", edge),
        (&word, &wanted),
        (&good, &["accepted"]),
    );
}
