//! Where questions go: the choice by tool, size and wishes, the catalogue behind it, and what a
//! caller may pay for. Each is read off the reply and off what the provider received.

use serde_json::{Value, json};

use super::process::{Server, serve};
use super::providers::{result, said};
use super::upstream::{Seen, Upstream};

/// A picture of one pixel.
const PNG: &str = concat!(
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
);

pub const KEYS: [(&str, &str); 3] = [
    ("KIMI_API_KEY", "sk-0123456789abcdef"),
    ("ZAI_API_KEY", "sk-0123456789abcdef"),
    ("MINIMAX_API_KEY", "sk-0123456789abcdef"),
];

/// An answer in the form of whoever was asked.
pub fn answered(seen: &Seen) -> Value {
    if seen.path.ends_with("/messages") {
        return json!({"type": "message", "model": seen.body["model"], "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "hello"}],
            "usage": {"input_tokens": 5, "output_tokens": 2}});
    }
    let mut answer = said("hello");
    answer["model"] = seen.body["model"].clone();
    answer
}

/// A server whose three providers are the upstream, with the keys of these.
pub fn routed(upstream: &Upstream, own: &[&str], keys: &[(&str, &str)]) -> Server {
    let mut settings = vec![
        "tools.profile=full".to_owned(),
        "tools.websearch=on".to_owned(),
    ];
    for row in ["kimi", "glm", "minimax"] {
        settings.push(format!("provider.{row}.base_url={}", upstream.url));
        settings.push(format!("provider.{row}.allow_private=true"));
    }
    let settings = settings.iter().map(String::as_str);
    serve(
        &settings.chain(own.iter().copied()).collect::<Vec<_>>(),
        keys,
    )
}

fn about(result: &Value) -> &Value {
    &result["_meta"]["dev.exai/reply"]
}

fn code(result: &Value) -> &Value {
    &result["structuredContent"]["error"]["code"]
}

/// A text of so many estimated tokens.
fn words(tokens: usize) -> String {
    "abc ".repeat(tokens)
}

#[test]
fn the_automatic_choice_follows_tool_size_and_wishes_and_says_why() {
    let upstream = Upstream::start(answered);
    let server = routed(&upstream, &[], &KEYS);
    let review = json!({"step": "x", "step_number": 1, "total_steps": 1,
        "next_step_required": false, "findings": "y"});
    let table = [
        (
            "chat",
            json!({"prompt": "a"}),
            "glm-5-turbo",
            "auto_preferred",
        ),
        ("analyze", review.clone(), "glm-5-turbo", "auto_preferred"),
        ("debug", review, "kimi-k2.6", "auto_preferred"),
        (
            "chat",
            json!({"prompt": words(1300)}),
            "kimi-k2.6",
            "auto_hint_applied",
        ),
        (
            "chat",
            json!({"prompt": "c", "thinking_mode": "high"}),
            "kimi-k3",
            "auto_hint_applied",
        ),
        (
            "chat",
            json!({"prompt": "d", "use_websearch": true}),
            "glm-5-turbo",
            "auto_hint_applied",
        ),
        (
            "chat",
            json!({"prompt": "e", "images": [PNG]}),
            "glm-5v-turbo",
            "auto_preferred",
        ),
        (
            "chat",
            json!({"prompt": "f", "model": "MiniMax-M3"}),
            "MiniMax-M3",
            "explicit",
        ),
    ];
    for (place, (tool, arguments, model, reason)) in table.iter().enumerate() {
        let reply = result(&server, tool, arguments.clone());
        let trace = about(&reply);
        let chosen = (&trace["model_used"], &trace["reason"]);
        assert_eq!(
            chosen,
            (&json!(model), &json!(reason)),
            "row {place}: {reply}"
        );
        assert_eq!(upstream.posts()[place].body["model"], *model, "row {place}");
    }
}

