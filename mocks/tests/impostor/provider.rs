//! The provider edge, before a real simulator.

use std::sync::Arc;

use exai_mocks::journal::Entry;
use exai_mocks::provider::Provider;
use exai_mocks::recorder::Recorder;
use exai_mocks::simulator::{Settings, Simulator};
use exai_mocks::tracer::{RunKey, sha256_hex};
use serde_json::{Value, json};

use crate::rig::*;

const KEY: &str = "sk-kimi0123456789abcdefghij";

async fn simulator() -> (Arc<Simulator>, String) {
    let settings: Settings = serde_json::from_value(json!({
        "run_key": "ab".repeat(32), "epoch": 1,
        "keys": [{"key": KEY, "id": "main", "tier": "unlimited"}],
    }))
    .unwrap();
    let (recorder, _) = Recorder::start(std::io::sink());
    let simulator = Arc::new(Simulator::new(Provider::Kimi, settings, recorder).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(Arc::clone(&simulator).run(listener));
    (simulator, url)
}

async fn ask(url: &str, body: &Value) -> String {
    let request = client()
        .post(format!("{url}/chat/completions"))
        .bearer_auth(KEY)
        .json(body);
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status(), 200);
    reply.text().await.unwrap()
}

fn content(reply: &str) -> String {
    let reply: Value = serde_json::from_str(reply).unwrap();
    reply["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn deltas(events: &str) -> String {
    let data = events
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .filter_map(|event| {
            event["choices"][0]["delta"]["content"]
                .as_str()
                .map(str::to_owned)
        })
        .collect()
}

/// The first request in the journal, waited for: the ring is filled behind the replies.
async fn began(simulator: &Simulator) -> Value {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        let journal = simulator.journal(0);
        let mut entries = journal["entries"].as_array().unwrap().iter();
        if let Some(entry) = entries.find(|entry| entry["kind"] == "began") {
            return entry.clone();
        }
        assert!(tokio::time::Instant::now() < deadline, "{journal}");
        tokio::task::yield_now().await;
    }
}

fn tracer(words: &str) -> String {
    format!("{words} {}", RunKey::new([0xab; 32]).code(words))
}

#[tokio::test]
async fn the_control_leaves_requests_and_streams_alone() {
    let (simulator, url) = simulator().await;
    let impostor = Impostor::start("provider", "none", &url, None);
    let body = json!({"model": "kimi-k3", "stream": true,
        "messages": [{"role": "user", "content": tracer("red fox")}]});
    let events = ask(&impostor.url, &body).await;
    assert!(events.ends_with("data: [DONE]\n\n"));
    let began = began(&simulator).await;
    let sha = sha256_hex(body.to_string().as_bytes());
    assert_eq!(began["request_sha256"], sha);
    assert!(impostor.end().is_empty());
}

