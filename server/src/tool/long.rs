//! A call that outlives the request it came with: what is kept of it, and what its owner is told.
//!
//! Only a call that was promised to somebody is kept: as an MCP task, or as the `next_call` of a
//! reply that came before the answer. Everything kept is in the store, so that any instance can
//! answer for it; an instance that dies stops giving signs of life, and the call then counts as
//! failed.

mod ledger;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::{Call, Reply};
use super::registry::Tool;
use crate::failure::{Category, Failure, interned};
use crate::protocol::progress::label;
use crate::store::{CALL_PREFIX, CallId, StoreError, StoredCall, ThreadId};
pub use ledger::LongCalls;

/// Characters of an argument that are repeated in a `next_call`.
const SHOWN: usize = 100;

/// A call that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct LongCall {
    /// Its handle.
    pub id: CallId,
    /// Its principal.
    pub owner: Arc<str>,
    /// What it is.
    pub facts: Facts,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds.
    pub updated_ms: i64,
    /// Milliseconds until it is forgotten.
    pub ttl_ms: u64,
    /// How it stands.
    pub standing: Standing,
}

/// What a kept call is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Tool and model, for people.
    pub label: String,
    /// The correlation id of the request it came with.
    pub correlation_id: String,
    /// The call that collects the answer.
    pub next_call: Value,
}

/// How a kept call stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Somebody works on it.
    Working,
    /// It has its answer, or failed.
    Ended(Box<Result<Reply, Failure>>),
}

/// How a call ended, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Reply(Box<Reply>),
    Failure(Failed),
}

/// A failure without its cause, which is in the log of whoever met it.
#[derive(Debug, Serialize, Deserialize)]
struct Failed {
    category: Category,
    code: String,
    message: String,
    retryable: bool,
    retry_after: Option<Duration>,
    field: Option<String>,
}

impl LongCall {
    /// What is kept of `call` from now on, or `None` when no tool could collect its answer.
    #[must_use]
    pub fn of(call: &Call, tool: &Tool, chat: Option<&Tool>) -> Option<Self> {
        let id = CallId::fresh();
        let takes_thread = |tool: &&Tool| tool.row.kind.keeps_threads();
        let next_call = match Some(tool).filter(takes_thread) {
            Some(tool) => next_call(tool, &call.arguments, id),
            None => next_call(chat?, &collecting(), id),
        };
        let now_ms = now_ms();
        Some(Self {
            id,
            owner: Arc::clone(&call.caller.principal),
            facts: Facts {
                label: label(tool.name, &call.arguments),
                correlation_id: call.caller.correlation_id.to_string(),
                next_call,
            },
            created_ms: now_ms,
            updated_ms: now_ms,
            ttl_ms: 0,
            standing: Standing::Working,
        })
    }

    /// What the caller is told before there is an answer.
    #[must_use]
    pub fn reply(&self, is_prose_structured: bool) -> Reply {
        let seconds = now_ms().saturating_sub(self.created_ms).max(0) / 1000;
        let message = format!(
            "{} is still being worked on{}. Nothing is lost: send next_call exactly as it stands \
             to collect the answer; it waits for it, and may be sent again.",
            self.facts.label,
            if seconds > 1 {
                format!(" ({seconds} s more)")
            } else {
                String::new()
            },
        );
        let mut status = Map::new();
        status.insert("status".to_owned(), "in_progress".into());
        status.insert("continuation_id".to_owned(), self.id.to_string().into());
        status.insert("next_call".to_owned(), self.facts.next_call.clone());
        status.insert("message".to_owned(), message.into());
        let status = Value::Object(status);
        let text = serde_json::to_string_pretty(&status).unwrap_or_default();
        let mut structured = status;
        if is_prose_structured {
            structured["text"] = text.clone().into();
        }
        Reply {
            structured: Some(structured),
            ..Reply::of_text(text)
        }
    }

    /// Whether `call` is the one that collects the answer, argument by argument.
    #[must_use]
    pub fn is_collected_by(&self, tool: &str, arguments: &Map<String, Value>) -> bool {
        let next = &self.facts.next_call;
        next["tool"] == *tool && next["arguments"].as_object() == Some(arguments)
    }

    /// The thread that holds the answer, once it has one.
    ///
    /// # Errors
    /// `call_in_progress` while there is none, `thread_not_found` when there never will be one.
    pub fn thread(&self) -> Result<ThreadId, Failure> {
        match &self.standing {
            Standing::Working => Err(self.in_progress()),
            Standing::Ended(ended) => {
                let about = ended
                    .as_ref()
                    .as_ref()
                    .ok()
                    .and_then(|reply| reply.about.as_ref());
                let thread = about.map(|about| about.receipt.thread);
                thread.ok_or_else(|| StoreError::NotFound.into())
            }
        }
    }

    fn in_progress(&self) -> Failure {
        let message = format!(
            "The call before this one is still being worked on. Collect its answer first: {}",
            self.facts.next_call
        );
        let failure = Failure::new(Category::ToolError, "call_in_progress", message);
        failure.with_retry_after(Duration::from_secs(5))
    }

