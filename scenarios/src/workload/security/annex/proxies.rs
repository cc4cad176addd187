//! Who is behind whom: forwarding headers from peers that are trusted and from those that are not,
//! and one user who would be many.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use exai_harness::client::software::Software;
use exai_harness::client::{Request, Revision};
use exai_harness::raw::RawReply;
use exai_harness::raw::socket::Heard;
use exai_harness::server::Settings;
use exai_harness::server::beside::Beside;
use futures::future::join_all;
use serde_json::json;

use super::super::asker::{Asker, count, either, pair, volley};
use super::{preambles, start, unhurried};
use crate::stage::{Stage, Trouble};

pub(super) const EDGE: &str = "proxies";
/// The one peer that may speak for others.
pub(super) const PROXY: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);
/// Another, that may not.
pub(super) const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 2);
/// The header that is believed, as shipped, and the one of RFC 7239, which is not.
const BY_CUSTOM: &str = "X-Forwarded-For";
const BY_STANDARD: &str = "Forwarded";
/// As shipped: of an address and of a principal, and what may come at once.
const ADDRESS: f64 = 100.0;
const PRINCIPAL: f64 = 50.0;
/// Sessions and connections of one user, and what is sent on all of them together (D6).
const WAYS: usize = 8;
const CALLS: usize = 240;
/// All of a connection's life.
const LIFE: Duration = Duration::from_secs(20);
/// Requests of a crowd at once.
const LANES: usize = 24;
/// Principals behind one proxy (D13).
const CROWD: usize = 200;
/// Memory that the crowd may cost, bytes.
const FLAT: u64 = 24 * 1024 * 1024;

/// Tries D6, D7, D8, D13 and D14.
///
/// # Errors
/// When the rig cannot start a server.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let trusted = vec![format!("{PROXY}/32")];
    let settings = Settings::default().with("server.trusted_proxies", trusted.clone());
    let beside = start(stage, "beside-proxy", &settings).await?;
    preambles(stage, &beside).await;
    stage.check_stop()?;
    crowd(stage, &beside).await;
    stage.check_stop()?;
    forged(stage, &beside).await;
    stage.check_stop()?;
    many_sessions(stage, &beside).await;
    many_ways(stage, &beside).await;
    drop(beside);
    preambles::try_all(stage).await?;
    stage.check_stop()?;
    let settings = unhurried()
        .with("server.trusted_proxies", trusted)
        .with("limits.rate.table", 500);
    let beside = start(stage, "beside-table", &settings).await?;
    bounded(stage, &beside).await;
    Ok(())
}

/// A call of `version`, and what the proxies say of whom it comes from.
pub(super) fn version(
    asker: &Asker,
    forwarded: Option<&str>,
) -> (Asker, exai_harness::raw::RawRequest) {
    version_by(asker, forwarded.map(|line| (BY_CUSTOM, line)))
}

/// The same, in a header of this name.
fn version_by(
    asker: &Asker,
    forwarded: Option<(&str, &str)>,
) -> (Asker, exai_harness::raw::RawRequest) {
    let message = super::super::asker::tool_message("version", &json!({}));
    let head = asker.message_head("tools/call", "version");
    let head = match forwarded {
        Some((name, line)) => head.header(name, line),
        None => head,
    };
    (asker.clone(), head.body(message.to_string()))
}

/// One of many addresses behind a proxy.
pub(super) fn client(number: usize) -> String {
    format!("198.51.{}.{}", number / 200, number % 200 + 1)
}

/// D13: many principals behind one proxy pass; one that forges the left-most entry is held to the
/// limit of the address that the proxy saw.
async fn crowd(stage: &Stage, beside: &Beside) {
    let calls = (0..CROWD * 2).map(|n| {
        let number = n % CROWD;
        let asker = Asker::user(stage, 3_000 + number)
            .before(beside)
            .from(PROXY);
        version(&asker, Some(&client(number)))
    });
    let replies = volley(LANES, calls.collect()).await;
    let passed = count(&replies, "accepted");
    let good = either(passed == CROWD * 2, "accepted", "some refused");
    let forger = (4_000, PROXY, BY_CUSTOM);
    let (accepted, most) = pressed(stage, beside, forger, |n| {
        format!("203.0.113.{}, {}", n % 250, client(4_000 % 200))
    })
    .await;
    let word = either(accepted <= most, "held to one limit", "gained by it");
    pair(
        stage,
        ("D13", EDGE),
        (word, &["held to one limit"]),
        (good, &["accepted"]),
    );
}