#[tokio::test]
async fn a_file_is_lost_on_the_way_and_its_tracer_with_it() {
    let (simulator, url) = simulator().await;
    let impostor = Impostor::start("provider", "drop-file", &url, None);
    let (asked, filed) = (tracer("red fox"), tracer("blue owl"));
    let text = format!("{asked}\n\n--- file: a ---\n{filed}\n--- end of file: a ---");
    let body = json!({"model": "kimi-k3", "messages": [{"role": "user", "content": text}]});
    ask(&impostor.url, &body).await;
    let tracers = began(&simulator).await["tracers"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(tracers.len(), 1);
    assert_eq!(tracers[0]["text"], asked);
    assert_eq!(impostor.end().len(), 1);
}

#[tokio::test]
async fn an_earlier_turn_is_lost_on_the_way() {
    let (simulator, url) = simulator().await;
    let impostor = Impostor::start("provider", "lost-context", &url, None);
    let turn = |role: &str, text: &str| json!({"role": role, "content": text});
    let body = json!({"model": "kimi-k3",
        "messages": [turn("user", "one"), turn("assistant", "first"), turn("user", "two")]});
    ask(&impostor.url, &body).await;
    assert_eq!(
        began(&simulator).await["messages"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(impostor.end().len(), 1);
}

#[tokio::test]
async fn a_request_is_sent_twice() {
    let (simulator, url) = simulator().await;
    let impostor = Impostor::start("provider", "retry-storm", &url, None);
    let body = json!({"model": "kimi-k3", "messages": [{"role": "user", "content": "x"}]});
    let text = content(&ask(&impostor.url, &body).await);
    assert!(text.starts_with("answer kimi.1.2"), "{text}");
    assert_eq!(simulator.counters()["requests"], 2);
    assert_eq!(impostor.end().len(), 1);
}

#[tokio::test]
async fn an_answer_loses_its_tail_and_ends_cleanly() {
    let (_, url) = simulator().await;
    let impostor = Impostor::start("provider", "truncated-as-whole", &url, None);
    for stream in [false, true] {
        let body = json!({"model": "kimi-k3", "stream": stream,
            "messages": [{"role": "user", "content": "x"}]});
        let reply = ask(&impostor.url, &body).await;
        assert!(reply.contains("\"finish_reason\":\"stop\""), "{reply}");
        let text = if stream {
            deltas(&reply)
        } else {
            content(&reply)
        };
        let digests = |line: &str| line.split(' ').filter(|word| word.len() == 64).count();
        assert!(text.starts_with("answer kimi.1."), "{text}");
        assert!(
            text.lines().last().is_some_and(|seal| digests(seal) < 2),
            "{text}"
        );
    }
    assert_eq!(impostor.end().len(), 2);
}

#[tokio::test]
async fn only_a_stream_loses_its_tail() {
    let (_, url) = simulator().await;
    let impostor = Impostor::start("provider", "truncated-stream", &url, None);
    for stream in [false, true] {
        let body = json!({"model": "kimi-k3", "stream": stream,
            "messages": [{"role": "user", "content": "x"}]});
        let reply = ask(&impostor.url, &body).await;
        let text = if stream {
            deltas(&reply)
        } else {
            content(&reply)
        };
        let digests = |line: &str| line.split(' ').filter(|word| word.len() == 64).count();
        let is_whole = text.lines().last().is_some_and(|seal| digests(seal) == 2);
        assert_eq!(is_whole, !stream, "{text}");
    }
    assert_eq!(impostor.end().len(), 1);
}

#[tokio::test]
async fn one_character_of_a_stream_is_another_and_the_digest_says_so() {
    let (_, url) = simulator().await;
    let impostor = Impostor::start("provider", "replaced-character", &url, None);
    for stream in [false, true] {
        let body = json!({"model": "kimi-k3", "stream": stream,
            "messages": [{"role": "user", "content": "x"}]});
        let reply = ask(&impostor.url, &body).await;
        let text = if stream {
            deltas(&reply)
        } else {
            content(&reply)
        };
        let (above, seal) = text.rsplit_once('\n').unwrap();
        let is_as_sent = seal.ends_with(&sha256_hex(above.as_bytes()));
        assert_eq!(is_as_sent, !stream, "{text}");
        assert_eq!(text.matches('\u{fffd}').count(), usize::from(stream));
    }
    assert_eq!(impostor.end().len(), 1);
}

#[tokio::test]
async fn only_a_request_that_failed_is_sent_once_more() {
    let (simulator, url) = simulator().await;
    let impostor = Impostor::start("provider", "retry-once-more", &url, None);
    let body = json!({"model": "kimi-k3", "messages": [{"role": "user", "content": "x"}]});
    ask(&impostor.url, &body).await;
    assert_eq!(simulator.counters()["requests"], 1);
    let broken = json!({"rules": [{"id": "down", "fault": "G02"}]});
    simulator
        .replace(serde_json::from_value(broken).unwrap())
        .unwrap();
    let request = client().post(format!("{}/chat/completions", impostor.url));
    let reply = request.bearer_auth(KEY).json(&body).send().await.unwrap();
    assert!(reply.status().is_server_error());
    assert_eq!(simulator.counters()["requests"], 3);
    assert_eq!(impostor.end().len(), 1);
}

#[tokio::test]
async fn one_request_waits_for_the_other() {
    let (simulator, url) = simulator().await;
    let slow = json!({"first_byte_ms": 300});
    simulator
        .replace(serde_json::from_value(slow).unwrap())
        .unwrap();
    let impostor = Impostor::start("provider", "one-lock", &url, None);
    let body = json!({"model": "kimi-k3", "messages": [{"role": "user", "content": "x"}]});
    let begun = std::time::Instant::now();
    tokio::join!(ask(&impostor.url, &body), ask(&impostor.url, &body));
    assert!(begun.elapsed() >= std::time::Duration::from_millis(600));
    assert_eq!(impostor.end().len(), 1);
}

#[test]
fn journal_entries_of_the_simulator_are_the_shared_type() {
    let line = r#"{"kind":"ended","seq":"kimi.1.1","at":1,"status":200,"outcome":"answered",
        "bytes_sent":3}"#;
    assert_eq!(
        serde_json::from_str::<Entry>(line).unwrap().seq(),
        Some("kimi.1.1")
    );
}
