//! MiniMax on its OpenAI-shaped route: `specs/providers.md` section 3.5. The stream ends with the
//! whole message and the end mark, whose presence there is not confirmed.

use serde_json::{Map, Value, json};

use super::{Frame, FrameKind};
use crate::content::Content;

fn envelope(content: &Content, object: &str, choice: &Value) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("id".into(), content.id.clone().into());
    body.insert("object".into(), object.into());
    body.insert("created".into(), content.created.into());
    body.insert("model".into(), content.model.clone().into());
    body.insert("choices".into(), json!([choice]));
    body
}

/// The whole reply.
#[must_use]
pub fn whole(content: &Content) -> Value {
    let mut message = content.chat_message();
    message.insert("name".into(), "MiniMax AI".into());
    message.insert("audio_content".into(), "".into());
    let choice = json!({
        "finish_reason": content.finish.chat(), "index": 0, "message": message,
    });
    let mut body = envelope(content, "chat.completion", &choice);
    body.insert("usage".into(), usage(content));
    body.insert("input_sensitive".into(), false.into());
    body.insert("output_sensitive".into(), false.into());
    for field in [
        "input_sensitive_type",
        "output_sensitive_type",
        "output_sensitive_int",
    ] {
        body.insert(field.into(), 0.into());
    }
    body.insert(
        "base_resp".into(),
        json!({"status_code": 0, "status_msg": ""}),
    );
    body.into()
}

fn usage(content: &Content) -> Value {
    let mut usage = content.usage.chat();
    usage["total_characters"] = 0.into();
    usage
}

/// One chunk.
#[must_use]
pub fn chunk(content: &Content, delta: &Value, finish: &Value) -> Value {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    let mut body = envelope(content, "chat.completion.chunk", &choice);
    body.insert("usage".into(), Value::Null);
    body.into()
}

/// The streamed reply.
#[must_use]
pub fn stream(content: &Content) -> Vec<Frame> {
    let delta = |kind, delta: Value| Frame::data(kind, &chunk(content, &delta, &Value::Null));
    let mut frames = Vec::new();
    for part in content.reasoning_chunks() {
        let delta_ = json!({"role": "assistant", "reasoning_content": part});
        frames.push(delta(FrameKind::Reasoning, delta_));
    }
    for part in content.chunks() {
        frames.push(delta(
            FrameKind::Text,
            json!({"role": "assistant", "content": part}),
        ));
    }
    for call in content.chat_calls() {
        frames.push(delta(
            FrameKind::Call,
            json!({"role": "assistant", "tool_calls": [call]}),
        ));
    }
    let finish = chunk(
        content,
        &json!({"role": "assistant"}),
        &content.finish.chat().into(),
    );
    frames.push(Frame::data(FrameKind::Finish, &finish));
    frames.push(Frame::data(FrameKind::Usage, &whole(content)));
    frames.push(Frame::done());
    frames
}
