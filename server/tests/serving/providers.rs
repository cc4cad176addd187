//! Tools that hand a provider's interface to their caller, on the shipped binary and a provider
//! that keeps what it was sent.

use serde_json::{Value, json};

use super::process::{Server, call, call_headers, serve};
use super::upstream::Upstream;

const KEY: &str = "sk-planted-0123456789abcdef";

/// A server whose Kimi and GLM are the upstream.
pub fn started(upstream: &Upstream) -> Server {
    started_with(upstream, &[], &[])
}

/// As [`started`], with settings and variables of the test.
pub fn started_with(upstream: &Upstream, own: &[&str], env: &[(&str, &str)]) -> Server {
    let set = |row: &str, pair: &str| format!("provider.{row}.{pair}");
    let url = format!("base_url={}", upstream.url);
    let settings = [
        "tools.profile=full".to_owned(),
        set("kimi", &url),
        set("kimi", "allow_private=true"),
        set("glm", &url),
        set("glm", "allow_private=true"),
    ];
    let settings = settings
        .iter()
        .map(String::as_str)
        .chain(own.iter().copied());
    let keys = [("KIMI_API_KEY", KEY), ("ZAI_API_KEY", KEY)];
    serve(&settings.collect::<Vec<_>>(), &[&keys, env].concat())
}

/// The result of one tool call.
pub fn result(server: &Server, tool: &str, arguments: Value) -> Value {
    let reply = server.post(&call(tool, arguments), &call_headers(tool));
    reply.json()["result"].clone()
}

/// A provider's answer of this text.
pub fn said(text: &str) -> Value {
    json!({"id": "c", "model": "m", "usage": {"prompt_tokens": 5, "completion_tokens": 2},
        "choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": text}}]})
}

#[test]
fn kimi_is_sent_the_callers_tools_and_its_calls_come_back() {
    let upstream = Upstream::start(|_| {
        let mut answer = said("");
        answer["choices"][0]["finish_reason"] = json!("tool_calls");
        answer["choices"][0]["message"]["tool_calls"] = json!([{"id": "w:0", "type": "function",
            "function": {"name": "weather", "arguments": "{\"city\":\"Bern\"}"}}]);
        answer
    });
    let server = started(&upstream);
    let function = json!({"type": "function", "function": {"name": "weather", "parameters": {}}});
    let messages = json!([{"role": "user", "content": "rain in Bern?"}]);
    let arguments = json!({"messages": messages, "tools": [function], "tool_choice": "auto"});
    let answer = result(&server, "kimi_chat_with_tools", arguments);
    let structured = &answer["structuredContent"];
    assert_eq!(
        structured["tool_calls"][0]["function"]["name"], "weather",
        "{answer}"
    );
    assert_eq!(structured["finish_reason"], "tool_calls");
    assert_eq!(structured["tokens"]["input"], 5);
    let sent = &upstream.posts()[0];
    assert_eq!(sent.path, "/v1/chat/completions");
    assert_eq!(sent.body["messages"], messages);
    assert_eq!(
        (&sent.body["tools"], &sent.body["tool_choice"]),
        (&json!([function]), &json!("auto"))
    );
    let foreign = json!({"messages": messages, "model": "glm-4.6"});
    let refused = result(&server, "kimi_chat_with_tools", foreign);
    assert_eq!(
        refused["structuredContent"]["error"]["category"],
        "validation_error"
    );
    assert_eq!(upstream.posts().len(), 1);
}

#[test]
fn a_choice_that_kimi_refuses_while_it_thinks_is_left_to_the_model() {
    let upstream = Upstream::start(|_| said("hello"));
    let server = started(&upstream);
    let named = json!({"type": "function", "function": {"name": "weather"}});
    let cases = [
        ("kimi-k3", &named, json!("auto")),
        ("kimi-k2.6", &named, named.clone()),
        ("kimi-k3", &json!("required"), json!("required")),
        ("kimi-k2.6", &json!("required"), json!("auto")),
        ("kimi-k2.6", &json!("none"), json!("none")),
    ];
    for (place, (model, choice, wanted)) in cases.iter().enumerate() {
        let function = json!({"name": "weather", "parameters": {"type": "object"}});
        let arguments = json!({
            "model": model,
            "messages": [{"role": "user", "content": format!("rain {place}?")}],
            "tools": [{"type": "function", "function": function}],
            "tool_choice": choice,
        });
        let answer = result(&server, "kimi_chat_with_tools", arguments);
        assert_ne!(answer["isError"], true, "{answer}");
        let sent = &upstream.posts()[place].body;
        assert_eq!(&sent["tool_choice"], wanted, "{model} {choice}");
    }
}

