//! The plainest server that rmcp gives, over its pipes: two tools, nothing added. `verify target`
//! judges it as a server nobody here wrote.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde_json::{Map, Value, json};

struct Plain;

fn tool(name: &'static str, about: &'static str, fields: Value) -> Tool {
    let schema = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let hints = ToolAnnotations::from_raw(None, Some(true), None, None, Some(false));
    Tool::new(name, about, schema).with_annotations(hints)
}

fn refused(what: &str) -> ErrorData {
    ErrorData::invalid_params(what.to_owned(), None)
}

impl ServerHandler for Plain {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("plain", "1.0.0"))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let text = json!({"type": "object", "required": ["text"],
            "properties": {"text": {"type": "string"}}});
        let sum = json!({"type": "object", "required": ["a", "b"],
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}});
        Ok(ListToolsResult::with_all_items(vec![
            tool("reverse", "The text backwards.", text),
            tool("add", "The sum of two numbers.", sum),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let number = |name: &str| arguments[name].as_i64().ok_or_else(|| refused(name));
        let answer = match request.name.as_ref() {
            "reverse" => {
                let text = arguments["text"].as_str().ok_or_else(|| refused("text"))?;
                text.chars().rev().collect::<String>()
            }
            "add" => number("a")?.wrapping_add(number("b")?).to_string(),
            _ => return Err(refused("no such tool")),
        };
        let blocks = vec![ContentBlock::text(answer)];
        Ok(CallToolResponse::Complete(CallToolResult::success(blocks)))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Plain.serve(rmcp::transport::stdio()).await?;
    server.waiting().await?;
    Ok(())
}
