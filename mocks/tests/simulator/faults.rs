//! Faults as they arrive: at a raw socket, and at reqwest.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use exai_mocks::fault::{self, Engine, Shape, faults};
use exai_mocks::journal::Outcome;
use exai_mocks::plan::Plan;
use exai_mocks::provider::Provider;
use exai_mocks::tracer::sha256_hex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::*;

fn body_of(bytes: &[u8]) -> &[u8] {
    let head = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    &bytes[head + 4..]
}

fn streamed(fault: &str) -> bool {
    let id = fault.split(':').next().unwrap();
    let row = fault::find(id).unwrap();
    !matches!(row.shape, Shape::Any | Shape::Messages)
}

#[tokio::test]
async fn every_whole_body_fault_lands_and_is_journalled_by_name() {
    for fault in faults().filter(|fault| fault.engine == Engine::Whole) {
        for provider in fault.providers {
            let rig = Rig::start(*provider, with_rule(fault.id)).await;
            let stream = streamed(fault.id);
            let mut body = rig.ask("x", stream);
            let path = if fault.shape == Shape::StreamedChat {
                body["max_tokens"] = serde_json::Value::Null;
                "/v1/chat/completions".to_owned()
            } else {
                rig.path()
            };
            let (bytes, end) = rig.raw(&path, &body).await;
            assert_eq!(end, None, "{} at {provider}", fault.id);
            assert!(bytes.starts_with(b"HTTP/1.1 "), "{}", fault.id);
            let (began, ended) = rig.pair(1).await;
            assert_eq!(began.fault.as_deref(), Some(fault.id));
            assert_eq!(began.rule.as_deref(), Some("r"));
            assert_eq!(ended.outcome, Outcome::Faulted, "{}", fault.id);
            assert_eq!(ended.bytes_sent, bytes.len() as u64, "{}", fault.id);
            let status: u16 = std::str::from_utf8(&bytes[9..12]).unwrap().parse().unwrap();
            assert_eq!(status, ended.status);
        }
    }
}

#[tokio::test]
async fn streams_that_may_be_normalised_still_carry_the_answer() {
    for (provider, fault) in [
        (Provider::Kimi, "S01"),
        (Provider::Glm, "S08:null"),
        (Provider::Glm, "S08:empty"),
        (Provider::Kimi, "S09:glued"),
        (Provider::MiniMax, "S09:tenth"),
        (Provider::Kimi, "S10"),
        (Provider::MiniMax, "S10"),
        (Provider::MiniMax, "S15"),
        (Provider::Kimi, "S16:word"),
        (Provider::Glm, "S17"),
        (Provider::Kimi, "S19"),
        (Provider::Kimi, "S20"),
        (Provider::MiniMax, "S20"),
        (Provider::Glm, "S21:nospace"),
        (Provider::Kimi, "S21:crlf"),
        (Provider::Kimi, "S22"),
        (Provider::MiniMax, "S22"),
        (Provider::MiniMax, "C16"),
    ] {
        let rig = Rig::start(provider, with_rule(fault)).await;
        let reply = rig.post(&rig.ask("x", true)).await;
        let bytes = reply.bytes().await.unwrap();
        let text = streamed_text(&bytes);
        let (_, ended) = rig.pair(1).await;
        assert_eq!(
            ended.answer_sha256,
            Some(sha256_hex(text.as_bytes())),
            "{fault}\n{text}"
        );
    }
}

#[tokio::test]
async fn a_reset_before_the_head_is_a_reset() {
    let rig = Rig::start(Provider::Kimi, with_rule("G05:reset")).await;
    let (bytes, end) = rig.raw(&rig.path(), &rig.ask("x", false)).await;
    assert_eq!((bytes.len(), end), (0, Some(ErrorKind::ConnectionReset)));
    let error = rig.try_post(&rig.ask("x", false)).await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    let (_, ended) = rig.pair(2).await;
    assert_eq!((ended.status, ended.first_byte_at), (0, None));
    let rig = Rig::start(Provider::Kimi, with_rule("G05:close")).await;
    let (bytes, end) = rig.raw(&rig.path(), &rig.ask("x", false)).await;
    assert_eq!((bytes.len(), end), (0, None));
}

