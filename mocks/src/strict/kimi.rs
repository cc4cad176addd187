//! Kimi's chat completions: `specs/providers.md` section 1.2.

use serde_json::Value;

use super::{Ask, Terms, thinks, tool};
use crate::model::{Model, Thinking};
use crate::provider::Provider;
use crate::refusal::Refusal;

/// Output tokens charged when the request names none: the K2.6 quickstart's default.
const DEFAULT_OUTPUT: u64 = 32_768;

/// Validates a request.
pub fn check(ask: &Ask<'_>) -> Result<Terms, Refusal> {
    let model = ask.model(Provider::Kimi)?;
    let messages = ask.messages()?;
    let stream = ask.flag("stream")?;
    let switch = switch(ask, model)?;
    let thinking = thinks(model, switch);
    sampling(ask, model, thinking)?;
    format(ask)?;
    tool::functions(ask, tool::list(ask)?)?;
    choice(ask, model, thinking)?;
    conversation(ask, model, messages)?;
    if thinking {
        reasoning(ask, messages)?;
    }
    let completion = ask.count("max_completion_tokens")?;
    let output = completion.or(ask.count("max_tokens")?);
    // A default is cut to what is left of the context; only an explicit number is refused.
    let tokens = ask.fits(model, output.unwrap_or(1))?;
    let tokens = if output.is_some() {
        tokens
    } else {
        tokens.saturating_add(DEFAULT_OUTPUT)
    };
    let include_usage = ask
        .get("stream_options")
        .and_then(|options| options.get("include_usage"))
        .is_some_and(|flag| flag == &Value::Bool(true));
    Ok(Terms {
        model,
        stream,
        include_usage,
        thinking,
        thinking_explicit: switch.is_some() || ask.get("reasoning_effort").is_some(),
        tokens,
    })
}

fn has_generation(model: &Model, prefix: &str) -> bool {
    model.name.starts_with(prefix)
}

/// The thinking switch. K3 ignores `thinking`; models without thinking treat it as unknown.
fn switch(ask: &Ask<'_>, model: &Model) -> Result<Option<bool>, Refusal> {
    if ask.get("thinking").is_some() && ask.get("reasoning_effort").is_some() {
        return ask.refuse("cannot specify both thinking and reasoning_effort");
    }
    if model.thinking == Thinking::None || has_generation(model, "kimi-k3") {
        return Ok(None);
    }
    let word = ask.thinking(&["enabled", "disabled"])?;
    if model.thinking == Thinking::Always && word == Some("disabled") {
        return ask.refuse("invalid thinking: only enabled is allowed for this model");
    }
    let keep = ask
        .get("thinking")
        .and_then(|thinking| thinking.get("keep"));
    match keep {
        None | Some(Value::Null) => {}
        Some(_) if model.name == "kimi-k2.5" => {
            return ask.refuse("thinking.keep is not supported by this model");
        }
        Some(Value::String(word)) if word == "all" => {}
        Some(_) => return ask.refuse("thinking.keep must be null or all"),
    }
    Ok(word.map(|word| word == "enabled"))
}

fn sampling(ask: &Ask<'_>, model: &Model, thinking: bool) -> Result<(), Refusal> {
    stop(ask)?;
    if has_generation(model, "moonshot-v1") {
        ask.range("temperature", 0.0, 1.0)?;
        ask.range("top_p", 0.0, 1.0)?;
        return ask.range("n", 1.0, 5.0);
    }
    let temperature = if model.thinking == Thinking::Toggle && !thinking {
        0.6
    } else {
        1.0
    };
    ask.fixed("temperature", temperature)?;
    ask.fixed("top_p", 0.95)?;
    ask.fixed("n", 1.0)?;
    ask.fixed("presence_penalty", 0.0)?;
    ask.fixed("frequency_penalty", 0.0)?;
    let logprobs = ask.flag("logprobs")? || ask.get("top_logprobs").is_some();
    if has_generation(model, "kimi-k3") && logprobs {
        return ask.refuse("invalid logprobs: only false is allowed for this model");
    }
    ask.range("top_logprobs", 0.0, 20.0)
}

fn stop(ask: &Ask<'_>) -> Result<(), Refusal> {
    let stops: Vec<&Value> = match ask.get("stop") {
        None => return Ok(()),
        Some(Value::Array(stops)) => stops.iter().collect(),
        Some(stop) => vec![stop],
    };
    let fits = stops
        .iter()
        .all(|stop| stop.as_str().is_some_and(|text| text.len() <= 32));
    if fits && stops.len() <= 5 {
        return Ok(());
    }
    ask.refuse("stop: at most 5 strings of at most 32 bytes")
}

