//! Threads found again after a restart, and prompts that lead to a call.

use serde_json::{Value, json};

use super::process::{JWT, SECRET, Server, call, call_headers, serve, token};
use super::providers::said;
use super::upstream::Upstream;

const FACT: &str = "The harbour master is called Ottilie.";

fn started(upstream: &Upstream, state: &std::path::Path, own: &[&str]) -> Server {
    let state = format!("server.state_dir={}", state.display());
    let url = format!("provider.kimi.base_url={}", upstream.url);
    let set = [&url, "provider.kimi.allow_private=true", &state];
    let settings: Vec<&str> = JWT.iter().chain(&set).chain(own).copied().collect();
    let key = ("KIMI_API_KEY", "sk-planted-0123456789abcdef");
    serve(&settings, &[("EXAI_JWT_SECRET", SECRET), key])
}

/// One request of 2026-07-28 by the holder of a token.
fn ask(server: &Server, bearer: &str, method: &str, params: Value) -> Value {
    let mut request = call("", json!({}));
    let meta = request["params"]["_meta"].clone();
    let name = params["name"]
        .as_str()
        .or(params["uri"].as_str())
        .unwrap_or_default()
        .to_owned();
    request["method"] = json!(method);
    request["params"] = params;
    request["params"]["_meta"] = meta;
    let mut headers = call_headers(&name);
    headers.retain(|(header, value)| *header != "mcp-method" && !value.is_empty());
    headers.extend([("mcp-method", method), ("authorization", bearer)]);
    server.post(&request, &headers).json()
}

fn chat(server: &Server, bearer: &str, arguments: Value) -> Value {
    ask(
        server,
        bearer,
        "tools/call",
        json!({"name": "chat", "arguments": arguments}),
    )["result"]
        .clone()
}

fn text_of(prompt: &Value) -> &str {
    let text = &prompt["result"]["messages"][0]["content"]["text"];
    text.as_str().unwrap_or_else(|| panic!("{prompt}"))
}

