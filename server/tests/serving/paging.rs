//! The size of a result: long answers come in pages that together are what the provider said, and
//! no result or error of any tool is over its budget.

use serde_json::{Value, json};

use super::dialect::{ask, greeted};
use super::process::{JWT, SECRET, Server, call, call_headers, token};
use super::providers::{said, started, started_with};
use super::upstream::Upstream;

/// Characters of one result; its tokens are characters / 4.
const CAP: usize = 40_000;

/// Characters of an error.
const ERROR_CAP: usize = 2_000;

/// Three times the cap, no two parts alike.
fn long() -> String {
    let words = (0..).map(|n: u32| format!("word{n}\n"));
    let mut text = String::new();
    for word in words {
        text.push_str(&word);
        if text.len() >= 3 * CAP {
            break;
        }
    }
    text
}

fn result(server: &Server, tool: &str, arguments: &Value, more: &[(&str, &str)]) -> Value {
    let mut headers = call_headers(tool);
    headers.extend(more);
    let reply = server.post(&call(tool, arguments.clone()), &headers).json();
    let result = reply["result"].clone();
    assert!(result.is_object(), "{reply}");
    check_budget(tool, &result);
    result
}

/// Text and structured content are each within the cap, and an error within its own.
fn check_budget(tool: &str, result: &Value) {
    let blocks = result["content"].as_array().unwrap();
    let texts = blocks.iter().filter_map(|block| block["text"].as_str());
    let shown: usize = texts.map(|text| text.chars().count()).sum();
    assert!(shown <= CAP, "{tool}: {shown} characters");
    let structured = &result["structuredContent"];
    let length = structured.to_string().chars().count();
    assert!(length <= CAP, "{tool}: {length} characters of JSON");
    if result["isError"] == true {
        assert_eq!(blocks.len(), 1, "{tool}: {result}");
        assert!(shown <= ERROR_CAP, "{tool}: {shown} characters of error");
        let message = structured["error"]["message"].as_str().unwrap();
        assert!(message.chars().count() <= ERROR_CAP, "{tool}");
    }
}

fn about(result: &Value) -> &Value {
    &result["_meta"]["dev.exai/reply"]
}