fn format(ask: &Ask<'_>) -> Result<(), Refusal> {
    let Some(format) = ask.get("response_format") else {
        return Ok(());
    };
    match format.get("type").and_then(Value::as_str) {
        Some("text" | "json_object") => Ok(()),
        Some("json_schema") if format.pointer("/json_schema/schema").is_some() => Ok(()),
        _ => ask.refuse("invalid response_format"),
    }
}

fn choice(ask: &Ask<'_>, model: &Model, thinking: bool) -> Result<(), Refusal> {
    match ask.get("tool_choice") {
        None => Ok(()),
        Some(Value::String(word)) if word == "auto" || word == "none" => Ok(()),
        Some(Value::String(word)) if word == "required" => {
            if has_generation(model, "kimi-k3") {
                return Ok(());
            }
            ask.refuse("tool_choice 'required' is not supported by this model")
        }
        Some(Value::Object(_)) if !thinking => Ok(()),
        Some(Value::Object(_)) => {
            ask.refuse("tool_choice 'specified' is incompatible with thinking enabled")
        }
        Some(_) => ask.refuse("invalid tool_choice"),
    }
}

fn conversation(ask: &Ask<'_>, model: &Model, messages: &[Value]) -> Result<(), Refusal> {
    let roles = ask.roles(messages, &["system", "user", "assistant", "tool"])?;
    for (index, message) in messages.iter().enumerate() {
        content(ask, model, index, message)?;
        let last = index + 1 == messages.len() && roles.get(index) == Some(&"assistant");
        let partial = message.get("partial") == Some(&Value::Bool(true));
        if partial && !last {
            return ask.refuse("partial is allowed on a last assistant message only");
        }
        let json = ask
            .get("response_format")
            .and_then(|format| format.get("type"));
        if partial && json.and_then(Value::as_str) == Some("json_object") {
            return ask.refuse("partial is not allowed with json_object");
        }
    }
    tool::answered_calls(ask, messages)
}

fn content(ask: &Ask<'_>, model: &Model, index: usize, message: &Value) -> Result<(), Refusal> {
    if message.get("tools").is_some() && message.get("content").is_none() {
        if has_generation(model, "kimi-k3") {
            return Ok(());
        }
        return ask.refuse("tokenization failed");
    }
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let may_be_empty = calls.is_some_and(|calls| !calls.is_empty());
    match message.get("content") {
        Some(Value::String(text)) if !text.is_empty() || may_be_empty => Ok(()),
        None | Some(Value::Null) if may_be_empty => Ok(()),
        Some(Value::Array(parts)) if !parts.is_empty() => parts
            .iter()
            .try_for_each(|content| part(ask, model, content)),
        _ => ask.refuse(format!(
            "Invalid request: the message at position {index} with role '{}' must not be empty",
            message.get("role").and_then(Value::as_str).unwrap_or("")
        )),
    }
}

fn part(ask: &Ask<'_>, model: &Model, part: &Value) -> Result<(), Refusal> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or("");
    let media = match kind {
        "text" if part.get("text").is_some_and(Value::is_string) => return Ok(()),
        "image_url" => part
            .pointer("/image_url/url")
            .or_else(|| part.get("image_url")),
        "video_url" => part
            .pointer("/video_url/url")
            .or_else(|| part.get("video_url")),
        _ => {
            return ask.refuse(format!(
                "Invalid request: unsupported content type {kind:?}"
            ));
        }
    };
    let url = media.and_then(Value::as_str).unwrap_or("");
    if !model.images {
        return ask.refuse("Image input not supported for this model");
    }
    let inline = url.starts_with("data:") && url.contains(";base64,") && !url.contains("svg");
    if inline || url.starts_with("ms://") {
        return Ok(());
    }
    ask.refuse("unsupported image url: use a base64 data URL or ms://<file_id>")
}

/// With thinking on, an assistant message that calls tools must carry its reasoning.
fn reasoning(ask: &Ask<'_>, messages: &[Value]) -> Result<(), Refusal> {
    for (index, message) in messages.iter().enumerate() {
        let calls = message.get("tool_calls").and_then(Value::as_array);
        let echoed = message.get("reasoning_content").and_then(Value::as_str);
        if calls.is_some_and(|calls| !calls.is_empty()) && echoed.is_none_or(str::is_empty) {
            return ask.refuse(format!(
                "thinking is enabled but reasoning_content is missing in assistant tool call \
                 message at index {index}"
            ));
        }
    }
    Ok(())
}
