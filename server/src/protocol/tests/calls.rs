//! `tools/call`: answers, failures, replays, progress, pages.

use super::*;

#[tokio::test]
async fn an_answer_is_the_models_text_alone_and_says_how_it_came_about() {
    let bench = bench("").await;
    let mut client = Client::legacy(&bench).await;
    let answer = client
        .call("chat", json!({"prompt": "hello", "model": "kimi-k2.6"}))
        .await;
    let result = &answer["result"];
    assert_eq!(result["content"][0]["text"], "re: hello");
    assert!(result.get("structuredContent").is_none());
    assert!(result["isError"].as_bool() != Some(true));
    let reply = &result["_meta"]["dev.exai/reply"];
    for field in [
        "continuation_id",
        "turn",
        "turns_left",
        "ttl_seconds",
        "model_asked",
        "model_used",
        "provider",
        "reason",
        "failover",
        "attempts",
        "tokens",
        "cost_usd",
        "elapsed_ms",
        "search",
        "replayed",
        "incomplete",
        "warnings",
        "demo",
        "instance",
        "correlation_id",
    ] {
        assert!(reply.get(field).is_some(), "no {field}: {reply}");
    }
    assert_eq!(
        reply["tokens"],
        json!({"input": 3, "output": 2, "cached": 1})
    );
    let footer = result["content"][1]["text"].as_str().unwrap();
    for part in [
        "kimi-k2.6 via kimi",
        "3 tokens in, 2 out",
        "turn 1, 9 left",
        "$0.5000",
    ] {
        assert!(footer.contains(part), "{footer}");
    }
}

#[tokio::test]
async fn without_footer_there_is_one_block_and_structured_prose_carries_the_whole_text() {
    let bench = bench("[tools]\nfooter = false\nstructured = true").await;
    let mut client = Client::legacy(&bench).await;
    let answer = client.call("chat", json!({"prompt": "hello"})).await;
    assert_eq!(answer["result"]["content"].as_array().unwrap().len(), 1);
    assert_eq!(answer["result"]["structuredContent"]["text"], "re: hello");
    let list = client.ask("tools/list", json!({})).await;
    for tool in list["result"]["tools"].as_array().unwrap() {
        assert_eq!(tool["outputSchema"]["type"], "object", "{}", tool["name"]);
    }
}

#[tokio::test]
async fn a_refused_argument_is_an_error_result_and_an_unknown_tool_a_protocol_error() {
    let bench = bench("").await;
    let mut client = Client::legacy(&bench).await;
    let refused = client
        .call("chat", json!({"prompt": "x", "temperature": 9}))
        .await;
    let result = &refused["result"];
    assert_eq!(result["isError"], true);
    assert_eq!(result["content"].as_array().unwrap().len(), 1);
    let error = &result["structuredContent"]["error"];
    assert_eq!(error["category"], "validation_error");
    assert_eq!(
        (&error["field"], &error["retryable"]),
        (&json!("/temperature"), &json!(false))
    );
    assert_eq!(error["correlation_id"].as_str().unwrap().len(), 32);
    let unknown = client.call("nothing", json!({})).await;
    assert_eq!(unknown["error"]["code"], -32602);
    assert_eq!(unknown["error"]["data"]["category"], "client_error");
    assert_eq!(unknown["error"]["data"]["code"], "unknown_tool");
}

#[tokio::test]
async fn an_unknown_method_is_named_in_the_one_error_form() {
    let bench = bench("").await;
    let mut client = Client::legacy(&bench).await;
    let unknown = client.ask("no/such/method", json!({})).await;
    assert_eq!(unknown["error"]["code"], -32601);
    assert_eq!(unknown["error"]["data"]["category"], "client_error");
    assert_eq!(unknown["error"]["data"]["code"], "unknown_method");
    assert!(unknown.to_string().contains("no/such/method"));
}

