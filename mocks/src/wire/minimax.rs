//! MiniMax on its Anthropic-shaped route: `specs/providers.md` sections 3.3 and 3.4. The whole form
//! follows a capture, the streamed one the SDK's types: no raw capture of it is known.

use serde_json::{Value, json};

use super::{Frame, FrameKind};
use crate::content::Content;
use crate::tracer::sha256_hex;

/// The signature of a thinking block: 64 hex digits, as in the capture. What they are made of there
/// is not known; here it is the words, so that a block that comes back changed is told from a whole
/// one.
#[must_use]
pub fn signature(thinking: &str) -> String {
    sha256_hex(thinking.as_bytes())
}

/// The content blocks: thinking first, then text, then tool calls.
#[must_use]
pub fn blocks(content: &Content) -> Value {
    let Some(text) = &content.text else {
        return Value::Null;
    };
    let mut blocks = Vec::new();
    if let Some(thinking) = &content.reasoning {
        blocks.push(json!({
            "type": "thinking", "thinking": thinking, "signature": signature(thinking)
        }));
    }
    if !text.is_empty() {
        blocks.push(json!({"type": "text", "text": text}));
    }
    for call in &content.calls {
        let input = serde_json::from_str(&call.arguments)
            .unwrap_or_else(|_| Value::from(call.arguments.clone()));
        blocks.push(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input}));
    }
    blocks.into()
}

/// The whole reply.
#[must_use]
pub fn whole(content: &Content) -> Value {
    json!({
        "id": content.id,
        "type": "message",
        "role": "assistant",
        "model": content.model,
        "content": blocks(content),
        "usage": content.usage.anthropic(),
        "stop_reason": content.finish.anthropic(),
        "base_resp": {"status_code": 0, "status_msg": ""},
    })
}

/// An event whose data repeats its name as `type`, as every event of this form does.
#[must_use]
pub fn event(kind: FrameKind, name: &str, mut data: Value) -> Frame {
    if let Some(fields) = data.as_object_mut() {
        fields.shift_insert(0, "type".into(), name.into());
    }
    Frame::event(kind, name, &data)
}

/// A block as events: start, one delta a part, an optional last delta, stop.
struct Block {
    kind: FrameKind,
    index: usize,
    start: Value,
    deltas: Vec<Value>,
}

impl Block {
    fn write(self, frames: &mut Vec<Frame>) {
        let index = self.index;
        let start = json!({"index": index, "content_block": self.start});
        frames.push(event(FrameKind::Open, "content_block_start", start));
        for delta in self.deltas {
            let delta = json!({"index": index, "delta": delta});
            frames.push(event(self.kind, "content_block_delta", delta));
        }
        frames.push(event(
            FrameKind::Noise,
            "content_block_stop",
            json!({"index": index}),
        ));
    }
}

/// The events before any block: the message's start and a ping.
#[must_use]
pub fn opening(content: &Content) -> Vec<Frame> {
    let usage = json!({"input_tokens": content.usage.prompt, "output_tokens": 0});
    let message = json!({
        "id": content.id, "type": "message", "role": "assistant", "model": content.model,
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    vec![
        event(
            FrameKind::Open,
            "message_start",
            json!({"message": message}),
        ),
        event(FrameKind::Noise, "ping", json!({})),
    ]
}

fn deltas(kind: &str, field: &str, parts: Vec<&str>) -> Vec<Value> {
    parts
        .into_iter()
        .map(|part| json!({"type": kind, field: part}))
        .collect()
}

/// The streamed reply.
#[must_use]
pub fn stream(content: &Content) -> Vec<Frame> {
    let mut blocks = Vec::new();
    if let Some(thinking) = &content.reasoning {
        let mut parts = deltas("thinking_delta", "thinking", content.reasoning_chunks());
        parts.push(json!({"type": "signature_delta", "signature": signature(thinking)}));
        let start = json!({"type": "thinking", "thinking": "", "signature": ""});
        blocks.push((FrameKind::Reasoning, start, parts));
    }
    if content.text.as_ref().is_some_and(|text| !text.is_empty()) {
        let parts = deltas("text_delta", "text", content.chunks());
        blocks.push((FrameKind::Text, json!({"type": "text", "text": ""}), parts));
    }
    for call in &content.calls {
        let start = json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}});
        let parts = deltas("input_json_delta", "partial_json", vec![&call.arguments]);
        blocks.push((FrameKind::Call, start, parts));
    }
    let mut frames = opening(content);
    for (index, (kind, start, deltas)) in blocks.into_iter().enumerate() {
        Block {
            kind,
            index,
            start,
            deltas,
        }
        .write(&mut frames);
    }
    let end = json!({"stop_reason": content.finish.anthropic(), "stop_sequence": null});
    let finish = json!({"delta": end, "usage": content.usage.anthropic()});
    frames.push(event(FrameKind::Finish, "message_delta", finish));
    frames.push(event(FrameKind::Done, "message_stop", json!({})));
    frames
}
