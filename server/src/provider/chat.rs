//! The OpenAI-shaped message form that Kimi, GLM and named providers share: messages out,
//! chunks and whole bodies in, with every oddity of the fault catalogue's N rows.

use base64::Engine as _;
use serde_json::{Value, json};

use super::reply::{Draft, Gain};
use super::request::{Echo, Request};
use crate::router::ask::{Message, Speaker, Usage};

/// The messages, the system instruction first.
#[must_use]
pub fn messages(request: &Request<'_>) -> Vec<Value> {
    let system =
        (!request.system.is_empty()).then(|| json!({"role": "system", "content": request.system}));
    system
        .into_iter()
        .chain(request.messages.iter().map(|one| echoed(one, request.echo)))
        .collect()
}

/// A message as it goes back. Kimi refuses an empty text in the place of thoughts now and then, and
/// takes one space (provider notes §1.1).
fn echoed(said: &Message, echo: Echo) -> Value {
    let mut out = message(said);
    if echo == Echo::Blank && said.speaker == Speaker::Assistant {
        out["reasoning_content"] = " ".into();
    }
    out
}

fn message(message: &Message) -> Value {
    let role = message.speaker.role();
    if message.images.is_empty() {
        return json!({"role": role, "content": message.text});
    }
    let images = message.images.iter().map(|image| {
        let data = base64::engine::general_purpose::STANDARD.encode(&image.bytes);
        let url = format!("data:{};base64,{data}", image.media_type);
        json!({"type": "image_url", "image_url": {"url": url}})
    });
    let text = json!({"type": "text", "text": message.text});
    json!({"role": role, "content": images.chain([text]).collect::<Vec<_>>()})
}

/// The spelling of `thinking.type` in Kimi's and GLM's dialects.
#[must_use]
pub const fn switch(thinks: bool) -> &'static str {
    if thinks { "enabled" } else { "disabled" }
}

/// Takes one chunk, or a whole body, into the draft.
pub fn take(draft: &mut Draft, body: &Value) -> Gain {
    let mut gain = Gain::default();
    draft.note_model(body.get("model"));
    if let Some(used) = body.get("usage").and_then(usage) {
        draft.note_usage(used);
    }
    let results = body.get("web_search").and_then(Value::as_array);
    if results.is_some_and(|results| !results.is_empty()) {
        draft.note_search();
    }
    // One choice was asked for; null, absent and empty are legal and mean "nothing new".
    let choice = body
        .get("choices")
        .and_then(Value::as_array)
        .and_then(|all| all.first());
    let Some(choice) = choice else {
        return gain;
    };
    if let Some(used) = choice.get("usage").and_then(usage) {
        draft.note_usage(used);
    }
    if let Some(delta) = choice.get("delta").filter(|delta| delta.is_object()) {
        take_part(draft, delta, &mut gain);
    } else if let Some(message) = choice.get("message").filter(|one| one.is_object()) {
        take_message(draft, message, &mut gain);
    }
    draft.note_finish(choice.get("finish_reason"));
    gain
}

fn take_part(draft: &mut Draft, part: &Value, gain: &mut Gain) {
    let text = content(part.get("content"));
    if !text.is_empty() {
        gain.is_progress = true;
        gain.text.push_str(&draft.add_text(&text));
    }
    take_rest(draft, part, gain);
}

/// A whole message: the body of an unstreamed reply, or the last frame of a stream that repeats
/// all of its text (fault S11), of which only what is missing is taken.
fn take_message(draft: &mut Draft, message: &Value, gain: &mut Gain) {
    let text = content(message.get("content"));
    if let Some(missing) = draft
        .missing_of(&text)
        .filter(|missing| !missing.is_empty())
    {
        gain.is_progress = true;
        gain.text.push_str(&draft.add_text(missing));
    }
    take_rest(draft, message, gain);
}

fn take_rest(draft: &mut Draft, part: &Value, gain: &mut Gain) {
    let thought = part
        .get("reasoning_content")
        .or_else(|| part.get("reasoning"));
    let thoughts = part.get("reasoning_details").and_then(Value::as_array);
    if thought
        .and_then(Value::as_str)
        .is_some_and(|text| !text.is_empty())
        || thoughts.is_some_and(|all| !all.is_empty())
    {
        draft.note_thought();
        gain.is_progress = true;
    }
    let calls = part.get("tool_calls").and_then(Value::as_array);
    if calls.is_some_and(|calls| !calls.is_empty()) {
        draft.note_tool_call();
        gain.is_progress = true;
    }
}

/// Text of a `content` field: a string, parts, or null.
fn content(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text")?.as_str())
            .collect(),
        _ => String::new(),
    }
}

/// Token counts in any of the places where cached tokens are given; None where there are none.
#[must_use]
pub fn usage(value: &Value) -> Option<Usage> {
    let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    let details = value
        .get("prompt_tokens_details")
        .and_then(|all| all.get("cached_tokens"));
    value.is_object().then(|| Usage {
        input: number("prompt_tokens"),
        output: number("completion_tokens"),
        cached: details
            .and_then(Value::as_u64)
            .unwrap_or(0)
            .max(number("cached_tokens")),
    })
}
