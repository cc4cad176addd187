//! The OpenAI-shaped dialect of named providers (provider notes §4).

use serde_json::{Value, json};

use super::chat;
use super::fault::{FaultClass, ProviderFailure, Reaction, Repair};
use super::model::Switch;
use super::refusal::Refusal;
use super::request::Request;

/// The request's body.
#[must_use]
pub fn body(request: &Request<'_>) -> Value {
    let mut body = json!({
        "model": request.model.name,
        "messages": chat::messages(request),
        "stream": request.stream,
    });
    // OpenAI's reasoning models refuse the older name, most compatible servers know no other.
    let bound = match request.model.switch {
        Switch::Effort => "max_completion_tokens",
        Switch::None | Switch::Thinking => "max_tokens",
    };
    body[bound] = json!(request.max_output);
    if request.stream {
        body["stream_options"] = json!({"include_usage": true});
    }
    if let Some(temperature) = request.temperature_in(0.0, 1.0) {
        body["temperature"] = json!(temperature);
    }
    if request.model.switch == Switch::Effort {
        let effort = match request.thinking {
            Some(mode) if request.thinks() => request.model.effort_for(mode),
            _ => request.model.effort_off(),
        };
        if let Some(effort) = effort {
            body["reasoning_effort"] = json!(effort);
        }
    }
    body
}

/// What a refusal means: by its code where a table knows it, else by the status, as compatible
/// servers invent codes freely.
#[must_use]
pub fn classify(refusal: &Refusal) -> ProviderFailure {
    let code = refusal.field("code").or_else(|| refusal.field("type"));
    let kind = refusal.field("type").unwrap_or_default();
    let is_about_temperature = refusal.field("param").as_deref() == Some("temperature");
    let (class, reaction) = match code.as_deref().unwrap_or_default() {
        "insufficient_quota" | "credit_balance_exhausted" | "billing_hard_limit_reached" => {
            (FaultClass::QuotaGone, Reaction::Quota { leave: true })
        }
        "rate_limit_exceeded" | "slow_down" => (FaultClass::RateLimited, Reaction::Retry),
        "context_length_exceeded" => (FaultClass::ContextTooLong, Reaction::Refuse),
        "content_policy_violation" | "content_filter" => (FaultClass::Filtered, Reaction::Refuse),
        "invalid_api_key" => (FaultClass::Configuration, Reaction::Configure),
        "model_not_found" => (FaultClass::ModelGone, Reaction::FailOver),
        "unsupported_parameter" | "unsupported_value" if is_about_temperature => (
            FaultClass::Rejected,
            Reaction::Repair(Repair::DropTemperature),
        ),
        "server_error" | "server_is_overloaded" => (FaultClass::ServerError, Reaction::Retry),
        _ if refusal.status == 200 && kind == "invalid_request_error" => {
            (FaultClass::Rejected, Reaction::Refuse)
        }
        _ => {
            let failure = refusal.by_status();
            return match code {
                Some(code) => failure.with_code(code),
                None => failure,
            };
        }
    };
    let failure = refusal.failure(class, reaction);
    match code {
        Some(code) => failure.with_code(code),
        None => failure,
    }
}