#[test]
fn what_is_left_is_taken_when_the_preferred_provider_is_not_there_or_fails() {
    let upstream = Upstream::start(answered);
    let only_minimax = routed(&upstream, &[], &KEYS[2..]);
    let reply = result(&only_minimax, "chat", json!({"prompt": "g"}));
    assert_eq!(about(&reply)["reason"], "auto_first_available", "{reply}");
    assert_eq!(about(&reply)["model_used"], "MiniMax-M3");

    let dead = ["provider.glm.base_url=http://127.0.0.1:9/v1"];
    let failing = routed(&upstream, &dead, &KEYS);
    let reply = result(&failing, "chat", json!({"prompt": "h"}));
    assert_eq!(about(&reply)["reason"], "fallback_kimi", "{reply}");

    let keyless = routed(&upstream, &[], &[]);
    let refused = result(&keyless, "chat", json!({"prompt": "i"}));
    assert_eq!(code(&refused), "provider_key_missing", "{refused}");
}

#[test]
fn each_wish_reaches_a_model_that_can_and_an_impossible_one_is_refused() {
    let upstream = Upstream::start(answered);
    let server = routed(&upstream, &[], &KEYS);
    let listed = result(&server, "listmodels", json!({}))["structuredContent"]["models"].clone();
    let facts = |name: &Value| {
        let found = listed
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == *name);
        found
            .unwrap_or_else(|| panic!("{name} is not listed"))
            .clone()
    };
    let long = words(210_000);
    let file = json!([{"name": "long.txt", "content": long}]);
    let table = [
        ("images", json!({"prompt": "a", "images": [PNG]})),
        ("thinking", json!({"prompt": "b", "thinking_mode": "max"})),
        ("websearch", json!({"prompt": "c", "use_websearch": true})),
        ("context", json!({"prompt": "d", "files": file})),
    ];
    for (place, (wish, arguments)) in table.iter().enumerate() {
        let reply = result(&server, "chat", arguments.clone());
        let model = facts(&about(&reply)["model_used"]);
        let sent = upstream.posts()[place].body.clone();
        assert_eq!(sent["model"], model["name"], "{wish}");
        match *wish {
            "context" => {
                assert!(
                    model["context_tokens"].as_u64().unwrap() > 210_000,
                    "{model}"
                );
                assert!(sent.to_string().len() > 800_000);
            }
            _ => assert_eq!(model["capabilities"][*wish], true, "{wish}: {model}"),
        }
        let sent = sent.to_string();
        let proof = match *wish {
            "images" => "image_url",
            "thinking" => "reasoning_effort",
            "websearch" => "web_search",
            _ => "long.txt",
        };
        assert!(
            sent.contains(proof),
            "{wish}: {}",
            &sent[..sent.len().min(2000)]
        );
    }
    let function = json!({"type": "function", "function": {"name": "weather", "parameters": {}}});
    let tools = json!({"messages": [{"role": "user", "content": "rain?"}], "tools": [function]});
    let reply = result(&server, "kimi_chat_with_tools", tools);
    let model = facts(&reply["structuredContent"]["model"]);
    assert_eq!(model["capabilities"]["tools"], true, "{model}");
}

#[test]
fn a_combination_that_no_model_has_is_refused_before_anybody_is_asked() {
    let upstream = Upstream::start(answered);
    let server = routed(&upstream, &[], &KEYS);
    let file = json!([{"name": "long.txt", "content": words(210_000)}]);
    let named = |model: &str, more: Value| {
        let mut arguments = json!({"prompt": "x", "model": model});
        arguments
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        code(&result(&server, "chat", arguments)).clone()
    };
    assert_eq!(
        named("glm-5-turbo", json!({"images": [PNG]})),
        "model_without_images"
    );
    assert_eq!(
        named("glm-5-turbo", json!({"files": file})),
        "context_too_long"
    );
    // GLM's model with images holds less than the text, and its longer one sees nothing.
    let glm = routed(&upstream, &[], &KEYS[1..2]);
    let both = json!({"prompt": "x", "images": [PNG], "files": file});
    let refused = result(&glm, "chat", both);
    assert_eq!(code(&refused), "no_models_available", "{refused}");
    assert_eq!(refused["structuredContent"]["error"]["retryable"], false);
    assert!(upstream.posts().is_empty());
}

