mod bench;
mod direct;
mod faults;
mod history;
mod scripted;
mod sixteen;
mod thoughts;

use std::time::Instant;

use serde_json::Value;
use tokio::sync::mpsc;

use self::bench::{Bench, KEY, ask, chat_stream, chat_whole, context, piece, refusal, router_with};
use self::bench::{row, settings};
use self::scripted::{Line, Scripted};
use super::ask::{Image, ThinkingMode};
use super::direct::{DirectAsk, RawChat, Sent};
use super::*;
use crate::failure::Category;
use crate::provider::file::FileAsk;
use crate::provider::method::Method;

#[tokio::test]
async fn whole_and_streamed_answers_come_back_with_their_trace() {
    for (line, stream) in [
        (chat_whole("forty-two"), false),
        (chat_stream(&["forty-", "two"]), true),
    ] {
        let bench = Bench::new(vec![line]).await;
        let answer = bench
            .router
            .ask(ask("kimi-k2.6", stream), &context())
            .await
            .unwrap();
        assert_eq!(answer.text, "forty-two");
        let trace = answer.trace;
        assert_eq!(
            (trace.provider.as_str(), trace.reason.as_str()),
            ("kimi", "explicit")
        );
        assert_eq!((trace.usage.input, trace.usage.output), (9, 3));
        assert!(!trace.failover && trace.incomplete.is_none() && trace.warnings.is_empty());
        assert!(trace.cost_usd.is_some_and(|cost| cost > 0.0));
        let seen = &bench.kimi.seen()[0];
        assert!(
            seen.head.starts_with("POST /chat/completions"),
            "{}",
            seen.head
        );
        assert!(
            seen.head.contains("x-request-id: c0ffee-1"),
            "{}",
            seen.head
        );
        assert!(
            seen.body.get("temperature").is_none(),
            "fixed temperatures are not sent"
        );
        assert_eq!(seen.body["thinking"]["type"], "disabled");
        assert_eq!(seen.body["max_completion_tokens"], 8192);
        assert_eq!(seen.body["messages"][0]["role"], "system");
    }
}

#[tokio::test]
async fn each_dialect_sends_its_own_form() {
    let glm = Scripted::start(vec![chat_whole("x")]).await;
    let mini = Scripted::start(vec![refusal(
        200,
        r#"{"type":"message","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn"}"#,
    )])
    .await;
    let base = format!("{}/anthropic", mini.url);
    let rows = vec![
        row(Dialect::Glm, Some(&glm.url)),
        row(Dialect::Minimax, Some(&base)),
    ];
    let router = router_with(settings(), rows);
    let mut question = ask("glm-5v-turbo", false);
    question.thinking = Some(ThinkingMode::High);
    let bytes = bytes::Bytes::from_static(b"png");
    question.messages[0].images.push(Image {
        media_type: "image/png".to_owned(),
        bytes,
    });
    router.ask(question.clone(), &context()).await.unwrap();
    let sent = glm.seen()[0].body.clone();
    assert_eq!(sent["temperature"], 0.3);
    assert_eq!(sent["thinking"]["type"], "enabled");
    assert_eq!(sent["request_id"], "c0ffee-1");
    assert_eq!(sent["max_tokens"], 32768);
    assert_eq!(
        sent["messages"][1]["content"][0]["image_url"]["url"],
        "data:image/png;base64,cG5n"
    );

    question.model = Some("MiniMax-M3".to_owned());
    question.thinking = None;
    let answer = router.ask(question, &context()).await.unwrap();
    assert_eq!(answer.trace.provider, "minimax");
    let seen = mini.seen()[0].clone();
    assert!(
        seen.head.starts_with("POST /anthropic/v1/messages"),
        "{}",
        seen.head
    );
    assert!(seen.head.contains(&format!("x-api-key: {KEY}")));
    assert_eq!(seen.body["thinking"]["type"], "disabled");
    assert_eq!(seen.body["system"], "be brief");
    assert_eq!(
        seen.body["messages"][0]["content"][0]["source"]["data"],
        "cG5n"
    );
}

