//! What a request holds, whatever its shape: message texts, tracers and where they stand, the
//! system instruction's digest. It never refuses; `strict` does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::journal::{PlacedTracer, SeenMessage, body_sha256};
use crate::tracer::{RunKey, sha256_hex};

/// The journal's view of one request body.
#[derive(Debug, Default)]
pub struct Seen {
    /// Every distinct tracer in order of first appearance.
    pub tracers: Vec<PlacedTracer>,
    /// The messages in order.
    pub messages: Vec<SeenMessage>,
    /// Digest of the system texts.
    pub system_sha256: String,
    /// Digest of what the body says.
    pub body_sha256: String,
    /// All message texts, joined by newlines: what a rule's `contains` is searched in.
    pub text: String,
    /// Thinking blocks or reasoning the client sent back.
    pub thinking_returned: usize,
}

/// Reads everything of interest out of a body.
#[must_use]
pub fn look(key: &RunKey, body: &Map<String, Value>) -> Seen {
    let mut seen = Seen {
        body_sha256: body_sha256(body),
        ..Seen::default()
    };
    let mut system = Vec::new();
    if let Some(top) = body.get("system") {
        for (place, text) in pieces(top, "system") {
            seen.place(key, &text, &place);
            system.push(text);
        }
    }
    let messages = body
        .get("messages")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    for (index, message) in messages.iter().enumerate() {
        let text = seen.message(key, index, message);
        if message.get("role").and_then(Value::as_str) == Some("system") {
            system.push(text);
        }
    }
    if let Some(tools) = body.get("tools") {
        seen.place(key, &all_strings(tools), "tools");
    }
    seen.system_sha256 = sha256_hex(system.join("\n").as_bytes());
    seen
}

impl Seen {
    fn message(&mut self, key: &RunKey, index: usize, message: &Value) -> String {
        let slot = format!("messages[{index}]");
        let mut tracers = Vec::new();
        let mut texts = Vec::new();
        let content = message.get("content").unwrap_or(&Value::Null);
        for (place, text) in pieces(content, &format!("{slot}.content")) {
            let place = if content.is_string() { &slot } else { &place };
            tracers.extend(self.place(key, &text, place));
            texts.push(text);
        }
        for (place, bytes) in binaries(content, &slot) {
            tracers.extend(self.place(key, &bytes, &place));
        }
        for field in ["tool_calls", "reasoning_content"] {
            if let Some(value) = message.get(field) {
                tracers.extend(self.place(key, &all_strings(value), &format!("{slot}.{field}")));
            }
        }
        // A thought that comes back is no part of what was said.
        let parts = content.as_array().map_or(&[][..], Vec::as_slice);
        for (at, part) in parts.iter().enumerate() {
            if let Some(thought) = part.get("thinking").and_then(Value::as_str) {
                tracers.extend(self.place(key, thought, &format!("{slot}.content[{at}]")));
            }
        }
        self.thinking_returned += thinking_blocks(message, content);
        let text = texts.join("\n");
        self.text.push_str(&text);
        self.text.push('\n');
        self.messages.push(SeenMessage {
            role: message
                .get("role")
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned(),
            sha256: sha256_hex(text.as_bytes()),
            tracers,
        });
        text
    }

    fn place(&mut self, key: &RunKey, text: &str, slot: &str) -> Vec<String> {
        let found = key.find(text);
        for tracer in &found {
            if !self.tracers.iter().any(|placed| placed.text == *tracer) {
                self.tracers.push(PlacedTracer {
                    text: tracer.clone(),
                    slot: slot.to_owned(),
                });
            }
        }
        found
    }
}

fn thinking_blocks(message: &Value, content: &Value) -> usize {
    let echoed = message.get("reasoning_content").and_then(Value::as_str);
    let blocks = content.as_array().map_or(0, |parts| {
        parts
            .iter()
            .filter(|part| part.get("type") == Some(&Value::from("thinking")))
            .count()
    });
    blocks + usize::from(echoed.is_some_and(|text| !text.is_empty()))
}

/// The texts of a content: itself, or those of its parts, each with its place.
fn pieces(content: &Value, slot: &str) -> Vec<(String, String)> {
    match content {
        Value::String(text) => vec![(slot.to_owned(), text.clone())],
        Value::Array(parts) => parts
            .iter()
            .enumerate()
            .filter_map(|(at, part)| Some((format!("{slot}[{at}]"), part_text(part)?)))
            .collect(),
        _ => Vec::new(),
    }
}

fn part_text(part: &Value) -> Option<String> {
    let of = |field: &str| part.get(field).and_then(Value::as_str).map(str::to_owned);
    match part.get("type").and_then(Value::as_str)? {
        "text" => of("text"),
        "tool_use" => part.get("input").map(all_strings),
        "tool_result" => part.get("content").map(all_strings),
        "document" => part
            .pointer("/source/data")
            .filter(|_| is_plain(part))
            .map(all_strings),
        _ => None,
    }
}

