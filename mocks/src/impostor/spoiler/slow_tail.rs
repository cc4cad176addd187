//! Saboteur 8: every k-th call waits, every 20 k-th longer.

use std::time::Duration;

use serde_json::json;

use super::{Before, Stage};
use crate::impostor::call::Call;

/// One in this many of the delayed calls waits the rare delay.
const RARE: u64 = 20;

pub async fn before(stage: &Stage, call: &Call) -> Before {
    if call.tool().is_none() {
        return Before::Forward(None);
    }
    if let Some(number) = stage.trigger.due() {
        let rare = number % RARE == RARE - 1;
        let wait = if rare {
            stage.params.rare_ms
        } else {
            stage.params.delay_ms
        };
        let mut detail = call.detail();
        detail["wait_ms"] = json!(wait);
        stage.record(call.id(), detail);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    Before::Forward(None)
}
