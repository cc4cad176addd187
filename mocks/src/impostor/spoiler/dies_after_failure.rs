//! Saboteur 5: after a failed call, every later call of its session fails.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::{Before, Stage};
use crate::impostor::call::{Call, is_failure};

/// The dead sessions.
#[derive(Default)]
pub struct Dead(Mutex<HashSet<String>>);

impl Dead {
    pub fn before(&self, stage: &Stage, call: &Call) -> Before {
        let dead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let eligible = call.tool().is_some() && dead.contains(&call.session());
        if !eligible || stage.trigger.due().is_none() {
            return Before::Forward(None);
        }
        stage.spoiled(call);
        Before::Answer(call.error(-32603, "the session has ended"))
    }

    pub fn after(&self, call: &Call, reply: &Value) -> bool {
        if call.tool().is_some() && is_failure(reply) {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(call.session());
        }
        false
    }
}
