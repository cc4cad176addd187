//! MiniMax, on both of its routes: `specs/providers.md` sections 3.2 and 3.5. The published
//! temperature ranges differ; the one inside both, (0, 1], is held.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Ask, Terms, thinks, tool};
use crate::model::Model;
use crate::provider::Provider;
use crate::refusal::Refusal;
use crate::wire::minimax::signature;

/// The most prompt-cache break points.
const MAX_BREAKPOINTS: usize = 4;
/// Output tokens charged on the OpenAI-shaped route when the request names none.
const DEFAULT_OUTPUT: u64 = 10_240;

/// Validates a request of the Anthropic-shaped route.
pub fn check_messages(ask: &Ask<'_>) -> Result<Terms, Refusal> {
    let model = ask.model(Provider::MiniMax)?;
    let Some(output) = ask.count("max_tokens")? else {
        return Err(Refusal::missing(ask.route, "max_tokens"));
    };
    capped(ask, model, "max_tokens", output)?;
    let messages = ask.messages()?;
    let stream = ask.flag("stream")?;
    temperature(ask)?;
    ask.range("top_p", 0.0, 1.0)?;
    let switch = ask.thinking(&["adaptive", "disabled", "enabled"])?;
    tools(ask, model)?;
    system(ask)?;
    conversation(ask, model, messages)?;
    match ask.text("service_tier")? {
        None | Some("standard" | "priority") => {}
        Some(_) => return ask.refuse("service_tier must be standard or priority"),
    }
    Ok(Terms {
        model,
        stream,
        include_usage: false,
        thinking: thinks(model, switch.map(|word| word != "disabled")),
        thinking_explicit: switch.is_some(),
        tokens: ask.fits(model, 1)?.saturating_add(output),
    })
}

/// Validates a request of the OpenAI-shaped route.
pub fn check_chat(ask: &Ask<'_>) -> Result<Terms, Refusal> {
    let model = ask.model(Provider::MiniMax)?;
    let messages = ask.messages()?;
    let stream = ask.flag("stream")?;
    temperature(ask)?;
    ask.fixed("n", 1.0)?;
    let output = ask
        .count("max_completion_tokens")?
        .or(ask.count("max_tokens")?);
    if let Some(output) = output {
        capped(ask, model, "max_completion_tokens", output)?;
    }
    if ask.get("function_call").is_some() {
        return ask.refuse("function_call is not supported");
    }
    let schema = ask
        .get("response_format")
        .and_then(|format| format.get("type"));
    if schema.and_then(Value::as_str) == Some("json_schema") && model.name != "MiniMax-Text-01" {
        return ask.refuse("response_format json_schema is not supported by this model");
    }
    ask.roles(messages, &["system", "user", "assistant", "tool"])?;
    for message in messages {
        if message.get("content").is_none_or(is_empty) && message.get("tool_calls").is_none() {
            return ask.refuse("invalid chat setting: empty content");
        }
    }
    tool::answered_calls(ask, messages)?;
    let switch = ask.thinking(&["adaptive", "disabled", "enabled"])?;
    Ok(Terms {
        model,
        stream,
        include_usage: false,
        // The default of this route is the opposite of the other's.
        thinking: thinks(model, Some(switch != Some("disabled"))),
        thinking_explicit: switch.is_some(),
        tokens: ask
            .fits(model, 1)?
            .saturating_add(output.unwrap_or(DEFAULT_OUTPUT)),
    })
}

fn capped(ask: &Ask<'_>, model: &Model, field: &str, asked: u64) -> Result<(), Refusal> {
    match model.max_output.filter(|most| asked > *most) {
        Some(most) => ask.refuse(format!("{field} must be at most {most}")),
        None => Ok(()),
    }
}

fn temperature(ask: &Ask<'_>) -> Result<(), Refusal> {
    match ask.number("temperature")? {
        Some(value) if value <= 0.0 || value > 1.0 => {
            ask.refuse("temperature must be in (0.0, 1.0]")
        }
        _ => Ok(()),
    }
}

