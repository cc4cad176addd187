//! A tool as clients list it.

use std::sync::Arc;

use rmcp::model::{Tool as Listed, ToolAnnotations};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::digest::hex;
use crate::tool::Toolbox;
use crate::tool::registry::Tool;

/// The tool with its hints and schemas; `is_structured` is `tools.structured`.
#[must_use]
pub fn listed(tool: &Tool, is_structured: bool) -> Listed {
    let hints = ToolAnnotations::from_raw(
        None,
        // Threads are kept, but nothing the caller owns is changed.
        Some(tool.row.is_read_only()),
        Some(tool.row.is_destructive()),
        Some(!tool.row.kind.keeps_threads() && !tool.row.reaches_outside()),
        Some(tool.row.reaches_outside()),
    );
    let description = tool.row.description.clone();
    let mut listed = Listed::new(tool.name, description, tool.input.clone())
        .with_title(tool.row.title.clone())
        .with_annotations(hints);
    if let Some(output) = &tool.output {
        listed = listed.with_raw_output_schema(output.clone());
    } else if is_structured {
        listed = listed.with_raw_output_schema(Arc::new(prose_schema()));
    }
    listed
}

/// SHA-256, in hex, of all tools as `tools/list` shows them to whoever may call every one: the
/// array as compact JSON, so that a client can compare what it was shown with what was released.
#[must_use]
pub fn tools_sha256(toolbox: &Toolbox) -> String {
    let is_structured = toolbox.surroundings().settings.tools.structured;
    let tools = toolbox.registry().tools().iter();
    let tools: Vec<Listed> = tools.map(|tool| listed(tool, is_structured)).collect();
    let text = serde_json::to_string(&tools).unwrap_or_default();
    hex(&Sha256::digest(text))
}

/// The output schema of prose tools, where `tools.structured` is on.
fn prose_schema() -> Map<String, Value> {
    let schema = json!({
        "type": "object",
        "required": ["text"],
        "properties": { "text": { "type": "string" }, "reply": { "type": "object" } },
    });
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}
