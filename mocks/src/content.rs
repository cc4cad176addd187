//! What a reply says, before any vendor's wire form: the middle layer that content faults change.

use serde_json::{Map, Value, json};

/// The content of one reply.
#[derive(Debug, Clone)]
pub struct Content {
    /// The reply's own id.
    pub id: String,
    /// Unix seconds.
    pub created: u64,
    /// The model as the reply names it.
    pub model: String,
    /// Reasoning, where the model thinks.
    pub reasoning: Option<String>,
    /// The text; `None` is a null.
    pub text: Option<String>,
    /// Tool calls.
    pub calls: Vec<Call>,
    /// Why it ended.
    pub finish: Finish,
    /// Tokens.
    pub usage: Usage,
    /// Characters of text in one streamed frame.
    pub chunk_chars: usize,
    /// Whether usage was asked for as a frame of its own.
    pub include_usage: bool,
}

/// A tool call in a reply.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its id.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// The arguments as text, legal JSON or not.
    pub arguments: String,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model was done.
    Stop,
    /// The maximum was reached.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// A vendor's own word, the same on every route.
    Word(&'static str),
}

impl Finish {
    /// The word on OpenAI-shaped routes.
    #[must_use]
    pub const fn chat(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::Word(word) => word,
        }
    }

    /// The word on the Anthropic-shaped route.
    #[must_use]
    pub const fn anthropic(self) -> &'static str {
        match self {
            Self::Stop => "end_turn",
            Self::Length => "max_tokens",
            Self::ToolCalls => "tool_use",
            Self::Word(word) => word,
        }
    }
}

/// Token counts as published; faults make them disagree.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Of the request.
    pub prompt: u64,
    /// Of the reply, reasoning included.
    pub completion: u64,
    /// As stated, not as summed.
    pub total: u64,
    /// Of the request, read from a cache.
    pub cached: u64,
    /// Of the reply, spent on reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// Honest counts for a request and a reply of so many bytes.
    #[must_use]
    pub fn of(request_bytes: usize, text_bytes: usize, reasoning_bytes: usize) -> Self {
        let prompt = request_bytes as u64 / 4 + 1;
        let reasoning = reasoning_bytes as u64 / 4;
        let completion = text_bytes as u64 / 4 + 1 + reasoning;
        Self {
            prompt,
            completion,
            total: prompt + completion,
            cached: 0,
            reasoning,
        }
    }

    /// The OpenAI-shaped object.
    #[must_use]
    pub fn chat(self) -> Value {
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.total,
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        })
    }

    /// The Anthropic-shaped object; input there leaves out what came from the cache.
    #[must_use]
    pub fn anthropic(self) -> Value {
        json!({
            "input_tokens": self.prompt.saturating_sub(self.cached),
            "output_tokens": self.completion,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": self.cached,
        })
    }
}

impl Content {
    /// Tool calls as the OpenAI-shaped array.
    #[must_use]
    pub fn chat_calls(&self) -> Vec<Value> {
        let each = self.calls.iter().enumerate();
        each.map(|(index, call)| {
            json!({"index": index, "id": call.id, "type": "function",
                "function": {"name": call.name, "arguments": call.arguments}})
        })
        .collect()
    }

    /// The assistant message of an OpenAI-shaped reply, with reasoning and calls if any.
    #[must_use]
    pub fn chat_message(&self) -> Map<String, Value> {
        let mut message = Map::new();
        message.insert("role".into(), "assistant".into());
        message.insert(
            "content".into(),
            self.text.clone().map_or(Value::Null, Value::from),
        );
        if let Some(reasoning) = &self.reasoning {
            message.insert("reasoning_content".into(), reasoning.clone().into());
        }
        if !self.calls.is_empty() {
            message.insert("tool_calls".into(), self.chat_calls().into());
        }
        message
    }

    /// The text in frames of `chunk_chars` characters.
    #[must_use]
    pub fn chunks(&self) -> Vec<&str> {
        split(self.text.as_deref().unwrap_or(""), self.chunk_chars)
    }

    /// The reasoning in frames of `chunk_chars` characters.
    #[must_use]
    pub fn reasoning_chunks(&self) -> Vec<&str> {
        split(self.reasoning.as_deref().unwrap_or(""), self.chunk_chars)
    }
}

/// Splits at every `chars`-th character.
fn split(text: &str, chars: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .char_indices()
            .nth(chars.max(1))
            .map_or(rest.len(), |(at, _)| at);
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn chunks_join_to_the_text_and_never_cut_a_character() {
        let text = "naïve 数据 ✓ plain";
        for chars in 1..20 {
            let parts = split(text, chars);
            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| part.chars().count() <= chars));
        }
        assert!(split("", 3).is_empty());
    }
}
