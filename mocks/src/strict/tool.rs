//! Tool definitions and tool choices on the OpenAI-shaped routes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Ask;
use crate::refusal::Refusal;

/// The most tools Kimi and GLM take.
pub const MAX_TOOLS: usize = 128;

/// The `tools` array, or nothing.
pub fn list<'a>(ask: &Ask<'a>) -> Result<&'a [Value], Refusal> {
    match ask.get("tools") {
        None => Ok(&[]),
        Some(Value::Array(tools)) if tools.len() > MAX_TOOLS => {
            ask.refuse(format!("tools: at most {MAX_TOOLS}"))
        }
        Some(Value::Array(tools)) => Ok(tools),
        Some(_) => ask.refuse("tools must be an array"),
    }
}

/// Checks function tools: a legal, unique name, and a type on every property.
pub fn functions(ask: &Ask<'_>, tools: &[Value]) -> Result<(), Refusal> {
    let mut names = BTreeSet::new();
    for tool in tools {
        let kind = tool.get("type").and_then(Value::as_str).unwrap_or("");
        let name = tool
            .pointer("/function/name")
            .and_then(Value::as_str)
            .unwrap_or("");
        match kind {
            "builtin_function" if name.starts_with('$') => {}
            "function" if is_name(name) => {}
            "function" => {
                return ask.refuse(format!(
                    "Invalid request: function name {name:?} is invalid"
                ));
            }
            _ => return ask.refuse(format!("tools: unsupported type {kind:?}")),
        }
        if !names.insert(name) {
            return ask.refuse(format!("function name {name} is duplicated"));
        }
        if let Some(at) = tool.pointer("/function/parameters").and_then(untyped) {
            return ask.refuse(format!(
                "tools.function.parameters is not a valid moonshot flavored json schema, details: \
                 <At path 'properties.{at}': type is not defined: missing 'type' or 'anyOf'>"
            ));
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let starts = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    starts
        && name.len() <= 128
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The path of the first property that has neither `type` nor `anyOf`.
fn untyped(schema: &Value) -> Option<String> {
    let properties = schema.get("properties").and_then(Value::as_object)?;
    properties.iter().find_map(|(name, property)| {
        if property.get("type").is_none() && property.get("anyOf").is_none() {
            return Some(name.clone());
        }
        let below = untyped(property).or_else(|| property.get("items").and_then(untyped))?;
        Some(format!("{name}.properties.{below}"))
    })
}

/// Every `tool` message answers a call made before it.
pub fn answered_calls(ask: &Ask<'_>, messages: &[Value]) -> Result<(), Refusal> {
    let mut known = BTreeSet::new();
    for message in messages {
        let calls = message.get("tool_calls").and_then(Value::as_array);
        for call in calls.map_or(&[][..], Vec::as_slice) {
            known.extend(call.get("id").and_then(Value::as_str));
        }
        if message.get("role").and_then(Value::as_str) != Some("tool") {
            continue;
        }
        let id = message
            .get("tool_call_id")
            .and_then(Value::as_str)
            .unwrap_or("");
        if !known.contains(id) {
            return ask.refuse(format!("tool_call_id {id} is not found"));
        }
    }
    Ok(())
}
