//! The span of a call, in the words of the conventions for MCP and for models.

use crate::failure::Failure;
use crate::observe::trace::{Kind, Span, Tracer};
use crate::tool::call::{Call, Reply};
use crate::tool::registry::Found;

/// Opens the span, where spans are recorded. A name that is no tool's is not in it.
pub(super) fn open(tracer: &Tracer, call: &Call, found: &Found<'_>) -> Option<Span> {
    let name = match found {
        Found::Tool(tool) => tool.name,
        Found::Hidden(_) | Found::Unknown => "unknown",
    };
    let span = tracer.open(call.parent, format!("tools/call {name}"), Kind::Server)?;
    span.set("mcp.method.name", "tools/call");
    span.set("gen_ai.operation.name", "execute_tool");
    span.set("gen_ai.tool.name", name);
    span.set("exai.transport", call.caller.transport.name());
    span.set("exai.correlation_id", &*call.caller.correlation_id);
    Some(span)
}

/// Ends the span. Attempts that are still under way end it when they do.
pub(super) fn close(span: Option<Span>, result: &Result<Reply, Failure>) {
    if let (Some(span), Err(failure)) = (&span, result) {
        span.set("exai.error.category", failure.category.name());
        span.fail(failure.code);
    }
}
