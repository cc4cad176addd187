//! Replies and failures in their wire form. This is the one place where a [`Failure`] becomes
//! something a client sees; its cause stays behind.

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, ErrorCode, MetaObject, Resource};
use serde_json::{Map, Value, json};

use crate::failure::{Category, Failure};
use crate::observe::Metrics;
use crate::tool::pages::{self, Address};
use crate::tool::surroundings::Settings;
use crate::tool::{About, Reply, Shared};

/// Characters of the one text block of a failure.
const ERROR_CHARS: usize = 2000;

/// Characters of one name in a footer; a panel names all its models.
const NAME_CHARS: usize = 100;

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
    set("message", shortened(&failure.message, ERROR_CHARS).into());
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
    let text = shortened(&failure.message, ERROR_CHARS);
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
    ErrorData::new(code, shortened(&failure.message, ERROR_CHARS), data)
}

/// A method that this server does not know: [`protocol_error`] under JSON-RPC's own code. No tool
/// sees such a request, so it is counted here.
#[must_use]
pub fn unknown_method(metrics: &Metrics, method: &str, correlation_id: &str) -> ErrorData {
    let method: String = method.chars().take(100).collect();
    let message = format!("there is no method \"{method}\"; `initialize` names what there is.");
    let failure = Failure::new(Category::ClientError, "unknown_method", message);
    metrics.failure(&failure);
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
    if let Some(shared) = reply.shared {
        fields.insert(shared.field().to_owned(), true.into());
    }

    let size = pages::size(settings);
    let count = pages::count(&reply.text, size);
    let text = pages::cut(&reply.text, size, reply.page);
    let mut content = vec![ContentBlock::text(text.clone())];
    let footer = reply.about.as_ref().filter(|_| settings.tools.footer);
    content.extend(footer.map(|about| ContentBlock::text(footer_of(about, reply.shared))));
    if count > 1 {
        content.extend(page_note(&reply, count, &mut fields));
    }

    if let Some(link) = reply.link {
        let file = Resource::new(link.uri, link.name)
            .with_mime_type(link.kind)
            .with_size(link.bytes);
        content.push(ContentBlock::resource_link(file));
    }

    let mut result = CallToolResult::success(content);
    result.structured_content = reply.structured.map(|structured| {
        let most = pages::limit(&settings.limits);
        if pages::length(&structured) <= most {
            return structured;
        }
        fields.insert("structured_cut".to_owned(), true.into());
        pages::shortened(structured, most)
    });
    if result.structured_content.is_none() && settings.tools.structured {
        result.structured_content = Some(json!({ "text": text, "reply": fields.clone() }));
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

/// Which page this is, and how to get the next: in words, as a link, and in the reply's fields.
fn page_note(reply: &Reply, count: usize, fields: &mut Map<String, Value>) -> Vec<ContentBlock> {
    fields.insert("page".to_owned(), reply.page.into());
    fields.insert("pages".to_owned(), count.into());
    let page = format!("page {} of {count}", reply.page);
    let Some(about) = reply.about.as_ref() else {
        return vec![ContentBlock::text(format!(
            "The rest could not be kept; {page}"
        ))];
    };
    if reply.page >= count {
        return vec![ContentBlock::text(format!("The last page; {page}"))];
    }
    let next = Address {
        thread: about.receipt.thread,
        turn: about.receipt.turn,
        page: reply.page + 1,
    }
    .to_string();
    let mut note = format!("The next page is the resource {next}");
    if let Some(call) = &reply.page_call {
        let mut call = call.clone();
        call["arguments"]["continuation_id"] = next.as_str().into();
        note.push_str(&format!(", also as next_call: {call}"));
        fields.insert("next_call".to_owned(), call);
    }
    let link = Resource::new(next, "the next page").with_mime_type("text/plain");
    let note = ContentBlock::text(format!("{note}; {page}"));
    vec![ContentBlock::resource_link(link), note]
}

/// One line for people and for models that see text alone.
fn footer_of(about: &About, shared: Option<Shared>) -> String {
    let trace = &about.kept.trace;
    let text = |name: &str| {
        let text = trace.get(name).and_then(Value::as_str);
        text.map(|text| shortened(text, NAME_CHARS))
    };
    let mut parts = Vec::new();
    if trace.get("demo").is_some_and(|demo| demo == true) {
        parts.push("DEMO, no model was asked".to_owned());
    }
    if let (Some(model), Some(provider)) = (text("model_used"), text("provider")) {
        parts.push(format!("{model} via {provider}"));
        parts.extend(spent(trace));
    }
    let is_set = |name: &str| trace.get(name).is_some_and(|value| value == true);
    if is_set("failover") {
        parts.push("after failover".to_owned());
    }
    if is_set("search") {
        parts.push("with web search".to_owned());
    }
    if let Some(why) = text("incomplete") {
        parts.push(format!("INCOMPLETE: {why}"));
    }
    let warnings = trace.get("warnings").and_then(Value::as_array);
    let near = warnings.into_iter().flatten().filter_map(Value::as_str);
    parts.extend(
        near.filter(|one| one.starts_with("budget: "))
            .map(str::to_owned),
    );
    if about.replayed {
        parts.push("answered before".to_owned());
    }
    let shared = shared.map(|how| match how {
        Shared::Cache => "given lately to the same call; other words get a new answer",
        Shared::Meaning => "given lately to the same question, written otherwise",
        Shared::Inflight => "shared with the same call, made at the same time",
    });
    parts.extend(shared.map(str::to_owned));
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

/// Tokens and cost, as far as they are known.
fn spent(trace: &Map<String, Value>) -> Vec<String> {
    let tokens = |name: &str| {
        trace
            .get("tokens")
            .and_then(|tokens| tokens.get(name))
            .and_then(Value::as_u64)
    };
    let mut parts = Vec::new();
    if let (Some(input), Some(output)) = (tokens("input"), tokens("output")) {
        parts.push(format!("{input} tokens in, {output} out"));
    }
    if let Some(cost) = trace.get("cost_usd").and_then(Value::as_f64) {
        parts.push(format!("${cost:.4}"));
    }
    parts
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
