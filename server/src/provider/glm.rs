//! GLM's dialect: what is sent, and what its refusals mean (provider notes §2).

use serde_json::{Value, json};

use super::chat;
use super::fault::{FaultClass, ProviderFailure, Reaction};
use super::model::Switch;
use super::refusal::{Refusal, reset_in_words};
use super::request::Request;

/// The request's body.
#[must_use]
pub fn body(request: &Request<'_>) -> Value {
    let mut body = json!({
        "model": request.model.name,
        "messages": chat::messages(request),
        "max_tokens": request.max_output,
        "stream": request.stream,
        "request_id": request.id,
    });
    if let Some(temperature) = request.temperature_in(0.0, 1.0) {
        body["temperature"] = json!(temperature);
    }
    if request.model.switch == Switch::Thinking {
        body["thinking"] = json!({"type": chat::switch(request.thinks())});
        let effort = request.thinking.filter(|_| request.thinks());
        if let Some(effort) = effort.and_then(|mode| request.model.effort_for(mode)) {
            body["reasoning_effort"] = json!(effort);
        }
    }
    if request.websearch && request.model.websearch {
        body["tools"] = json!([{
            "type": "web_search",
            "web_search": {
                "enable": true,
                "search_engine": "search-prime",
                "search_result": true,
            },
        }]);
    }
    body
}

/// What a refusal means; the status is never asked where a code is present.
#[must_use]
pub fn classify(refusal: &Refusal) -> ProviderFailure {
    let words = refusal.message();
    let Some(code) = refusal.field("code").or_else(|| bracketed(&words)) else {
        return refusal.by_status();
    };
    let Ok(number) = code.parse::<u32>() else {
        return refusal.unknown(&code);
    };
    let (class, reaction) = match number {
        1000..=1005 | 1100 | 1110..=1112 | 1121 | 1220 => {
            (FaultClass::Configuration, Reaction::Configure)
        }
        1211 => (FaultClass::ModelGone, Reaction::FailOver),
        1210 | 1212..=1215 | 1221 | 1222 | 1232 | 1233 => (FaultClass::Rejected, Reaction::Refuse),
        1261 => (FaultClass::ContextTooLong, Reaction::Refuse),
        1300 | 1301 => (FaultClass::Filtered, Reaction::Refuse),
        // Rate, concurrency or "busy". One prompt can always meet 1305 while others pass (fault
        // Z03), so none of them counts as an overload that trips the breaker.
        1302 | 1303 | 1305 | 1312 => (FaultClass::RateLimited, Reaction::Retry),
        1113 | 1304 | 1308..=1311 | 1313..=1321 => {
            (FaultClass::QuotaGone, Reaction::Quota { leave: true })
        }
        1120 | 1200 | 1230 | 1231 | 1234 | 1235 | 1260 => {
            (FaultClass::ServerError, Reaction::Retry)
        }
        // The gateway reports a wrong path as its own error (fault Z05).
        500 if words.contains("404 NOT_FOUND") => (FaultClass::Configuration, Reaction::Configure),
        500 => (FaultClass::ServerError, Reaction::Retry),
        _ => return refusal.unknown(&code),
    };
    let mut failure = refusal.failure(class, reaction).with_code(code);
    if class == FaultClass::QuotaGone {
        failure.until = reset_in_words(&words);
    }
    failure
}

/// The code in brackets that the Anthropic surface puts into its text, as in `[1305]`.
fn bracketed(words: &str) -> Option<String> {
    let (_, rest) = words.split_once('[')?;
    let (code, _) = rest.split_once(']')?;
    (code.len() == 4 && code.bytes().all(|byte| byte.is_ascii_digit())).then(|| code.to_owned())
}
