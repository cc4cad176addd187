//! Control markup that a model's template let slip into its text (faults C02 to C04).

use super::dialect::Dialect;
use crate::router::ask::Message;

/// Markers that no answer holds unless its conversation spoke of them.
const fn markers(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Kimi => &["<|tool_calls_section_begin|>", "<|tool_call_begin|>"],
        Dialect::Glm => &["<arg_key>", "</arg_value>"],
        Dialect::Minimax => &["]<]minimax[>["],
        Dialect::Openai | Dialect::Demo => &[],
    }
}

/// The marker that a text holds although nobody in the conversation wrote it.
#[must_use]
pub fn find(dialect: Dialect, text: &str, messages: &[Message]) -> Option<&'static str> {
    markers(dialect).iter().copied().find(|marker| {
        text.contains(marker) && !messages.iter().any(|message| message.text.contains(marker))
    })
}
