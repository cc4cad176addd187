//! Handshake, lists, resources, prompts, completions.

use std::collections::BTreeSet;

use super::*;
use crate::protocol::caller::Caller;

#[tokio::test]
async fn the_handshake_declares_exactly_what_is_served() {
    let bench = bench("").await;
    let mut client = Client::of(pipe(&bench.toolbox));
    let hello = client.initialize().await;
    assert_eq!(hello["protocolVersion"], "2025-11-25");
    assert_eq!(hello["serverInfo"]["name"], "exai");
    let declared: BTreeSet<&String> = hello["capabilities"].as_object().unwrap().keys().collect();
    let served = ["completions", "extensions", "prompts", "resources", "tools"].map(str::to_owned);
    assert_eq!(declared, served.iter().collect());
    let extensions = &hello["capabilities"]["extensions"];
    assert_eq!(extensions, &json!({"io.modelcontextprotocol/tasks": {}}));
    let instructions = hello["instructions"].as_str().unwrap();
    assert!(
        (500..=2000).contains(&instructions.chars().count()),
        "{}",
        instructions.len()
    );
}

#[tokio::test]
async fn a_client_of_the_newer_revision_needs_no_handshake() {
    let bench = bench("").await;
    let mut client = Client::of(pipe(&bench.toolbox));
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let found = client
        .ask("server/discover", json!({ "_meta": meta }))
        .await;
    let versions = found["result"]["supportedVersions"].to_string();
    assert!(
        versions.contains("2026-07-28") && versions.contains("2025-11-25"),
        "{found}"
    );
    assert_eq!(found["result"]["cacheScope"], "private");
    let list = client.ask("tools/list", json!({ "_meta": meta })).await;
    assert_eq!(list["result"]["cacheScope"], "private");
    assert_eq!(list["result"]["resultType"], "complete");
    let answer = client
        .call_with("chat", json!({"prompt": "hello"}), meta.clone())
        .await;
    assert_eq!(answer["result"]["content"][0]["text"], "re: hello");
    let handle = &answer["result"]["_meta"]["dev.exai/reply"]["continuation_id"];
    let next = json!({"prompt": "again", "continuation_id": handle});
    let answer = client.call_with("chat", next, meta).await;
    assert_eq!(answer["result"]["_meta"]["dev.exai/reply"]["turn"], 2);
}

#[tokio::test]
async fn the_tool_list_is_small_and_every_list_refuses_a_forged_cursor() {
    let bench = bench("").await;
    let mut client = Client::legacy(&bench).await;
    let list = client.ask("tools/list", json!({})).await;
    let tools = list["result"]["tools"].as_array().unwrap();
    let names = bench
        .toolbox
        .registry()
        .tools()
        .iter()
        .map(|tool| tool.name);
    assert!(names.eq(tools.iter().map(|tool| tool["name"].as_str().unwrap())));
    for tool in tools {
        assert!(tool["annotations"]["readOnlyHint"].is_boolean());
        assert_eq!(
            tool["outputSchema"].is_object(),
            is_structured(tool),
            "{}",
            tool["name"]
        );
    }
    for method in [
        "tools/list",
        "resources/list",
        "resources/templates/list",
        "prompts/list",
    ] {
        let refused = client.ask(method, json!({"cursor": "forged"})).await;
        assert_eq!(refused["error"]["code"], -32602, "{method}");
    }
}

fn is_structured(tool: &Value) -> bool {
    let names = [
        "kimi_chat_with_tools",
        "listmodels",
        "smart_file_download",
        "status",
        "version",
    ];
    names.contains(&tool["name"].as_str().unwrap())
}

#[tokio::test]
async fn the_list_of_each_profile_keeps_its_size() {
    for (profile, most) in [("lean", 20_000), ("standard", 40_000), ("full", 60_000)] {
        let bench = bench(&format!("[tools]\nprofile = \"{profile}\"")).await;
        let mut client = Client::legacy(&bench).await;
        let list = client.ask("tools/list", json!({})).await;
        assert!(
            list["result"]["nextCursor"].is_null(),
            "{profile} has pages"
        );
        let bytes = list["result"].to_string().len();
        assert!(bytes <= most, "{profile}: {bytes} bytes");
    }
}