#[tokio::test]
async fn a_cut_stream_ends_in_half_a_frame() {
    for (variant, wanted) in [
        ("close", None),
        ("reset", Some(ErrorKind::ConnectionReset)),
        ("clean", None),
    ] {
        let rig = Rig::start(Provider::Kimi, with_rule(&format!("S02:{variant}"))).await;
        let (bytes, end) = rig.raw(&rig.path(), &rig.ask("x", true)).await;
        assert_eq!(end, wanted, "{variant}");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.contains("data: ") && !text.contains("[DONE]"));
        assert_eq!(text.ends_with("0\r\n\r\n"), variant == "clean");
        let reply = rig.post(&rig.ask("x", true)).await;
        assert_eq!(reply.bytes().await.is_ok(), variant == "clean", "{variant}");
        let (_, ended) = rig.pair(1).await;
        assert_eq!(ended.answer_sha256, None);
    }
}

#[tokio::test]
async fn a_cut_body_is_shorter_than_announced() {
    let rig = Rig::start(Provider::Glm, with_rule("S02:close")).await;
    let reply = rig.post(&rig.ask("x", false)).await;
    assert!(reply.bytes().await.is_err());
    let rig = Rig::start(Provider::Glm, with_rule("S02:clean")).await;
    let reply = rig.post(&rig.ask("x", false)).await;
    let bytes = reply.bytes().await.unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_err());
}

#[tokio::test]
async fn a_stall_sends_some_frames_and_then_nothing() {
    let mut plan = with_rule("S03");
    plan.rules[0].delay_ms = Some(60_000);
    let rig = Rig::start(Provider::Kimi, plan).await;
    let mut socket = rig.connect().await;
    socket
        .write_all(&rig.written(&rig.path(), &rig.ask("x", true)))
        .await
        .unwrap();
    let mut bytes = Vec::new();
    let silence = tokio::time::timeout(Duration::from_millis(300), async {
        while socket.read_buf(&mut bytes).await.unwrap() > 0 {}
    });
    assert!(silence.await.is_err(), "the stream ended");
    assert!(String::from_utf8_lossy(&bytes).contains("\"content\":\"answer"));
    drop(socket);
    let (_, ended) = rig.pair(1).await;
    assert_eq!(ended.outcome, Outcome::Faulted);
    assert_eq!(ended.reason.as_deref(), Some("client_closed"));
}

#[tokio::test]
async fn a_late_answer_sends_its_head_first_or_nothing_at_all() {
    for (variant, early) in [("headers", true), ("silent", false)] {
        for stream in [true, false] {
            let mut plan = with_rule(&format!("G04:{variant}"));
            plan.rules[0].delay_ms = Some(300);
            let rig = Rig::start(Provider::Kimi, plan).await;
            let start = Instant::now();
            let reply = rig.post(&rig.ask("x", stream)).await;
            assert_eq!(
                start.elapsed() < Duration::from_millis(250),
                early,
                "{variant}"
            );
            let bytes = reply.bytes().await.unwrap();
            assert!(start.elapsed() >= Duration::from_millis(290));
            assert!(!bytes.is_empty());
            let (_, ended) = rig.pair(1).await;
            assert!(ended.answer_sha256.is_some());
        }
    }
}

#[tokio::test]
async fn pings_and_drips_go_on_until_the_client_leaves() {
    for (provider, fault) in [(Provider::MiniMax, "S24"), (Provider::Kimi, "S25")] {
        let mut plan = with_rule(fault);
        plan.rules[0].delay_ms = Some(5);
        let rig = Rig::start(provider, plan).await;
        let mut socket = rig.connect().await;
        socket
            .write_all(&rig.written(&rig.path(), &rig.ask("x", true)))
            .await
            .unwrap();
        let mut bytes = Vec::new();
        while bytes.len() < 600 {
            assert!(socket.read_buf(&mut bytes).await.unwrap() > 0);
        }
        drop(socket);
        let (_, ended) = rig.pair(1).await;
        assert_eq!(ended.reason.as_deref(), Some("client_closed"), "{fault}");
        assert_eq!(ended.answer_sha256, None);
    }
}