fn page(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

fn last_text(result: &Value) -> &str {
    let blocks = result["content"].as_array().unwrap();
    let texts: Vec<&str> = blocks.iter().filter_map(|b| b["text"].as_str()).collect();
    texts.last().unwrap()
}

/// All pages joined, by `next_call` as it stands.
fn turned(server: &Server, first: &Value) -> String {
    let pages = about(first)["pages"].as_u64().unwrap();
    let mut result_now = first.clone();
    let mut joined = page(first).to_owned();
    for number in 1..=pages {
        let place = format!("page {number} of {pages}");
        assert!(last_text(&result_now).ends_with(&place), "{result_now}");
        let next = about(&result_now)["next_call"].clone();
        assert_eq!(next.is_null(), number == pages, "{next}");
        if number < pages {
            let tool = next["tool"].as_str().unwrap();
            // The text alone names the call as well.
            assert!(last_text(&result_now).contains(&next.to_string()));
            result_now = result(server, tool, &next["arguments"], &[]);
            joined.push_str(page(&result_now));
        }
    }
    joined
}

fn read(server: &Server, uri: &Value, more: &[(&str, &str)]) -> Value {
    let session = server.session(more);
    let mut headers = vec![
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    headers.extend(more);
    let ask = json!({"jsonrpc": "2.0", "id": 5, "method": "resources/read",
        "params": {"uri": uri}});
    server.post(&ask, &headers).json()
}

/// All pages but the first, by the links.
fn linked(server: &Server, first: &Value) -> String {
    let pages = about(first)["pages"].as_u64().unwrap();
    let blocks = first["content"].as_array().unwrap();
    let link = blocks.iter().find(|b| b["type"] == "resource_link");
    let uri = link.unwrap()["uri"].as_str().unwrap().to_owned();
    assert!(uri.starts_with("exai://result/") && uri.ends_with("?page=2"));
    let uris = (2..=pages).map(|page| uri.replace("page=2", &format!("page={page}")));
    uris.map(|uri| {
        let said = read(server, &json!(uri), &[]);
        let text = said["result"]["contents"][0]["text"].as_str().unwrap();
        assert!(text.chars().count() <= CAP);
        text.to_owned()
    })
    .collect()
}

fn one_step(own: Value) -> Value {
    let mut step = json!({"step": "look", "step_number": 1, "total_steps": 1,
        "next_step_required": false, "findings": "something"});
    let own = own.as_object().unwrap().clone();
    step.as_object_mut().unwrap().extend(own);
    step
}

#[test]
fn answers_of_three_times_the_cap_come_in_pages_that_are_the_providers_text() {
    let upstream = Upstream::start(|_| said(&long()));
    let server = started(&upstream);
    let members = json!([{"model": "kimi-k2.6", "stance": "for"},
        {"model": "glm-4.6", "stance": "against"}]);
    let table = [
        ("chat", json!({"prompt": "tell me all"}), 1),
        ("codereview", one_step(json!({})), 1),
        ("consensus", one_step(json!({"models": members})), 3),
    ];
    for (tool, arguments, answers) in table {
        let first = result(&server, tool, &arguments, &[]);
        let asked = upstream.posts().len();
        let joined = turned(&server, &first);
        if answers == 1 {
            assert!(joined == long(), "{tool}: the pages are not the text");
        }
        assert_eq!(joined.matches(&long()).count(), answers, "{tool}");
        let rest = linked(&server, &first);
        assert!(joined == format!("{}{rest}", page(&first)), "{tool}");
        assert_eq!(upstream.posts().len(), asked, "a page asked a provider");
        // Reading on leaves the thread as it was.
        let thread = format!(
            "exai://thread/{}",
            about(&first)["continuation_id"].as_str().unwrap()
        );
        let thread = read(&server, &json!(thread), &[]);
        let text = thread["result"]["contents"][0]["text"].as_str().unwrap();
        let thread: Value = serde_json::from_str(text).unwrap();
        assert_eq!(thread["turns"].as_array().unwrap().len(), 1, "{tool}");
    }
    let mut socket = greeted(&server, json!({}));
    let mut frame = json!({"op": "call_tool", "request_id": "a", "name": "chat",
        "arguments": {"prompt": "tell me more"}});
    let mut joined = String::new();
    loop {
        let outcome = ask(&mut socket, &frame);
        joined.push_str(outcome["outputs"][0]["text"].as_str().unwrap());
        let next = about(&outcome)["next_call"].clone();
        if next.is_null() {
            break;
        }
        frame["name"] = next["tool"].clone();
        frame["arguments"] = next["arguments"].clone();
    }
    assert!(joined == long());
}

#[test]
fn the_pages_of_another_principal_are_not_found() {
    let upstream = Upstream::start(|_| said(&long()));
    let settings: Vec<&str> = JWT.into_iter().collect();
    let server = started_with(&upstream, &settings, &[("EXAI_JWT_SECRET", SECRET)]);
    let bearer = |name: &str| format!("Bearer {}", token(name, &["user"]));
    let (ada, eve) = (bearer("ada"), bearer("eve"));
    let (ada, eve) = ([("authorization", &*ada)], [("authorization", &*eve)]);
    let first = result(&server, "chat", &json!({"prompt": "all"}), &ada);
    let next = about(&first)["next_call"].clone();
    let uri = next["arguments"]["continuation_id"].clone();
    assert!(read(&server, &uri, &ada)["result"].is_object());
    let unknown = json!("exai://result/00000000-0000-4000-8000-000000000000.1?page=2");
    let said = |uri: &Value| {
        let mut error = read(&server, uri, &eve)["error"].clone();
        error["data"] = Value::Null;
        error
    };
    assert_eq!(said(&uri), said(&unknown));
    assert_eq!(said(&uri)["code"], -32602);
    let refused = result(&server, "chat", &next["arguments"], &eve);
    assert_eq!(
        refused["structuredContent"]["error"]["code"],
        "thread_not_found"
    );
    let past = uri.as_str().unwrap().replace("page=2", "page=99");
    assert_eq!(read(&server, &json!(past), &ada)["error"]["code"], -32602);
}

/// The SHA-256 of `hello`.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// Arguments that make a tool's answer as long as it can be, and whether it is over the cap.
fn longest(tool: &str) -> (Value, bool) {
    let text = long();
    let text = &text[..59_000];
    let messages = json!([{"role": "user", "content": "tell me all"}]);
    match tool {
        "chat" => (json!({"prompt": "tell me all"}), true),
        "challenge" | "glm_payload_preview" => (json!({"prompt": text}), true),
        "test_echo" => (json!({"text": text}), true),
        "kimi_chat_with_tools" | "kimi_capture_headers" => (json!({"messages": messages}), true),
        "glm_web_search" => (json!({"search_query": "all", "count": 50}), true),
        "kimi_intent_analysis" => (json!({"prompt": "tell me all"}), true),
        "consensus" => {
            let members = json!([{"model": "kimi-k2.6"}]);
            (one_step(json!({"models": members})), true)
        }
        "planner" => {
            let mut plan = one_step(json!({"step": text}));
            plan.as_object_mut().unwrap().remove("findings");
            (plan, true)
        }
        "tracer" => {
            let own = json!({"trace_mode": "precision", "target_description": "x",
                "findings": text});
            (one_step(own), true)
        }
        "docgen" => {
            let own = json!({"document_complexity": true, "document_flow": true,
                "update_existing": true, "comments_on_complex_logic": true,
                "num_files_documented": 1, "total_files_to_document": 1, "findings": text});
            (one_step(own), true)
        }
        "precommit" => (one_step(json!({"diff": "+x"})), true),
        "status" => (json!({"include_tools": true, "tail_lines": 500}), false),
        "self_check" => (json!({"log_lines": 500}), false),
        "health" => (json!({"tail_lines": 500}), false),
        "activity" => (json!({"lines": 5000}), false),
        "toolcall_log_tail" => (json!({"n": 200}), false),
        "provider_capabilities" => (json!({"show_advanced": true}), false),
        "version" | "listmodels" => (json!({}), false),
        "smart_file_query" => {
            let file = json!({"name": "a.txt", "content": "hello"});
            (json!({"file_path": file, "question": "tell me all"}), true)
        }
        // Of the file that was asked about before.
        "smart_file_download" => (json!({ "file_id": HELLO }), false),
        "kimi_manage_files" => {
            let confirmed = json!({"operation": "cleanup_expired", "confirm": "cleanup_expired"});
            (confirmed, false)
        }
        // The other workflow tools are reviewed.
        _ => (one_step(json!({})), true),
    }
}

#[test]
fn no_result_of_any_tool_is_over_the_budget() {
    let upstream = Upstream::start(|seen| {
        let text = long();
        if seen.path.ends_with("/web_search") {
            let one = json!({"title": "t", "link": "https://x.test", "content": text[..9000]});
            return json!({"search_result": vec![one; 50]});
        }
        let sorts = seen.body["messages"]
            .to_string()
            .contains("Request:\\ntell");
        if sorts {
            let fields = json!({"intent": text, "complexity": "simple", "needs_websearch": false,
                "needs_files": false, "suggested_tool": null});
            return said(&fields.to_string());
        }
        said(&text)
    });
    let rates = ["global", "address", "principal"].map(|who| format!("limits.rate.{who}=100000"));
    let rates: Vec<&str> = rates.iter().map(String::as_str).collect();
    let server = started_with(&upstream, &rates, &[]);
    let session = server.session(&[]);
    let headers = [
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    // Failed calls are the lines that the tools which look back have most to say of.
    for _ in 0..600 {
        let bad = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call",
            "params": {"name": "chat", "arguments": {}}});
        server.post(&bad, &headers);
    }
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let listed = server.post(&list, &headers).json()["result"]["tools"].clone();
    let names: Vec<String> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.len() >= 31, "{names:?}");
    result(
        &server,
        "smart_file_query",
        &longest("smart_file_query").0,
        &[],
    );
    for tool in &names {
        let (arguments, is_long) = longest(tool);
        let first = result(&server, tool, &arguments, &[]);
        assert_ne!(first["isError"], true, "{tool}: {first:.2000}");
        let is_paged = about(&first)["pages"].is_u64();
        assert!(is_paged || !is_long, "{tool}: {}", page(&first).len());
        if is_paged {
            assert!(
                turned(&server, &first).chars().count() > CAP - 2000,
                "{tool}"
            );
        }
    }
}

