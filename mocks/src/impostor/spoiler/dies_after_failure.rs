//! Saboteurs 5 and 5b: after failed calls, every later call of their session fails.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::{Before, Stage};
use crate::impostor::call::{Call, is_failure};

/// Failures of one class that kill a session under 5b.
pub const THIRD: u32 = 3;

/// The dead sessions, and failures so far by session and class.
pub struct Dead {
    after: u32,
    sessions: Mutex<HashSet<String>>,
    failures: Mutex<HashMap<(String, String), u32>>,
}

impl Dead {
    /// Sessions die of this many failures of one class.
    pub fn after_failures(after: u32) -> Self {
        Self {
            after,
            sessions: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    pub fn before(&self, stage: &Stage, call: &Call) -> Before {
        let dead = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let eligible = call.tool().is_some() && dead.contains(&call.session());
        if !eligible || stage.trigger.due().is_none() {
            return Before::Forward(None);
        }
        stage.spoiled(call);
        Before::Answer(call.error(-32603, "the session has ended"))
    }

    pub fn after(&self, call: &Call, reply: &Value) -> bool {
        if call.tool().is_none() || !is_failure(reply) {
            return false;
        }
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry((call.session(), class(reply))).or_default();
        *count += 1;
        if *count >= self.after {
            let mut dead = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            dead.insert(call.session());
        }
        false
    }
}

/// The category of a failure; empty without one.
fn class(reply: &Value) -> String {
    let places = [
        "/result/structuredContent/error/category",
        "/error/data/category",
    ];
    let found = places
        .iter()
        .find_map(|place| reply.pointer(place)?.as_str());
    found.unwrap_or_default().to_owned()
}
