//! Calls whose files are on their way to the daemon. They are not in the ledger yet: a call that is
//! refused for its files never leaves this machine.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};

use super::courier::Courier;
use super::ledger;
use crate::failure::{Category, Failure};
use crate::protocol::caller::fresh_correlation_id;
use crate::protocol::reply;
use crate::transport::envelope::Envelope;

/// Nesting of a client's message.
const DEPTH: usize = 64;

/// What is to be done with a line of the client.
pub enum Offered {
    /// It needs nothing.
    Untouched(String),
    /// It is being prepared.
    Taken,
    /// This goes back to the client.
    Answer(String),
}

/// A call that is ready, or refused.
pub enum Packed {
    /// This goes on as a line of the client.
    Line(String),
    /// This goes back to the client.
    Answer(String),
}

struct Finished {
    id: Value,
    result: Result<Value, Failure>,
}

/// The calls being prepared.
pub struct Packing {
    courier: Arc<Courier>,
    ids: BTreeSet<String>,
    running: FuturesUnordered<BoxFuture<'static, Finished>>,
    most: usize,
}

impl Packing {
    /// None yet, and at most so many.
    pub fn new(courier: Courier, most: usize) -> Self {
        Self {
            courier: Arc::new(courier),
            ids: BTreeSet::new(),
            running: FuturesUnordered::new(),
            most,
        }
    }

    /// Whether nothing is being prepared.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// A line of the client.
    pub fn offer(&mut self, line: String) -> Offered {
        // What is no proper message is refused elsewhere, as it stands.
        let Ok(envelope) = Envelope::read(line.as_bytes(), DEPTH) else {
            return Offered::Untouched(line);
        };
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            return Offered::Untouched(line);
        };
        if envelope.method.as_deref() == Some("notifications/cancelled") {
            let id = message.pointer("/params/requestId");
            if id.is_some_and(|id| self.ids.remove(&id.to_string())) {
                return Offered::Taken;
            }
        }
        if !envelope.is_request() || !Courier::is_needed(&message) {
            return Offered::Untouched(line);
        }
        let id = envelope.id.clone();
        if self.running.len() >= self.most {
            let text = "Too many calls with files are being prepared; let one end and try again.";
            let failure = Failure::new(Category::RateLimitError, "bridge_queue_full", text);
            return Offered::Answer(ledger::answer(&id, &ledger::error(-32029, &failure)));
        }
        if !self.ids.insert(id.to_string()) {
            let text = "This id belongs to a request that is still open; use another one.";
            let failure = Failure::new(Category::ClientError, "id_in_use", text);
            return Offered::Answer(ledger::answer(&id, &ledger::error(-32600, &failure)));
        }
        let courier = Arc::clone(&self.courier);
        let carrying = async move {
            let result = courier.carry(message).await;
            Finished { id, result }
        };
        self.running.push(carrying.boxed());
        Offered::Taken
    }

    /// The next call that is ready. Cancelling the wait loses nothing.
    pub async fn next(&mut self) -> Packed {
        loop {
            let Some(Finished { id, result }) = self.running.next().await else {
                return std::future::pending().await;
            };
            // One that was cancelled meanwhile is nobody's.
            if self.ids.remove(&id.to_string()) {
                return match result {
                    Ok(message) => Packed::Line(message.to_string()),
                    Err(failure) => Packed::Answer(refusal(&id, &failure)),
                };
            }
        }
    }
}

/// A refusal as the tool itself would have given it, so that a model sees it.
fn refusal(id: &Value, failure: &Failure) -> String {
    let result = reply::failed(failure, &fresh_correlation_id());
    json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string()
}
