//! MiniMax's dialect over its Anthropic-shaped route (provider notes §3).

use base64::Engine as _;
use serde_json::{Value, json};

use super::fault::{FaultClass, ProviderFailure, Reaction, Repair};
use super::model::Switch;
use super::refusal::{Refusal, reset_in_words};
use super::request::{Echo, Request};
use crate::router::ask::Message;

/// The request's body, for the provider row of this name.
#[must_use]
pub fn body(request: &Request<'_>, provider: &str) -> Value {
    let mut body = json!({
        "model": request.model.name,
        "max_tokens": request.max_output,
        "messages": messages(request, provider),
        "stream": request.stream,
    });
    if !request.system.is_empty() {
        body["system"] = json!(request.system);
    }
    // Zero is outside the range that every page agrees on: (0, 1].
    if let Some(temperature) = request.temperature_in(0.01, 1.0) {
        body["temperature"] = json!(temperature);
    }
    // The default is off here and on by the other protocol, so the switch is always sent.
    if request.model.switch == Switch::Thinking {
        let kind = if request.thinks() {
            "adaptive"
        } else {
            "disabled"
        };
        body["thinking"] = json!({"type": kind});
    }
    body
}

fn messages(request: &Request<'_>, provider: &str) -> Vec<Value> {
    let one = |said: &Message| message(said, request.thoughts_of(said, provider));
    request.messages.iter().map(one).collect()
}

/// What the model thought stands before what it said, whole and signed: without it the model loses
/// the thread (fault C10). To another model, or elsewhere, the signature means nothing.
fn message(message: &Message, thoughts: &[Value]) -> Value {
    let role = message.speaker.role();
    let thoughts = thoughts.iter().cloned();
    let images = message.images.iter().map(|image| {
        let data = base64::engine::general_purpose::STANDARD.encode(&image.bytes);
        let source = json!({"type": "base64", "media_type": image.media_type, "data": data});
        json!({"type": "image", "source": source})
    });
    let mut blocks: Vec<Value> = thoughts.chain(images).collect();
    if blocks.is_empty() {
        return json!({"role": role, "content": message.text});
    }
    blocks.push(json!({"type": "text", "text": message.text}));
    json!({"role": role, "content": blocks})
}

/// What a refusal means: by the numeric code where there is one, then by the type.
#[must_use]
pub fn classify(refusal: &Refusal) -> ProviderFailure {
    let words = words(refusal);
    if let Some(code) = status_code(refusal).or_else(|| trailing_code(&words)) {
        return by_code(refusal, code, &words);
    }
    let Some(kind) = refusal.field("type") else {
        return refusal.by_status();
    };
    let (class, reaction) = match kind.as_str() {
        "rate_limit_error" => (FaultClass::RateLimited, Reaction::Retry),
        "overloaded_error" => (FaultClass::Overloaded, Reaction::Retry),
        "api_error" | "timeout_error" | "gateway_timeout" | "gateway_timeout_error" => {
            (FaultClass::ServerError, Reaction::Retry)
        }
        "authentication_error" | "authorized_error" | "permission_error" => {
            (FaultClass::Configuration, Reaction::Configure)
        }
        "insufficient_balance_error" | "billing_error" => {
            (FaultClass::QuotaGone, Reaction::Quota { leave: true })
        }
        "invalid_request_error" | "bad_request_error" => (FaultClass::Rejected, Reaction::Refuse),
        "request_too_large" => (FaultClass::ContextTooLong, Reaction::Refuse),
        "not_found_error" => (FaultClass::ModelGone, Reaction::FailOver),
        // An error body without an inner type names only itself.
        "error" => return refusal.by_status(),
        _ => return refusal.unknown(&kind),
    };
    refusal.failure(class, reaction).with_code(kind)
}

fn by_code(refusal: &Refusal, code: u64, words: &str) -> ProviderFailure {
    let (class, reaction) = match code {
        1000 | 1001 | 1013 | 1024 | 1033 => (FaultClass::ServerError, Reaction::Retry),
        1002 | 1039 | 1041 => (FaultClass::RateLimited, Reaction::Retry),
        1004 | 2049 => (FaultClass::Configuration, Reaction::Configure),
        // A plan's key on the balance endpoint gets 402 (fault M05); an empty balance gets 200.
        1008 if refusal.status == 402 => (FaultClass::Configuration, Reaction::Configure),
        1008 => (FaultClass::QuotaGone, Reaction::Quota { leave: true }),
        1026 | 1027 => (FaultClass::Filtered, Reaction::Refuse),
        // Only the words of this code tell a prompt that is too long from any other bad parameter.
        2013 if words.contains("context window") => (FaultClass::ContextTooLong, Reaction::Refuse),
        // What history holds beside text are thoughts (fault M06).
        2013 if is_of_history(words) => {
            let echo = Repair::History(Echo::Text);
            (FaultClass::Rejected, Reaction::Repair(echo))
        }
        1042..=1044 | 2013 | 2037 | 2039 | 2042 | 2048 | 20132 => {
            (FaultClass::Rejected, Reaction::Refuse)
        }
        // Growth limit: a second try at once is what it punishes.
        2045 => (FaultClass::RateLimited, Reaction::FailOver),
        2056 => (FaultClass::QuotaGone, Reaction::Quota { leave: false }),
        2064 => (FaultClass::Overloaded, Reaction::Retry),
        _ => return refusal.unknown(&code.to_string()),
    };
    let mut failure = refusal.failure(class, reaction).with_code(code.to_string());
    if failure.said.is_empty() {
        failure = ProviderFailure {
            said: words.to_owned(),
            ..failure
        };
    }
    if class == FaultClass::QuotaGone {
        failure.until = reset_in_words(words);
    }
    failure
}

/// The words of provider notes §3.6 for a conversation that is not as it should be.
fn is_of_history(words: &str) -> bool {
    let known = ["tool id", "function arguments"];
    known.iter().any(|known| words.contains(known))
}

/// `base_resp.status_code`, where it is not success.
fn status_code(refusal: &Refusal) -> Option<u64> {
    let code = refusal
        .json
        .as_ref()?
        .get("base_resp")?
        .get("status_code")?
        .as_u64()?;
    (code != 0).then_some(code)
}

fn words(refusal: &Refusal) -> String {
    let status = refusal.json.as_ref().and_then(|body| body.get("base_resp"));
    let said = status
        .and_then(|status| status.get("status_msg"))
        .and_then(Value::as_str);
    said.map_or_else(
        || refusal.message(),
        |text| text.chars().take(300).collect(),
    )
}

/// The code in parentheses that ends an error's text, as in `unknown error, 999 (1000)`.
fn trailing_code(words: &str) -> Option<u64> {
    let (_, rest) = words.rsplit_once('(')?;
    let (digits, _) = rest.split_once(')')?;
    (4..=5)
        .contains(&digits.len())
        .then(|| digits.parse().ok())?
}
