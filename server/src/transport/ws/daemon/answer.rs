//! What the server says, frame by frame. The code of an error is the daemon's own; its details are
//! the one error object of every transport.

use rmcp::model::CallToolResult;
use serde_json::{Map, Value, json};

use super::super::super::refusal::Asked;
use super::super::guest::NoHello;
use crate::failure::{Category, Failure};
use crate::observe::health::Status;
use crate::observe::manifest::{VERSION, now_utc};
use crate::protocol::reply::{self, REPLY_KEY};
use crate::tool::{Registry, Shared, Surroundings};

/// The daemon's code of a failure.
pub const fn code(failure: &Failure) -> &'static str {
    match failure.category {
        Category::ClientError => match failure.code.as_bytes() {
            b"unknown_tool" => "TOOL_NOT_FOUND",
            b"call_not_found" => "NOT_FOUND",
            _ => "INVALID_REQUEST",
        },
        Category::ValidationError => "VALIDATION_ERROR",
        Category::AuthError => "UNAUTHORIZED",
        Category::TimeoutError => "TIMEOUT",
        Category::RateLimitError => "OVER_CAPACITY",
        Category::ToolError => "TOOL_EXECUTION_ERROR",
        Category::ProviderError | Category::NetworkError | Category::UnknownError => {
            "PROVIDER_ERROR"
        }
        Category::ServerError if failure.retryable => "SERVICE_UNAVAILABLE",
        Category::ServerError => "INTERNAL_ERROR",
    }
}

/// An error frame; the id is null when none could be read.
pub fn error(id: &Value, failure: &Failure, correlation_id: &str) -> String {
    let mut error = json!({
        "code": code(failure),
        "message": failure.message,
        "details": reply::error_object(failure, correlation_id),
    });
    if let Some(wait) = failure.retry_after {
        let seconds = wait.as_millis().div_ceil(1000).max(1);
        error["retry_after"] = u64::try_from(seconds).unwrap_or(u64::MAX).into();
    }
    json!({"op": "error", "request_id": id, "error": error}).to_string()
}

/// The answer to a good hello.
pub fn welcome(session: &str, around: &Surroundings) -> String {
    json!({
        "op": "hello_ack",
        "ok": true,
        "session_id": session,
        "instance": around.identity.instance(),
        "version": VERSION,
    })
    .to_string()
}

/// The answer to any other.
pub fn unwelcome(refused: &NoHello, asked: &Asked) -> String {
    let failure = &refused.refusal.failure;
    json!({
        "op": "hello_ack",
        "ok": false,
        "error": refused.error,
        "message": failure.message,
        "details": reply::error_object(failure, &asked.correlation_id),
    })
    .to_string()
}

/// The tools that the caller may call.
pub fn tools(id: &Value, registry: &Registry, may: impl Fn(&str) -> bool) -> String {
    let row = |tool: &std::sync::Arc<crate::tool::registry::Tool>| {
        json!({
            "name": tool.name,
            "description": tool.row.description,
            "inputSchema": *tool.input,
        })
    };
    let tools: Vec<Value> = registry
        .tools()
        .iter()
        .filter(|tool| may(tool.name))
        .map(row)
        .collect();
    json!({
        "op": "list_tools_res",
        "request_id": id,
        "tools": tools,
        "timestamp": now_utc(),
    })
    .to_string()
}

/// A sign of life that was asked for.
pub fn pong(id: &Value) -> String {
    json!({"op": "pong", "request_id": id, "timestamp": now_utc()}).to_string()
}

/// How the server is; the components are for administrators.
pub fn health(id: &Value, (status, is_ready): (Status, bool), components: Option<Value>) -> String {
    let mut said = json!({
        "op": "health_res",
        "request_id": id,
        "status": status,
        "ready": is_ready,
        "timestamp": now_utc(),
    });
    if let Some(components) = components {
        said["components"] = components;
    }
    said.to_string()
}

/// The new token is in force.
pub fn rotated(id: &Value) -> String {
    json!({"op": "rotate_token_res", "request_id": id, "ok": true}).to_string()
}

