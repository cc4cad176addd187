//! Redis as an operator has it: with a password, with times to live, lost, frozen, and back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::archiving::{chat, code, read, thread_of};
use super::process::{Server, call, call_headers, wait_for};
use super::providers::{said, started_with};
use super::redis::Redis;
use super::relay::Relay;
use super::upstream::Upstream;

/// A reply that no Redis gives: the handshake fails, and not by I/O.
const GARBAGE: &[u8] = b"?what\r\n?what\r\n?what\r\n";

/// The first bytes of a reply, and no more.
const TRUNCATED: &[u8] = b"+OK\r\n$40\r\nredis_ver";

fn on(url: &str, upstream: &Upstream) -> Server {
    let url = format!("store.url={url}");
    let own = [
        "store.kind=redis",
        "health.interval=200ms",
        "store.command_timeout=500ms",
        &url,
    ];
    started_with(upstream, &own, &[])
}

fn store_of(server: &Server) -> Value {
    server.admin("/health", &[]).json()["components"]["store"].clone()
}

fn is(server: &Server, status: &str) -> Option<()> {
    (store_of(server)["status"] == status).then_some(())
}

#[test]
fn a_password_is_needed_and_every_key_of_a_caller_has_the_life_of_its_thread() {
    let Some(redis) = Redis::start_with(&["--requirepass", "tansy-0123456789"]) else {
        return;
    };
    let upstream = Upstream::start(|_| said("noted"));
    let with = |password: &str| {
        redis
            .url
            .replace("redis://", &format!("redis://:{password}@"))
    };
    let stranger = on(&with("wrong"), &upstream);
    wait_for("the refusal", || is(&stranger, "unhealthy"));
    let refused = chat(&stranger, "hello", None);
    assert_eq!(code(&refused), "store_unavailable", "{refused}");
    assert!(!stranger.log.lock().unwrap().join("\n").contains("wrong@"));
    let server = on(&with("tansy-0123456789"), &upstream);
    wait_for("the store", || is(&server, "healthy"));
    let thread = thread_of(&chat(&server, "hello", None));
    let client = redis::Client::open(with("tansy-0123456789")).unwrap();
    let mut link = client.get_connection().unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("exai:{*").query(&mut link).unwrap();
    // What waits for the archive, and what was spent, live as long as they are needed.
    let lives = |key: &&String| {
        let apart = ["{usage:", "}:spent:", "}:settled:", "}:holds", "}:waiting"];
        !apart.iter().any(|part| key.contains(part))
    };
    let own: Vec<&String> = keys.iter().filter(lives).collect();
    assert!(own.iter().any(|key| key.ends_with(&thread)), "{keys:?}");
    for key in own {
        let left: i64 = redis::cmd("PTTL").arg(key).query(&mut link).unwrap();
        assert!(
            (10_000_000..=10_800_000).contains(&left),
            "{key}: {left} ms"
        );
    }
}

#[test]
fn a_lost_redis_is_told_at_once_and_is_back_within_five_seconds_even_after_a_spoiled_handshake() {
    let Some(redis) = Redis::start() else { return };
    let upstream = Upstream::start(|_| said("noted"));
    let relay = Relay::start();
    let direct = redis.url.trim_start_matches("redis://").parse().unwrap();
    relay.lead(Some(direct));
    let server = on(&format!("redis://{}", relay.address), &upstream);
    wait_for("the store", || is(&server, "healthy"));
    let thread = thread_of(&chat(&server, "message 1", None));
    for (turn, spoiled) in [(2, None), (3, Some(GARBAGE)), (4, Some(TRUNCATED))] {
        relay.answer_all(spoiled);
        relay.lead(None);
        let lost = Instant::now();
        wait_for("the loss to be told", || is(&server, "unhealthy"));
        let noticed = lost.elapsed();
        assert!(noticed < Duration::from_secs(2), "told after {noticed:?}");
        let detail = server.admin("/health", &[]).json();
        assert_eq!(detail["status"], "degraded", "{detail}");
        assert_eq!(store_of(&server)["kind"], "redis");
        assert_eq!(server.admin("/health/ready", &[]).status, 200);
        let asked = Instant::now();
        let refused = chat(&server, "in between", Some(&thread));
        assert_eq!(code(&refused), "store_unavailable", "{refused}");
        let waited = asked.elapsed();
        assert!(waited < Duration::from_secs(2), "refused after {waited:?}");
        relay.answer_all(None);
        relay.lead(Some(direct));
        let back = Instant::now();
        wait_for("the store again", || is(&server, "healthy"));
        let next = chat(&server, &format!("message {turn}"), Some(&thread));
        assert_eq!(next["_meta"]["dev.exai/reply"]["turn"], turn, "{next}");
        let healed = back.elapsed();
        assert!(healed < Duration::from_secs(5), "back after {healed:?}");
    }
}

#[test]
fn a_turn_whose_append_timed_out_is_unknown_and_its_repetition_stores_it_once() {
    let Some(redis) = Redis::start() else { return };
    let frozen = redis.pid();
    let is_first = AtomicBool::new(true);
    let upstream = Upstream::start(move |seen| {
        let is_it = seen.body["messages"].to_string().contains("just once");
        if is_it && is_first.swap(false, Ordering::SeqCst) {
            nix::sys::signal::kill(frozen, Signal::SIGSTOP).unwrap();
        }
        said("noted")
    });
    let server = on(&redis.url, &upstream);
    wait_for("the store", || is(&server, "healthy"));
    // The script is known to Redis from here on, so that what it is sent while frozen is whole.
    thread_of(&chat(&server, "before", None));
    let mut message = call("chat", json!({"prompt": "just once"}));
    message["params"]["_meta"]["dev.exai/idempotency-key"] = "the-key".into();
    let reply = server.post(&message, &call_headers("chat")).json()["result"].clone();
    assert_eq!(code(&reply), "store_unavailable", "{reply}");
    let told = reply["content"][0]["text"].as_str().unwrap();
    assert!(told.contains("not confirmed"), "{told}");
    nix::sys::signal::kill(frozen, Signal::SIGCONT).unwrap();
    wait_for("the store again", || is(&server, "healthy"));
    let again = server.post(&message, &call_headers("chat")).json()["result"].clone();
    assert_eq!(
        again["_meta"]["dev.exai/reply"]["replayed"], true,
        "{again}"
    );
    assert_eq!(upstream.posts().len(), 2, "the answer was paid for twice");
    let list = read(&server, "exai://threads");
    let text = list["result"]["contents"][0]["text"].as_str().unwrap();
    let threads: Value = serde_json::from_str(text).unwrap();
    let own = threads["threads"].as_array().unwrap();
    assert_eq!(own.len(), 2, "{threads}");
    assert!(own.iter().all(|thread| thread["turns"] == 1), "{threads}");
    assert_eq!(own[0]["id"], thread_of(&again).as_str());
}
