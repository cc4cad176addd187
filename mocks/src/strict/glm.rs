//! GLM's chat completions: `specs/providers.md` section 2.2.

use serde_json::Value;

use super::{Ask, Terms, thinks, tool};
use crate::model::Model;
use crate::provider::Provider;
use crate::refusal::Refusal;

/// Output tokens charged when the request names none.
const DEFAULT_OUTPUT: u64 = 65_536;

/// Validates a request.
pub fn check(ask: &Ask<'_>) -> Result<Terms, Refusal> {
    let model = ask.model(Provider::Glm)?;
    let messages = ask.messages()?;
    let stream = ask.flag("stream")?;
    ask.range("temperature", 0.0, 1.0)?;
    ask.range("top_p", 0.01, 1.0)?;
    let switch = ask.thinking(&["enabled", "disabled"])?;
    if model.name.starts_with("glm-5.3") && switch == Some("disabled") {
        return ask.refuse("thinking.type cannot be disabled for this model");
    }
    effort(ask, model)?;
    choices(ask)?;
    identifiers(ask)?;
    conversation(ask, model, messages)?;
    let cap = ask.count("max_tokens")?;
    if let (Some(asked), Some(most)) = (cap, model.max_output)
        && asked > most
    {
        return ask.refuse(format!("max_tokens must be in [1, {most}]"));
    }
    let tokens = ask
        .fits(model, 1)?
        .saturating_add(cap.unwrap_or(DEFAULT_OUTPUT));
    Ok(Terms {
        model,
        stream,
        include_usage: false,
        thinking: thinks(model, switch.map(|word| word == "enabled")),
        thinking_explicit: switch.is_some(),
        tokens,
    })
}

fn effort(ask: &Ask<'_>, model: &Model) -> Result<(), Refusal> {
    let Some(effort) = ask.text("reasoning_effort")? else {
        return Ok(());
    };
    let allowed: &[&str] = if model.name.starts_with("glm-5.3") {
        &["low", "high", "max"]
    } else if model.name == "glm-5.2" {
        &["max", "xhigh", "high", "medium", "low", "minimal", "none"]
    } else {
        return Ok(());
    };
    if allowed.contains(&effort) {
        return Ok(());
    }
    ask.refuse(format!(
        "reasoning_effort must be one of {}",
        allowed.join(", ")
    ))
}

fn choices(ask: &Ask<'_>) -> Result<(), Refusal> {
    for listed in tool::list(ask)? {
        let kind = listed.get("type").and_then(Value::as_str).unwrap_or("");
        let named = listed.pointer("/function/name").and_then(Value::as_str);
        match kind {
            "retrieval" | "web_search" | "mcp" => {}
            "function" if named.is_some_and(|name| !name.is_empty()) => {}
            _ => return ask.refuse(format!("tools: illegal type or name for {kind:?}")),
        }
    }
    match ask.get("tool_choice") {
        None => {}
        Some(Value::String(word)) if word == "auto" => {}
        Some(_) => return ask.refuse("tool_choice: only auto is supported"),
    }
    let format = ask.get("response_format").map(|format| format.get("type"));
    match format.map(|kind| kind.and_then(Value::as_str)) {
        None | Some(Some("text" | "json_object")) => {}
        Some(_) => return ask.refuse("response_format.type must be text or json_object"),
    }
    match ask.get("stop") {
        None | Some(Value::String(_)) => Ok(()),
        Some(Value::Array(stops)) if stops.len() <= 4 => Ok(()),
        Some(_) => ask.refuse("stop: at most 4 strings"),
    }
}

fn identifiers(ask: &Ask<'_>) -> Result<(), Refusal> {
    for (field, most) in [("request_id", 64), ("user_id", 128)] {
        let length = ask.text(field)?.map(|text| text.chars().count());
        if length.is_some_and(|length| !(6..=most).contains(&length)) {
            return ask.refuse(format!("{field} must have 6 to {most} characters"));
        }
    }
    Ok(())
}

fn conversation(ask: &Ask<'_>, model: &Model, messages: &[Value]) -> Result<(), Refusal> {
    let roles = ask.roles(messages, &["system", "user", "assistant", "tool"])?;
    if roles
        .iter()
        .all(|role| matches!(*role, "system" | "assistant"))
    {
        return ask.refuse("The messages parameter is illegal. Please check the documentation.");
    }
    for message in messages {
        let calls = message.get("tool_calls").and_then(Value::as_array);
        let may_be_empty = calls.is_some_and(|calls| !calls.is_empty());
        match message.get("content") {
            Some(Value::String(text)) if !text.is_empty() || may_be_empty => {}
            None | Some(Value::Null) if may_be_empty => {}
            Some(Value::Array(parts)) if !parts.is_empty() => {
                parts.iter().try_for_each(|content| part(model, content))?;
            }
            _ => return ask.refuse("messages: content must not be empty"),
        }
    }
    tool::answered_calls(ask, messages)
}

fn part(model: &Model, part: &Value) -> Result<(), Refusal> {
    match part.get("type").and_then(Value::as_str).unwrap_or("") {
        "text" if part.get("text").is_some_and(Value::is_string) => Ok(()),
        "image_url" | "video_url" | "file_url" if model.images => Ok(()),
        kind => Err(Refusal::glm(
            400,
            "1210",
            format!("API call parameter error: content type {kind:?} is not supported"),
        )),
    }
}
