//! Replies and failures in their wire form. This is the one place where a [`Failure`] becomes
//! something a client sees; its cause stays behind.

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, ErrorCode, MetaObject, Resource};
use serde_json::{Map, Value, json};

use crate::failure::{Category, Failure};
use crate::tool::surroundings::Settings;
use crate::tool::{About, Reply};

/// Characters of the one text block of a failure.
const ERROR_CHARS: usize = 2000;

/// Characters kept free on a first page for its footer and the note about the rest.
const PAGE_NOTE_CHARS: usize = 800;

/// The key of a reply's metadata.
pub const REPLY_KEY: &str = "dev.exai/reply";

/// The key of a workflow's status object.
pub const WORKFLOW_KEY: &str = "dev.exai/workflow";

/// The one error object of every transport.
#[must_use]
pub fn error_object(failure: &Failure, correlation_id: &str) -> Value {
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    set("category", failure.category.name().into());
    set("code", failure.code.into());
    set("message", shortened(&failure.message).into());
    set("retryable", failure.retryable.into());
    if let Some(wait) = failure.retry_after {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        set("retry_after_ms", millis.into());
    }
    set("correlation_id", correlation_id.into());
    if let Some(field) = &failure.field {
        set("field", field.as_str().into());
    }
    Value::Object(object)
}

/// A failure the model should see and can act on.
#[must_use]
pub fn failed(failure: &Failure, correlation_id: &str) -> CallToolResult {
    let text = shortened(&failure.message);
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.structured_content = Some(json!({ "error": error_object(failure, correlation_id) }));
    result
}

/// A failure of the request itself: unknown tool, resource or prompt, or a server that cannot tell.
#[must_use]
pub fn protocol_error(failure: &Failure, correlation_id: &str) -> ErrorData {
    let code = match failure.category {
        Category::ClientError | Category::ValidationError => ErrorCode::INVALID_PARAMS,
        _ => ErrorCode::INTERNAL_ERROR,
    };
    let data = Some(error_object(failure, correlation_id));
    ErrorData::new(code, shortened(&failure.message), data)
}

/// A method that this server does not know: [`protocol_error`] under JSON-RPC's own code.
#[must_use]
pub fn unknown_method(method: &str, correlation_id: &str) -> ErrorData {
    let method: String = method.chars().take(100).collect();
    let message = format!("there is no method \"{method}\"; `initialize` names what there is.");
    let failure = Failure::new(Category::ClientError, "unknown_method", message);
    ErrorData {
        code: ErrorCode::METHOD_NOT_FOUND,
        ..protocol_error(&failure, correlation_id)
    }
}

/// What an answer says about the process that gave it.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The instance id.
    pub instance: &'a str,
    /// The request's correlation id.
    pub correlation_id: &'a str,
}

/// A reply in its wire form.
#[must_use]
pub fn result(reply: Reply, settings: &Settings, origin: Origin<'_>) -> CallToolResult {
    let mut fields = reply.about.as_ref().map(about_fields).unwrap_or_default();
    fields.insert("instance".to_owned(), origin.instance.into());
    fields.insert("correlation_id".to_owned(), origin.correlation_id.into());

    let mut content = Vec::new();
    let limit = settings
        .limits
        .result_chars
        .min(settings.limits.result_tokens * 4);
    match &reply.about {
        Some(about) => {
            let footer = settings.tools.footer.then(|| footer(about));
            let pages = paged(&reply.text, limit, footer.as_deref());
            if let Some((first, pages)) = pages {
                fields.insert("page".to_owned(), 1.into());
                fields.insert("pages".to_owned(), pages.into());
                content.push(ContentBlock::text(first));
                content.extend(rest_of(about, pages));
            } else {
                content.push(ContentBlock::text(reply.text.clone()));
            }
            content.extend(footer.map(ContentBlock::text));
        }
        None => content.push(ContentBlock::text(reply.text.clone())),
    }

    let mut result = CallToolResult::success(content);
    result.structured_content = reply.structured;
    if result.structured_content.is_none() && settings.tools.structured {
        result.structured_content = Some(json!({ "text": reply.text, "reply": fields.clone() }));
    }
    let mut meta = MetaObject::new();
    meta.insert(REPLY_KEY.to_owned(), Value::Object(fields));
    if let Some(workflow) = reply.about.and_then(|about| about.kept.workflow) {
        meta.insert(WORKFLOW_KEY.to_owned(), workflow);
    }
    result.meta = Some(meta);
    result
}

