//! What a well-behaved client gets, and what the journal says of it.

use exai_mocks::journal::{Entry, Outcome};
use exai_mocks::plan::Plan;
use exai_mocks::provider::Provider;
use exai_mocks::tracer::sha256_hex;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::*;

fn tracer(words: &str) -> String {
    format!("{words} {}", run_key().code(words))
}

#[tokio::test]
async fn whole_and_streamed_answers_prove_themselves_at_every_vendor() {
    for provider in Provider::ALL {
        let rig = Rig::start(provider, Plan::default()).await;
        let tracer = tracer("brown bear");
        for (number, stream) in [(1, false), (2, true)] {
            let body = rig.ask(&format!("please look at {tracer} and answer"), stream);
            let reply = rig.post(&body).await;
            assert_eq!(reply.status(), 200);
            let bytes = reply.bytes().await.unwrap();
            let text = if stream {
                streamed_text(&bytes)
            } else {
                text_of(&serde_json::from_slice(&bytes).unwrap())
            };
            let (began, ended) = rig.pair(number).await;
            let model = body["model"].as_str().unwrap();
            let keyed = run_key().answer(provider.name(), model, &tracer);
            let line = format!("answer {} {keyed}", began.seq);
            assert_eq!(text.lines().next(), Some(&*line), "{provider}");
            let (above, seal) = text.rsplit_once('\n').unwrap();
            assert_eq!(above.lines().last(), Some(&*line));
            let bound = run_key().seal(&began.request_sha256, &began.seq);
            assert_eq!(
                seal,
                format!("seal {bound} {}", sha256_hex(above.as_bytes()))
            );
            assert_eq!(
                began.request_sha256,
                sha256_hex(body.to_string().as_bytes())
            );
            assert_eq!(ended.outcome, Outcome::Answered);
            assert_eq!(ended.answer_sha256, Some(sha256_hex(text.as_bytes())));
            assert_eq!(began.tracers[0].text, tracer);
            assert_eq!((began.key.as_str(), began.model.as_str()), ("main", model));
            assert!(ended.first_byte_at.unwrap() >= began.at && ended.at >= began.at);
        }
    }
}

#[tokio::test]
async fn a_refusal_is_journalled_with_its_reason_and_no_answer() {
    let rig = Rig::start(Provider::Kimi, Plan::default()).await;
    let mut body = rig.ask("x", false);
    body["temperature"] = json!(0.3);
    let reply = rig.post(&body).await;
    assert_eq!(reply.status(), 400);
    let error: serde_json::Value = reply.json().await.unwrap();
    assert_eq!(
        error["error"]["message"],
        "invalid temperature: only 1 is allowed for this model"
    );
    let (began, ended) = rig.pair(1).await;
    assert_eq!(began.params["temperature"], 0.3);
    assert_eq!(ended.outcome, Outcome::Refused);
    assert_eq!(ended.reason.as_deref(), Some("invalid_request_error"));
    assert_eq!(ended.answer_sha256, None);
}

#[tokio::test]
async fn a_key_that_is_not_in_the_table_is_refused_by_each_vendor() {
    for provider in Provider::ALL {
        let rig = Rig::start(provider, Plan::default()).await;
        let url = format!("{}/chat/completions", rig.base);
        let url = if provider == Provider::MiniMax {
            format!("{}/v1/messages", rig.base)
        } else {
            url
        };
        for key in [None, Some("sk-wrong")] {
            let request = client().post(&url).json(&rig.ask("x", false));
            let request = match key {
                Some(key) => request.header("x-api-key", key).bearer_auth(key),
                None => request,
            };
            assert_eq!(request.send().await.unwrap().status(), 401, "{provider}");
        }
        assert_eq!(rig.pair(2).await.0.key, "unknown");
    }
}