#[test]
fn an_error_of_any_tool_is_one_short_block() {
    let upstream = Upstream::start(
        |_| json!({"error": {"message": "e".repeat(50_000), "type": "server_error", "code": "x"}}),
    );
    let server = started(&upstream);
    let long = "x".repeat(70_000);
    let table = [
        ("chat", json!({"prompt": "x"})),
        ("chat", json!({ "prompt": long })),
        ("chat", json!({ "prompt": "x", "model": &long[..100] })),
        ("chat", json!({ "prompt": "x", "thinking_mode": long })),
        ("chat", json!({ "prompt": "x", &long[..9000]: 1 })),
        (
            "chat",
            json!({ "prompt": "x", "continuation_id": &long[..200] }),
        ),
        ("chat", json!({ "prompt": "x", "files": [&long[..5000]] })),
        ("codereview", one_step(json!({}))),
        (
            "consensus",
            one_step(json!({"models": [{"model": &long[..90]}]})),
        ),
        ("consensus", one_step(json!({}))),
        ("precommit", one_step(json!({}))),
        (
            "precommit",
            one_step(json!({"diff": "+x", "severity_filter": long})),
        ),
        (
            "kimi_chat_with_tools",
            json!({"messages": [{"role": "user", "content": "x"}]}),
        ),
        (
            "kimi_chat_with_tools",
            json!({"messages": [{"role": long}]}),
        ),
        ("glm_web_search", json!({"search_query": "x"})),
        ("kimi_intent_analysis", json!({"prompt": "x"})),
        ("activity", json!({ "since": long })),
        ("toolcall_log_tail", json!({ "path": long })),
    ];
    for (tool, arguments) in table {
        let failed = result(&server, tool, &arguments, &[]);
        assert_eq!(failed["isError"], true, "{tool}: {failed:.2000}");
    }
    let name = &long[..20_000];
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
    ];
    let unknown = server.post(&call(name, json!({})), &headers);
    assert!(
        unknown.body.chars().count() < 2 * ERROR_CAP,
        "{}",
        unknown.body.len()
    );
}