#[test]
fn every_model_is_described_whole_and_each_of_its_names_reaches_it() {
    let upstream = Upstream::start(answered);
    let server = routed(&upstream, &["limits.rate.address=1000"], &KEYS);
    let listed = result(&server, "listmodels", json!({}))["structuredContent"]["models"].clone();
    let mut reached = 0;
    for model in listed.as_array().unwrap() {
        assert!(model["context_tokens"].as_u64() > Some(0), "{model}");
        assert!(model["max_output_tokens"].as_u64() > Some(0), "{model}");
        let can = model["capabilities"].as_object().unwrap();
        for wish in ["images", "tools", "thinking", "websearch"] {
            assert!(can[wish].is_boolean(), "{model}");
        }
        let aliases = model["aliases"].as_array().unwrap();
        assert!(!aliases.is_empty(), "{model}");
        for alias in aliases {
            let prompt = format!("to {alias}");
            let reply = result(&server, "chat", json!({"prompt": prompt, "model": alias}));
            if model["status"] == "retired" {
                assert_eq!(code(&reply), "model_retired", "{alias}: {reply}");
                continue;
            }
            let sent = &upstream.posts()[reached].body;
            assert_eq!(sent["model"], model["name"], "{alias}");
            assert_eq!(
                about(&reply)["model_used"],
                model["name"],
                "{alias}: {reply}"
            );
            reached += 1;
        }
    }
    assert!(reached > 25, "{reached} names reached a model");
}

#[test]
fn a_route_that_costs_too_much_is_passed_over_and_the_trace_says_why() {
    let upstream = Upstream::start(answered);
    // The whole output of the first choice costs more, that of the second less.
    let server = routed(&upstream, &["budget.call_usd=0.20"], &KEYS);
    let deep = json!({"prompt": "a", "thinking_mode": "high"});
    let reply = result(&server, "chat", deep);
    let trace = about(&reply);
    assert_eq!(trace["model_used"], "glm-5.2", "{reply}");
    assert_eq!(trace["reason"], "fallback_glm");
    let warnings = trace["warnings"].to_string();
    assert!(
        warnings.contains("skipped kimi/kimi-k3: call_too_expensive"),
        "{warnings}"
    );
    assert_eq!(upstream.posts().len(), 1);

    // A provider that the operator left out is asked under no name.
    let without = routed(&upstream, &["provider.kimi.enabled=false"], &KEYS);
    let named = result(
        &without,
        "chat",
        json!({"prompt": "b", "model": "kimi-k2.6"}),
    );
    assert_eq!(code(&named), "provider_key_missing", "{named}");
    let chosen = result(&without, "chat", json!({"prompt": words(1300)}));
    assert_eq!(about(&chosen)["provider"], "glm", "{chosen}");
}

#[test]
fn the_estimate_is_near_what_a_provider_counts_and_its_counts_add_up_in_the_metrics() {
    // Four bytes are a token, as the simulators count.
    let upstream = Upstream::start(|seen| {
        let mut answer = answered(seen);
        let bytes = seen.body["messages"].to_string().len() as u64;
        answer["usage"] = json!({"prompt_tokens": bytes / 4 + 1, "completion_tokens": 7});
        answer
    });
    let server = routed(&upstream, &[], &KEYS);
    let mut counted = 0;
    for (place, repeats) in [100, 400, 1200].into_iter().enumerate() {
        let prompt = "The quick brown fox jumps over the lazy dog. ".repeat(repeats);
        let own = json!({"prompt": prompt, "model": "glm-5-turbo"});
        let preview = result(&server, "glm_payload_preview", own.clone());
        let estimated = preview["structuredContent"]["estimated_tokens"]
            .as_u64()
            .unwrap();
        let reply = result(&server, "chat", own);
        let tokens = about(&reply)["tokens"]["input"].as_u64().unwrap();
        counted += tokens;
        let error = tokens.abs_diff(estimated) as f64 / tokens as f64;
        assert!(
            error <= 0.15,
            "row {place}: {estimated} estimated, {tokens} counted"
        );
    }
    let page = server.admin("/metrics", &[]).body;
    let total = |kind: &str| {
        let labels = format!("{{provider=\"glm\",model=\"glm-5-turbo\",type=\"{kind}\"}}");
        let line = format!("exai_provider_tokens_total{labels} ");
        let found = page.lines().find_map(|one| one.strip_prefix(&line));
        found
            .unwrap_or_else(|| panic!("no {line}"))
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!((total("input"), total("output")), (counted, 21));
}
