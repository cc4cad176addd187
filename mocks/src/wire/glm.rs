//! GLM: `specs/providers.md` sections 2.3 and 2.4. Usage comes with the finish chunk, unasked; a
//! tool call arrives whole in one delta.

use serde_json::{Value, json};

use super::{Frame, FrameKind};
use crate::content::Content;

/// The whole reply.
#[must_use]
pub fn whole(content: &Content) -> Value {
    json!({
        "id": content.id,
        "request_id": content.id,
        "created": content.created,
        "model": content.model,
        "object": "chat.completion",
        "choices": [{
            "index": 0,
            "finish_reason": content.finish.chat(),
            "message": content.chat_message(),
        }],
        "usage": content.usage.chat(),
    })
}

/// One chunk; `finish` is left out while it is null, as the vendor does.
pub fn chunk(content: &Content, delta: &Value, finish: Option<&str>) -> Value {
    let mut choice = json!({"index": 0, "delta": delta});
    if let Some(finish) = finish {
        choice["finish_reason"] = finish.into();
    }
    json!({
        "id": content.id,
        "created": content.created,
        "model": content.model,
        "choices": [choice],
    })
}

/// The streamed reply.
#[must_use]
pub fn stream(content: &Content) -> Vec<Frame> {
    let mut frames = Vec::new();
    for part in content.reasoning_chunks() {
        let delta = json!({"role": "assistant", "reasoning_content": part});
        frames.push(Frame::data(
            FrameKind::Reasoning,
            &chunk(content, &delta, None),
        ));
    }
    for part in content.chunks() {
        let delta = json!({"role": "assistant", "content": part});
        frames.push(Frame::data(FrameKind::Text, &chunk(content, &delta, None)));
    }
    for call in content.chat_calls() {
        let delta = json!({"role": "assistant", "tool_calls": [call]});
        frames.push(Frame::data(FrameKind::Call, &chunk(content, &delta, None)));
    }
    let delta = json!({"role": "assistant", "content": ""});
    let mut finish = chunk(content, &delta, Some(content.finish.chat()));
    finish["usage"] = content.usage.chat();
    frames.push(Frame::data(FrameKind::Finish, &finish));
    frames.push(Frame::done());
    frames
}