/// A running call, in words for people.
pub fn progress(id: &Value, message: &str) -> String {
    json!({"op": "progress", "request_id": id, "message": message}).to_string()
}

/// A piece of the answer.
pub fn chunk(id: &Value, sequence: u64, text: &str) -> String {
    json!({
        "op": "stream_chunk",
        "request_id": id,
        "sequence": sequence,
        "chunk": text,
        "timestamp": now_utc(),
    })
    .to_string()
}

/// The end of the pieces; they are the whole answer only when it is `complete`.
pub fn last_chunk(id: &Value, sequence: u64, is_complete: bool) -> String {
    json!({
        "op": "stream_chunk",
        "request_id": id,
        "sequence": sequence,
        "chunk": "",
        "final": true,
        "complete": is_complete,
        "timestamp": now_utc(),
    })
    .to_string()
}

/// The call was stopped because the caller asked for it; its only outcome.
pub fn cancelled(id: &Value) -> String {
    json!({"op": "cancelled", "request_id": id, "ok": true}).to_string()
}

/// The answer of a tool.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn outcome(id: &Value, result: &CallToolResult, latency_ms: u64) -> serde_json::Result<String> {
    let Value::Object(mut result) = serde_json::to_value(result)? else {
        return Ok(String::new());
    };
    let mut outputs = result.remove("content").unwrap_or_default();
    if let Some(first) = outputs.get_mut(0) {
        first["metadata"] = json!({ "latency_metrics": latency(&result, latency_ms) });
    }
    let mut said = Map::new();
    said.insert("op".to_owned(), "call_tool_res".into());
    said.insert("request_id".to_owned(), id.clone());
    said.insert("outputs".to_owned(), outputs);
    for shared in [Shared::Cache, Shared::Inflight] {
        let about = result.get("_meta").and_then(|meta| meta.get(REPLY_KEY));
        if let Some(flag) = about.and_then(|about| about.get(shared.field())) {
            said.insert(shared.field().to_owned(), flag.clone());
        }
    }
    for name in ["structuredContent", "_meta"] {
        if let Some(value) = result.remove(name) {
            said.insert(name.to_owned(), value);
        }
    }
    serde_json::to_string(&said)
}

/// Nothing here waits for a semaphore, calls over a limit are refused, so no waits are told.
fn latency(result: &Map<String, Value>, latency_ms: u64) -> Value {
    let mut latency = json!({ "latency_ms": latency_ms });
    let about = result.get("_meta").and_then(|meta| meta.get(REPLY_KEY));
    for (name, field) in [
        ("processing_ms", "elapsed_ms"),
        ("provider_name", "provider"),
    ] {
        if let Some(value) = about.and_then(|about| about.get(field)) {
            latency[name] = value.clone();
        }
    }
    latency
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_category_has_its_code() {
        let table = [
            (Category::ClientError, "unknown_tool", "TOOL_NOT_FOUND"),
            (Category::ClientError, "call_not_found", "NOT_FOUND"),
            (Category::ClientError, "invalid_frame", "INVALID_REQUEST"),
            (Category::ServerError, "draining", "SERVICE_UNAVAILABLE"),
            (Category::ToolError, "x", "TOOL_EXECUTION_ERROR"),
            (Category::ProviderError, "x", "PROVIDER_ERROR"),
            (Category::NetworkError, "x", "PROVIDER_ERROR"),
            (Category::ValidationError, "x", "VALIDATION_ERROR"),
            (Category::AuthError, "x", "UNAUTHORIZED"),
            (Category::TimeoutError, "x", "TIMEOUT"),
            (Category::RateLimitError, "x", "OVER_CAPACITY"),
            (Category::UnknownError, "x", "PROVIDER_ERROR"),
        ];
        for (category, name, wanted) in table {
            assert_eq!(code(&Failure::new(category, name, "")), wanted, "{name}");
        }
        let ours = Failure::new(Category::ServerError, "panic", "").with_retryable(false);
        assert_eq!(code(&ours), "INTERNAL_ERROR");
    }
}
