//! Saboteurs 4 and 4b: two calls under way get each other's results.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Stage;
use crate::impostor::call::{Call, text_mut};

/// How long a reply waits for another to be swapped with.
const PATIENCE: Duration = Duration::from_millis(500);

/// Calls under way here that 4b asks for before it crosses two.
pub const LOADED: u64 = 15;

/// The reply that waits, if one does.
pub struct Meeting {
    /// Calls that must be under way.
    least: u64,
    under_way: AtomicU64,
    waiting: Mutex<Option<Waiting>>,
    arrivals: AtomicU64,
}

struct Waiting {
    /// Ids repeat between sessions; this number does not.
    number: u64,
    id: Value,
    tool: String,
    result: Value,
    partner: oneshot::Sender<Partner>,
}

struct Partner {
    id: Value,
    result: Value,
}

impl Meeting {
    /// Crosses replies while at least so many calls are under way.
    pub fn among(least: u64) -> Self {
        Self {
            least,
            under_way: AtomicU64::new(0),
            waiting: Mutex::default(),
            arrivals: AtomicU64::new(0),
        }
    }

    /// Counts a call that goes to the server.
    pub fn before(&self, call: &Call) {
        if call.tool().is_some() {
            self.under_way.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An eligible operation is a pair: the second reply of it is counted, and both are spoiled.
    pub async fn after(&self, stage: &Stage, call: &Call, reply: &mut Value) -> bool {
        let Some(tool) = call.tool() else {
            return false;
        };
        // Never below zero: a reply that nobody sent for is not counted away.
        let counted = self
            .under_way
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        let is_loaded = counted.is_ok_and(|under_way| under_way >= self.least);
        if text_mut(reply).is_none() || (self.least > 0 && !is_loaded) {
            return false;
        }
        let partner = match self.meet(stage, call, tool, reply) {
            Met::Now(partner) => partner,
            Met::Passed => return false,
            Met::Later(number, mut receiver) => {
                match tokio::time::timeout(PATIENCE, &mut receiver).await {
                    Ok(Ok(partner)) => partner,
                    _ => {
                        self.leave(number);
                        // A partner may have come between the timeout and the leaving.
                        let Ok(partner) = receiver.try_recv() else {
                            return false;
                        };
                        partner
                    }
                }
            }
        };
        let mut detail = call.detail();
        detail["with"] = partner.id;
        stage.record(call.id(), detail);
        reply["result"] = partner.result;
        true
    }

    fn meet(&self, stage: &Stage, call: &Call, tool: &str, reply: &Value) -> Met {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let own = reply.get("result").cloned().unwrap_or_else(|| json!({}));
        match waiting.take_if(|other| other.tool == tool && !other.partner.is_closed()) {
            Some(other) => {
                if stage.trigger.due().is_none() {
                    return Met::Passed;
                }
                let partner = Partner {
                    id: call.id().clone(),
                    result: own,
                };
                match other.partner.send(partner) {
                    Ok(()) => Met::Now(Partner {
                        id: other.id,
                        result: other.result,
                    }),
                    Err(_) => Met::Passed,
                }
            }
            None if waiting
                .as_ref()
                .is_some_and(|other| !other.partner.is_closed()) =>
            {
                Met::Passed
            }
            None => {
                let (partner, receiver) = oneshot::channel();
                let (id, tool) = (call.id().clone(), tool.to_owned());
                let number = self.arrivals.fetch_add(1, Ordering::Relaxed);
                *waiting = Some(Waiting {
                    number,
                    id,
                    tool,
                    result: own,
                    partner,
                });
                Met::Later(number, receiver)
            }
        }
    }

    fn leave(&self, number: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.take_if(|own| own.number == number);
    }
}

enum Met {
    Now(Partner),
    Later(u64, oneshot::Receiver<Partner>),
    Passed,
}
