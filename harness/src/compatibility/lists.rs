//! A server's lists as one value, read from a running server over any wire.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, ClientError, Request, what_came};

/// A list with more pages than this does not end.
const PAGES: usize = 100;

/// JSON-RPC's code for a method that is not there.
const NO_METHOD: i64 = -32601;

/// Everything a client is shown before anybody asks for anything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lists {
    /// The server's name.
    pub server: String,
    /// What clients show their model about the server; empty when it says nothing.
    pub instructions: String,
    /// The tools, as listed.
    pub tools: Vec<Value>,
    /// The prompts, as listed.
    pub prompts: Vec<Value>,
    /// The resources, as listed.
    pub resources: Vec<Value>,
    /// The resource templates, as listed.
    pub templates: Vec<Value>,
    /// Results of the tools that could be called without harm, by tool.
    pub results: Vec<(String, Value)>,
}

impl Lists {
    /// Reads all lists and calls each tool that is read-only, touches nothing outside by its own
    /// hints and needs no argument. `client` has greeted; each request waits at most `wait`.
    ///
    /// # Errors
    /// When a list is offered and cannot be read to its end.
    pub async fn of(client: &Client, wait: Duration) -> Result<Self, ClientError> {
        let facts = client.facts(wait).await.unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut lists = Self {
            server: text(&facts["serverInfo"]["name"]),
            instructions: text(&facts["instructions"]),
            tools: all(client, "tools/list", "tools", wait).await?,
            prompts: all(client, "prompts/list", "prompts", wait).await?,
            resources: all(client, "resources/list", "resources", wait).await?,
            templates: all(
                client,
                "resources/templates/list",
                "resourceTemplates",
                wait,
            )
            .await?,
            results: Vec::new(),
        };
        for tool in lists.tools.iter().filter(|tool| is_harmless(tool)) {
            let name = tool["name"].as_str().unwrap_or_default();
            let request = Request::tool(name, &json!({}));
            let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
            let until = client.now().saturating_add(nanos);
            if let Some(result) = client.exchange(&request, until).await.result() {
                lists.results.push((name.to_owned(), result.clone()));
            }
        }
        Ok(lists)
    }
}

fn is_harmless(tool: &Value) -> bool {
    let hints = &tool["annotations"];
    let required = tool["inputSchema"]["required"].as_array();
    hints["readOnlyHint"] == true
        && hints["openWorldHint"] == false
        && required.is_none_or(Vec::is_empty)
}

async fn all(
    client: &Client,
    method: &str,
    key: &str,
    wait: Duration,
) -> Result<Vec<Value>, ClientError> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    let unread = |why: String| ClientError::List {
        what: method.to_owned(),
        why,
    };
    for page in 0..PAGES {
        let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
        let exchange = client.request(method, params, wait).await;
        if page == 0 && exchange.error_code() == Some(NO_METHOD) {
            return Ok(items);
        }
        let result = exchange.result().filter(|result| result[key].is_array());
        let result = result.ok_or_else(|| unread(what_came(&exchange)))?;
        items.extend(result[key].as_array().into_iter().flatten().cloned());
        cursor = result["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(items);
        }
    }
    Err(unread(format!("more than {PAGES} pages")))
}