#[tokio::test]
async fn the_lowest_tier_limits_what_may_be_in_flight() {
    let plan = Plan {
        first_byte_ms: 400,
        ..Plan::default()
    };
    let rig = Rig::tiered(Provider::Glm, plan, "lowest").await;
    let body = rig.ask("x", false);
    let (first, second) = tokio::join!(rig.post(&body), rig.post(&body));
    let mut statuses = [first.status().as_u16(), second.status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 429]);
}

#[tokio::test]
async fn model_lists_hold_current_models_and_count_beside_the_journal() {
    for (provider, path) in [
        (Provider::Kimi, "/v1/models"),
        (Provider::Glm, "/api/paas/v4/models"),
        (Provider::MiniMax, "/v1/models"),
    ] {
        let rig = Rig::start(provider, Plan::default()).await;
        let url = rig.base.replace(provider.base_path(), path);
        let get = || client().get(&url);
        assert_eq!(get().send().await.unwrap().status(), 401);
        let list = get().bearer_auth(key_of(provider)).send().await.unwrap();
        let list: serde_json::Value = list.json().await.unwrap();
        let names: Vec<_> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row["id"])
            .collect();
        assert!(
            names.len() > 3 && !names.contains(&&json!("kimi-k2.5")),
            "{names:?}"
        );
        assert_eq!(rig.simulator.counters()["other"], 2);
        assert!(rig.entries().is_empty());
    }
}

#[tokio::test]
async fn a_client_that_leaves_early_is_seen_leaving() {
    let plan = Plan {
        chunk_ms: 20,
        ..Plan::default()
    };
    let rig = Rig::start(Provider::Kimi, plan).await;
    let mut socket = rig.connect().await;
    let written = rig.written(&rig.path(), &rig.ask("x", true));
    socket.write_all(&written).await.unwrap();
    let mut some = [0; 64];
    socket.read_exact(&mut some).await.unwrap();
    drop(socket);
    let (_, ended) = rig.pair(1).await;
    assert_eq!(ended.outcome, Outcome::ClientClosed);
    assert_eq!(ended.answer_sha256, None);
    assert_eq!(rig.simulator.counters()["in_flight"], 0);
}

#[tokio::test]
async fn the_journal_holds_both_ends_of_every_request() {
    let rig = Rig::start(Provider::Kimi, Plan::default()).await;
    let body = rig.ask("x", false);
    let http = client();
    let url = format!("{}/chat/completions", rig.base);
    let ask = || async {
        let reply = http
            .post(&url)
            .bearer_auth(KIMI_KEY)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status(), 200);
        reply.bytes().await.unwrap();
    };
    futures::future::join_all((0..200).map(|_| ask())).await;
    rig.pair(200).await;
    let mut began = std::collections::BTreeSet::new();
    let mut ended = std::collections::BTreeSet::new();
    for number in 1..=200 {
        rig.pair(number).await;
    }
    for entry in rig.entries() {
        match entry {
            Entry::Began(entry) => assert!(began.insert(entry.seq)),
            Entry::Ended(entry) => {
                assert!(began.contains(&entry.seq), "an end before its beginning");
                assert!(ended.insert(entry.seq));
            }
            Entry::Ready(_) => {}
        }
    }
    assert_eq!((began.len(), ended.len()), (200, 200));
}

#[tokio::test]
async fn a_paced_stream_keeps_its_pace() {
    let plan = Plan {
        first_byte_ms: 100,
        chunk_ms: 10,
        ..Plan::default()
    };
    let rig = Rig::start(Provider::Glm, plan).await;
    let reply = rig.post(&rig.ask("x", true)).await;
    let text = reply.text().await.unwrap();
    let frames = text
        .lines()
        .filter(|line| line.starts_with("data: "))
        .count() as u64;
    let (began, ended) = rig.pair(1).await;
    let first = ended.first_byte_at.unwrap() - began.at;
    assert!(first >= 99_000_000, "{first}");
    let streaming = ended.at - ended.first_byte_at.unwrap();
    assert!(
        frames > 5 && streaming >= (frames - 1) * 10_000_000,
        "{frames} in {streaming}"
    );
}