fn about_fields(about: &About) -> Map<String, Value> {
    let mut fields = Map::new();
    let receipt = &about.receipt;
    fields.insert(
        "continuation_id".to_owned(),
        receipt.thread.to_string().into(),
    );
    fields.insert("turn".to_owned(), receipt.turn.into());
    fields.insert("turns_left".to_owned(), receipt.turns_left.into());
    fields.insert("ttl_seconds".to_owned(), receipt.ttl_seconds.into());
    fields.extend(about.kept.trace.clone());
    fields.insert("replayed".to_owned(), about.replayed.into());
    fields
}

/// The first page and the number of pages, when the text and its footer are over the limit.
fn paged(text: &str, limit: usize, footer: Option<&str>) -> Option<(String, usize)> {
    let length = text.chars().count();
    if length + footer.map_or(0, |footer| footer.chars().count()) <= limit {
        return None;
    }
    let page = limit.saturating_sub(PAGE_NOTE_CHARS).max(1);
    Some((text.chars().take(page).collect(), length.div_ceil(page)))
}

/// Where the rest of a paged answer is: the thread holds it whole.
fn rest_of(about: &About, pages: usize) -> [ContentBlock; 2] {
    let uri = format!("exai://thread/{}", about.receipt.thread);
    let turn = about.receipt.turn;
    let note = format!("Page 1 of {pages}. The whole answer is turn {turn} of the resource {uri}.");
    let link = Resource::new(uri, "the whole answer").with_mime_type("application/json");
    [ContentBlock::text(note), ContentBlock::resource_link(link)]
}

/// One line for people and for models that see text alone.
fn footer(about: &About) -> String {
    let trace = &about.kept.trace;
    let text = |name: &str| trace.get(name).and_then(Value::as_str);
    let mut parts = Vec::new();
    if trace.get("demo").is_some_and(|demo| demo == true) {
        parts.push("DEMO, no model was asked".to_owned());
    }
    if let (Some(model), Some(provider)) = (text("model_used"), text("provider")) {
        parts.push(format!("{model} via {provider}"));
        let tokens = |name: &str| {
            trace
                .get("tokens")
                .and_then(|tokens| tokens.get(name))
                .and_then(Value::as_u64)
        };
        if let (Some(input), Some(output)) = (tokens("input"), tokens("output")) {
            parts.push(format!("{input} tokens in, {output} out"));
        }
        if let Some(cost) = trace.get("cost_usd").and_then(Value::as_f64) {
            parts.push(format!("${cost:.4}"));
        }
    }
    if trace
        .get("failover")
        .is_some_and(|failover| failover == true)
    {
        parts.push("after failover".to_owned());
    }
    if trace.get("search").is_some_and(|search| search == true) {
        parts.push("with web search".to_owned());
    }
    if let Some(why) = text("incomplete") {
        parts.push(format!("INCOMPLETE: {why}"));
    }
    if about.replayed {
        parts.push("answered before".to_owned());
    }
    let workflow = about.kept.workflow.as_ref();
    let early = workflow.and_then(|status| status.get("early_termination_reason"));
    if let Some(reason) = early.and_then(Value::as_str) {
        parts.push(format!("ended early: {reason}"));
    }
    let receipt = &about.receipt;
    let minutes = receipt.ttl_seconds.div_ceil(60);
    parts.push(format!(
        "continuation_id {} (turn {}, {} left, {minutes} min)",
        receipt.thread, receipt.turn, receipt.turns_left
    ));
    format!("[{}]", parts.join(" · "))
}

fn shortened(message: &str) -> String {
    if message.chars().count() <= ERROR_CHARS {
        return message.to_owned();
    }
    message.chars().take(ERROR_CHARS - 1).chain(['…']).collect()
}
