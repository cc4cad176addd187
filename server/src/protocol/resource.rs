//! Threads, stored files, the models, one's own use and the documentation as resources: lists of
//! one's own, a thread by its id, a file by its digest.

use rmcp::ErrorData;
use rmcp::model::{Resource, ResourceContents, ResourceTemplate};
use serde_json::{Value, json};

use super::caller::Caller;
use super::document;
use super::reply::protocol_error;
use crate::archive::Archived;
use crate::failure::{Category, Failure};
use crate::files::digest::PREFIX as FILE_PREFIX;
use crate::files::{Digest, FileError, FileStore};
use crate::store::{Exchange, StoreError, StoredThread, ThreadSummary};
use crate::thread::{ARCHIVE_PREFIX, Threads};
use crate::tool::Surroundings;
use crate::tool::pages::{self, Address};
use crate::tool::run::holder_of;

/// The list of one's own threads.
const THREADS: &str = "exai://threads";

/// What the caller has used and spent.
const USAGE: &str = "exai://usage/me";

/// Which models can be named.
const MODELS: &str = "exai://models";

/// Days that the caller's use is told for.
const USAGE_DAYS: u32 = 30;

/// One thread.
const THREAD_TEMPLATE: &str = "exai://thread/{id}";

/// One page of a long answer.
const RESULT_TEMPLATE: &str = "exai://result/{id}{?page}";

/// One stored file.
const FILE_TEMPLATE: &str = "exai://file/{sha256}";

/// One thread that has expired.
const ARCHIVE_TEMPLATE: &str = "exai://archive/{id}";

const THREAD_PREFIX: &str = "exai://thread/";
const JSON: &str = "application/json";

/// Threads shown in lists.
pub const LISTED: u32 = 200;

/// All resources of a caller: the lists, then each thread and each stored file, the newest first.
///
/// # Errors
/// -32603 when the store cannot be reached.
pub async fn list(around: &Surroundings, caller: &Caller) -> Result<Vec<Resource>, ErrorData> {
    let own = summaries(&around.threads, caller).await?;
    let index = Resource::new(THREADS, "threads")
        .with_title("My threads")
        .with_description("Own conversations, the last used first.")
        .with_mime_type(JSON);
    let models = Resource::new(MODELS, "models")
        .with_title("Models")
        .with_description("Every model: who serves it, context, output, capabilities, other names.")
        .with_mime_type(JSON);
    let usage = Resource::new(USAGE, "usage")
        .with_title("My use")
        .with_description("Own calls, tokens, cost and budgets of the last 30 days.")
        .with_mime_type(JSON);
    let each = own.into_iter().map(|thread| {
        Resource::new(format!("{THREAD_PREFIX}{}", thread.id), thread.id)
            .with_title(thread.title)
            .with_description(format!("A thread of {} exchanges.", thread.turns))
            .with_mime_type(JSON)
    });
    let files = files(around.files.as_ref(), caller).await?;
    let fixed = [index, models, usage, document::listed()].into_iter();
    Ok(fixed.chain(each).chain(files).collect())
}

/// The caller's stored files; one content under two names is one resource.
async fn files(store: Option<&FileStore>, caller: &Caller) -> Result<Vec<Resource>, ErrorData> {
    let Some(store) = store else {
        return Ok(Vec::new());
    };
    let held = store.list(holder_of(caller), LISTED as usize).await;
    let mut held = held.map_err(|error| protocol_error(&error.at(""), &caller.correlation_id))?;
    let mut seen = std::collections::HashSet::new();
    held.retain(|one| seen.insert(one.digest.clone()));
    let told = held.into_iter().map(|one| {
        Resource::new(one.digest.uri(), one.name)
            .with_title("A stored file")
            .with_mime_type(one.kind)
            .with_size(one.bytes)
    });
    Ok(told.collect())
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
        ResourceTemplate::new(ARCHIVE_TEMPLATE, "archived_thread")
            .with_title("An archived thread")
            .with_description("The copy of a conversation that outlives its thread.")
            .with_mime_type(JSON),
        ResourceTemplate::new(RESULT_TEMPLATE, "result")
            .with_title("A page of a long answer")
            .with_description("Text of one answer, as a reply's link names it.")
            .with_mime_type("text/plain"),
        ResourceTemplate::new(FILE_TEMPLATE, "file")
            .with_title("A stored file")
            .with_description("A file of yours, by the SHA-256 of its content."),
        document::template(),
    ]
}

