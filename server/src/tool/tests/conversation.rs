//! `chat`, and what every call of every tool goes through.

use super::*;
use crate::failure::Category;

#[tokio::test]
async fn a_model_sees_prompt_files_images_and_every_earlier_turn() {
    let bench = Bench::echoing().await;
    let png = "iVBORw0KGgo=";
    let first = json!({
        "prompt": "one",
        "files": [{"name": "a.rs", "content": "fn a() {}"}],
        "images": [{"name": "i.png", "content": png}],
        "model": "kimi-k2",
        "temperature": 0.1,
        "thinking_mode": "low",
    });
    let first = bench.call("chat", first).await.unwrap();
    let asked = bench.questions().remove(0);
    assert_eq!(
        asked.messages[0].text,
        "one\n\n--- file: a.rs ---\nfn a() {}\n--- end of file: a.rs ---"
    );
    assert_eq!(asked.messages[0].images[0].media_type, "image/png");
    assert_eq!(
        (asked.model.as_deref(), asked.temperature),
        (Some("kimi-k2"), Some(0.1))
    );
    assert!(asked.system.contains("senior engineer"));
    assert_eq!(first.text, format!("re: {}", asked.messages[0].text));
    let second = json!({"prompt": "two", "continuation_id": handle(&first)});
    let second = bench.call("chat", second).await.unwrap();
    let texts: Vec<String> = bench.questions()[1]
        .messages
        .iter()
        .map(|message| message.text.clone())
        .collect();
    assert_eq!(
        texts,
        [asked.messages[0].text.clone(), first.text, "two".into()]
    );
    let receipt = second.about.unwrap().receipt;
    assert_eq!(
        (receipt.turn, receipt.turns_left, receipt.ttl_seconds),
        (2, 8, 60)
    );
}

#[tokio::test]
async fn bad_arguments_are_refused_by_pointer_before_anything_is_asked() {
    let bench = Bench::new("[tools]\nwebsearch = \"off\"", Arc::new(|_| Ok("x".into()))).await;
    let long = "x".repeat(60_001);
    let cases = [
        ("chat", json!({}), "/prompt", "missing_argument"),
        ("chat", json!({"prompt": ""}), "/prompt", "invalid_argument"),
        (
            "chat",
            json!({"prompt": "x", "promt": "y"}),
            "/promt",
            "unknown_argument",
        ),
        (
            "chat",
            json!({"prompt": "x", "temperature": 2}),
            "/temperature",
            "invalid_argument",
        ),
        (
            "chat",
            json!({"prompt": "x", "model": ""}),
            "/model",
            "invalid_argument",
        ),
        ("chat", json!({"prompt": long}), "/prompt", "resend_prompt"),
        (
            "chat",
            json!({"prompt": "x", "use_websearch": true}),
            "/use_websearch",
            "websearch_off",
        ),
        (
            "chat",
            json!({"prompt": "x", "files": ["Cargo.toml"]}),
            "/files/0",
            "file_not_readable",
        ),
        (
            "chat",
            json!({"prompt": "x", "continuation_id": "nope"}),
            "/continuation_id",
            "thread_not_found",
        ),
        (
            "version",
            json!({"verbose": true}),
            "/verbose",
            "unknown_argument",
        ),
    ];
    for (tool, arguments, field, code) in cases {
        let failure = bench.call(tool, arguments).await.unwrap_err();
        assert_eq!(
            (failure.field.as_deref(), failure.code),
            (Some(field), code)
        );
        assert_eq!(failure.category, Category::ValidationError);
    }
    assert!(bench.questions().is_empty());
}

#[tokio::test]
async fn a_challenge_hands_the_statement_back_and_an_echo_the_text() {
    let bench = Bench::new("[tools]\nprofile = \"full\"", Arc::new(|_| Ok("x".into()))).await;
    let said = "You are wrong:\n2 + 2 = 5 \u{1f642}";
    let challenged = bench
        .call("challenge", json!({ "prompt": said }))
        .await
        .unwrap();
    let (asks, statement) = challenged.text.split_at(challenged.text.len() - said.len());
    assert_eq!(statement, said);
    assert!(
        asks.contains("for it") && asks.contains("against it"),
        "{asks}"
    );
    let echoed = bench
        .call("test_echo", json!({ "text": said }))
        .await
        .unwrap();
    assert_eq!((echoed.text.as_str(), echoed.about), (said, None));
    assert!(bench.questions().is_empty());
}

#[tokio::test]
async fn a_prompt_of_sixty_thousand_characters_is_still_asked() {
    let bench = Bench::echoing().await;
    let prompt = "日".repeat(60_000);
    assert!(
        bench
            .call("chat", json!({ "prompt": prompt }))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_panic_stays_with_its_call() {
    let table: Table = Arc::new(|ask| {
        assert!(!last_text(ask).contains("poison"), "a planted panic");
        Ok("fine".into())
    });
    let bench = Bench::new("", table).await;
    let failure = bench
        .call("chat", json!({"prompt": "poison"}))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.category, failure.code),
        (Category::ServerError, "tool_panicked")
    );
    assert!(!failure.message.contains("planted"));
    assert!(failure.cause.unwrap().contains("planted"));
    assert_eq!(bench.toolbox.permits().current(), 0);
    assert_eq!(
        bench
            .call("chat", json!({"prompt": "x"}))
            .await
            .unwrap()
            .text,
        "fine"
    );
}

