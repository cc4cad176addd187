//! Saboteur 4c: equal calls of two callers get one answer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::{Before, Stage};
use crate::impostor::call::{Call, text_mut};

/// The first answer to each call: who asked, and what came.
#[derive(Default)]
pub struct Shared(Mutex<HashMap<String, (String, Value)>>);

impl Shared {
    /// A caller's own repeat is asked again; another caller's is not.
    pub fn before(&self, stage: &Stage, call: &Call) -> Before {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = memory.get(&key(call));
        let Some((_, result)) = known.filter(|(caller, _)| *caller != call.caller) else {
            return Before::Forward(None);
        };
        if stage.trigger.due().is_none() {
            return Before::Forward(None);
        }
        stage.spoiled(call);
        Before::Answer(call.result(result))
    }

    /// Remembers only answers of a provider: what an info tool says is everybody's.
    pub fn after(&self, call: &Call, reply: &mut Value) -> bool {
        let keyed = text_mut(reply).and_then(|text| text.as_str());
        let is_answer = keyed.is_some_and(|text| text.starts_with("answer "));
        if call.tool().is_some() && is_answer {
            let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            memory
                .entry(key(call))
                .or_insert_with(|| (call.caller.clone(), reply["result"].clone()));
        }
        false
    }
}

/// The tool and its arguments, as text.
fn key(call: &Call) -> String {
    format!("{} {}", call.tool().unwrap_or_default(), call.arguments())
}
