//! The wire forms against the sketches of `specs/providers.md`, read back by naive readers.

use serde_json::{Value, json};

use super::*;
use crate::content::{Call, Finish, Usage};

fn content() -> Content {
    Content {
        id: "id-1".into(),
        created: 7,
        model: "m".into(),
        reasoning: Some("let me think about it".into()),
        text: Some("hello 数据 world".into()),
        calls: vec![Call {
            id: "c0".into(),
            name: "f".into(),
            arguments: "{\"a\":1}".into(),
        }],
        finish: Finish::ToolCalls,
        usage: Usage::of(400, 16, 20),
        chunk_chars: 4,
        include_usage: false,
    }
}

fn data(frames: &[Frame]) -> Vec<Value> {
    let lines = frames.iter().flat_map(|frame| frame.text.lines());
    lines
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn joined(events: &[Value], path: &str) -> String {
    events
        .iter()
        .filter_map(|event| event.pointer(path))
        .filter_map(Value::as_str)
        .collect()
}

#[test]
fn openai_shaped_streams_carry_text_reasoning_and_calls() {
    for route in [Route::KimiChat, Route::GlmChat, Route::MiniMaxChat] {
        let frames = stream(route, &content());
        let events = data(&frames);
        assert_eq!(
            joined(&events, "/choices/0/delta/content"),
            "hello 数据 world"
        );
        let reasoning = joined(&events, "/choices/0/delta/reasoning_content");
        assert_eq!(reasoning, "let me think about it");
        let arguments = "/choices/0/delta/tool_calls/0/function/arguments";
        assert_eq!(joined(&events, arguments), "{\"a\":1}");
        assert_eq!(frames.last().unwrap().text, "data: [DONE]\n\n");
    }
}

#[test]
fn kimi_puts_usage_inside_the_choice_and_outside_only_when_asked() {
    let mut content = content();
    let events = data(&stream(Route::KimiChat, &content));
    let last = events.last().unwrap();
    assert!(last.pointer("/choices/0/usage/total_tokens").is_some());
    assert!(last.get("usage").is_none());
    content.include_usage = true;
    let events = data(&stream(Route::KimiChat, &content));
    let last = events.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert!(last.pointer("/usage/cached_tokens").is_some());
}

#[test]
fn glm_puts_usage_beside_the_finish_without_being_asked() {
    let events = data(&stream(Route::GlmChat, &content()));
    let last = events.last().unwrap();
    assert_eq!(
        last.pointer("/choices/0/finish_reason"),
        Some(&json!("tool_calls"))
    );
    assert!(last.pointer("/usage/prompt_tokens").is_some());
    assert!(events[0].pointer("/choices/0/finish_reason").is_none());
}

#[test]
fn minimax_streams_named_events_with_balanced_blocks() {
    let frames = stream(Route::MiniMaxMessages, &content());
    for frame in &frames {
        let name = frame
            .text
            .lines()
            .next()
            .unwrap()
            .strip_prefix("event: ")
            .unwrap();
        let data = &data(std::slice::from_ref(frame))[0];
        assert_eq!(data["type"], name);
    }
    let events = data(&frames);
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    assert_eq!(count("content_block_start"), 3);
    assert_eq!(count("content_block_stop"), 3);
    assert_eq!(count("ping"), 1);
    assert_eq!(joined(&events, "/delta/text"), "hello 数据 world");
    assert_eq!(joined(&events, "/delta/thinking"), "let me think about it");
    assert_eq!(joined(&events, "/delta/stop_reason"), "tool_use");
    assert_eq!(events.last().unwrap()["type"], "message_stop");
}

#[test]
fn whole_replies_have_each_vendors_own_fields() {
    let kimi = whole(Route::KimiChat, &content());
    assert_eq!(kimi["object"], "chat.completion");
    let glm = whole(Route::GlmChat, &content());
    assert_eq!(glm["request_id"], "id-1");
    let chat = whole(Route::MiniMaxChat, &content());
    assert_eq!(chat["base_resp"]["status_code"], 0);
    for body in [kimi, glm, chat] {
        assert_eq!(body["choices"][0]["message"]["content"], "hello 数据 world");
    }
    let anthropic = whole(Route::MiniMaxMessages, &content());
    assert_eq!(anthropic["content"][0]["type"], "thinking");
    assert_eq!(anthropic["content"][1]["text"], "hello 数据 world");
    assert_eq!(anthropic["content"][2]["input"], json!({"a": 1}));
    let mut null = content();
    null.text = None;
    assert_eq!(whole(Route::MiniMaxMessages, &null)["content"], Value::Null);
}