/// D7: either header from a peer that is not trusted, and from the proxy the one it does not write.
async fn forged(stage: &Stage, beside: &Beside) {
    let forgers = [
        ("D7.forwarded", 4_100, STRANGER, BY_CUSTOM),
        ("D7.standard", 4_110, STRANGER, BY_STANDARD),
        ("D7.other header", 4_120, PROXY, BY_STANDARD),
    ];
    for (id, first, source, header) in forgers {
        let forger = (first, source, header);
        let (accepted, most) = pressed(stage, beside, forger, |n| match header {
            BY_STANDARD => format!("for=198.51.100.{}", n % 250),
            _ => format!("198.51.100.{}", n % 250),
        })
        .await;
        let word = either(accepted <= most, "ignored", "believed");
        let behind = Asker::user(stage, 4_150).before(beside).from(PROXY);
        let (asker, request) = version(&behind, Some("192.0.2.99"));
        let good = asker.send(&request).await.word();
        pair(
            stage,
            (id, EDGE),
            (word, &["ignored"]),
            (&good, &["accepted"]),
        );
    }
}

/// How many of more than the limit of one address are accepted, and how many may be.
async fn pressed(
    stage: &Stage,
    beside: &Beside,
    (first, source, header): (usize, Ipv4Addr, &str),
    forwarded: impl Fn(usize) -> String,
) -> (usize, usize) {
    let total = 300;
    let started = Instant::now();
    let calls = (0..total).map(|n| {
        // Several principals, so that none is at a limit of its own.
        let asker = Asker::user(stage, first + n % 10)
            .before(beside)
            .from(source);
        version_by(&asker, Some((header, &forwarded(n))))
    });
    let replies = volley(LANES, calls.collect()).await;
    let most = ADDRESS * started.elapsed().as_secs_f64() + ADDRESS + 1.0;
    (count(&replies, "accepted"), most as usize)
}

/// D6: one user from many addresses, with an id of its own in each request.
async fn many_sessions(stage: &Stage, beside: &Beside) {
    let total = 240;
    let started = Instant::now();
    let calls = (0..total).map(|n| {
        let source = Ipv4Addr::new(127, 78, 0, (n % 8) as u8 + 1);
        let asker = Asker::user(stage, 4_200).before(beside).from(source);
        // An id that a client chooses; nothing that is counted may be counted by it.
        let id = format!("session-{n}");
        let message = super::super::asker::tool_message("version", &json!({}));
        let head = asker.message_head("tools/call", "version");
        let head = head.header("X-Session-Id", id);
        (asker, head.body(message.to_string()))
    });
    let replies: Vec<RawReply> = volley(LANES, calls.collect()).await;
    let most = PRINCIPAL * started.elapsed().as_secs_f64() + PRINCIPAL + 1.0;
    let accepted = count(&replies, "accepted");
    let word = either(
        accepted <= most as usize,
        "no gain",
        "more than one user's share",
    );
    let other = Asker::user(stage, 4_201).before(beside);
    let good = other.call("version", json!({})).await.word();
    pair(
        stage,
        ("D6", EDGE),
        (word, &["no gain"]),
        (&good, &["accepted"]),
    );
}

/// D6: one user in many sessions of HTTP, and on many connections, from as many addresses.
async fn many_ways(stage: &Stage, beside: &Beside) {
    let good = Asker::user(stage, 4_221).before(beside);
    let (word, good_word) = (
        in_sessions(stage, beside).await,
        good.call("version", json!({})).await.word(),
    );
    pair(
        stage,
        ("D6.sessions", EDGE),
        (word, &["no gain"]),
        (&good_word, &["accepted"]),
    );
    let word = on_sockets(stage, beside).await;
    let good_word = good.call("version", json!({})).await.word();
    pair(
        stage,
        ("D6.connections", EDGE),
        (word, &["no gain"]),
        (&good_word, &["accepted"]),
    );
}

fn no_gain(accepted: usize, started: Instant) -> &'static str {
    let most = PRINCIPAL * started.elapsed().as_secs_f64() + PRINCIPAL + 1.0;
    either(
        (1..=most as usize).contains(&accepted),
        "no gain",
        "more than one user's share",
    )
}

async fn in_sessions(stage: &Stage, beside: &Beside) -> &'static str {
    let started = Instant::now();
    let askers = (0..WAYS).map(|n| {
        let source = Ipv4Addr::new(127, 79, 0, n as u8 + 1);
        Asker::user(stage, 4_210).before(beside).from(source)
    });
    let askers: Vec<Asker> = askers.collect();
    let begun = askers
        .iter()
        .map(|asker| (asker.clone(), asker.greeting()))
        .collect();
    let begun = volley(WAYS, begun).await;
    let sessions: Vec<&str> = begun
        .iter()
        .filter_map(|reply| reply.header("mcp-session-id"))
        .collect();
    let software = Software::numbered(1);
    let message = Request::tool("version", &json!({}));
    let message = message
        .message(Some(2), Revision::V2025, software)
        .to_string();
    let calls = (0..CALLS).filter_map(|n| {
        // Whoever sends it: a session is its owner's, wherever it was begun.
        let (asker, session) = (&askers[n % WAYS], sessions.get(n % WAYS)?);
        let head = asker
            .head("POST /mcp HTTP/1.1")
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", Revision::V2025.name())
            .header("Mcp-Session-Id", session);
        Some((asker.clone(), head.body(message.clone())))
    });
    let replies = volley(LANES, calls.collect()).await;
    no_gain(
        count(&begun, "accepted") + count(&replies, "accepted"),
        started,
    )
}

