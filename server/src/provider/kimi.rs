//! Kimi's dialect: what is sent, and what its refusals mean (provider notes §1).

use serde_json::{Value, json};

use super::chat;
use super::fault::{FaultClass, ProviderFailure, Reaction, Repair};
use super::model::Switch;
use super::refusal::{Refusal, wait_in_words};
use super::request::{Echo, Request};
use crate::router::ask::ThinkingMode;

/// The request's body.
#[must_use]
pub fn body(request: &Request<'_>) -> Value {
    let mut body = json!({
        "model": request.model.name,
        "messages": chat::messages(request),
        "max_completion_tokens": request.max_output,
        "stream": request.stream,
    });
    if request.stream {
        body["stream_options"] = json!({"include_usage": true});
    }
    if let Some(temperature) = request.temperature_in(0.0, 1.0) {
        body["temperature"] = json!(temperature);
    }
    // Without an explicit switch some models answer with nothing (fault C09); effort and switch
    // together are refused (fault K12), so each model has one of them.
    match request.model.switch {
        Switch::Thinking => body["thinking"] = json!({"type": chat::switch(request.thinks())}),
        // Left out, it means the greatest effort, which is slow and dear.
        Switch::Effort => {
            let mode = request.thinking.unwrap_or(ThinkingMode::Medium);
            if let Some(effort) = request.model.effort_for(mode) {
                body["reasoning_effort"] = json!(effort);
            }
        }
        Switch::None => {}
    }
    body
}

/// What a refusal means.
#[must_use]
pub fn classify(refusal: &Refusal) -> ProviderFailure {
    let Some(kind) = refusal.field("type").or_else(|| refusal.field("code")) else {
        return refusal.by_status();
    };
    let words = refusal.message();
    let (class, reaction) = match kind.as_str() {
        "engine_overloaded_error" => (FaultClass::Overloaded, Reaction::Retry),
        // Tokens per day come back tomorrow: a quota, whatever the type says (fault K03).
        "rate_limit_reached_error" if words.contains("TPD") => {
            (FaultClass::QuotaGone, Reaction::Quota { leave: true })
        }
        "rate_limit_reached_error" | "rate_limit_error" => {
            (FaultClass::RateLimited, Reaction::Retry)
        }
        "exceeded_current_quota_error" => (FaultClass::QuotaGone, Reaction::Quota { leave: true }),
        "content_filter" => (FaultClass::Filtered, Reaction::Refuse),
        "invalid_authentication_error"
        | "incorrect_api_key_error"
        | "permission_denied_error"
        | "access_terminated_error" => (FaultClass::Configuration, Reaction::Configure),
        "resource_not_found_error" => (FaultClass::ModelGone, Reaction::FailOver),
        "invalid_request_error" => invalid(&words),
        "server_error" | "unexpected_output" | "server_unavailable" => {
            (FaultClass::ServerError, Reaction::Retry)
        }
        "client_closed_request" => (FaultClass::Interrupted, Reaction::FailOver),
        _ => return refusal.unknown(&kind),
    };
    let wait = refusal.retry_after.or_else(|| wait_in_words(&words));
    refusal
        .failure(class, reaction)
        .with_code(kind)
        .with_wait(wait)
}

/// The patterns that the fault catalogue names (rows K06, K07 and FB12).
fn invalid(words: &str) -> (FaultClass, Reaction) {
    if words.contains("exceeded model token limit") {
        (FaultClass::ContextTooLong, Reaction::Refuse)
    } else if words.contains("invalid temperature") {
        (
            FaultClass::Rejected,
            Reaction::Repair(Repair::DropTemperature),
        )
    } else if words.contains("reasoning_content is missing") {
        let echo = Repair::History(Echo::Blank);
        (FaultClass::Rejected, Reaction::Repair(echo))
    } else {
        (FaultClass::Rejected, Reaction::Refuse)
    }
}