#[tokio::test]
async fn a_model_that_a_role_may_not_ask_is_asked_of_nobody_and_auto_goes_to_one_it_may() {
    use crate::auth::policy::{MayAsk, Policy};
    let policy = "[roles.one]\nmodels = [\"kimi-k2.6\"]\n[roles.kimi]\nproviders = [\"kimi\"]\n";
    let policy = Arc::new(Policy::parse(policy).unwrap());
    let of = |role: &str| CallContext {
        may_ask: MayAsk::of(Arc::clone(&policy), Arc::from([role.to_owned()])),
        ..context()
    };
    let bench = Bench::new(vec![chat_whole("x"), chat_whole("y")]).await;
    for (role, name) in [("one", "kimi-k3"), ("one", "glm-5.2"), ("kimi", "glm-5.2")] {
        let refused = bench.router.ask(ask(name, false), &of(role)).await;
        let failure = refused.unwrap_err();
        let said = (failure.code, failure.category);
        assert_eq!(
            said,
            ("model_not_permitted", Category::AuthError),
            "{role} {name}"
        );
    }
    assert_eq!(bench.counts(), (0, 0));
    for (role, name) in [("one", "kimi-k2.6"), ("kimi", "auto")] {
        let answer = bench.router.ask(ask(name, false), &of(role)).await.unwrap();
        assert_eq!(answer.trace.provider, "kimi", "{role} {name}");
    }
}

#[tokio::test]
async fn text_that_was_shown_is_never_started_afresh() {
    let bench = Bench::new(vec![
        Line::Reset(vec![piece("half ")]),
        chat_stream(&["ok"]),
    ])
    .await;
    let (sender, mut shown) = mpsc::channel(8);
    let context = CallContext {
        on_text: Some(sender),
        ..context()
    };
    let failure = bench
        .router
        .ask(ask("kimi-k2.6", true), &context)
        .await
        .unwrap_err();
    assert_eq!(failure.code, "stream_interrupted");
    assert_eq!(shown.recv().await.as_deref(), Some("half "));
    assert_eq!(bench.counts(), (1, 0));
}

