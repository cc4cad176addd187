//! Kept calls as tasks of the extension `io.modelcontextprotocol/tasks` (SEP-2663).
//!
//! The library's own task manager keeps tasks in its process, where a restart or another instance
//! loses them; these stand in the store.

use rmcp::ErrorData;
use rmcp::model::{
    CreateTaskResult, DetailedTask, GetTaskResult, JsonObject, Task, TaskPayload, TaskStatus,
};
use serde::Serialize;
use serde_json::Value;

use super::reply::{self, Origin};
use crate::failure::{Category, Failure};
use crate::tool::Surroundings;
use crate::tool::long::{LongCall, Standing};

/// How often a client should ask.
const POLL_INTERVAL_MS: u64 = 1000;

/// The answer to a call that became a task.
#[must_use]
pub fn created(call: &LongCall, ttl_ms: u64) -> CreateTaskResult {
    CreateTaskResult::new(task_of(call, TaskStatus::Working).with_ttl_ms(ttl_ms))
}

/// A task as it stands. `ttl_ms` counts from its creation, as the extension has it.
#[must_use]
pub fn told(call: &LongCall, around: &Surroundings) -> GetTaskResult {
    let payload = payload(call, around);
    let lived = u64::try_from(now_ms().saturating_sub(call.created_ms)).unwrap_or(0);
    let task = task_of(call, payload.status()).with_ttl_ms(call.ttl_ms.saturating_add(lived));
    GetTaskResult::new(DetailedTask::new(task, payload))
}

/// A task that is not there, is another principal's or cannot be read.
#[must_use]
pub fn refused(failure: &Failure, correlation_id: &str) -> ErrorData {
    if failure.code != "call_not_found" {
        return reply::protocol_error(failure, correlation_id);
    }
    let message = "There is no such task: it never existed, or it ended long ago.";
    let failure = Failure::validation("/taskId", message).with_code("task_not_found");
    reply::protocol_error(&failure, correlation_id)
}

fn payload(call: &LongCall, around: &Surroundings) -> TaskPayload {
    let correlation_id = &*call.facts.correlation_id;
    let ended = match &call.standing {
        Standing::Working => return TaskPayload::Working,
        Standing::Ended(ended) => ended.as_ref(),
    };
    match ended {
        Err(failure) if failure.code == "cancelled" => TaskPayload::Cancelled,
        // What ended with its process, or was refused as a request, has no result.
        Err(failure) if is_error(failure) => TaskPayload::Failed {
            error: object(reply::protocol_error(failure, correlation_id)),
        },
        Err(failure) => TaskPayload::Completed {
            result: object(reply::failed(failure, correlation_id)),
        },
        Ok(answer) => {
            let origin = Origin {
                instance: around.identity.instance(),
                correlation_id,
            };
            let result = reply::result(answer.clone(), &around.settings, origin);
            TaskPayload::Completed {
                result: object(result),
            }
        }
    }
}

fn is_error(failure: &Failure) -> bool {
    failure.category == Category::ClientError
        || matches!(failure.code, "call_abandoned" | "draining")
}

fn task_of(call: &LongCall, status: TaskStatus) -> Task {
    let mut message = call.facts.label.clone();
    if status == TaskStatus::Working {
        let seconds = now_ms().saturating_sub(call.created_ms).max(0) / 1000;
        message.push_str(&format!(" · working {seconds} s"));
    }
    let (created, updated) = (utc(call.created_ms), utc(call.updated_ms));
    Task::new(call.id.to_string(), status, created, updated)
        .with_status_message(message)
        .with_poll_interval_ms(POLL_INTERVAL_MS)
}

fn object(value: impl Serialize) -> JsonObject {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => JsonObject::new(),
    }
}

fn utc(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    at.to_string()
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