async fn on_sockets(stage: &Stage, beside: &Beside) -> &'static str {
    let started = Instant::now();
    let talks = (0..WAYS).map(|n| async move {
        let source = Ipv4Addr::new(127, 80, 0, n as u8 + 1);
        let asker = Asker::user(stage, 4_220).before(beside).from(source);
        let Ok(mut socket) = asker.socket(LIFE).await else {
            return 0;
        };
        // The upgrade was one.
        let mut accepted = 1;
        for id in 0..CALLS / WAYS {
            let ping = json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
            socket.say(&ping).await;
            match socket.hear().await {
                Heard::Message(said) if said["error"].is_null() => accepted += 1,
                Heard::Message(_) => {}
                Heard::Close(_) | Heard::Trouble(_) => break,
            }
        }
        accepted
    });
    let accepted: usize = join_all(talks).await.into_iter().sum();
    no_gain(accepted, started)
}

/// D8: more clients than there are buckets.
async fn bounded(stage: &Stage, beside: &Beside) {
    let clients = match stage.profile {
        "full" => 20_000,
        _ => 2_000,
    };
    let ask = |range: std::ops::Range<usize>| {
        let calls = range.map(|n| {
            let asker = Asker::user(stage, 5_000 + n % 700)
                .before(beside)
                .from(PROXY);
            let address = format!("10.{}.{}.{}", n / 65_536, n / 256 % 256, n % 256);
            version(&asker, Some(&address))
        });
        volley(LANES, calls.collect())
    };
    let first = ask(0..clients / 2).await;
    let before = beside.resident_bytes();
    let second = ask(clients / 2..clients).await;
    let after = beside.resident_bytes();
    let grown = after
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    let word = match grown {
        Some(grown) if grown <= FLAT => "a plateau".to_owned(),
        Some(grown) => format!("{} MiB more", grown / 1024 / 1024),
        None => "ended".to_owned(),
    };
    let answered = count(&first, "accepted") + count(&second, "accepted");
    let limited = count(&first, "429") + count(&second, "429");
    let good = either(
        answered + limited == clients && answered > 0,
        "accepted",
        "some were not answered",
    );
    pair(
        stage,
        ("D8", EDGE),
        (&word, &["a plateau"]),
        (good, &["accepted"]),
    );
}

/// D14: a PROXY v2 preamble, and forwarding headers that no proxy writes.
async fn preambles(stage: &Stage, beside: &Beside) {
    let before = beside.resident_bytes();
    let bytes = preambles::of_client(7);
    for (id, source) in [("D14.proxy", STRANGER), ("D14.trusted proxy", PROXY)] {
        let asker = Asker::user(stage, 4_300).before(beside).from(source);
        let (_, request) = version(&asker, None);
        let good = asker.send(&request).await.word();
        let piece = [bytes.clone(), request.bytes()].concat();
        let wait = std::time::Duration::from_secs(5);
        let gap = std::time::Duration::ZERO;
        let reply = exai_harness::raw::send(asker.at, source, &[piece], gap, wait).await;
        pair(
            stage,
            (id, EDGE),
            (&reply.word(), &["400", "closed", "reset"]),
            (&good, &["accepted"]),
        );
    }
    let long = "198.51.100.7, ".repeat(4_700);
    let rows = [
        ("D14.long", long.as_str(), &["431", "400"][..]),
        (
            "D14.malformed",
            "\u{7f}, not an address, ,",
            &["accepted", "400"],
        ),
    ];
    for (id, line, wanted) in rows {
        let asker = Asker::user(stage, 4_301).before(beside).from(PROXY);
        let (asker, request) = version(&asker, Some(line));
        let word = asker.send(&request).await.word();
        let (asker, request) = version(&asker, Some("198.51.100.8"));
        let good = asker.send(&request).await.word();
        pair(stage, (id, EDGE), (&word, wanted), (&good, &["accepted"]));
    }
    let grown = beside
        .resident_bytes()
        .zip(before)
        .map_or(u64::MAX, |(after, before)| after.saturating_sub(before));
    let asker = Asker::user(stage, 4_302).before(beside);
    let good = asker.call("version", json!({})).await.word();
    pair(
        stage,
        ("D14.memory", EDGE),
        (either(grown <= FLAT, "flat", "grown"), &["flat"]),
        (&good, &["accepted"]),
    );
}
