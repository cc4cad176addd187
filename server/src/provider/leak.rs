//! Control markup that a model's template let slip into its text (faults C02 to C04).

use super::dialect::Dialect;
use crate::router::ask::Message;

/// Markers that no answer holds unless its conversation spoke of them.
const fn markers(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Kimi => &["<|tool_calls_section_begin|>", "<|tool_call_begin|>"],
        Dialect::Glm => &["<arg_key>", "</arg_value>"],
        Dialect::Minimax => &["]<]minimax[>[", "</tool_call>"],
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::ask::Speaker;

    #[test]
    fn markup_is_a_leak_unless_the_conversation_speaks_of_it() {
        let said = |text: &str| Message {
            speaker: Speaker::User,
            text: text.to_owned(),
            images: Vec::new(),
            thoughts: None,
        };
        let cases = [
            (Dialect::Minimax, "a </tool_call> b", "hello", true),
            (Dialect::Minimax, "a ]<]minimax[>[ b", "hello", true),
            (
                Dialect::Minimax,
                "it ends with </tool_call>",
                "what ends </tool_call>?",
                false,
            ),
            (
                Dialect::Kimi,
                "<|tool_calls_section_begin|>x",
                "hello",
                true,
            ),
            (Dialect::Openai, "a </tool_call> b", "hello", false),
        ];
        for (dialect, text, asked, wanted) in cases {
            let found = find(dialect, text, &[said(asked)]);
            assert_eq!(found.is_some(), wanted, "{text}");
        }
    }
}
