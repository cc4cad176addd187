//! Refused and accepted pairs: each row differs from an accepted request in one thing.

use serde_json::{Map, Value, json};

use super::*;
use crate::wire::minimax::signature;

fn base(route: Route) -> Value {
    let messages = json!([{"role": "user", "content": "hello"}]);
    match route {
        Route::KimiChat => json!({"model": "kimi-k2.6", "messages": messages}),
        Route::GlmChat => json!({"model": "glm-5.2", "messages": messages}),
        _ => json!({"model": "MiniMax-M3", "messages": messages, "max_tokens": 100}),
    }
}

/// The base request with fields replaced; a null removes the field.
fn with(route: Route, change: &Value) -> Map<String, Value> {
    let mut body = base(route).as_object().unwrap().clone();
    for (field, value) in change.as_object().unwrap() {
        if value.is_null() {
            body.shift_remove(field);
        } else {
            body.insert(field.clone(), value.clone());
        }
    }
    body
}

fn checked(route: Route, change: &Value) -> Result<Terms, Refusal> {
    let body = with(route, change);
    let bytes = serde_json::to_string(&body).unwrap().len();
    check(&Ask {
        route,
        body: &body,
        bytes,
        historic: false,
    })
}

fn refused(route: Route, status: u16, reason: &str, changes: &[Value]) {
    for change in changes {
        match checked(route, change) {
            Ok(_) => panic!("accepted {change}"),
            Err(refusal) => {
                assert_eq!(
                    (refusal.status, &*refusal.reason),
                    (status, reason),
                    "{change}"
                );
            }
        }
    }
}

fn accepted(route: Route, changes: &[Value]) {
    for change in changes {
        let result = checked(route, change);
        assert!(result.is_ok(), "{change}: {result:?}");
    }
}

fn function(name: &str, property: &Value) -> Value {
    json!([{"type": "function", "function": {"name": name,
        "parameters": {"type": "object", "properties": {"a": property}}}}])
}

fn message(role: &str, content: &Value) -> Value {
    json!({"messages": [{"role": role, "content": content}]})
}

/// A turn in which the model thought.
fn thought(thinking: &str, signature: &str) -> Value {
    let block = json!({"type": "thinking", "thinking": thinking, "signature": signature});
    message("assistant", &json!([block, {"type": "text", "text": "so"}]))
}

fn image(url: &str) -> Value {
    message(
        "user",
        &json!([{"type": "image_url", "image_url": {"url": url}}]),
    )
}