fn is_empty(content: &Value) -> bool {
    match content {
        Value::String(text) => text.is_empty(),
        Value::Array(parts) => parts.is_empty(),
        _ => true,
    }
}

fn tools(ask: &Ask<'_>, model: &Model) -> Result<(), Refusal> {
    for listed in tool::list(ask)? {
        let name = listed.get("name").and_then(Value::as_str).unwrap_or("");
        if name.is_empty() {
            return ask.refuse("function name is empty");
        }
        if !listed.get("input_schema").is_some_and(Value::is_object) {
            return ask.refuse(format!("tool {name}: input_schema is required"));
        }
    }
    let Some(choice) = ask.get("tool_choice") else {
        return Ok(());
    };
    match choice.get("type").and_then(Value::as_str) {
        Some("auto") => Ok(()),
        Some("any" | "tool" | "none") if !model.name.starts_with("MiniMax-M3.1") => Ok(()),
        _ => ask.refuse("invalid tool_choice"),
    }
}

fn system(ask: &Ask<'_>) -> Result<(), Refusal> {
    let blocks = match ask.get("system") {
        None | Some(Value::String(_)) => return Ok(()),
        Some(Value::Array(blocks)) => blocks,
        Some(_) => return ask.refuse("system must be a string or an array of blocks"),
    };
    if blocks
        .iter()
        .any(|block| block.get("type").and_then(Value::as_str) != Some("text"))
    {
        return ask.refuse("system: only text blocks");
    }
    let marked = blocks
        .iter()
        .filter(|block| block.get("cache_control").is_some())
        .count();
    if marked > MAX_BREAKPOINTS {
        return ask.refuse(format!(
            "cache_control: at most {MAX_BREAKPOINTS} break points"
        ));
    }
    Ok(())
}

fn conversation(ask: &Ask<'_>, model: &Model, messages: &[Value]) -> Result<(), Refusal> {
    ask.roles(messages, &["user", "assistant"])?;
    let mut calls = BTreeSet::new();
    for message in messages {
        let Some(content) = message.get("content").filter(|content| !is_empty(content)) else {
            return ask.refuse("messages: content must not be empty");
        };
        for block in content.as_array().map_or(&[][..], Vec::as_slice) {
            block_is_legal(ask, model, block)?;
            let id = |field| block.get(field).and_then(Value::as_str);
            calls.extend(id("id").filter(|_| id("type") == Some("tool_use")));
            let result = id("tool_use_id").filter(|_| id("type") == Some("tool_result"));
            if let Some(unknown) = result.filter(|id| !calls.contains(id)) {
                return ask.refuse(format!("tool result's tool id({unknown}) not found"));
            }
        }
    }
    Ok(())
}

/// Whether a thinking block comes back as it was sent (`specs/providers.md` section 3.2: whole,
/// with its signature). One that stays away is no error there: the journal counts those that come.
fn is_whole(block: &Value) -> bool {
    let of = |field: &str| block.get(field).and_then(Value::as_str).unwrap_or("");
    of("signature") == signature(of("thinking"))
}

fn block_is_legal(ask: &Ask<'_>, model: &Model, block: &Value) -> Result<(), Refusal> {
    let kind = block.get("type").and_then(Value::as_str).unwrap_or("");
    match kind {
        "text" if block.get("text").is_some_and(|text| !is_empty(text)) => Ok(()),
        "thinking" if !is_whole(block) => ask.refuse("invalid signature in thinking block"),
        "tool_result" | "thinking" | "redacted_thinking" => Ok(()),
        "tool_use" if !block.get("input").is_some_and(Value::is_object) => {
            ask.refuse("invalid function arguments json string")
        }
        "tool_use" if block.get("name").is_none_or(is_empty) => {
            ask.refuse("function name is empty")
        }
        "tool_use" => Ok(()),
        "image" | "video" if model.images => Ok(()),
        _ => ask.refuse(format!(
            "content type {kind:?} is not supported by {}",
            model.name
        )),
    }
}
