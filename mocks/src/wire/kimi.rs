//! Kimi: `specs/providers.md` sections 1.3 and 1.4. Usage stands inside the finish chunk's choice;
//! a frame of its own comes only when asked for.

use serde_json::{Value, json};

use super::{Frame, FrameKind};
use crate::content::Content;

fn usage(content: &Content) -> Value {
    let mut usage = content.usage.chat();
    usage["cached_tokens"] = content.usage.cached.into();
    usage
}

/// The whole reply.
#[must_use]
pub fn whole(content: &Content) -> Value {
    json!({
        "id": content.id,
        "object": "chat.completion",
        "created": content.created,
        "model": content.model,
        "choices": [{
            "index": 0,
            "message": content.chat_message(),
            "finish_reason": content.finish.chat(),
        }],
        "usage": usage(content),
    })
}

/// One chunk with a single choice.
pub fn chunk(content: &Content, delta: &Value, finish: &Value) -> Value {
    json!({
        "id": content.id,
        "object": "chat.completion.chunk",
        "created": content.created,
        "model": content.model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    })
}

/// The streamed reply.
#[must_use]
pub fn stream(content: &Content) -> Vec<Frame> {
    let delta = |kind, delta: Value| Frame::data(kind, &chunk(content, &delta, &Value::Null));
    let mut frames = vec![delta(
        FrameKind::Open,
        json!({"role": "assistant", "content": ""}),
    )];
    for part in content.reasoning_chunks() {
        frames.push(delta(
            FrameKind::Reasoning,
            json!({"reasoning_content": part}),
        ));
    }
    if content.reasoning.is_some() {
        frames.push(delta(
            FrameKind::Reasoning,
            json!({"reasoning_content": ""}),
        ));
    }
    for part in content.chunks() {
        frames.push(delta(FrameKind::Text, json!({"content": part})));
    }
    for (index, call) in content.calls.iter().enumerate() {
        let function = json!({"name": call.name, "arguments": ""});
        frames.push(delta(
            FrameKind::Call,
            json!({"tool_calls": [{"index": index, "id": call.id, "type": "function",
                "function": function}]}),
        ));
        let arguments = json!({"arguments": call.arguments});
        let rest = json!({"tool_calls": [{"index": index, "function": arguments}]});
        frames.push(delta(FrameKind::Call, rest));
    }
    let mut finish = chunk(content, &json!({}), &content.finish.chat().into());
    finish["choices"][0]["usage"] = usage(content);
    frames.push(Frame::data(FrameKind::Finish, &finish));
    if content.include_usage {
        let mut last = chunk(content, &json!({}), &Value::Null);
        last["choices"] = json!([]);
        last["usage"] = usage(content);
        frames.push(Frame::data(FrameKind::Usage, &last));
    }
    frames.push(Frame::done());
    frames
}
