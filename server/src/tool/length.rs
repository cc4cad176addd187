//! The longest text a caller may put into one argument, before anything is paid for.

use serde_json::{Map, Value};

use super::registry::Tool;
use crate::failure::Failure;

/// Refuses a text of more than `limit` characters in any argument that has no bound of its own in
/// the schema, and in any message of a conversation.
///
/// # Errors
/// `prompt_too_long` with the argument's pointer, the limit and the size.
pub fn check(tool: &Tool, arguments: &Map<String, Value>, limit: usize) -> Result<(), Failure> {
    for (name, value) in arguments {
        match value {
            Value::String(text) if !tool.bounds_itself(name) => {
                check_text(&format!("/{name}"), text, limit)?;
            }
            Value::Array(messages) if name == "messages" => check_messages(messages, limit)?,
            _ => {}
        }
    }
    Ok(())
}

/// A message's content is a text or a list of parts, some of which are texts.
fn check_messages(messages: &[Value], limit: usize) -> Result<(), Failure> {
    for (place, message) in messages.iter().enumerate() {
        let at = format!("/messages/{place}/content");
        match message.get("content") {
            Some(Value::String(text)) => check_text(&at, text, limit)?,
            Some(Value::Array(parts)) => {
                for (part, content) in parts.iter().enumerate() {
                    let text = content.get("text").and_then(Value::as_str);
                    check_text(
                        &format!("{at}/{part}/text"),
                        text.unwrap_or_default(),
                        limit,
                    )?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_text(at: &str, text: &str, limit: usize) -> Result<(), Failure> {
    // A text has no more characters than bytes, and most are far below.
    if text.len() <= limit {
        return Ok(());
    }
    let length = text.chars().count();
    if length <= limit {
        return Ok(());
    }
    let message = format!(
        "{at} holds {length} characters and may hold {limit} (limits.prompt_chars). Send the long \
         part as a file, or ask in smaller parts."
    );
    Err(Failure::validation(at, message).with_code("prompt_too_long"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::catalogue::{Catalogue, TOOLS_TOML};
    use crate::tool::registry::Registry;
    use serde_json::json;

    #[test]
    fn a_text_over_the_limit_is_refused_with_its_place_the_limit_and_the_size() {
        let config = crate::config::Config::from_toml("[tools]\nprofile = \"full\"\n").unwrap();
        let registry = Registry::build(Catalogue::parse(TOOLS_TOML), &config.tools, |_| true);
        let tools = registry.tools();
        let tool = |name: &str| tools.iter().find(|tool| tool.name == name).unwrap();
        let long = "ä".repeat(9);
        let cases = [
            ("chat", json!({"prompt": long}), Some("/prompt")),
            ("chat", json!({"prompt": "ä".repeat(8)}), None),
            ("chat", json!({"prompt": "x", "model": long}), None),
            (
                "debug",
                json!({"step": "x", "findings": long}),
                Some("/findings"),
            ),
            ("precommit", json!({"step": "x", "diff": long}), None),
            (
                "kimi_chat_with_tools",
                json!({"messages": [{"content": "x"}, {"content": long}]}),
                Some("/messages/1/content"),
            ),
            (
                "kimi_chat_with_tools",
                json!({"messages": [{"content": [{"type": "text", "text": long}]}]}),
                Some("/messages/0/content/0/text"),
            ),
        ];
        for (name, arguments, wanted) in cases {
            let Value::Object(arguments) = arguments else {
                panic!("an object")
            };
            let failure = check(tool(name), &arguments, 8).err();
            let field = failure.as_ref().and_then(|failure| failure.field.clone());
            assert_eq!(field.as_deref(), wanted, "{name} {arguments:?}");
            if let Some(failure) = failure {
                assert_eq!(failure.code, "prompt_too_long");
                let said = &failure.message;
                assert!(said.contains(" 9 ") && said.contains(" 8 "), "{said}");
            }
        }
    }
}