#[tokio::test]
async fn a_finished_stream_may_be_reset_without_its_end() {
    let rig = Rig::start(Provider::Kimi, with_rule("S27")).await;
    let (bytes, _) = rig.raw(&rig.path(), &rig.ask("x", true)).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains("\"finish_reason\":\"stop\"") && !text.contains("[DONE]"));
    assert!(!text.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn an_oversize_body_is_a_hundred_megabytes_of_json() {
    let rig = Rig::start(Provider::Kimi, with_rule("G09")).await;
    let (bytes, end) = rig.raw(&rig.path(), &rig.ask("x", false)).await;
    assert_eq!(end, None);
    assert!(bytes.len() > 100 * 1024 * 1024);
    assert!(body_of(&bytes).starts_with(b"{\"padding\":\"x") && bytes.ends_with(b"x\"}"));
}

#[tokio::test]
async fn only_the_requests_a_rule_names_are_hit() {
    let mut plan = with_rule("G02:503");
    plan.rules[0].when.contains = Some("red fox".into());
    plan.rules[0].when.times = Some(1);
    let rig = Rig::start(Provider::Kimi, plan).await;
    let mut statuses = Vec::new();
    for text in ["a blue owl", "a red fox", "a red fox"] {
        statuses.push(rig.post(&rig.ask(text, false)).await.status().as_u16());
    }
    assert_eq!(statuses, [200, 503, 200]);
    assert_eq!(rig.simulator.counters()["rules"]["r"]["fired"], 1);
}

/// FailoverBench's sixteen as rules: each is taken by the simulator of the vendor it fits.
#[test]
fn the_sixteen_shapes_of_failoverbench_are_plan_rules() {
    let shapes = [
        (
            "FB01",
            Provider::Kimi,
            r#"{"fault":"K05:2","when":{"times":1}}"#,
        ),
        ("FB02", Provider::Kimi, r#"{"fault":"K01"}"#),
        (
            "FB03",
            Provider::Kimi,
            r#"{"fault":"G02:500","when":{"times":1}}"#,
        ),
        ("FB04", Provider::Kimi, r#"{"fault":"G02:503"}"#),
        (
            "FB05",
            Provider::Kimi,
            r#"{"fault":"G05:reset","when":{"times":1}}"#,
        ),
        (
            "FB06",
            Provider::Kimi,
            r#"{"fault":"G04:silent","delay_ms":120000}"#,
        ),
        (
            "FB07",
            Provider::Kimi,
            r#"{"fault":"G04:headers","delay_ms":20000}"#,
        ),
        ("FB08", Provider::Kimi, r#"{"fault":"S02:close"}"#),
        (
            "FB09",
            Provider::Kimi,
            r#"{"fault":"S03","delay_ms":30000}"#,
        ),
        ("FB10", Provider::Kimi, r#"{"fault":"S09:tenth"}"#),
        ("FB11", Provider::Kimi, r#"{"fault":"S01:finished"}"#),
        ("FB12", Provider::Kimi, r#"{"fault":"FB12"}"#),
        ("FB13", Provider::Kimi, r#"{"fault":"FB13"}"#),
        ("FB14", Provider::Glm, r#"{"fault":"FB14"}"#),
        (
            "FB15",
            Provider::Kimi,
            r#"{"fault":"G02:503","when":{"until_ms":60000}}"#,
        ),
        ("FB16", Provider::Kimi, r#"{"fault":"G02:503"}"#),
    ];
    for (id, provider, rule) in shapes {
        let mut rule: serde_json::Value = serde_json::from_str(rule).unwrap();
        rule["id"] = id.into();
        let plan = serde_json::json!({"rules": [rule]});
        let plan: Plan = serde_json::from_value(plan).unwrap();
        assert_eq!(plan.check(provider), Ok(()), "{id}");
    }
}
