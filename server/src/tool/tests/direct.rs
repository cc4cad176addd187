//! Tools that hand one provider's interface to their caller.

use super::*;
use crate::failure::Category;
use crate::provider::method::Method;
use crate::tool::catalogue::{Catalogue, TOOLS_TOML};
use crate::tool::registry::Found;

/// A bench whose providers both have a key.
async fn keyed(config: &str, table: Table) -> (Bench, Toolbox) {
    let bench = Bench::new(config, table).await;
    let mut around = bench.toolbox.surroundings().clone();
    around.providers = Arc::new(|| vec![provider("kimi", true), provider("glm", true)]);
    let toolbox = Toolbox::with_catalogue(around, Catalogue::parse(TOOLS_TOML));
    (bench, toolbox)
}

const FULL: &str = "[tools]\nprofile = \"full\"";

fn silent() -> Table {
    Arc::new(|_| Ok("x".into()))
}

#[tokio::test]
async fn a_tool_of_a_provider_without_a_key_is_hidden_with_the_reason() {
    let bench = Bench::new(FULL, silent()).await;
    for name in ["glm_web_search", "glm_payload_preview"] {
        let refused = bench.call(name, json!({})).await.unwrap_err();
        assert_eq!(refused.code, "tool_hidden");
        assert!(
            refused.message.contains("glm has no key"),
            "{}",
            refused.message
        );
    }
}

#[tokio::test]
async fn messages_tools_and_choice_pass_as_they_are_and_calls_come_back_in_structure() {
    let (_bench, toolbox) = keyed(FULL, silent()).await;
    let function = json!({"type": "function", "function": {"name": "weather"}});
    let mut arguments = json!({
        "messages": [{"role": "user", "content": "rain?"}],
        "tools": [function],
        "tool_choice": "auto",
    });
    let called = toolbox
        .call(call("kimi_chat_with_tools", arguments.clone()))
        .await
        .unwrap();
    let said = called.structured.unwrap();
    assert_eq!(said["tool_calls"], json!([function]));
    assert!(said["content"].as_str().unwrap().contains("rain?"));
    assert_eq!(serde_json::from_str::<Value>(&called.text).unwrap(), said);
    arguments["use_websearch"] = json!(true);
    let searched = toolbox
        .call(call("kimi_chat_with_tools", arguments))
        .await
        .unwrap();
    assert_eq!(
        searched.structured.unwrap()["tool_calls"],
        json!(["hosted"])
    );
    let plain = json!({"messages": [{"role": "user", "content": "rain?"}]});
    let plain = toolbox
        .call(call("kimi_chat_with_tools", plain))
        .await
        .unwrap();
    assert_eq!(plain.structured.unwrap()["content"], plain.text);
    let bad = json!({"messages": [{"role": "user"}], "tool_choice": 7});
    let failure = toolbox
        .call(call("kimi_chat_with_tools", bad))
        .await
        .unwrap_err();
    assert_eq!(failure.field.as_deref(), Some("/tool_choice"));
    assert!(!failure.message.contains("path"), "{}", failure.message);
    for (messages, field) in [
        (json!([]), "/messages"),
        (json!([{"role": "poet"}]), "/messages/0/role"),
        (json!([{"content": "x"}]), "/messages/0/role"),
    ] {
        let bad = call("kimi_chat_with_tools", json!({ "messages": messages }));
        let failure = toolbox.call(bad).await.unwrap_err();
        assert_eq!(failure.field.as_deref(), Some(field));
    }
}

/// What a provider must have to be sent this.
fn methods(what: &Sent) -> Vec<Method> {
    match what {
        Sent::Chat(chat) if chat.hosted_search => vec![Method::ToolChat, Method::HostedSearch],
        Sent::Chat(_) => vec![Method::ToolChat],
        Sent::Post { method, .. } => vec![*method],
    }
}

#[tokio::test]
async fn a_tool_sends_no_other_methods_than_its_row_needs() {
    let bench = Bench::new(FULL, silent()).await;
    let sent: Arc<Mutex<Vec<Method>>> = Arc::default();
    let noted = sent.clone();
    let mut around = bench.toolbox.surroundings().clone();
    around.providers = Arc::new(|| vec![provider("kimi", true), provider("glm", true)]);
    around.direct = Arc::new(move |ask, _| {
        noted.lock().unwrap().extend(methods(&ask.what));
        std::future::ready(Ok(direct_answer(ask))).boxed()
    });
    let toolbox = Toolbox::new(around);
    let chat = json!({"messages": [{"role": "user", "content": "x"}]});
    let mut searching = chat.clone();
    searching["use_websearch"] = json!(true);
    let calls = [
        ("kimi_chat_with_tools", searching),
        ("kimi_capture_headers", chat),
        ("glm_web_search", json!({"search_query": "rust"})),
    ];
    for (name, arguments) in calls {
        toolbox.call(call(name, arguments)).await.unwrap();
        let Found::Tool(tool) = toolbox.registry().find(name) else {
            panic!("{name} is not listed");
        };
        let sent = std::mem::take(&mut *sent.lock().unwrap());
        assert_eq!(sent, tool.row.kind.needs(), "{name}");
    }
}

