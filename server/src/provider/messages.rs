//! The Anthropic-shaped message form that MiniMax answers in: events and whole bodies.

use serde_json::Value;

use super::reply::{Draft, Gain};
use crate::router::ask::Usage;

/// The state that an event stream needs beside its draft.
#[derive(Debug, Default)]
pub struct Blocks {
    /// Text that a block's start carried and that a delta may repeat (fault S13).
    held: String,
}

impl Blocks {
    /// Takes one event, by the `type` inside its data, into the draft; true at the end marker.
    pub fn take(&mut self, draft: &mut Draft, event: &Value) -> (Gain, bool) {
        let mut gain = Gain::default();
        let kind = event
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match kind {
            "message_start" => {
                let message = event.get("message");
                draft.note_model(message.and_then(|message| message.get("model")));
                note_usage(draft, message);
            }
            "content_block_start" => {
                let block = event.get("content_block");
                self.held = field(block, "text").to_owned();
                if let Some(block) = block.filter(|block| is_thought(block)) {
                    draft.thoughts().open(block.clone());
                }
                note_kind(draft, block, &mut gain);
            }
            "content_block_delta" => self.delta(draft, event.get("delta"), &mut gain),
            "content_block_stop" => {
                self.release(draft, &mut gain);
                draft.thoughts().close();
            }
            "message_delta" => {
                self.release(draft, &mut gain);
                let delta = event.get("delta");
                draft.note_finish(delta.and_then(|delta| delta.get("stop_reason")));
                note_usage(draft, Some(event));
            }
            "message_stop" => return (gain, true),
            // A whole message in place of, or after, its events.
            "message" => return (whole(draft, event), true),
            _ => {}
        }
        (gain, false)
    }

    fn delta(&mut self, draft: &mut Draft, delta: Option<&Value>, gain: &mut Gain) {
        let text = field(delta, "text");
        if !text.is_empty() {
            if self.held.starts_with(text) || text.starts_with(self.held.as_str()) {
                self.held.clear();
            }
            self.release(draft, gain);
            gain.text.push_str(&draft.add_text(text));
            gain.is_progress = true;
        }
        for part in ["thinking", "signature"] {
            draft.thoughts().grow(part, field(delta, part));
        }
        if !field(delta, "thinking").is_empty() {
            draft.note_thought();
            gain.is_progress = true;
        }
        if !field(delta, "partial_json").is_empty() {
            gain.is_progress = true;
        }
    }

    fn release(&mut self, draft: &mut Draft, gain: &mut Gain) {
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            gain.text.push_str(&draft.add_text(&held));
            gain.is_progress = true;
        }
    }
}

/// Takes a whole body into the draft; blocks are picked by their type, and null is no block.
pub fn whole(draft: &mut Draft, body: &Value) -> Gain {
    let mut gain = Gain::default();
    draft.note_model(body.get("model"));
    note_usage(draft, Some(body));
    let blocks = body.get("content").and_then(Value::as_array);
    let mut text = String::new();
    let thoughts = blocks
        .into_iter()
        .flatten()
        .filter(|block| is_thought(block));
    let thoughts: Vec<Value> = thoughts.cloned().collect();
    if !thoughts.is_empty() {
        draft.thoughts().replace(thoughts);
    }
    for block in blocks.into_iter().flatten() {
        note_kind(draft, Some(block), &mut gain);
        text.push_str(field(Some(block), "text"));
    }
    if let Some(missing) = draft
        .missing_of(&text)
        .filter(|missing| !missing.is_empty())
    {
        gain.is_progress = true;
        gain.text = draft.add_text(missing);
    }
    draft.note_finish(body.get("stop_reason"));
    gain
}

/// Whether a block is one of those that are to come back with the next turn (fault C10).
fn is_thought(block: &Value) -> bool {
    matches!(field(Some(block), "type"), "thinking" | "redacted_thinking")
}

fn note_kind(draft: &mut Draft, block: Option<&Value>, gain: &mut Gain) {
    match field(block, "type") {
        "thinking" | "redacted_thinking" => {
            draft.note_thought();
            gain.is_progress |= !field(block, "thinking").is_empty();
        }
        "tool_use" => draft.note_tool_call(),
        _ => {}
    }
}

fn field<'a>(value: Option<&'a Value>, name: &str) -> &'a str {
    value
        .and_then(|value| value.get(name))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Input tokens exclude cached ones in this dialect; ours include them.
fn note_usage(draft: &mut Draft, holder: Option<&Value>) {
    let Some(usage) = holder.and_then(|holder| holder.get("usage")) else {
        return;
    };
    let number = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
    let cached = number("cache_read_input_tokens");
    let written = number("cache_creation_input_tokens");
    draft.note_usage(Usage {
        input: number("input_tokens")
            .saturating_add(cached)
            .saturating_add(written),
        output: number("output_tokens"),
        cached,
    });
}