fn is_plain(part: &Value) -> bool {
    part.pointer("/source/type").and_then(Value::as_str) == Some("text")
}

/// Base64 payloads (images, videos, documents) as lossy text, each with its place.
fn binaries(content: &Value, slot: &str) -> Vec<(String, String)> {
    let parts = content.as_array().map_or(&[][..], Vec::as_slice);
    parts
        .iter()
        .enumerate()
        .filter_map(|(at, part)| {
            let bytes = STANDARD.decode(base64_of(part)?).ok()?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Some((format!("{slot}.content[{at}]"), text))
        })
        .collect()
}

fn base64_of(part: &Value) -> Option<&str> {
    let url = ["/image_url/url", "/video_url/url"]
        .iter()
        .find_map(|path| part.pointer(path));
    if let Some(url) = url.and_then(Value::as_str) {
        return url.split_once("base64,").map(|(_, data)| data);
    }
    if is_plain(part) {
        return None;
    }
    part.pointer("/source/data").and_then(Value::as_str)
}

/// Every string below a value, joined by newlines. Strings that hold JSON (tool arguments) stay as
/// they are: their tracers stand between escapes only when the client broke them.
fn all_strings(value: &Value) -> String {
    fn walk(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::String(text) => match serde_json::from_str::<Value>(text) {
                Ok(inner @ (Value::Object(_) | Value::Array(_))) => walk(&inner, out),
                _ => out.push(text.clone()),
            },
            Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
            Value::Object(fields) => fields.values().for_each(|field| walk(field, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(value, &mut out);
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn tracer(key: &RunKey, words: &str) -> String {
        format!("{words} {}", key.code(words))
    }

    #[test]
    fn tracers_are_found_in_every_slot_with_its_place() {
        let key = RunKey::new([1; 32]);
        let [a, b, c, d, e] =
            ["in system", "in text", "in part", "in image", "in call"].map(|w| tracer(&key, w));
        let image = STANDARD.encode([b"\x89PNG\xff ", d.as_bytes(), b" \x00"].concat());
        let seen = look(
            &key,
            &body(json!({"messages": [
                {"role": "system", "content": format!("Be kind. {a}")},
                {"role": "user", "content": b},
                {"role": "assistant", "content": "", "tool_calls": [
                    {"function": {"arguments": json!({"q": e}).to_string()}}]},
                {"role": "user", "content": [{"type": "text", "text": c},
                    {"type": "image_url",
                     "image_url": {"url": format!("data:image/png;base64,{image}")}}]}
            ]})),
        );
        let placed: Vec<_> = seen.tracers.iter().map(|t| (&*t.text, &*t.slot)).collect();
        assert_eq!(
            placed,
            [
                (&*a, "messages[0]"),
                (&*b, "messages[1]"),
                (&*e, "messages[2].tool_calls"),
                (&*c, "messages[3].content[0]"),
                (&*d, "messages[3].content[1]"),
            ]
        );
        assert_eq!(
            seen.system_sha256,
            sha256_hex(format!("Be kind. {a}").as_bytes())
        );
        assert_eq!(seen.messages[3].tracers, [c, d]);
    }

    #[test]
    fn the_anthropic_form_is_read_too() {
        let key = RunKey::new([1; 32]);
        let [a, b, c] = ["in system", "in block", "in result"].map(|w| tracer(&key, w));
        let seen = look(
            &key,
            &body(
                json!({"system": [{"type": "text", "text": a}], "messages": [
                    {"role": "user", "content": [{"type": "text", "text": b},
                        {"type": "tool_result", "tool_use_id": "x",
                         "content": [{"type": "text", "text": c}]}]},
                    {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm",
                        "signature": "s"}, {"type": "text", "text": "yes"}]}
                ]}),
            ),
        );
        assert_eq!(seen.tracers.len(), 3);
        assert_eq!(seen.tracers[0].slot, "system[0]");
        assert_eq!(seen.thinking_returned, 1);
        assert_eq!(seen.messages[1].sha256, sha256_hex(b"yes"));
    }

    #[test]
    fn a_tracer_twice_is_listed_once_and_a_body_of_any_shape_is_read() {
        let key = RunKey::new([1; 32]);
        let a = tracer(&key, "red fox");
        let twice = json!({"messages": [{"role": "user", "content": a},
            {"role": "user", "content": a}]});
        assert_eq!(look(&key, &body(twice)).tracers.len(), 1);
        for odd in [
            json!({}),
            json!({"messages": 3}),
            json!({"messages": [1, {"content": {}}]}),
        ] {
            assert!(look(&key, &body(odd)).tracers.is_empty());
        }
    }
}
