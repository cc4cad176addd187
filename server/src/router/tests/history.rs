//! A refusal of the conversation's past is answered once, with that past in another form.

use serde_json::{Value, json};

use super::super::ask::{Message, Speaker, Thoughts};
use super::bench::{ask, chat_stream, context, refusal, router_with, row, settings};
use super::scripted::{Line, Scripted};
use super::*;

const MISSED: &str = r#"{"error":{"type":"invalid_request_error",
    "message":"thinking is enabled but reasoning_content is missing at index 1"}}"#;

const NOT_FOUND: &str = r#"{"error":{"type":"invalid_request_error",
    "message":"invalid params, tool result's tool id(a) not found (2013)"}}"#;

/// A question that comes after an answer.
fn after_an_answer(model: &str, thoughts: Option<Thoughts>) -> Ask {
    let mut ask = ask(model, model.starts_with("kimi"));
    let said = Message {
        speaker: Speaker::Assistant,
        text: "answered".to_owned(),
        images: Vec::new(),
        thoughts,
    };
    ask.messages.insert(0, said);
    ask
}

fn thoughts(provider: &str) -> Option<Thoughts> {
    Some(Thoughts {
        provider: provider.to_owned(),
        model: "MiniMax-M3".to_owned(),
        blocks: vec![json!({"type": "thinking", "thinking": "hm", "signature": "5e"})],
    })
}

/// Puts a question to one provider, which keeps to its script; what came, and what was sent.
async fn put(
    dialect: Dialect,
    lines: Vec<Line>,
    ask: Ask,
) -> (Result<Answer, Failure>, Vec<Value>) {
    let provider = Scripted::start(lines).await;
    let router = router_with(settings(), vec![row(dialect, Some(&provider.url))]);
    let result = router.ask(ask, &context()).await;
    let sent = provider.seen().into_iter().map(|seen| seen.body).collect();
    (result, sent)
}

fn message_of_minimax() -> Line {
    let body = json!({"id": "m", "type": "message", "role": "assistant", "model": "MiniMax-M3",
        "content": [{"type": "text", "text": "whole"}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 9, "output_tokens": 3}});
    Line::Whole(200, "application/json", body.to_string())
}

#[tokio::test]
async fn kimi_gets_a_blank_where_it_missed_the_thoughts_of_an_answer() {
    let lines = vec![refusal(400, MISSED), chat_stream(&["whole"])];
    let ask = after_an_answer("kimi-k2.6", None);
    let (result, sent) = put(Dialect::Kimi, lines, ask).await;
    assert_eq!(result.unwrap().text, "whole");
    let past: Vec<&Value> = sent.iter().map(|body| &body["messages"][1]).collect();
    assert_eq!(
        past[0],
        &json!({"role": "assistant", "content": "answered"})
    );
    let echoed = json!({"role": "assistant", "content": "answered", "reasoning_content": " "});
    assert_eq!(past[1..], [&echoed]);
}

#[tokio::test]
async fn minimax_gets_the_text_alone_after_it_refused_what_stood_beside_it() {
    let lines = vec![refusal(400, NOT_FOUND), message_of_minimax()];
    let ask = after_an_answer("MiniMax-M3", thoughts("minimax"));
    let (result, sent) = put(Dialect::Minimax, lines, ask).await;
    assert_eq!(result.unwrap().text, "whole");
    let past: Vec<&Value> = sent.iter().map(|body| &body["messages"][0]).collect();
    assert!(past[0].to_string().contains("signature"), "{past:?}");
    assert_eq!(
        past[1..],
        [&json!({"role": "assistant", "content": "answered"})]
    );
}

#[tokio::test]
async fn what_would_be_the_same_request_again_is_not_sent() {
    let alone = |model| ask(model, false);
    let cases = [
        (Dialect::Kimi, MISSED, alone("kimi-k2.6"), 1),
        (Dialect::Minimax, NOT_FOUND, alone("MiniMax-M3"), 1),
        (
            Dialect::Minimax,
            NOT_FOUND,
            after_an_answer("MiniMax-M3", None),
            1,
        ),
        (
            Dialect::Minimax,
            NOT_FOUND,
            after_an_answer("MiniMax-M3", thoughts("second")),
            1,
        ),
        // Once: what is refused in its other form as well is refused for good.
        (Dialect::Kimi, MISSED, after_an_answer("kimi-k2.6", None), 2),
        (
            Dialect::Minimax,
            NOT_FOUND,
            after_an_answer("MiniMax-M3", thoughts("minimax")),
            2,
        ),
    ];
    for (dialect, words, ask, requests) in cases {
        let (result, sent) = put(dialect, vec![refusal(400, words)], ask).await;
        let failure = result.unwrap_err();
        assert_eq!(failure.code, "provider_rejected_request", "{failure:?}");
        assert!(!failure.retryable);
        assert_eq!(sent.len(), requests, "{sent:?}");
    }
}