#[test]
fn the_manifest_says_of_each_provider_row_what_setting_it_up_came_to() {
    let upstream = Upstream::start(|_| said("hello"));
    let server = started(&upstream);
    let manifest = server.admin("/manifest", &[]).json();
    let rows = manifest["registrations"].as_array().unwrap().clone();
    let of = |name: &str| {
        let row = rows.iter().find(|row| row["provider"] == name);
        row.unwrap_or_else(|| panic!("no {name} in {rows:?}"))
            .clone()
    };
    for name in ["kimi", "glm"] {
        assert_eq!(of(name)["executed"], true, "{rows:?}");
        assert!(of(name)["models"].as_u64().unwrap() > 0, "{rows:?}");
        assert!(of(name)["took_us"].as_u64().unwrap() > 0, "{rows:?}");
    }
    // Without a key.
    assert_eq!(of("minimax")["executed"], false, "{rows:?}");
    assert_eq!(of("minimax")["models"], 0, "{rows:?}");
}

#[test]
fn captured_headers_hold_no_secret() {
    let upstream = Upstream::start(|_| said("hello"));
    let server = started(&upstream);
    let arguments = json!({"messages": [{"role": "user", "content": "x"}]});
    let answer = result(&server, "kimi_capture_headers", arguments);
    let said = &answer["structuredContent"];
    assert_eq!(
        said["request_headers"]["authorization"], "(masked)",
        "{answer}"
    );
    assert_eq!(said["response_headers"]["x-cache"], "hit");
    for secret in [KEY, "planted-cookie"] {
        assert!(!answer.to_string().contains(secret), "{answer}");
    }
    assert!(
        upstream.posts()[0].headers.contains(KEY),
        "the provider got no key"
    );
}

#[test]
fn a_web_search_sends_its_filters_and_returns_the_pages() {
    let upstream = Upstream::start(|_| {
        let page = json!({"title": "A page", "link": "https://x.test", "content": "text"});
        json!({ "search_result": [page] })
    });
    let server = started(&upstream);
    let arguments = json!({"search_query": "rust", "count": 4, "search_domain_filter": "x.test",
        "search_recency_filter": "oneMonth"});
    let answer = result(&server, "glm_web_search", arguments);
    assert_eq!(
        answer["structuredContent"]["results"][0]["title"], "A page",
        "{answer}"
    );
    assert!(
        answer["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("https://x.test")
    );
    let sent = &upstream.posts()[0];
    assert_eq!(sent.path, "/v1/web_search");
    let wanted = json!({"search_engine": "search-prime", "search_query": "rust", "count": 4,
        "search_domain_filter": "x.test", "search_recency_filter": "oneMonth"});
    assert_eq!(sent.body, wanted);
}

#[test]
fn a_preview_equals_the_body_that_chat_then_sends() {
    let upstream = Upstream::start(|_| said("hello"));
    let server = started(&upstream);
    let arguments = json!({"prompt": "compare me", "temperature": 0.2, "model": "glm-4.6"});
    let previewed = result(&server, "glm_payload_preview", arguments.clone());
    assert!(upstream.posts().is_empty(), "a preview was sent");
    let chat = result(&server, "chat", arguments);
    assert_ne!(chat["isError"], true, "{chat}");
    let mut payload = previewed["structuredContent"]["payload"].clone();
    let mut sent = upstream.posts()[0].body.clone();
    // Each attempt has an id of its own.
    for body in [&mut payload, &mut sent] {
        assert!(body["request_id"].is_string());
        body["request_id"] = Value::Null;
    }
    assert_eq!(payload, sent);
}

#[test]
fn an_intent_comes_back_as_fields_from_kimi_alone() {
    let upstream = Upstream::start(|_| {
        said(
            "{\"intent\":\"a fact\",\"complexity\":\"simple\",\"needs_websearch\":false,\
             \"needs_files\":false,\"suggested_tool\":\"chat\",\"questions\":[]}",
        )
    });
    let server = started(&upstream);
    let answer = result(
        &server,
        "kimi_intent_analysis",
        json!({"prompt": "why is it blue?"}),
    );
    let fields = &answer["structuredContent"];
    assert_eq!(
        (&fields["complexity"], &fields["provider"]),
        (&json!("simple"), &json!("kimi"))
    );
    assert_eq!(fields["search"], false);
    assert!(
        upstream.posts()[0].body["model"]
            .as_str()
            .unwrap()
            .starts_with("kimi")
    );
}
