//! Saboteur 30: a reply under another request's id.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::Stage;
use crate::impostor::call::Call;

/// The id of the call answered last.
#[derive(Default)]
pub struct Last(Mutex<Option<Value>>);

impl Last {
    pub fn after(&self, stage: &Stage, call: &Call, reply: &mut Value) -> bool {
        if call.tool().is_none() {
            return false;
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let other = last
            .replace(call.id().clone())
            .filter(|other| other != call.id());
        let Some(other) = other else { return false };
        if stage.trigger.due().is_none() {
            return false;
        }
        let mut detail = call.detail();
        detail["under"] = json!(other);
        stage.record(call.id(), detail);
        reply["id"] = other;
        true
    }
}
