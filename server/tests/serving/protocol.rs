use serde_json::json;

use super::process::{call, call_headers, serve};

#[test]
fn both_revisions_list_and_call_on_one_endpoint() {
    let server = serve(&["--demo", "server.instance=green-3"], &[]);
    let session = server.session(&[]);
    let legacy = [
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(server.post(&ready, &legacy).status, 202);
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}});
    let listed = server.post(&list, &legacy).json();
    let tools = listed["result"]["tools"].as_array().unwrap();
    for name in [
        "chat",
        "analyze",
        "consensus",
        "version",
        "status",
        "listmodels",
    ] {
        assert!(
            tools.iter().any(|tool| tool["name"] == name),
            "{name} is not listed"
        );
    }
    let version = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call",
        "params": {"name": "version", "arguments": {}}});
    let old = server.post(&version, &legacy).json();
    let new = server
        .post(&call("version", json!({})), &call_headers("version"))
        .json();
    for answer in [&old, &new] {
        let said = &answer["result"]["structuredContent"];
        assert_eq!(said["instance_name"], "green-3", "{answer}");
    }
    assert_eq!((&old["id"], &new["id"]), (&json!(3), &json!(7)));
}

#[test]
fn an_answer_of_a_model_is_marked_as_a_demo() {
    let server = serve(&["--demo"], &[]);
    let said = server.post(
        &call("chat", json!({"prompt": "hello"})),
        &call_headers("chat"),
    );
    let said = said.json();
    let about = &said["result"]["_meta"]["dev.exai/reply"];
    assert_eq!(about["demo"], true, "{said}");
    assert_eq!(about["turn"], 1);
}

#[test]
fn without_a_key_a_model_tool_names_the_variable_and_the_doctor() {
    let server = serve(&[], &[]);
    let said = server.post(
        &call("chat", json!({"prompt": "hello"})),
        &call_headers("chat"),
    );
    let said = said.json();
    assert_eq!(said["result"]["isError"], true, "{said}");
    let text = said["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("KIMI_API_KEY") && text.contains("exai doctor"),
        "{text}"
    );
}

#[test]
fn one_correlation_id_is_in_header_reply_and_log() {
    let server = serve(&["--demo"], &[]);
    let reply = server.post(&call("chat", json!({"prompt": "x"})), &call_headers("chat"));
    let id = reply.header("exai-correlation-id").unwrap().to_owned();
    assert_eq!(
        reply.json()["result"]["_meta"]["dev.exai/reply"]["correlation_id"],
        id.as_str()
    );
    super::process::wait_for("the id in the log", || {
        server
            .log
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains(&id))
            .then_some(())
    });
}