/// What can stand for a variable of a template: the ids of own threads, the digests of own files
/// and the names of the documentation's pages that begin with `typed`. The address of a page comes
/// with its reply alone.
///
/// # Errors
/// -32602 for a template or variable there is none of, -32603 when the store cannot be reached.
pub async fn complete(
    around: &Surroundings,
    caller: &Caller,
    (template, variable): (&str, &str),
    typed: &str,
) -> Result<Vec<String>, ErrorData> {
    let values: Vec<String> = match (template, variable) {
        (THREAD_TEMPLATE, "id") => {
            let own = summaries(&around.threads, caller).await?;
            own.into_iter().map(|thread| thread.id).collect()
        }
        (FILE_TEMPLATE, "sha256") => {
            let own = files(around.files.as_ref(), caller).await?;
            let digests = own
                .iter()
                .filter_map(|one| one.uri.strip_prefix(FILE_PREFIX));
            digests.map(str::to_owned).collect()
        }
        (document::TEMPLATE, "page") => document::names().map(str::to_owned).collect(),
        (RESULT_TEMPLATE, "id" | "page") => Vec::new(),
        (THREAD_TEMPLATE | FILE_TEMPLATE | RESULT_TEMPLATE | document::TEMPLATE, _) => {
            let data = json!({ "argument": variable });
            return Err(ErrorData::invalid_params("unknown argument", Some(data)));
        }
        _ => return Err(not_found(template)),
    };
    let fitting = values.into_iter().filter(|value| value.starts_with(typed));
    Ok(fitting.collect())
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
    if uri.starts_with(FILE_PREFIX) {
        return read_file(around.files.as_ref(), caller, uri).await;
    }
    if let Some((text, kind)) = document::read(uri) {
        return Ok(ResourceContents::text(text, uri).with_mime_type(kind));
    }
    let value = match uri {
        THREADS => json!({ "threads": summaries(threads, caller).await? }),
        MODELS => json!({ "models": (around.models)() }),
        USAGE => {
            let report = around.spending.report(&caller.spender(), USAGE_DAYS).await;
            report.map_err(|error| outage(error, caller))?
        }
        _ => thread(threads, caller, uri).await?,
    };
    Ok(ResourceContents::text(value.to_string(), uri).with_mime_type(JSON))
}

/// A thread, or the copy the archive keeps of it.
async fn thread(threads: &Threads, caller: &Caller, uri: &str) -> Result<Value, ErrorData> {
    if let Some(handle) = uri.strip_prefix(ARCHIVE_PREFIX) {
        return Ok(archived_value(
            &archived(threads, caller, (uri, handle)).await?,
        ));
    }
    let handle = uri
        .strip_prefix(THREAD_PREFIX)
        .ok_or_else(|| not_found(uri))?;
    match threads.read(&caller.principal, handle).await {
        Ok(thread) => Ok(thread_value(&thread, threads)),
        Err(StoreError::NotFound) => {
            let copy = archived(threads, caller, (uri, handle)).await?;
            let copy = format!("{ARCHIVE_PREFIX}{}", copy.id);
            let data = json!({ "uri": uri, "archived": copy });
            let told = format!("the thread has expired; its archived copy is {copy}");
            Err(ErrorData::invalid_params(told, Some(data)))
        }
        Err(error) => Err(outage(error, caller)),
    }
}

/// The archived copy of a thread; an archive that does not answer is -32603.
async fn archived(
    threads: &Threads,
    caller: &Caller,
    (uri, handle): (&str, &str),
) -> Result<Archived, ErrorData> {
    match threads.archived(&caller.principal, handle).await {
        Ok(copy) => copy.ok_or_else(|| not_found(uri)),
        Err(cause) => {
            let failure = Failure::new(
                Category::ServerError,
                "archive_unavailable",
                "The archive cannot be read now. Try again shortly.",
            );
            Err(protocol_error(
                &failure.with_cause(cause),
                &caller.correlation_id,
            ))
        }
    }
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

async fn read_file(
    store: Option<&FileStore>,
    caller: &Caller,
    uri: &str,
) -> Result<ResourceContents, ErrorData> {
    let found = async {
        let digest = Digest::of_uri(uri).ok_or(FileError::NotFound)?;
        let store = store.ok_or(FileError::NotFound)?;
        let held = store.find(holder_of(caller), &digest).await?;
        let most = store.settings().read_bytes;
        let bytes = store.read(holder_of(caller), &held, most).await?;
        Ok((held.kind, bytes))
    };
    let (kind, bytes) = found.await.map_err(|error: FileError| match error {
        FileError::NotFound => not_found(uri),
        error => protocol_error(&error.at(""), &caller.correlation_id),
    })?;
    let contents = match String::from_utf8(bytes) {
        Ok(text) => ResourceContents::text(text, uri),
        Err(other) => {
            use base64::Engine as _;
            let blob = base64::prelude::BASE64_STANDARD.encode(other.as_bytes());
            ResourceContents::blob(blob, uri)
        }
    };
    Ok(contents.with_mime_type(kind))
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

fn archived_value(copy: &Archived) -> Value {
    let turns = (1_u32..).zip(&copy.exchanges);
    let turns: Vec<Value> = turns.map(|(turn, one)| turn_value(turn, one)).collect();
    json!({ "id": copy.id, "title": copy.title, "turns": turns, "archived": true })
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
