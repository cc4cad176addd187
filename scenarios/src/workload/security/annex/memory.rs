//! Memory near its limit: no call is begun and the server is not ready until those under way have
//! ended and what they held is free again.

use exai_harness::client::http::loopback;
use exai_harness::server::Settings;
use futures::future::join_all;
use serde_json::json;

use super::super::asker::{Asker, code, pair, prompt};
use super::super::stand_in::{Says, StandIn};
use super::{asking, readiness, unhurried};
use crate::stage::{Stage, Trouble};

const HTTP: &str = "http-2026-07-28";
/// Bytes of own memory from which on no call is begun.
const LIMIT: i64 = 40 << 20;
/// Calls that wait for the provider, and bytes of each one's prompt: it is kept in several forms.
const CALLS: usize = 100;
const LONG: usize = 90_000;

/// Tries D11's memory.
///
/// # Errors
/// When the rig cannot start a server or a stand-in.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let provider = StandIn::start(Says::Text("an answer".to_owned()), false).await?;
    let settings = Settings::default()
        .with("limits.memory_bytes", LIMIT)
        .with("limits.resend_prompt_chars", 100_000);
    let settings = settings.merged(&unhurried());
    let beside = asking(stage, ("beside-memory", &provider), &settings).await?;
    let asker = Asker::user(stage, 960).before(&beside);
    let holding = (0..CALLS).map(|turn| {
        let asker = asker.clone().from(loopback(961 + turn));
        let words = format!("{turn} {}", "long ".repeat(LONG / 5));
        async move { code(&asker.call("chat", prompt(&words)).await) }
    });
    let pressing = async {
        let unready = readiness(stage, &beside, 503).await;
        let refused = code(&asker.call("chat", prompt("one more")).await);
        let info = asker.call("version", json!({})).await.word();
        provider.open();
        format!("{refused}, version {info}, readiness {unready}")
    };
    let (held, pressed) = futures::join!(join_all(holding), pressing);
    // Those that came when memory was short already are told so.
    let is_known = |word: &&String| !["accepted", "short_of_memory"].contains(&word.as_str());
    let lost: Vec<&str> = held.iter().filter(is_known).map(String::as_str).collect();
    let lost = match lost.first() {
        None => "0 lost".to_owned(),
        Some(first) => format!("{} lost, such as {first}", lost.len()),
    };
    let ready = readiness(stage, &beside, 200).await;
    let kept = code(&asker.call("chat", prompt("there is room again")).await);
    pair(
        stage,
        ("D11.memory", HTTP),
        (
            &pressed,
            &["short_of_memory, version accepted, readiness 503"],
        ),
        (
            &format!("{kept}, readiness {ready}, {lost}"),
            &["accepted, readiness 200, 0 lost"],
        ),
    );
    Ok(())
}
