//! Sessions without number, the ids they get, and answers that are shared or run out.

use std::collections::BTreeSet;
use std::time::Duration;

use exai_harness::server::beside::Beside;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::super::asker::{Asker, about, code, either, pair, prompt, volley};
use super::super::stand_in::{Says, StandIn};
use super::{asking, start, unhurried};
use crate::stage::{Stage, Trouble};

const HTTP: &str = "http-2025-11-25";
const CALLS: &str = "http-2026-07-28";
/// Sessions at once, as shipped.
const SESSIONS: usize = 1_000;
const LANES: usize = 32;
/// Random bits of an id (S7).
const BITS: f64 = 128.0;
/// Memory that as many sessions as may be can cost, bytes.
const PLATEAU: u64 = 256 * 1024 * 1024;

/// Tries S5, S7, S9 and the expiry of S13.
///
/// # Errors
/// When the rig cannot start a server or a stand-in.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    tokio::try_join!(sessions(stage), shared(stage), expired(stage))?;
    Ok(())
}

/// S7 and S9: sessions until there is no place, then more.
async fn sessions(stage: &Stage) -> Result<(), Trouble> {
    let beside = start(stage, "beside-sessions", &unhurried()).await?;
    let healthy = Asker::user(stage, 920).before(&beside);
    let begin = |range: std::ops::Range<usize>| {
        let calls = range.map(|n| {
            let asker = Asker::user(stage, 8_000 + n % 500).before(&beside);
            let request = asker.greeting();
            (asker, request)
        });
        volley(LANES, calls.collect())
    };
    let begun = begin(0..SESSIONS).await;
    let ids: Vec<&str> = begun
        .iter()
        .filter_map(|reply| reply.header("mcp-session-id"))
        .collect();
    let distinct: BTreeSet<&&str> = ids.iter().collect();
    let bits = random_bits(&ids);
    let word = match (distinct.len() == ids.len(), bits >= BITS) {
        (true, true) => "random enough".to_owned(),
        (false, _) => "repeated".to_owned(),
        (_, false) => format!("{bits:.0} bits"),
    };
    let taken = either(ids.len() == SESSIONS, "accepted", "fewer than may be");
    pair(
        stage,
        ("S7", HTTP),
        (&word, &["random enough"]),
        (taken, &["accepted"]),
    );
    stage.check_stop()?;
    let more = match stage.profile {
        "full" => 9_000,
        _ => 500,
    };
    let before = beside.resident_bytes();
    let refused = begin(SESSIONS..SESSIONS + more).await;
    let codes: BTreeSet<String> = refused.iter().map(code).collect();
    let is_capped = codes.len() == 1 && codes.contains("too_many_sessions");
    let word = match (is_capped, held(&beside, before)) {
        (true, true) => "capped, memory level".to_owned(),
        (capped, level) => format!("capped: {capped} {codes:?}, level: {level}"),
    };
    let good = healthy.call("version", json!({})).await.word();
    pair(
        stage,
        ("S9", HTTP),
        (&word, &["capped, memory level"]),
        (&good, &["accepted"]),
    );
    Ok(())
}

/// Whether refused sessions cost nothing and held ones not too much.
fn held(beside: &Beside, before: Option<u64>) -> bool {
    let now = beside.resident_bytes();
    let grown = now
        .zip(before)
        .map(|(now, before)| now.saturating_sub(before));
    now.is_some_and(|now| now < PLATEAU) && grown.is_some_and(|grown| grown < PLATEAU / 8)
}

/// How many bits the ids' characters vary by, place by place, as far as so many ids can show.
fn random_bits(ids: &[&str]) -> f64 {
    let longest = ids.iter().map(|id| id.len()).min().unwrap_or(0);
    let variety = |at: usize| -> BTreeSet<u8> {
        ids.iter()
            .filter_map(|id| id.as_bytes().get(at).copied())
            .collect()
    };
    (0..longest)
        .map(|at| (variety(at).len() as f64).log2())
        .sum()
}

/// S5: identical calls at once, of two people and of one.
async fn shared(stage: &Stage) -> Result<(), Trouble> {
    let provider = StandIn::start(Says::Text("an answer".to_owned()), false).await?;
    let beside = asking(stage, ("beside-shared", &provider), &unhurried()).await?;
    let [ann, bob] = [930, 931].map(|number| Asker::user(stage, number).before(&beside));
    let ask = |who: &Asker| {
        let who = who.clone();
        async move { who.call("chat", prompt("The same question.")).await }
    };
    let watch = async {
        let until = Instant::now() + Duration::from_secs(10);
        while provider.waiting() < 2 && Instant::now() < until {
            sleep(Duration::from_millis(20)).await;
        }
        // Ann's second call would be a third question by now.
        sleep(Duration::from_millis(500)).await;
        provider.open();
    };
    let (one, two, again, ()) = tokio::join!(ask(&ann), ask(&bob), ask(&ann), watch);
    let thread = |reply| about(reply)["continuation_id"].clone();
    let is_shared = |reply| about(reply)["from_inflight"] == true;
    let is_theirs = |reply| !thread(reply).is_null() && thread(reply) == thread(&two);
    let is_crossed = is_shared(&two) || is_theirs(&one) || is_theirs(&again);
    let is_one = thread(&one) == thread(&again)
        && (is_shared(&one) || is_shared(&again))
        && provider.asked() == 2;
    pair(
        stage,
        ("S5", CALLS),
        (
            either(is_crossed, "crossed", "two questions"),
            &["two questions"],
        ),
        // Somebody who was not answered shows nothing.
        (
            match two.word() {
                answered if answered == "accepted" => either(is_one, "accepted", "not shared"),
                _ => "the other was not answered",
            },
            &["accepted"],
        ),
    );
    Ok(())
}

/// S13: a thread after its time. The time is set low: that shipped is three hours.
async fn expired(stage: &Stage) -> Result<(), Trouble> {
    let settings = unhurried()
        .with("thread.ttl", "5s")
        .with("archive.kind", "none");
    let beside = start(stage, "beside-expiry", &settings).await?;
    let asker = Asker::user(stage, 940).before(&beside);
    let first = asker.call("chat", prompt("A thread.")).await;
    let thread: Value = about(&first)["continuation_id"].clone();
    let go_on = || {
        let mut on = prompt("And on.");
        on["continuation_id"] = thread.clone();
        asker.call("chat", on)
    };
    let inside = go_on().await;
    sleep(Duration::from_secs(7)).await;
    let beyond = go_on().await;
    pair(
        stage,
        ("S13.expired", CALLS),
        (&code(&beyond), &["thread_expired", "thread_not_found"]),
        (&inside.word(), &["accepted"]),
    );
    Ok(())
}
