//! A request before it has an id: method, parameters, and what each revision adds.

use serde_json::{Map, Value, json};

use super::software::Software;

/// The revision spoken on a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Revision {
    /// 2025-11-25: handshake and session.
    V2025,
    /// 2026-07-28: stateless, everything in each request.
    V2026,
}

impl Revision {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V2025 => "2025-11-25",
            Self::V2026 => "2026-07-28",
        }
    }
}

/// One request, of any method.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Such as `tools/call`.
    pub method: String,
    /// The parameters, an object.
    pub params: Map<String, Value>,
    /// Entries for `params._meta`.
    pub meta: Map<String, Value>,
    /// Whether to ask for progress notifications.
    pub progress: bool,
}

impl Request {
    /// A request with these parameters; anything but an object counts as none.
    #[must_use]
    pub fn new(method: impl Into<String>, params: Value) -> Self {
        let params = match params {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        Self {
            method: method.into(),
            params,
            meta: Map::new(),
            progress: false,
        }
    }

    /// A tool call.
    #[must_use]
    pub fn tool(name: &str, arguments: &Value) -> Self {
        Self::new("tools/call", json!({"name": name, "arguments": arguments}))
    }

    /// The JSON-RPC message; `id` None makes it a notification.
    #[must_use]
    pub fn message(&self, id: Option<u64>, revision: Revision, software: Software) -> Value {
        let mut params = self.params.clone();
        let mut meta = self.meta.clone();
        if revision == Revision::V2026 {
            let info = json!({"name": software.name, "version": software.version});
            meta.insert(
                "io.modelcontextprotocol/protocolVersion".into(),
                revision.name().into(),
            );
            meta.insert(
                "io.modelcontextprotocol/clientCapabilities".into(),
                json!({}),
            );
            meta.insert("io.modelcontextprotocol/clientInfo".into(), info);
        }
        if let Some(id) = id.filter(|_| self.progress) {
            meta.insert("progressToken".into(), format!("r{id}").into());
        }
        if !meta.is_empty() {
            params.insert("_meta".into(), meta.into());
        }
        let mut message = json!({"jsonrpc": "2.0"});
        if let Some(id) = id {
            message["id"] = id.into();
        }
        message["method"] = self.method.as_str().into();
        message["params"] = params.into();
        message
    }

    /// What 2026-07-28 wants in the `Mcp-Name` header, for the methods that have one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let field = match self.method.as_str() {
            "tools/call" | "prompts/get" => "name",
            "resources/read" => "uri",
            "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
            _ => return None,
        };
        self.params.get(field)?.as_str()
    }
}

/// The 2025-11-25 handshake's first request.
#[must_use]
pub fn initialize(software: Software) -> Request {
    Request::new(
        "initialize",
        json!({
            "protocolVersion": Revision::V2025.name(),
            "capabilities": {},
            "clientInfo": {"name": software.name, "version": software.version},
        }),
    )
}