#[test]
fn a_thread_is_found_again_after_a_restart_by_its_owner_alone_and_recalls_its_fact() {
    let upstream = Upstream::start(|_| said("noted"));
    let state = tempfile::tempdir().unwrap();
    let ann = format!("Bearer {}", token("ann", &["user"]));
    let bob = format!("Bearer {}", token("bob", &["user"]));
    let first = started(&upstream, state.path(), &[]);
    let begun = chat(&first, &ann, json!({"prompt": format!("Remember: {FACT}")}));
    let about = &begun["_meta"]["dev.exai/reply"];
    let id = about["continuation_id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&about["turn"], &about["turns_left"]),
        (&json!(1), &json!(9)),
        "{begun}"
    );
    assert!(about["ttl_seconds"].as_u64().unwrap() > 10_000, "{begun}");
    chat(&first, &bob, json!({"prompt": "My own harbour"}));
    drop(first);

    let server = started(&upstream, state.path(), &[]);
    let recalls = |handle: &str| {
        let reply = chat(
            &server,
            &ann,
            json!({"prompt": "Who?", "continuation_id": handle}),
        );
        assert_eq!(
            reply["_meta"]["dev.exai/reply"]["continuation_id"],
            id.as_str(),
            "{reply}"
        );
        let sent = upstream.posts().pop().unwrap().body["messages"].to_string();
        assert!(sent.contains(FACT), "{handle}: {sent}");
    };
    recalls("latest");
    recalls(&id);
    let own = ask(
        &server,
        &ann,
        "resources/read",
        json!({"uri": "exai://threads"}),
    );
    let own: Value =
        serde_json::from_str(own["result"]["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(own["threads"].as_array().unwrap().len(), 1, "{own}");
    assert_eq!(own["threads"][0]["id"], id.as_str());
    assert!(
        own["threads"][0]["title"]
            .as_str()
            .unwrap()
            .starts_with("Remember: The harbour")
    );
    found_by_title(&server, (&ann, &bob), &id);
    unseen(&server, &bob, &id);
}

/// The thread is found by words of its title, by its owner.
fn found_by_title(server: &Server, (ann, bob): (&str, &str), id: &str) {
    let title = |who: &str| json!({"name": "continue", "arguments": {"title": who}});
    let prompt = ask(server, ann, "prompts/get", title("HARBOUR MASTER"));
    assert!(text_of(&prompt).contains(id), "{prompt}");
    let wanted = json!({"ref": {"type": "ref/prompt", "name": "continue"},
        "argument": {"name": "title", "value": "harbour"}});
    let completed = ask(server, ann, "completion/complete", wanted);
    let values = completed["result"]["completion"]["values"].as_array();
    assert_eq!(values.unwrap().len(), 1, "{completed}");
    assert!(!text_of(&ask(server, bob, "prompts/get", title("harbour"))).contains(id));
}

/// Nobody else is shown it.
fn unseen(server: &Server, bob: &str, id: &str) {
    let read = |uri: &str| ask(server, bob, "resources/read", json!({"uri": uri}));
    assert_eq!(
        read(&format!("exai://thread/{id}"))["error"]["code"],
        -32602
    );
    assert!(!read("exai://threads").to_string().contains("Ottilie"));
    let listed = ask(server, bob, "resources/list", json!({}));
    assert!(!listed.to_string().contains(id));
    let question = json!({"prompt": "Who?", "continuation_id": id});
    let foreign = chat(server, bob, question);
    let code = &foreign["structuredContent"]["error"]["code"];
    assert_eq!(code, "thread_not_found", "{foreign}");
}

/// The call that a prompt's text describes: each name in it is an argument of the tool.
fn described(prompt: &str) -> (&'static str, Value) {
    let step = json!({"step_number": 1, "total_steps": 1, "next_step_required": false,
        "step": "s", "findings": "f"});
    let with = |more: Value| {
        let mut all = step.clone();
        all.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        all
    };
    let files = json!([{"name": "a.rs", "content": "fn a() {}"}]);
    let model = "kimi-k2.6";
    match prompt {
        "consensus" => (
            "consensus",
            with(json!({"models": [
            {"model": model, "stance": "for"}, {"model": model, "stance": "against"}]})),
        ),
        "continue" => (
            "chat",
            json!({"prompt": "Go on", "continuation_id": "latest"}),
        ),
        "debug" => (
            "debug",
            with(json!({"hypothesis": "h", "relevant_files": files})),
        ),
        "review" => (
            "codereview",
            with(json!({
            "issues_found": ["low: a.rs:1: dull"], "relevant_files": files})),
        ),
        "second_opinion" => (
            "chat",
            json!({"prompt": "p", "model": model, "files": files}),
        ),
        "usage" => ("status", json!({"usage": true})),
        other => panic!("{other}: describe its call here"),
    }
}

#[test]
fn each_prompt_has_at_most_two_arguments_and_leads_to_a_call_that_its_tool_accepts() {
    let upstream = Upstream::start(|_| said("the answer"));
    let state = tempfile::tempdir().unwrap();
    let server = started(&upstream, state.path(), &[]);
    let ann = format!("Bearer {}", token("ann", &["user"]));
    chat(&server, &ann, json!({"prompt": "begin"}));
    let models = ask(
        &server,
        &ann,
        "completion/complete",
        json!({
        "ref": {"type": "ref/prompt", "name": "second_opinion"},
        "argument": {"name": "model", "value": "kimi"}}),
    );
    let models = models["result"]["completion"]["values"]
        .as_array()
        .unwrap()
        .clone();
    assert!(models.contains(&json!("kimi-k2.6")), "{models:?}");
    let listed = ask(&server, &ann, "prompts/list", json!({}));
    let listed = listed["result"]["prompts"].as_array().unwrap();
    assert_eq!(listed.len(), 6, "{listed:?}");
    for prompt in listed {
        let name = prompt["name"].as_str().unwrap();
        let taken = prompt["arguments"].as_array().unwrap();
        assert!(taken.len() <= 2, "{prompt}");
        let mut arguments = json!({});
        for one in taken {
            let name = one["name"].as_str().unwrap();
            arguments[name] = match name {
                "title" => json!("begin"),
                "model" => json!("kimi-k2.6"),
                "by" => json!("tool"),
                _ => json!("why is it slow"),
            };
        }
        let got = ask(
            &server,
            &ann,
            "prompts/get",
            json!({"name": name, "arguments": arguments}),
        );
        let (tool, arguments) = described(name);
        let text = text_of(&got);
        assert!(text.contains(&format!("tool {tool} ")), "{name}: {text}");
        for argument in arguments.as_object().unwrap().keys() {
            let is_named = text.contains(argument.as_str());
            assert!(
                is_named || argument == "findings" && text.contains("models"),
                "{argument}: {text}"
            );
        }
        let asked = upstream.posts().len();
        let request = json!({"name": tool, "arguments": arguments});
        let result = ask(&server, &ann, "tools/call", request);
        assert_eq!(result["result"]["isError"], false, "{name}: {result}");
        let has_asked = upstream.posts().len() > asked;
        assert_eq!(has_asked, tool != "status", "{name}");
    }
}

#[test]
fn a_prompt_whose_tool_is_not_listed_is_not_listed_either() {
    let upstream = Upstream::start(|_| said("x"));
    let state = tempfile::tempdir().unwrap();
    let server = started(
        &upstream,
        state.path(),
        &["tools.profile=lean", "tools.deny=[\"debug\"]"],
    );
    let ann = format!("Bearer {}", token("ann", &["user"]));
    let listed = ask(&server, &ann, "prompts/list", json!({}));
    let prompts = listed["result"]["prompts"].as_array().unwrap();
    let names: Vec<&str> = prompts
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["continue", "review", "second_opinion", "usage"]);
    let hidden = json!({"name": "consensus", "arguments": {"question": "x"}});
    assert_eq!(
        ask(&server, &ann, "prompts/get", hidden)["error"]["code"],
        -32602
    );
}