#[tokio::test]
async fn a_panic_is_answered_and_the_next_call_works() {
    let bench = bench("").await;
    let mut client = Client::legacy(&bench).await;
    let failed = client.call("chat", json!({"prompt": "poison"})).await;
    assert_eq!(
        failed["result"]["structuredContent"]["error"]["category"],
        "server_error"
    );
    assert!(!failed.to_string().contains("planted"));
    let answer = client.call("chat", json!({"prompt": "hello"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "re: hello");
}

#[tokio::test]
async fn an_idempotency_key_in_the_metadata_replays_and_must_be_text() {
    let bench = bench("").await;
    let mut client = Client::legacy(&bench).await;
    let meta = json!({"dev.exai/idempotency-key": "k-1"});
    let first = client
        .call_with("chat", json!({"prompt": "a"}), meta.clone())
        .await;
    let again = client
        .call_with("chat", json!({"prompt": "a"}), meta.clone())
        .await;
    assert_eq!(first["result"]["content"][0], again["result"]["content"][0]);
    let (first, again) = (&first["result"]["_meta"], &again["result"]["_meta"]);
    let (first, again) = (&first["dev.exai/reply"], &again["dev.exai/reply"]);
    assert_eq!(
        (&first["replayed"], &again["replayed"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        (&first["turn"], &first["continuation_id"]),
        (&again["turn"], &again["continuation_id"])
    );
    assert_eq!(bench.questions().len(), 1);
    let other = client.call_with("chat", json!({"prompt": "b"}), meta).await;
    let error = &other["result"]["structuredContent"]["error"];
    assert_eq!(error["category"], "validation_error");
    let number = json!({"dev.exai/idempotency-key": 7});
    let refused = client
        .call_with("chat", json!({"prompt": "a"}), number)
        .await;
    assert_eq!(refused["result"]["isError"], true);
    assert_eq!(bench.questions().len(), 1);
}

#[tokio::test]
async fn a_long_answer_comes_in_pages_and_is_whole_in_its_thread() {
    let bench = bench("").await;
    let mut client = Client::legacy(&bench).await;
    for (length, is_paged) in [(38_400, false), (38_401, true), (120_000, true)] {
        let mut answer = client
            .call("chat", json!({"prompt": format!("long {length}")}))
            .await;
        let (mut joined, mut read) = (String::new(), String::new());
        let pages = answer["result"]["_meta"]["dev.exai/reply"]["pages"].clone();
        assert_eq!(pages.is_null(), !is_paged, "{length}");
        for page in 1.. {
            let content = answer["result"]["content"].as_array().unwrap();
            let texts: Vec<&str> = content
                .iter()
                .filter_map(|one| one["text"].as_str())
                .collect();
            let shown: usize = texts.iter().map(|text| text.chars().count()).sum();
            assert!(shown <= 40_000, "{shown}");
            joined.push_str(texts[0]);
            if is_paged {
                let place = format!("page {page} of {pages}");
                assert!(texts.last().unwrap().ends_with(&place), "{texts:?}");
            }
            let link = content.iter().find(|one| one["type"] == "resource_link");
            let Some(link) = link.cloned() else { break };
            let seen = client
                .ask("resources/read", json!({"uri": link["uri"]}))
                .await;
            read.push_str(seen["result"]["contents"][0]["text"].as_str().unwrap());
            let next = answer["result"]["_meta"]["dev.exai/reply"]["next_call"].clone();
            assert_eq!(next["arguments"]["continuation_id"], link["uri"]);
            let tool = next["tool"].as_str().unwrap().to_owned();
            answer = client.call(&tool, next["arguments"].clone()).await;
        }
        assert_eq!(joined.chars().count(), length);
        assert!(joined.ends_with(&read) && read.is_empty() != is_paged);
    }
    assert_eq!(bench.questions().len(), 3);
}

#[tokio::test]
async fn streamed_text_arrives_as_rising_progress_before_the_answer() {
    let bench = bench("").await;
    let mut around = bench.toolbox.surroundings().clone();
    around.ask = Arc::new(|ask, context| {
        Box::pin(async move {
            let on_text = context.on_text.expect("somebody listens");
            for piece in ["one ", "two ", "three"] {
                on_text.send(piece.into()).await.unwrap();
                tokio::task::yield_now().await;
            }
            Ok(crate::tool::tests::answer(&ask, "one two three".into()))
        })
    });
    let toolbox = crate::tool::Toolbox::new(around);
    let mut client = Client::of(pipe(&toolbox));
    client.initialize().await;
    let asked = json!({"prompt": "x", "stream": true});
    let answer = client
        .call_with("chat", asked, json!({"progressToken": "t"}))
        .await;
    assert_eq!(answer["result"]["content"][0]["text"], "one two three");
    let notes: Vec<&Value> = client.notes.iter().map(|note| &note["params"]).collect();
    let text: String = notes
        .iter()
        .map(|note| note["message"].as_str().unwrap())
        .collect();
    assert_eq!(text, "one two three");
    let steps: Vec<f64> = notes
        .iter()
        .map(|note| note["progress"].as_f64().unwrap())
        .collect();
    assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
    assert!(notes.iter().all(|note| note["progressToken"] == "t"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_long_gives_a_sign_of_life_at_least_every_five_seconds() {
    let bench = bench("").await;
    let mut around = bench.toolbox.surroundings().clone();
    around.ask = Arc::new(|_, _| {
        Box::pin(async {
            let silence = std::future::pending::<()>();
            let _ = tokio::time::timeout(Duration::from_millis(8_500), silence).await;
            Err(crate::failure::Failure::validation("/prompt", "enough"))
        })
    });
    let toolbox = crate::tool::Toolbox::new(around);
    let (sent, work) = (tokio::time::Instant::now(), toolbox);
    let mut client = Client::of(pipe(&work));
    client.initialize().await;
    let params = json!({"prompt": "x", "model": "kimi-k2.6"});
    let answer = client
        .call_with("chat", params, json!({"progressToken": 1}))
        .await;
    assert_eq!(answer["result"]["isError"], true);
    assert!(sent.elapsed() >= Duration::from_secs(8));
    let messages: Vec<&str> = client
        .notes
        .iter()
        .map(|note| note["params"]["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        messages,
        [
            "chat · kimi-k2.6 · working 1 s",
            "chat · kimi-k2.6 · working 5 s"
        ]
    );
}

#[tokio::test]
async fn a_closed_pipe_ends_the_service_and_leaves_the_question_of_a_running_call() {
    let bench = bench("").await;
    let mut around = bench.toolbox.surroundings().clone();
    let (asking, mut asked) = tokio::sync::watch::channel(None);
    around.ask = Arc::new(move |_, context| {
        asking.send_replace(Some(context.cancel));
        Box::pin(std::future::pending())
    });
    let toolbox = crate::tool::Toolbox::new(around);
    let (near, far) = tokio::io::duplex(1 << 16);
    let (input, output) = tokio::io::split(far);
    let cancel = CancellationToken::new();
    let work = toolbox.clone();
    let service = tokio::spawn(crate::transport::pipe::serve(
        toolbox, input, output, cancel,
    ));
    let mut client = Client::over(near);
    client.initialize().await;
    let params = json!({"name": "chat", "arguments": {"prompt": "x"}});
    client
        .send(json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params}))
        .await;
    let question = asked
        .wait_for(Option::is_some)
        .await
        .unwrap()
        .clone()
        .unwrap();
    drop(client);
    let ended = tokio::time::timeout(Duration::from_secs(2), service).await;
    assert!(ended.is_ok(), "the service outlives its pipe");
    assert!(!question.is_cancelled(), "the answer was paid for");
    work.cut();
    work.finish().await;
    assert!(
        question.is_cancelled(),
        "work that is cut leaves nobody asked"
    );
}
