//! Saboteurs 8 and 8b: every k-th call waits.

use std::time::Duration;

use serde_json::json;

use super::{Before, Stage};
use crate::impostor::call::Call;

/// Every k-th call that asks a provider waits `wait_ms`; `version` is asked one after the other by
/// people who have nothing else to do, and would make a run longer without being judged.
pub async fn before(stage: &Stage, call: &Call, wait_ms: u64) -> Before {
    if matches!(call.tool(), None | Some("version")) {
        return Before::Forward(None);
    }
    if stage.trigger.due().is_some() {
        let mut detail = call.detail();
        detail["wait_ms"] = json!(wait_ms);
        stage.record(call.id(), detail);
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }
    Before::Forward(None)
}