    fn read(id: CallId, owner: &Arc<str>, stored: StoredCall) -> Result<Self, StoreError> {
        let corrupt = |error: serde_json::Error| StoreError::Corrupt(error.to_string());
        let standing = match &stored.outcome {
            Some(outcome) => {
                let outcome: Outcome = serde_json::from_str(outcome).map_err(corrupt)?;
                Standing::Ended(Box::new(outcome.into()))
            }
            None if stored.is_alive => Standing::Working,
            None if stored.is_cancel_asked => Standing::Ended(Box::new(Err(cancelled()))),
            None => Standing::Ended(Box::new(Err(abandoned()))),
        };
        Ok(Self {
            id,
            owner: Arc::clone(owner),
            facts: serde_json::from_str(&stored.facts).map_err(corrupt)?,
            created_ms: stored.created_ms,
            updated_ms: stored.updated_ms,
            ttl_ms: stored.ttl_ms,
            standing,
        })
    }
}

/// The handle of a kept call, when that is what `continuation_id` holds.
#[must_use]
pub fn handle(arguments: &Map<String, Value>) -> Option<&str> {
    let handle = arguments.get("continuation_id")?.as_str()?;
    handle.starts_with(CALL_PREFIX).then_some(handle)
}

/// The required arguments, long texts shortened: they were read already, and a model should not
/// have to copy them.
fn next_call(tool: &Tool, given: &Map<String, Value>, id: CallId) -> Value {
    let mut arguments = Map::new();
    for name in &tool.row.required {
        let value = match given.get(name) {
            Some(Value::String(text)) => text.chars().take(SHOWN).collect::<String>().into(),
            Some(value) => value.clone(),
            None => Value::Null,
        };
        arguments.insert(name.clone(), value);
    }
    arguments.insert("continuation_id".to_owned(), id.to_string().into());
    json!({ "tool": tool.name, "arguments": arguments })
}

fn collecting() -> Map<String, Value> {
    Map::from_iter([("prompt".to_owned(), "Collect the answer.".into())])
}

impl From<&Result<Reply, Failure>> for Outcome {
    fn from(ended: &Result<Reply, Failure>) -> Self {
        match ended {
            Ok(reply) => Self::Reply(Box::new(reply.clone())),
            Err(failure) => Self::Failure(Failed {
                category: failure.category,
                code: failure.code.to_owned(),
                message: failure.message.clone(),
                retryable: failure.retryable,
                retry_after: failure.retry_after,
                field: failure.field.clone(),
            }),
        }
    }
}

impl From<Outcome> for Result<Reply, Failure> {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Reply(reply) => Ok(*reply),
            Outcome::Failure(failed) => Err(Failure {
                category: failed.category,
                code: interned(&failed.code),
                message: failed.message,
                retryable: failed.retryable,
                retry_after: failed.retry_after,
                field: failed.field,
                // A choice is asked for before anything takes long.
                choice: None,
                cause: None,
            }),
        }
    }
}

fn abandoned() -> Failure {
    let message = "The process that worked on this call ended before its answer came. \
                   Send the first call again.";
    Failure::new(Category::ServerError, "call_abandoned", message)
}

/// What a call ends with that its caller stopped.
pub(super) fn cancelled() -> Failure {
    let message = "The caller cancelled this call.";
    Failure::new(Category::ClientError, "cancelled", message)
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(outcome: Option<&Result<Reply, Failure>>, is_alive: bool, is_asked: bool) -> Standing {
        let facts = Facts {
            label: "chat · auto".into(),
            correlation_id: "c".into(),
            next_call: json!({}),
        };
        let stored = StoredCall {
            facts: serde_json::to_string(&facts).unwrap(),
            outcome: outcome.map(|one| serde_json::to_string(&Outcome::from(one)).unwrap()),
            is_cancel_asked: is_asked,
            is_alive,
            created_ms: 0,
            updated_ms: 0,
            ttl_ms: 1,
        };
        let call = LongCall::read(CallId::fresh(), &"ada".into(), stored);
        call.unwrap().standing
    }

    fn code(standing: &Standing) -> &'static str {
        match standing {
            Standing::Working => "working",
            Standing::Ended(ended) => ended.as_ref().as_ref().err().map_or("ok", |one| one.code),
        }
    }

    #[test]
    fn a_call_that_nobody_works_on_has_ended_one_way_or_another() {
        let good = Ok(Reply::of_text("text".into()));
        let table = [
            (None, true, false, "working"),
            (None, true, true, "working"),
            (None, false, false, "call_abandoned"),
            (None, false, true, "cancelled"),
            (Some(&good), false, true, "ok"),
        ];
        for (outcome, is_alive, is_asked, wanted) in table {
            let standing = read(outcome, is_alive, is_asked);
            assert_eq!(code(&standing), wanted, "{is_alive} {is_asked}");
        }
    }

    #[test]
    fn a_failure_is_read_back_as_it_was_without_its_cause() {
        let failure = Failure::new(Category::RateLimitError, "over_capacity", "Full.")
            .with_retry_after(Duration::from_millis(1500))
            .with_cause("10.0.0.1");
        let Standing::Ended(ended) = read(Some(&Err(failure.clone())), true, false) else {
            panic!("it ended");
        };
        let wanted = Failure {
            cause: None,
            ..failure
        };
        assert_eq!(*ended, Err(wanted));
    }
}
