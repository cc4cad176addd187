//! One MCP request as the spoilers see it, the same on HTTP and on stdio.

use serde_json::{Value, json};

use crate::tracer::{code_shaped, sha256_hex};

/// A JSON-RPC request on its way to the server.
#[derive(Debug, Clone)]
pub struct Call {
    /// The whole message.
    pub message: Value,
    /// What ties calls together when nothing better does: the session id, the token or the
    /// connection.
    pub caller: String,
}

impl Call {
    /// A call out of a message; `None` for notifications, replies and batches.
    #[must_use]
    pub fn read(message: Value, caller: &str) -> Option<Self> {
        let has_id = message.get("id").is_some_and(|id| !id.is_null());
        let is_request = message.get("method").is_some_and(Value::is_string);
        (has_id && is_request).then(|| Self {
            message,
            caller: caller.to_owned(),
        })
    }

    /// The JSON-RPC id.
    #[must_use]
    pub fn id(&self) -> &Value {
        &self.message["id"]
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.message["method"].as_str().unwrap_or("")
    }

    /// The tool of a `tools/call`.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        if self.method() != "tools/call" {
            return None;
        }
        self.message.pointer("/params/name").and_then(Value::as_str)
    }

    /// The arguments of a `tools/call`.
    #[must_use]
    pub fn arguments(&self) -> &Value {
        self.message
            .pointer("/params/arguments")
            .unwrap_or(&Value::Null)
    }

    /// The thread of a `resources/read` of one.
    #[must_use]
    pub fn thread(&self) -> Option<&str> {
        if self.method() != "resources/read" {
            return None;
        }
        let uri = self
            .message
            .pointer("/params/uri")
            .and_then(Value::as_str)?;
        uri.strip_prefix("exai://thread/")
    }

    /// The session: the caller's own, or the thread where there is no session.
    #[must_use]
    pub fn session(&self) -> String {
        let thread = self
            .arguments()
            .get("continuation_id")
            .and_then(Value::as_str);
        match thread {
            Some(thread) if !self.caller.starts_with("session ") => format!("thread {thread}"),
            _ => self.caller.clone(),
        }
    }

    /// What the record says of it beside its id.
    #[must_use]
    pub fn detail(&self) -> Value {
        json!({
            "method": self.method(),
            "tool": self.tool(),
            "thread": self.thread(),
            "codes": codes(&self.message["params"]),
            "caller": sha256_hex(self.caller.as_bytes()),
            "params_sha256": sha256_hex(self.message["params"].to_string().as_bytes()),
        })
    }

    /// A result for this call.
    #[must_use]
    pub fn result(&self, result: &Value) -> Value {
        json!({"jsonrpc": "2.0", "id": self.id(), "result": result})
    }

    /// An error for this call.
    #[must_use]
    pub fn error(&self, code: i64, text: &str) -> Value {
        json!({"jsonrpc": "2.0", "id": self.id(), "error": {"code": code, "message": text}})
    }
}

/// What looks like a tracer's code in any text of a value.
fn codes(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => code_shaped(text).collect(),
        Value::Array(items) => items.iter().flat_map(codes).collect(),
        Value::Object(members) => members.values().flat_map(codes).collect(),
        _ => Vec::new(),
    }
}

/// Whether a reply is a tool's failure: an error result, or a JSON-RPC error.
#[must_use]
pub fn is_failure(reply: &Value) -> bool {
    reply.get("error").is_some() || reply.pointer("/result/isError") == Some(&Value::Bool(true))
}

/// The text of a successful tool result.
pub fn text_mut(reply: &mut Value) -> Option<&mut Value> {
    if is_failure(reply) {
        return None;
    }
    reply
        .pointer_mut("/result/content/0/text")
        .filter(|text| text.is_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_of_a_call_names_the_tracers_that_it_carries() {
        let code = "mzxw6ytbojtg633c";
        let prompt = format!("who said ba den {code}\nand why, mzxw6ytbojtg633c.");
        let message = json!({"id": 7, "method": "tools/call", "params": {"name": "chat",
            "arguments": {"prompt": prompt, "files": [{"content": "aaaabbbbccccdddd"}]}}});
        let call = Call::read(message, "session a").unwrap();
        assert_eq!(call.detail()["codes"], json!([code, "aaaabbbbccccdddd"]));
    }
}
