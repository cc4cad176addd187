//! B11: a client that asks for an older version of the protocol is answered in it, and gains
//! nothing by it: a batch, which that version had, is refused as ever.

use exai_harness::client::Revision;
use exai_harness::client::request::initialize;
use exai_harness::client::software::Software;
use exai_harness::raw::RawRequest;
use exai_harness::raw::socket::Heard;
use serde_json::{Value, json};

use super::super::asker::{Asker, pair, tool_message};
use super::super::cells;
use super::super::pipe::Pipe;
use super::super::sockets::MCP;
use super::super::way::{PIPE, Way, word_of};
use crate::stage::{Stage, Trouble};

/// The version that had batches.
const OLD: &str = "2025-03-26";
/// No version.
const NONE: &str = "1999-01-01";
/// What a batch is refused with, over HTTP and elsewhere.
const REFUSED: [&str; 2] = ["400", "invalid_request"];

/// Tries B11 over the network.
///
/// # Errors
/// When somebody cannot begin.
pub async fn try_all(stage: &Stage, asker: &Asker) -> Result<(), Trouble> {
    let newest = Revision::V2025.name();
    for (id, asked, wanted) in [
        ("B11.downgrade", OLD, OLD),
        ("B11.no such version", NONE, newest),
    ] {
        let (way, version) = session(asker, asked).await;
        judge(stage, (id, cells::EDGES[0], wanted), &version, way).await;
        let (way, version) = socket(asker, asked).await?;
        judge(stage, (id, MCP, wanted), &version, way).await;
    }
    headers(stage, asker).await;
    Ok(())
}

/// Tries it on a pipe on which nothing was said.
pub async fn on_pipe(stage: &Stage, pipe: &mut Pipe) {
    let said = pipe.greet_as(OLD).await;
    let version = version_of(&said);
    judge(
        stage,
        ("B11.downgrade", PIPE, OLD),
        &version,
        Way::Pipe(pipe),
    )
    .await;
}

async fn judge(
    stage: &Stage,
    (id, edge, wanted): (&str, &str, &str),
    version: &str,
    mut way: Way<'_>,
) {
    let ping = |id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    let batch = Value::from(vec![ping(21), ping(22)]).to_string();
    let batch = way.write(batch.as_bytes()).await;
    let good = word_of(&way.ask("version", json!({})).await);
    let word = format!("{version}, a batch is {batch}");
    let wanted = REFUSED.map(|refused| format!("{wanted}, a batch is {refused}"));
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    pair(stage, (id, edge), (&word, &wanted), (&good, &["accepted"]));
}

fn greeting(version: &str) -> Value {
    let software = Software::numbered(1);
    let mut message = initialize(software).message(Some(1), Revision::V2025, software);
    message["params"]["protocolVersion"] = json!(version);
    message
}

fn version_of(said: &Value) -> String {
    let version = said["result"]["protocolVersion"].as_str();
    version.map_or_else(|| word_of(said), str::to_owned)
}

async fn session(asker: &Asker, version: &str) -> (Way<'static>, String) {
    let head = post(asker).body(greeting(version).to_string());
    let begun = asker.send(&head).await;
    let session = begun.header("mcp-session-id").unwrap_or("none").to_owned();
    let version = version_of(&begun.message().unwrap_or_default());
    (Way::Requests(asker.clone(), Some(session)), version)
}

async fn socket(asker: &Asker, version: &str) -> Result<(Way<'static>, String), Trouble> {
    let mut way = Way::open(asker, MCP).await?;
    let mut said = Value::Null;
    if let Way::Socket(socket, _) = &mut way {
        socket.say(&greeting(version)).await;
        if let Heard::Message(answer) = socket.hear().await {
            said = answer;
        }
        let begun = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        socket.say(&begun).await;
    }
    Ok((way, version_of(&said)))
}

fn post(asker: &Asker) -> RawRequest {
    asker
        .head("POST /mcp HTTP/1.1")
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
}

/// A version that only the header names: in a session, and beside a message of 2026-07-28.
async fn headers(stage: &Stage, asker: &Asker) {
    let (way, version) = session(asker, Revision::V2025.name()).await;
    let Way::Requests(_, Some(session)) = way else {
        return;
    };
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}).to_string();
    let within = |version: &str| {
        let head = post(asker).header("MCP-Protocol-Version", version);
        head.header("Mcp-Session-Id", &session).body(ping.clone())
    };
    let bad = asker.send(&within(NONE)).await.word();
    let good = asker.send(&within(&version)).await.word();
    let place = ("B11.header", cells::EDGES[0]);
    pair(stage, place, (&bad, &["400"]), (&good, &["accepted"]));
    let call = tool_message("version", &json!({})).to_string();
    let beside = |version: &str| {
        let head = post(asker).header("MCP-Protocol-Version", version);
        let head = head.header("Mcp-Method", "tools/call");
        head.header("Mcp-Name", "version").body(call.clone())
    };
    let bad = asker.send(&beside(OLD)).await.word();
    let good = asker.send(&beside(Revision::V2026.name())).await.word();
    let place = ("B11.header", cells::EDGES[1]);
    pair(stage, place, (&bad, &["400"]), (&good, &["accepted"]));
}