#[tokio::test]
async fn a_failed_call_leaves_no_turn() {
    let table: Table = Arc::new(|ask| match last_text(ask) {
        "fail" => Err(Failure::new(Category::ProviderError, "all_failed", "no")),
        other => Ok(other.into()),
    });
    let bench = Bench::new("", table).await;
    let first = bench.call("chat", json!({"prompt": "one"})).await.unwrap();
    let handle = handle(&first);
    let failed = json!({"prompt": "fail", "continuation_id": handle});
    assert_eq!(
        bench.call("chat", failed).await.unwrap_err().code,
        "all_failed"
    );
    let thread = bench
        .toolbox
        .surroundings()
        .threads
        .read("local", &handle)
        .await
        .unwrap();
    assert_eq!(thread.exchanges.len(), 1);
}

#[tokio::test]
async fn one_key_is_asked_once_and_answered_alike_also_at_the_same_time_and_after_a_restart() {
    let bench = Bench::echoing().await;
    let keyed = |prompt: &str| Call {
        idempotency_key: Some("k".into()),
        ..call("chat", json!({"prompt": prompt, "temperature": 0.3}))
    };
    let (left, right) = tokio::join!(
        bench.toolbox.call(keyed("one")),
        bench.toolbox.call(keyed("one"))
    );
    let (left, right) = (left.unwrap(), right.unwrap());
    assert_eq!(bench.questions().len(), 1);
    assert_eq!(
        (left.text.clone(), handle(&left)),
        (right.text.clone(), handle(&right))
    );
    let replayed = |reply: &Reply| reply.about.as_ref().unwrap().replayed;
    assert!(replayed(&left) != replayed(&right));
    let later = bench.restarted().await.call(keyed("one")).await.unwrap();
    assert!(replayed(&later));
    assert_eq!(
        later.about.as_ref().unwrap().kept.trace["model_used"],
        "auto"
    );
    assert_eq!(
        (later.text.clone(), handle(&later)),
        (left.text.clone(), handle(&left))
    );
    let other = bench.toolbox.call(keyed("two")).await.unwrap_err();
    assert_eq!(other.code, "idempotency_key_reused");
    assert_eq!(bench.questions().len(), 1);
    let mut reordered = keyed("one");
    reordered.arguments = serde_json::from_str(r#"{"temperature":0.3,"prompt":"one"}"#).unwrap();
    assert!(replayed(&bench.toolbox.call(reordered).await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_hangs_ends_at_its_deadline_and_gives_its_permit_back() {
    let config = "[limits]\nsoft_deadline = \"0s\"";
    let bench = Bench::new(config, Arc::new(|_| Ok("x".into()))).await;
    let mut around = bench.toolbox.surroundings().clone();
    let (ended, cancelled) = tokio::sync::watch::channel(false);
    around.ask = Arc::new(move |_, context| {
        let ended = ended.clone();
        let cancel = context.cancel.clone();
        drop(tokio::spawn(async move {
            cancel.cancelled().await;
            ended.send_replace(true);
        }));
        std::future::pending().boxed()
    });
    let toolbox = Toolbox::new(around);
    let failure = toolbox
        .call(call("chat", json!({"prompt": "x"})))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.category, failure.code),
        (Category::TimeoutError, "tool_timeout")
    );
    assert_eq!(toolbox.permits().current(), 0);
    let mut cancelled = cancelled;
    cancelled.wait_for(|ended| *ended).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_call_stops_asking() {
    let bench = Bench::echoing().await;
    let mut around = bench.toolbox.surroundings().clone();
    let (asking, mut asked) = tokio::sync::watch::channel(None);
    around.ask = Arc::new(move |_, context| {
        asking.send_replace(Some(context.cancel));
        std::future::pending().boxed()
    });
    let toolbox = Toolbox::new(around);
    let call = call("chat", json!({"prompt": "x"}));
    let cancel = call.cancel.clone();
    let running = tokio::spawn(async move { toolbox.call(call).await });
    let inner = asked
        .wait_for(Option::is_some)
        .await
        .unwrap()
        .clone()
        .unwrap();
    cancel.cancel();
    assert_eq!(running.await.unwrap().unwrap_err().code, "cancelled");
    inner.cancelled().await;
}

#[tokio::test]
async fn the_calls_in_flight_of_one_session_are_bounded() {
    let bench = Bench::new(
        "[limits]\nin_flight_per_session = 1",
        Arc::new(|_| Ok("x".into())),
    )
    .await;
    let mut around = bench.toolbox.surroundings().clone();
    let (asking, mut asked) = tokio::sync::watch::channel(false);
    around.ask = Arc::new(move |_, _| {
        asking.send_replace(true);
        std::future::pending().boxed()
    });
    let toolbox = Toolbox::new(around);
    let of_session = |session: &str| Call {
        session: Some(session.into()),
        ..call("chat", json!({"prompt": "x"}))
    };
    let running = {
        let (toolbox, call) = (toolbox.clone(), of_session("a"));
        tokio::spawn(async move { toolbox.call(call).await })
    };
    asked.wait_for(|asked| *asked).await.unwrap();
    let refused = toolbox.call(of_session("a")).await.unwrap_err();
    assert_eq!(refused.category, Category::RateLimitError);
    let version = Call {
        session: Some("b".into()),
        ..call("version", json!({}))
    };
    assert!(toolbox.call(version).await.is_ok());
    running.abort();
}
