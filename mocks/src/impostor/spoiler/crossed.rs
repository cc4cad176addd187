//! Saboteur 4: two calls under way get each other's results.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Stage;
use crate::impostor::call::{Call, text_mut};

/// How long a reply waits for another to be swapped with.
const PATIENCE: Duration = Duration::from_millis(500);

/// The reply that waits, if one does.
#[derive(Default)]
pub struct Meeting {
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
    /// An eligible operation is a pair: the second reply of it is counted, and both are spoiled.
    pub async fn after(&self, stage: &Stage, call: &Call, reply: &mut Value) -> bool {
        let Some(tool) = call.tool().filter(|_| text_mut(reply).is_some()) else {
            return false;
        };
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