#[tokio::test]
async fn a_cancelled_call_ends_at_once() {
    let bench = Bench::new(vec![Line::Silence]).await;
    let context = context();
    let cancel = context.cancel.clone();
    let asking = bench.router.ask(ask("kimi-k2.6", true), &context);
    let stopping = async {
        while bench.counts().0 == 0 {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
        Instant::now()
    };
    let (result, stopped) = tokio::join!(asking, stopping);
    assert_eq!(result.unwrap_err().code, "cancelled");
    assert!(
        stopped.elapsed() < Duration::from_millis(300),
        "{:?}",
        stopped.elapsed()
    );
    assert_eq!(bench.counts(), (1, 0));
}

#[tokio::test]
async fn a_breaker_opens_spares_the_provider_and_lets_it_return() {
    let mut settings = settings();
    settings.breaker.first_open = Duration::from_millis(150);
    let mut lines = vec![refusal(503, ""); 5];
    lines.push(chat_stream(&["ok"]));
    let bench = Bench::with(lines, settings).await;
    for _ in 0..3 {
        assert_eq!(bench.ask().await.unwrap().text, "from glm");
    }
    let status = |bench: &Bench| bench.router.providers()[0].breaker;
    assert_eq!((bench.counts().0, status(&bench)), (5, "open"));
    let answer = bench.ask().await.unwrap();
    assert_eq!(
        (bench.counts().0, answer.trace.attempts.len()),
        (5, 1),
        "an open breaker refuses"
    );
    assert_eq!(answer.trace.warnings, ["skipped kimi: breaker open"]);
    let deadline = Instant::now() + Duration::from_secs(5);
    while status(&bench) != "closed" {
        assert!(Instant::now() < deadline, "still {}", status(&bench));
        bench.ask().await.unwrap();
    }
    assert_eq!(bench.ask().await.unwrap().text, "ok");
}

#[tokio::test]
async fn a_used_up_quota_is_remembered_apart_from_the_breaker() {
    let quota = r#"{"error":{"type":"exceeded_current_quota_error"}}"#;
    let bench = Bench::new(vec![refusal(429, quota)]).await;
    for _ in 0..3 {
        assert_eq!(bench.ask().await.unwrap().text, "from glm");
    }
    assert_eq!(bench.counts(), (1, 3));
    let status = bench.router.providers().remove(0);
    assert_eq!(status.breaker, "closed");
    assert!(status.quota_seconds["kimi-k2.6"] > 50, "{status:?}");
}

#[tokio::test]
async fn thinking_that_ate_the_output_is_tried_once_with_more_room() {
    let thought = serde_json::json!({"choices": [{"finish_reason": "length",
        "message": {"content": "", "reasoning_content": "hm"}}]});
    let bench = Bench::new(vec![refusal(200, &thought.to_string())]).await;
    let failure = bench.ask().await.unwrap_err();
    assert_eq!((failure.code, bench.counts()), ("empty_reply", (2, 0)));
    let bounds: Vec<u64> = bench
        .kimi
        .seen()
        .iter()
        .map(|seen| seen.body["max_completion_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(bounds, [8192, 32768]);
}

#[tokio::test]
async fn without_a_key_the_variable_and_the_doctor_are_named() {
    let rows = vec![row(Dialect::Kimi, None), row(Dialect::Glm, None)];
    let router = router_with(settings(), rows);
    let failure = router.ask(ask("auto", true), &context()).await.unwrap_err();
    assert_eq!(failure, router.missing_key_failure());
    assert_eq!(
        (failure.code, failure.retryable),
        ("provider_key_missing", false)
    );
    for word in ["KIMI_API_KEY", "GLM_API_KEY", "exai doctor"] {
        assert!(failure.message.contains(word), "{}", failure.message);
    }
    let status = router.providers().remove(0);
    assert!(!status.registered && status.reason.unwrap().contains("KIMI_API_KEY"));
}

#[tokio::test]
async fn the_demonstration_says_so_first() {
    let router = router_with(settings(), vec![ProviderRow::demo().unwrap()]);
    let answer = router.ask(ask("auto", true), &context()).await.unwrap();
    assert!(
        answer.text.starts_with(crate::provider::demo::MARK),
        "{}",
        answer.text
    );
    assert!(answer.trace.demo);
}

#[test]
fn a_kept_choice_never_outlives_what_a_name_stands_for() {
    let mut settings = settings();
    settings.choice_entries = 10;
    settings.choice_ttl = Duration::from_secs(60);
    let silent = Some("http://127.0.0.1:9");
    let rows = vec![row(Dialect::Kimi, silent), row(Dialect::Glm, silent)];
    let router = router_with(settings, rows);
    for target in ["kimi-k2.6", "glm-5.2"] {
        let own = [("house".to_owned(), target.to_owned())];
        router.roster.aliases.set(own.into());
        for _ in 0..2 {
            let routes = router.permitted(&ask("house", false), &context()).unwrap();
            assert_eq!(routes[0].model.name, target);
        }
    }
}

#[tokio::test]
async fn what_a_dialect_lacks_is_never_sent_to_it() {
    let mini = Scripted::start(vec![chat_whole("x")]).await;
    let row = row(Dialect::Minimax, Some(&mini.url));
    let router = router_with(settings(), vec![row]);
    assert_eq!(router.file_keeper(), None);
    let chat = Sent::Chat(RawChat::default());
    let (method, body) = (Method::SearchEngine, Value::Null);
    let mut failures = Vec::new();
    for what in [chat, Sent::Post { method, body }] {
        let provider = "minimax".to_owned();
        let ask = DirectAsk { provider, what };
        failures.push(router.direct(ask, &context()).await.unwrap_err());
    }
    let (limit, cancel) = (Duration::from_secs(1), CancellationToken::new());
    let listed = router.file("minimax", FileAsk::List, limit, &cancel);
    failures.push(listed.await.unwrap_err());
    for failure in failures {
        assert_eq!(failure.code, "provider_configuration", "{failure:?}");
    }
    assert!(mini.seen().is_empty());
}