#[tokio::test]
async fn only_tools_that_ask_a_model_reach_outside() {
    let bench = bench("").await;
    let mut client = Client::legacy(&bench).await;
    let list = client.ask("tools/list", json!({})).await;
    let tools = list["result"]["tools"].as_array().unwrap();
    let inside = [
        "docgen",
        "listmodels",
        "planner",
        "smart_file_download",
        "status",
        "tracer",
        "version",
    ];
    for tool in tools {
        let (name, hints) = (tool["name"].as_str().unwrap(), &tool["annotations"]);
        assert_eq!(hints["openWorldHint"], !inside.contains(&name), "{name}");
        let writes = name == "smart_file_download";
        assert_eq!(hints["readOnlyHint"], !writes, "{name}");
        assert_eq!(hints["destructiveHint"], false, "{name}");
    }
}

#[tokio::test]
async fn own_threads_are_listed_read_and_completed_and_others_are_not_found() {
    let bench = bench("").await;
    let mut client = Client::legacy(&bench).await;
    let answer = client
        .call("chat", json!({"prompt": "Why is the sky blue?"}))
        .await;
    let handle = answer["result"]["_meta"]["dev.exai/reply"]["continuation_id"].clone();
    let handle = handle.as_str().unwrap();
    let uri = format!("exai://thread/{handle}");
    let list = client.ask("resources/list", json!({})).await;
    let listed = &list["result"]["resources"];
    let fixed = ["threads", "models", "usage/me", "docs"];
    for (number, name) in fixed.into_iter().enumerate() {
        assert_eq!(listed[number]["uri"], format!("exai://{name}"));
    }
    assert_eq!(listed[4]["uri"], uri);
    assert_eq!(listed[4]["title"], "Why is the sky blue?");
    let read = client.ask("resources/read", json!({"uri": uri})).await;
    let contents = &read["result"]["contents"][0];
    assert_eq!(contents["mimeType"], "application/json");
    let thread: Value = serde_json::from_str(contents["text"].as_str().unwrap()).unwrap();
    assert_eq!(thread["turns"][0]["user"], "Why is the sky blue?");
    assert_eq!(thread["turns"][0]["assistant"], "re: Why is the sky blue?");
    assert_eq!(
        (&thread["turns_left"], &thread["turns"][0]["turn"]),
        (&json!(9), &json!(1))
    );

    let foreign = bench
        .toolbox
        .surroundings()
        .threads
        .open("eve", None)
        .await
        .unwrap();
    for wrong in [
        format!("exai://thread/{}", foreign.id),
        "exai://thread/".into(),
        "exai://nothing".into(),
        "file:///etc/passwd".into(),
    ] {
        let refused = client.ask("resources/read", json!({"uri": wrong})).await;
        assert_eq!(refused["error"]["code"], -32602, "{wrong}");
        assert_eq!(refused["error"]["data"], json!({"uri": wrong}));
    }
    let template = json!({"type": "ref/resource", "uri": "exai://thread/{id}"});
    let typed = json!({"name": "id", "value": &handle[..4]});
    let found = client
        .ask(
            "completion/complete",
            json!({"ref": template, "argument": typed}),
        )
        .await;
    assert_eq!(found["result"]["completion"]["values"], json!([handle]));
}