#[tokio::test]
async fn captured_headers_are_shown_masked() {
    let (_bench, toolbox) = keyed(FULL, silent()).await;
    let arguments = json!({"messages": [{"role": "user", "content": "x"}], "call_key": "k-1"});
    let said = toolbox
        .call(call("kimi_capture_headers", arguments))
        .await
        .unwrap();
    let said = said.structured.unwrap();
    assert_eq!(said["request_headers"]["authorization"], "(masked)");
    assert_eq!(said["response_headers"]["x-cache"], "hit");
    assert_eq!(said["call_key"], "k-1");
}

#[tokio::test]
async fn a_search_carries_count_domain_and_recency_and_may_be_switched_off() {
    let (_bench, toolbox) = keyed(FULL, silent()).await;
    let arguments = json!({"search_query": "rust", "count": 3, "search_domain_filter": "x.test",
        "search_recency_filter": "oneWeek", "user_id": null});
    let found = toolbox
        .call(call("glm_web_search", arguments))
        .await
        .unwrap();
    let structured = found.structured.unwrap();
    let sent = &structured["results"][0]["content"];
    let wanted = json!({"search_engine": "search-prime", "search_query": "rust", "count": 3,
        "search_domain_filter": "x.test", "search_recency_filter": "oneWeek"});
    assert_eq!(*sent, wanted);
    assert!(
        found
            .text
            .starts_with("1 results\n\n1. search_engine\nhttps://x.test")
    );
    let all = json!({"search_query": "rust", "search_recency_filter": "all"});
    let found = toolbox.call(call("glm_web_search", all)).await.unwrap();
    assert!(!found.structured.unwrap().to_string().contains("recency"));
    let off = format!("{FULL}\nwebsearch = \"off\"");
    let (_bench, toolbox) = keyed(&off, silent()).await;
    let refused = call("glm_web_search", json!({"search_query": "rust"}));
    assert_eq!(
        toolbox.call(refused).await.unwrap_err().code,
        "websearch_off"
    );
}

#[tokio::test]
async fn a_preview_shows_what_chat_would_be_asked_with() {
    let (bench, toolbox) = keyed("", silent()).await;
    toolbox
        .call(call("chat", json!({"prompt": "x"})))
        .await
        .unwrap();
    let chat = bench.questions().remove(0);
    let preview = json!({"prompt": "x", "tools": [{"type": "function"}], "tool_choice": "auto"});
    let said = toolbox
        .call(call("glm_payload_preview", preview))
        .await
        .unwrap();
    let payload = said.structured.unwrap()["payload"].clone();
    assert_eq!(payload["system"], chat.system);
    assert_eq!(
        (&payload["tools"], &payload["tool_choice"]),
        (&json!([{"type": "function"}]), &json!("auto"))
    );
    let own = json!({"prompt": "x", "system_prompt": "be brief"});
    let said = toolbox
        .call(call("glm_payload_preview", own))
        .await
        .unwrap();
    assert_eq!(said.structured.unwrap()["payload"]["system"], "be brief");
    assert_eq!(bench.questions().len(), 1, "a preview asked somebody");
}

#[tokio::test]
async fn an_intent_is_fields_or_a_failure() {
    let table: Table = Arc::new(|ask| {
        let fields = json!({"intent": "a fact", "complexity": "simple", "needs_websearch": false,
            "needs_files": false, "suggested_tool": "chat", "questions": []});
        Ok(match last_text(ask) {
            text if text.contains("prose") => "It is about prose.".to_owned(),
            text if text.contains("gaps") => "{\"intent\": \"x\"}".to_owned(),
            text if text.contains("made up") => fields.to_string().replace("chat", "no_tool"),
            _ => format!("```json\n{fields}\n```"),
        })
    });
    let (bench, toolbox) = keyed(FULL, table).await;
    let ask = |prompt: &str| call("kimi_intent_analysis", json!({ "prompt": prompt }));
    let said = toolbox
        .call(ask("why is the sky blue"))
        .await
        .unwrap()
        .structured
        .unwrap();
    assert_eq!(
        (&said["complexity"], &said["suggested_tool"]),
        (&json!("simple"), &json!("chat"))
    );
    let question = bench.questions().remove(0);
    assert_eq!(question.provider.as_deref(), Some("kimi"));
    assert!(
        last_text(&question).contains("codereview"),
        "the tools are not named"
    );
    let said = toolbox
        .call(ask("made up"))
        .await
        .unwrap()
        .structured
        .unwrap();
    assert_eq!(said["suggested_tool"], Value::Null);
    for prompt in ["prose", "gaps"] {
        let failure = toolbox.call(ask(prompt)).await.unwrap_err();
        assert_eq!(
            (failure.code, failure.category),
            ("not_structured", Category::ProviderError)
        );
    }
}
