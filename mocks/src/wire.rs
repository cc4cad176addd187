//! Replies in each vendor's own wire form, whole and as server-sent events.

use serde_json::Value;

use crate::content::Content;
use crate::provider::Route;

pub mod glm;
pub mod kimi;
pub mod minimax;
pub mod minimax_chat;

/// One server-sent event and what it is for, so that stream faults can find their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its part in the stream.
    pub kind: FrameKind,
    /// The event as written, its closing blank line included.
    pub text: String,
}

/// A frame's part in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Before any content.
    Open,
    /// Thinking.
    Reasoning,
    /// The answer's text.
    Text,
    /// A tool call.
    Call,
    /// The reason for the end.
    Finish,
    /// Usage in a frame of its own.
    Usage,
    /// `[DONE]` or `message_stop`.
    Done,
    /// Anything without meaning.
    Noise,
}

impl Frame {
    /// An event without a name, as the OpenAI-shaped routes send them.
    #[must_use]
    pub fn data(kind: FrameKind, data: &Value) -> Self {
        Self {
            kind,
            text: format!("data: {data}\n\n"),
        }
    }

    /// A named event, as the Anthropic-shaped route sends them.
    #[must_use]
    pub fn event(kind: FrameKind, name: &str, data: &Value) -> Self {
        Self {
            kind,
            text: format!("event: {name}\ndata: {data}\n\n"),
        }
    }

    /// The OpenAI-shaped end mark.
    #[must_use]
    pub fn done() -> Self {
        Self {
            kind: FrameKind::Done,
            text: "data: [DONE]\n\n".to_owned(),
        }
    }
}

/// The whole reply.
#[must_use]
pub fn whole(route: Route, content: &Content) -> Value {
    match route {
        Route::KimiChat => kimi::whole(content),
        Route::GlmChat => glm::whole(content),
        Route::MiniMaxMessages => minimax::whole(content),
        Route::MiniMaxChat => minimax_chat::whole(content),
    }
}

/// The streamed reply.
#[must_use]
pub fn stream(route: Route, content: &Content) -> Vec<Frame> {
    match route {
        Route::KimiChat => kimi::stream(content),
        Route::GlmChat => glm::stream(content),
        Route::MiniMaxMessages => minimax::stream(content),
        Route::MiniMaxChat => minimax_chat::stream(content),
    }
}

#[cfg(test)]
mod tests;
