//! Requests of revision 2026-07-28 from a client that declares tasks.

use serde_json::{Value, json};

use super::process::{Reply, Server};

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities":
            {"extensions": {"io.modelcontextprotocol/tasks": {}}}})
}

fn send(server: &Server, method: &str, name: &str, more: (Value, &str)) -> Reply {
    let (mut params, bearer) = more;
    params["_meta"] = meta();
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
        ("mcp-name", name),
        ("authorization", bearer),
    ];
    server.post(&body, &headers)
}

/// A chat whose answer takes long: its task.
pub fn begin(server: &Server, prompt: &str, bearer: &str) -> String {
    let params = json!({"name": "chat", "arguments": {"prompt": prompt}});
    let said = send(server, "tools/call", "chat", (params, bearer)).json();
    assert_eq!(said["result"]["resultType"], "task", "{said}");
    assert_eq!(said["result"]["status"], "working", "{said}");
    said["result"]["taskId"].as_str().unwrap().to_owned()
}

/// What a server says to `tasks/get`, `tasks/cancel` or `tasks/update`.
pub fn task(server: &Server, method: &str, id: &str, bearer: &str) -> Value {
    send(server, method, id, (json!({"taskId": id}), bearer)).json()
}