#[tokio::test]
async fn prompts_expand_to_calls() {
    let bench = bench("").await;
    let mut client = Client::legacy(&bench).await;
    client
        .call("chat", json!({"prompt": "About borrow checking"}))
        .await;
    let list = client.ask("prompts/list", json!({})).await;
    let names: Vec<Value> = list["result"]["prompts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].clone())
        .collect();
    assert_eq!(
        names,
        [
            "consensus",
            "continue",
            "debug",
            "review",
            "second_opinion",
            "usage"
        ]
    );
    let cases = [
        ("continue", json!({"title": "BORROW"}), "continuation_id"),
        ("continue", json!({}), "continuation_id"),
        ("review", json!({"focus": "locks"}), "locks"),
        ("review", json!({"focus": "locks"}), "tool codereview"),
        ("consensus", json!({"question": "rewrite?"}), "rewrite?"),
        ("debug", json!({"symptom": "it hangs"}), "it hangs"),
        ("second_opinion", json!({"question": "tabs?"}), "tabs?"),
        ("usage", json!({}), "by_model"),
        ("usage", json!({"by": "tool"}), "usage.by_tool"),
    ];
    for (name, arguments, part) in cases {
        let got = client
            .ask("prompts/get", json!({"name": name, "arguments": arguments}))
            .await;
        let text = got["result"]["messages"][0]["content"]["text"]
            .as_str()
            .unwrap();
        assert!(text.contains(part), "{name}: {text}");
    }
}

#[tokio::test]
async fn prompts_refuse_what_they_do_not_know_and_complete_what_they_do() {
    let bench = bench("").await;
    let mut client = Client::legacy(&bench).await;
    client
        .call("chat", json!({"prompt": "About borrow checking"}))
        .await;
    let wrong = [
        ("absent", json!({})),
        ("second_opinion", json!({})),
        ("debug", json!({"symptom": " "})),
        ("consensus", json!({})),
        ("review", json!({"fokus": "x"})),
        ("usage", json!({"by": "moon"})),
        ("continue", json!({"title": "no such title"})),
    ];
    for (name, arguments) in wrong {
        let got = client
            .ask("prompts/get", json!({"name": name, "arguments": arguments}))
            .await;
        assert_eq!(got["error"]["code"], -32602, "{name}");
    }
    let reference = json!({"type": "ref/prompt", "name": "continue"});
    let typed = json!({"name": "title", "value": "borrow"});
    let asked = json!({"ref": reference, "argument": typed});
    let found = client.ask("completion/complete", asked).await;
    assert_eq!(
        found["result"]["completion"]["values"],
        json!(["About borrow checking"])
    );
}

#[tokio::test]
async fn a_completion_for_what_is_not_there_is_refused() {
    let bench = bench("").await;
    let mut client = Client::legacy(&bench).await;
    let prompt = |name: &str| json!({"type": "ref/prompt", "name": name});
    let template = |uri: &str| json!({"type": "ref/resource", "uri": uri});
    let wrong = [
        (prompt("absent"), "title"),
        (prompt("continue"), "titel"),
        (template("exai://nothing/{id}"), "id"),
        (template("exai://thread/{id}"), "name"),
        (template("exai://file/{sha256}"), "id"),
    ];
    for (reference, argument) in wrong {
        let typed = json!({"name": argument, "value": ""});
        let asked = json!({"ref": reference, "argument": typed});
        let got = client.ask("completion/complete", asked).await;
        assert_eq!(
            got["error"]["code"], -32602,
            "{reference} {argument}: {got}"
        );
    }
    let typed = json!({"name": "symptom", "value": "it h"});
    let free_text = json!({"ref": prompt("debug"), "argument": typed});
    let got = client.ask("completion/complete", free_text).await;
    assert_eq!(got["result"]["completion"]["values"], json!([]), "{got}");
}

#[tokio::test]
async fn over_the_network_a_request_without_a_caller_is_refused() {
    let bench = bench("").await;
    let mut client = Client::of(Handler::for_network(bench.toolbox.clone()));
    client.initialize().await;
    let refused = client.call("chat", json!({"prompt": "x"})).await;
    assert_eq!(refused["error"]["code"], -32603);
    assert!(bench.questions().is_empty());
    assert_eq!(&*Caller::local().principal, "local");
}
