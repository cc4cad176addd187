//! Threads as resources: a list of one's own, and one thread by its id.

use rmcp::ErrorData;
use rmcp::model::{Resource, ResourceContents, ResourceTemplate};
use serde_json::{Value, json};

use super::caller::Caller;
use super::reply::protocol_error;
use crate::failure::Failure;
use crate::store::{Exchange, StoreError, StoredThread, ThreadSummary};
use crate::thread::Threads;
use crate::tool::Surroundings;
use crate::tool::pages::{self, Address};

/// The list of one's own threads.
const THREADS: &str = "exai://threads";

/// One thread.
const THREAD_TEMPLATE: &str = "exai://thread/{id}";

/// One page of a long answer.
const RESULT_TEMPLATE: &str = "exai://result/{id}{?page}";

const THREAD_PREFIX: &str = "exai://thread/";
const JSON: &str = "application/json";

/// Threads shown in lists.
pub const LISTED: u32 = 200;

/// All resources of a caller: the list, then each thread, the newest first.
///
/// # Errors
/// -32603 when the store cannot be reached.
pub async fn list(threads: &Threads, caller: &Caller) -> Result<Vec<Resource>, ErrorData> {
    let own = summaries(threads, caller).await?;
    let index = Resource::new(THREADS, "threads")
        .with_title("My threads")
        .with_description("Own conversations, the last used first.")
        .with_mime_type(JSON);
    let each = own.into_iter().map(|thread| {
        Resource::new(format!("{THREAD_PREFIX}{}", thread.id), thread.id)
            .with_title(thread.title)
            .with_description(format!("A thread of {} exchanges.", thread.turns))
            .with_mime_type(JSON)
    });
    Ok(std::iter::once(index).chain(each).collect())
}

/// The caller's own threads, the newest first.
///
/// # Errors
/// -32603 when the store cannot be reached.
pub async fn summaries(
    threads: &Threads,
    caller: &Caller,
) -> Result<Vec<ThreadSummary>, ErrorData> {
    let listed = threads.list(&caller.principal, LISTED).await;
    listed.map_err(|error| outage(error, caller))
}

/// What resources there can be.
pub fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(THREAD_TEMPLATE, "thread")
            .with_title("A thread")
            .with_description("One conversation with all its exchanges.")
            .with_mime_type(JSON),
        ResourceTemplate::new(RESULT_TEMPLATE, "result")
            .with_title("A page of a long answer")
            .with_description("Text of one answer, as a reply's link names it.")
            .with_mime_type("text/plain"),
    ]
}

/// What can stand for a variable of a template: the ids of own threads that begin with `typed`.
///
/// # Errors
/// -32602 for a template or variable there is none of, -32603 when the store cannot be reached.
pub async fn complete(
    threads: &Threads,
    caller: &Caller,
    (template, variable): (&str, &str),
    typed: &str,
) -> Result<Vec<String>, ErrorData> {
    if template != THREAD_TEMPLATE {
        return Err(not_found(template));
    }
    if variable != "id" {
        let data = json!({ "argument": variable });
        return Err(ErrorData::invalid_params("unknown argument", Some(data)));
    }
    let own = summaries(threads, caller).await?;
    let ids = own.into_iter().map(|thread| thread.id);
    Ok(ids.filter(|id| id.starts_with(typed)).collect())
}

/// Reads a resource.
///
/// # Errors
/// -32602 with the URI for anything that is not there or is another principal's, -32603 when the
/// store cannot be reached.
pub async fn read(
    around: &Surroundings,
    caller: &Caller,
    uri: &str,
) -> Result<ResourceContents, ErrorData> {
    let threads = &around.threads;
    if uri.starts_with(pages::PREFIX) {
        return page(around, caller, uri).await;
    }
    let value = if uri == THREADS {
        json!({ "threads": summaries(threads, caller).await? })
    } else {
        let handle = uri
            .strip_prefix(THREAD_PREFIX)
            .ok_or_else(|| not_found(uri))?;
        match threads.read(&caller.principal, handle).await {
            Ok(thread) => thread_value(&thread, threads),
            Err(StoreError::NotFound) => return Err(not_found(uri)),
            Err(error) => return Err(outage(error, caller)),
        }
    };
    Ok(ResourceContents::text(value.to_string(), uri).with_mime_type(JSON))
}

/// One page of a long answer.
async fn page(
    around: &Surroundings,
    caller: &Caller,
    uri: &str,
) -> Result<ResourceContents, ErrorData> {
    let address: Address = uri.parse().map_err(|_| not_found(uri))?;
    let size = pages::size(&around.settings);
    match pages::read(&around.threads, &caller.principal, address, size).await {
        Ok((_, exchange)) => {
            let text = pages::cut(&exchange.assistant, size, address.page);
            Ok(ResourceContents::text(text, uri).with_mime_type("text/plain"))
        }
        Err(StoreError::NotFound) => Err(not_found(uri)),
        Err(error) => Err(outage(error, caller)),
    }
}

fn thread_value(thread: &StoredThread, threads: &Threads) -> Value {
    let turns: Vec<Value> = (1_u32..)
        .zip(&thread.exchanges)
        .map(|(turn, one)| turn_value(turn, one))
        .collect();
    json!({
        "id": thread.id.to_string(),
        "title": thread.title,
        "turns": turns,
        "turns_left": threads.turns_left(thread.exchanges.len()),
        "ttl_seconds": thread.ttl_ms / 1000,
    })
}

fn turn_value(turn: u32, exchange: &Exchange) -> Value {
    let created_at = jiff::Timestamp::from_millisecond(exchange.created_ms)
        .map(|time| format!("{time:.3}"))
        .unwrap_or_default();
    json!({
        "turn": turn,
        "tool": exchange.tool,
        "user": exchange.user,
        "attached": exchange.attached,
        "assistant": exchange.assistant,
        "model": exchange.model,
        "provider": exchange.provider,
        "created_at": created_at,
    })
}

fn not_found(uri: &str) -> ErrorData {
    ErrorData::invalid_params("resource not found", Some(json!({ "uri": uri })))
}

fn outage(error: StoreError, caller: &Caller) -> ErrorData {
    protocol_error(&Failure::from(error), &caller.correlation_id)
}
