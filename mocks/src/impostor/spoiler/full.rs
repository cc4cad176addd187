//! Saboteurs S34 and S34b: a thread that is full one exchange early, or one late.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::{Before, Stage};
use crate::impostor::call::Call;

/// Exchanges a thread holds (CRITERIA, Definitions).
const CAP: u64 = 10;
const FULL: &str = "thread_full";
const KEY: &str = "/params/_meta/dev.exai~1idempotency-key";

/// What was acknowledged of each thread.
#[derive(Default)]
pub struct Cap(Mutex<HashMap<String, Held>>);

/// Exchanges of a thread so far.
#[derive(Default)]
struct Held {
    /// The highest number told.
    turns: u64,
    /// Keys that were answered: they add no exchange.
    keys: HashSet<String>,
    /// The result told last.
    last: Value,
}

impl Cap {
    /// Saboteur S34: the exchange that would fill the thread is refused.
    pub fn early(&self, stage: &Stage, call: &Call) -> Before {
        let held = self.held();
        let held = thread(call).and_then(|thread| held.get(thread));
        let is_last = held.is_some_and(|held| {
            let is_known = key(call).is_some_and(|key| held.keys.contains(key));
            held.turns + 1 == CAP && !is_known
        });
        if !is_last || stage.trigger.due().is_none() {
            return Before::Forward(None);
        }
        stage.spoiled(call);
        Before::Answer(refused(call))
    }

    /// Remembers what was acknowledged.
    pub fn remember(&self, call: &Call, reply: &Value) -> bool {
        let told = reply.pointer("/result/_meta/dev.exai~1reply");
        let told = told.and_then(|told| {
            let thread = told["continuation_id"].as_str()?;
            Some((thread, told["turn"].as_u64()?))
        });
        if let Some((thread, turn)) = told.filter(|_| call.tool().is_some()) {
            let mut held = self.held();
            let held = held.entry(thread.to_owned()).or_default();
            held.turns = held.turns.max(turn);
            held.keys.extend(key(call).map(str::to_owned));
            held.last = reply["result"].clone();
        }
        false
    }

    /// Saboteur S34b: the exchange that a full thread refuses is answered as its last one was.
    pub fn late(&self, stage: &Stage, call: &Call, reply: &mut Value) -> bool {
        self.remember(call, reply);
        let code = reply.pointer("/result/structuredContent/error/code");
        if code.and_then(Value::as_str) != Some(FULL) {
            return false;
        }
        let held = self.held();
        let Some(held) = thread(call).and_then(|thread| held.get(thread)) else {
            return false;
        };
        if stage.trigger.due().is_none() {
            return false;
        }
        let mut result = held.last.clone();
        result["_meta"]["dev.exai/reply"]["turn"] = (held.turns + 1).into();
        *reply = call.result(&result);
        stage.spoiled(call);
        true
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn thread(call: &Call) -> Option<&str> {
    call.tool()?;
    call.arguments().get("continuation_id")?.as_str()
}

fn key(call: &Call) -> Option<&str> {
    call.message.pointer(KEY)?.as_str()
}

/// The refusal in the server's own shape.
fn refused(call: &Call) -> Value {
    let says = format!("This thread holds {CAP} exchanges, as many as it may.");
    let error = json!({"category": "tool_error", "code": FULL, "message": says,
        "retryable": false});
    call.result(
        &json!({"isError": true, "content": [{"type": "text", "text": says}],
        "structuredContent": {"error": error}}),
    )
}
