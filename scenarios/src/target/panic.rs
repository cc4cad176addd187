//! What nobody should send, and whether the server answers the next one who asks.

use exai_harness::target::example;
use serde_json::{Value, json};

use super::stand::Stand;
use super::wire::Shown;
use crate::stage::Trouble;

/// Edge values tried on one tool at most.
const EDGES: usize = 12;
/// How deep a frame is nested.
const DEEP: usize = 3_000;
/// How long a frame is, bytes.
const LONG: usize = 1_048_576;

/// Frames, then tools at their edges.
///
/// # Errors
/// When the server does not start again.
pub async fn run(stand: &mut Stand<'_>, shown: &Shown) -> Result<(), Trouble> {
    frames(stand).await?;
    let ping = json!({"jsonrpc": "2.0", "id": "verify-twice", "method": "ping"}).to_string();
    let lines = format!("{ping}\n{ping}");
    if stand.edge() == "stdio" {
        let _both = stand.send(lines.as_bytes(), None, "an id twice").await?;
    } else {
        let id = json!("verify-twice");
        for _ in 0..2 {
            let _one = stand
                .send(ping.as_bytes(), Some(&id), "an id twice")
                .await?;
        }
    }
    let seen = stand.probe().await?;
    stand.case("panic.twice.one id twice", "answered", &seen);
    if !shown.declares("tools") {
        for check in ["refusal", "edge", "alive"] {
            stand.absent("panic", check, "the server declares no tools");
        }
        return Ok(());
    }
    edges(stand, shown).await
}

async fn frames(stand: &mut Stand<'_>) -> Result<(), Trouble> {
    let long = json!({"jsonrpc": "2.0", "method": "notifications/verify",
        "params": {"long": "v".repeat(LONG)}});
    let cases: [(&str, Vec<u8>); 7] = [
        ("a line that is no JSON", b"{verify".to_vec()),
        ("an empty list", b"[]".to_vec()),
        ("a text", b"\"verify\"".to_vec()),
        (
            "a request without a method",
            br#"{"jsonrpc":"2.0","id":90}"#.to_vec(),
        ),
        ("bytes that are no text", vec![0xff, 0xfe, b'{', 0xc3]),
        ("a frame nested deep", "[".repeat(DEEP).into_bytes()),
        ("a long frame", long.to_string().into_bytes()),
    ];
    for (what, bytes) in cases {
        let _whatever = stand.send(&bytes, None, what).await?;
        let seen = stand.probe().await?;
        stand.case(&format!("panic.frame.{what}"), "answered", &seen);
    }
    Ok(())
}

async fn edges(stand: &mut Stand<'_>, shown: &Shown) -> Result<(), Trouble> {
    let callable = shown.callable(stand);
    let mut tried = 0;
    for (tool, good) in &callable {
        let name = tool["name"].as_str().unwrap_or_default();
        let sets = example::at_the_edge(&tool["inputSchema"], good);
        for (property, arguments) in sets.into_iter().take(EDGES) {
            if stand.is_over() {
                stand.not_tested("panic", format!("{name} at its edges: no time was left"));
                break;
            }
            tried += 1;
            if !edge(stand, (name, &property), &arguments).await? {
                break;
            }
        }
    }
    if tried == 0 && !callable.is_empty() {
        let why = "no tool that may be called takes a text, a number or a list";
        stand.absent("panic", "edge", why);
    }
    Ok(())
}

/// One set; false when the tool gave no answer, and further ones would only wait as long.
async fn edge(
    stand: &mut Stand<'_>,
    (name, property): (&str, &str),
    arguments: &Value,
) -> Result<bool, Trouble> {
    let heard = stand.call(name, arguments).await?;
    let is_answered = heard.reply().is_some();
    let seen = stand.probe().await?;
    let about = format!("{name} with {property} at its edge");
    if !is_answered && seen == "answered" {
        // Slow work and a hang look alike from here, and the server lives.
        let what = format!("{about}: no answer within {} s", stand.file.server.wait_s);
        stand.not_tested("panic", what);
        return Ok(false);
    }
    stand.case(&format!("panic.edge.{about}"), "answered", &seen);
    Ok(is_answered)
}
