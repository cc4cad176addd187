//! Saboteur S43: an answer that does not say which instance gave it.

use http::StatusCode;
use http::response::Parts;
use serde_json::{Value, json};

use super::Stage;

const INSTANCE: &str = "exai-instance";
const CORRELATION: &str = "exai-correlation-id";

/// A reply's head on its way back: every k-th answer that names its instance loses the name.
pub fn reply_head(stage: &Stage, parts: &mut Parts) {
    let is_answer = parts.status == StatusCode::OK && parts.headers.contains_key(INSTANCE);
    if !is_answer || stage.trigger.due().is_none() {
        return;
    }
    parts.headers.remove(INSTANCE);
    let id = parts.headers.get(CORRELATION);
    let id = id.and_then(|id| id.to_str().ok());
    stage.record(&Value::Null, json!({"correlation_id": id}));
}