fn tool_loop(reasoning: &Value) -> Value {
    json!({"messages": [{"role": "user", "content": "x"},
        {"role": "assistant", "content": "", "reasoning_content": reasoning,
         "tool_calls": [{"id": "f:0", "type": "function",
            "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "f:0", "content": "4"}]})
}

#[test]
fn kimi_refuses_parameters_its_models_do_not_take() {
    let named = json!({"type": "function", "function": {"name": "f"}});
    refused(
        Route::KimiChat,
        400,
        "invalid_request_error",
        &[
            json!({"temperature": 0.3}),
            json!({"temperature": 1, "thinking": {"type": "disabled"}}),
            json!({"temperature": "1"}),
            json!({"top_p": 0.9}),
            json!({"n": 2}),
            json!({"presence_penalty": 0.1}),
            json!({"stop": ["1", "2", "3", "4", "5", "6"]}),
            json!({"stop": ["x".repeat(33)]}),
            json!({"response_format": {"type": "yaml"}}),
            json!({"tools": function("f", &json!({"description": "untyped"}))}),
            json!({"tools": function("9f", &json!({"type": "string"}))}),
            json!({"tools": function("$f", &json!({"type": "string"}))}),
            json!({"tool_choice": named}),
            json!({"tool_choice": "required"}),
            json!({"thinking": {"type": "enabled"}, "reasoning_effort": "low"}),
            json!({"thinking": {"type": "on"}}),
            json!({"model": "kimi-k2.7-code", "thinking": {"type": "disabled"}}),
            json!({"model": "kimi-k3", "logprobs": true}),
            json!({"max_tokens": 262_144}),
            json!({"max_completion_tokens": 0}),
            json!({"stream": "yes"}),
        ],
    );
    accepted(
        Route::KimiChat,
        &[
            json!({}),
            json!({"temperature": 1}),
            json!({"temperature": 0.6, "thinking": {"type": "disabled"}}),
            json!({"top_p": 0.95, "n": 1, "presence_penalty": 0}),
            json!({"stop": ["x".repeat(32)]}),
            json!({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}),
            json!({"tools": function("f", &json!({"type": "string"}))}),
            json!({"tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}]}),
            json!({"tool_choice": named, "thinking": {"type": "disabled"}}),
            json!({"model": "kimi-k3", "tool_choice": "required"}),
            json!({"model": "kimi-k3", "thinking": {"type": "whatever"}}),
            json!({"max_tokens": 1000, "user": "unknown fields are ignored"}),
        ],
    );
}

#[test]
fn kimi_refuses_conversations_it_could_not_read() {
    refused(
        Route::KimiChat,
        400,
        "invalid_request_error",
        &[
            json!({"messages": null}),
            json!({"messages": []}),
            message("user", &json!("")),
            message("user", &json!([])),
            message("developer", &json!("x")),
            message("user", &json!([{"type": "file", "file": {}}])),
            image("https://example.com/a.png"),
            image("data:image/svg+xml;base64,AAAA"),
            json!({"messages": [{"role": "assistant", "content": "x", "partial": true},
            {"role": "user", "content": "y"}]}),
            json!({"messages": [{"role": "system", "tools": []},
                {"role": "user", "content": "y"}]}),
            json!({"messages": [{"role": "tool", "tool_call_id": "?", "content": "4"}]}),
            tool_loop(&Value::Null),
            tool_loop(&json!("")),
        ],
    );
    accepted(
        Route::KimiChat,
        &[
            message("user", &json!([{"type": "text", "text": "x"}])),
            image("data:image/png;base64,AAAA"),
            image("ms://file-1"),
            tool_loop(&json!("because")),
        ],
    );
    let mut without_thinking = tool_loop(&Value::Null);
    without_thinking["thinking"] = json!({"type": "disabled"});
    accepted(Route::KimiChat, &[without_thinking]);
}

#[test]
fn unknown_and_retired_models_are_refused_in_each_vendors_words() {
    let names = [json!({"model": "kimi-k2.5"}), json!({"model": "gpt-4"})];
    refused(Route::KimiChat, 404, "resource_not_found_error", &names);
    refused(
        Route::KimiChat,
        400,
        "invalid_request_error",
        &[json!({"model": null})],
    );
    refused(Route::GlmChat, 400, "1211", &[json!({"model": "glm-9"})]);
    refused(Route::GlmChat, 400, "1213", &[json!({"model": null})]);
    refused(
        Route::MiniMaxMessages,
        400,
        "2013",
        &[json!({"model": "abab"})],
    );
    let body = with(Route::KimiChat, &json!({"model": "kimi-k2.5"}));
    let ask = Ask {
        route: Route::KimiChat,
        body: &body,
        bytes: 99,
        historic: true,
    };
    assert!(check(&ask).is_ok());
}

#[test]
fn glm_holds_its_own_ranges() {
    refused(
        Route::GlmChat,
        400,
        "1214",
        &[
            json!({"temperature": 1.01}),
            json!({"temperature": -0.1}),
            json!({"top_p": 0.0}),
            json!({"tool_choice": "none"}),
            json!({"tool_choice": {"type": "function"}}),
            json!({"response_format": {"type": "json_schema"}}),
            json!({"response_format": {}}),
            json!({"stop": ["1", "2", "3", "4", "5"]}),
            json!({"max_tokens": 131_073}),
            json!({"model": "glm-4.5", "max_tokens": 98_305}),
            json!({"model": "glm-5.3", "thinking": {"type": "disabled"}}),
            json!({"model": "glm-5.3", "reasoning_effort": "medium"}),
            json!({"reasoning_effort": "huge"}),
            json!({"request_id": "short"}),
            json!({"user_id": "x".repeat(129)}),
            json!({"messages": []}),
            message("assistant", &json!("x")),
            message("system", &json!("x")),
            message("user", &json!("")),
            json!({"tools": [{"type": "function", "function": {"name": ""}}]}),
        ],
    );
    let picture = json!([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]);
    refused(Route::GlmChat, 400, "1210", &[message("user", &picture)]);
    let mut seeing = message("user", &picture);
    seeing["model"] = json!("glm-5v-turbo");
    accepted(
        Route::GlmChat,
        &[
            json!({}),
            seeing,
            json!({"temperature": 1.0, "top_p": 0.01}),
            json!({"tool_choice": "auto", "tools": [{"type": "web_search", "web_search": {}}]}),
            json!({"response_format": {"type": "json_object"}}),
            json!({"max_tokens": 131_072}),
            json!({"thinking": {"type": "disabled"}, "reasoning_effort": "none"}),
            json!({"seed": 4, "frequency_penalty": 9, "logprobs": true}),
        ],
    );
}

#[test]
fn glm_calls_a_prompt_beyond_its_context_1261() {
    let long = message("user", &json!("x".repeat(400_000)));
    let mut short = long.clone();
    short["model"] = json!("glm-4.5v");
    refused(Route::GlmChat, 400, "1261", &[short]);
    accepted(Route::GlmChat, &[long]);
}

#[test]
fn minimax_refuses_on_the_anthropic_route() {
    let picture = json!([{"type": "image", "source": {"type": "base64", "data": "AAAA"}}]);
    let mut blind = message("user", &picture);
    blind["model"] = json!("MiniMax-M2.7");
    refused(
        Route::MiniMaxMessages,
        400,
        "2013",
        &[
            json!({"max_tokens": null}),
            json!({"max_tokens": 524_289}),
            json!({"model": "MiniMax-M2.7", "max_tokens": 204_801}),
            json!({"temperature": 0}),
            json!({"temperature": 1.5}),
            json!({"messages": []}),
            message("system", &json!("x")),
            message("user", &json!("")),
            message("user", &json!([{"type": "document", "source": {}}])),
            message(
                "user",
                &json!([{"type": "tool_result", "tool_use_id": "q", "content": "4"}]),
            ),
            message(
                "assistant",
                &json!([{"type": "tool_use", "id": "a", "name": "f", "input": "{"}]),
            ),
            blind,
            thought("a thought", "5e"),
            message(
                "assistant",
                &json!([{"type": "thinking", "thinking": "unsigned"}]),
            ),
            json!({"thinking": {"type": "maybe"}}),
            json!({"tools": [{"name": "", "input_schema": {}}]}),
            json!({"tools": [{"name": "f"}]}),
            json!({"model": "MiniMax-M3.1-Flash", "tool_choice": {"type": "any"}}),
            json!({"system": [{"type": "image"}]}),
            json!({"service_tier": "gold"}),
        ],
    );
    accepted(
        Route::MiniMaxMessages,
        &[
            json!({}),
            message("user", &picture),
            json!({"temperature": 1.0, "system": "be kind"}),
            json!({"top_k": 3, "stop_sequences": ["x"]}),
            thought("a thought", &signature("a thought")),
            json!({"tools": [{"name": "f", "input_schema": {}}], "tool_choice": {"type": "auto"}}),
        ],
    );
    let m3 = checked(Route::MiniMaxMessages, &json!({})).unwrap();
    assert!(!m3.thinking, "M3 thinks on this route only when asked to");
    let m2 = checked(Route::MiniMaxMessages, &json!({"model": "MiniMax-M2.7"})).unwrap();
    assert!(m2.thinking);
}

#[test]
fn minimax_refuses_on_the_openai_route() {
    refused(
        Route::MiniMaxChat,
        400,
        "2013",
        &[
            json!({"n": 2}),
            json!({"function_call": "auto"}),
            json!({"temperature": 0}),
            json!({"response_format": {"type": "json_schema"}}),
            json!({"messages": [{"role": "user", "content": ""}]}),
        ],
    );
    accepted(
        Route::MiniMaxChat,
        &[json!({"max_tokens": null}), message("system", &json!("x"))],
    );
    assert!(checked(Route::MiniMaxChat, &json!({})).unwrap().thinking);
}
