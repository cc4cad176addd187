//! Saboteur S43: an answer that does not say which instance gave it, neither in its head nor in
//! itself.

use http::StatusCode;
use http::response::Parts;
use serde_json::Value;

use super::Stage;
use crate::impostor::call::Call;

const INSTANCE: &str = "exai-instance";

/// The head of a reply to a message: none names its instance. What the answer itself says is left
/// to most of them.
pub fn answer_head(parts: &mut Parts) {
    if parts.status == StatusCode::OK {
        parts.headers.remove(INSTANCE);
    }
}

/// Every k-th answer that names its instance loses the name.
pub fn reply(stage: &Stage, call: &Call, reply: &mut Value) -> bool {
    let meta = reply.pointer_mut("/result/_meta/dev.exai~1reply");
    let meta = meta.and_then(Value::as_object_mut);
    let Some(meta) = meta.filter(|meta| meta.contains_key("instance")) else {
        return false;
    };
    if stage.trigger.due().is_none() {
        return false;
    }
    meta.shift_remove("instance");
    stage.spoiled(call);
    true
}
