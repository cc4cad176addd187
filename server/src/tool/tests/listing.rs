//! The lists: what clients can bear, what is hidden, what is broken.

use super::*;
use crate::config::ToolProfile;
use crate::tool::catalogue::{Catalogue, TOOLS_TOML};
use crate::tool::registry::{Found, Registry};

/// Rows of `tools.toml`.
const ROWS: usize = LEAN.len() + ADVANCED.len() + EXTRA.len();
const LEAN: [&str; 11] = [
    "analyze",
    "chat",
    "codereview",
    "debug",
    "listmodels",
    "planner",
    "refactor",
    "status",
    "testgen",
    "thinkdeep",
    "version",
];
const ADVANCED: [&str; 9] = [
    "consensus",
    "docgen",
    "glm_payload_preview",
    "kimi_chat_with_tools",
    "precommit",
    "secaudit",
    "smart_file_download",
    "smart_file_query",
    "tracer",
];
const EXTRA: [&str; 11] = [
    "activity",
    "challenge",
    "glm_web_search",
    "health",
    "kimi_capture_headers",
    "kimi_intent_analysis",
    "kimi_manage_files",
    "provider_capabilities",
    "self_check",
    "test_echo",
    "toolcall_log_tail",
];

fn settings(text: &str) -> crate::config::Tools {
    Config::from_toml(text).unwrap().tools
}

fn names(registry: &Registry) -> Vec<&str> {
    registry.tools().iter().map(|tool| tool.name).collect()
}

fn build(text: &str) -> Registry {
    Registry::build(Catalogue::parse(TOOLS_TOML), &settings(text), |_| true)
}

#[test]
fn every_row_loads_and_each_profile_adds_its_tools() {
    let listed = |profile: &str| {
        let registry = build(&format!("[tools]\nprofile = \"{profile}\""));
        assert_eq!(registry.absent().count() + names(&registry).len(), ROWS);
        names(&registry)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (lean, standard, full) = (listed("lean"), listed("standard"), listed("full"));
    assert_eq!(lean, LEAN);
    assert!(lean.iter().all(|name| standard.contains(name)));
    let added: Vec<&String> = standard.iter().filter(|n| !lean.contains(n)).collect();
    assert_eq!(added, ADVANCED);
    let added: Vec<&String> = full.iter().filter(|n| !standard.contains(n)).collect();
    assert_eq!(added, EXTRA);
    assert!(build("").loadings().iter().filter(|one| one.loaded).count() == standard.len());
}

#[test]
fn profile_allow_list_and_deny_list_apply_in_this_order() {
    assert!(ToolProfile::Lean < ToolProfile::Standard);
    let cases = [
        ("allow = [\"chat\"]", vec!["chat", "listmodels", "version"]),
        (
            "allow = [\"chat\", \"analyze\"]\ndeny = [\"chat\"]",
            vec!["analyze", "listmodels", "version"],
        ),
        (
            "allow = [\"chat\", \"status\"]\ndeny = [\"version\", \"chat_EXAI-WS\"]",
            vec!["listmodels", "status", "version"],
        ),
    ];
    for (text, expected) in cases {
        let registry = build(&format!("[tools]\n{text}"));
        assert_eq!(names(&registry), expected, "{text}");
        assert_eq!(registry.absent().count() + expected.len(), ROWS, "{text}");
    }
    let denied = build("[tools]\ndeny = [\"chat_EXAI-WS\"]");
    assert!(!names(&denied).contains(&"chat"));
    assert!(names(&denied).contains(&"analyze"));
}

#[test]
fn the_four_historic_suffixes_name_the_same_tool() {
    let registry = build("");
    for name in [
        "chat",
        "chat_EXAI-WS",
        "chat-EXAI-WS",
        "chat_EXAI_WS",
        "chat-EXAI_WS",
    ] {
        assert!(
            matches!(registry.find(name), Found::Tool(tool) if tool.name == "chat"),
            "{name}"
        );
    }
    let full = build("[tools]\nprofile = \"full\"");
    for name in ["self_check", "self-check", "self-check-EXAI_WS"] {
        assert!(
            matches!(full.find(name), Found::Tool(tool) if tool.name == "self_check"),
            "{name}"
        );
    }
    for name in ["chat_exai-ws", "Chat", "_EXAI-WS", ""] {
        assert!(matches!(registry.find(name), Found::Unknown), "{name}");
    }
}

/// Rows with one fault each, and one whose provider has no key.
const BROKEN: &str = r#"
[[tool]]
name = "no_prompt"
title = "t"
tier = "core"
kind = "chat"
description = "d"
prompt = "absent"
required = []
[[tool]]
name = "bad_schema"
title = "t"
tier = "core"
kind = "version"
description = "d"
required = ["x"]
[tool.params.x]
type = "no such type"
[[tool]]
name = "undeclared"
title = "t"
tier = "core"
kind = "version"
description = "d"
required = ["y"]
[[tool]]
name = "No-Good"
title = "t"
tier = "core"
kind = "version"
description = "d"
required = []
[[tool]]
name = "chat"
title = "again"
tier = "core"
kind = "version"
description = "d"
required = []
[[tool]]
name = "needs_provider"
title = "t"
tier = "core"
kind = "version"
description = "d"
provider = "glm"
required = []
[[tool]]
name = "nobodys_search"
title = "t"
tier = "core"
kind = "websearch"
description = "d"
required = []
"#;

#[tokio::test]
async fn a_row_that_cannot_load_is_named_with_its_reason_and_the_others_work() {
    let full = "[tools]\nprofile = \"full\"";
    let bench = Bench::new(full, Arc::new(|_| Ok("x".into()))).await;
    let catalogue = Catalogue::parse(&format!("{TOOLS_TOML}{BROKEN}"));
    let around = bench.toolbox.surroundings().clone();
    let toolbox = Toolbox::with_catalogue(around, catalogue);
    let mut absent: Vec<&str> = toolbox
        .registry()
        .absent()
        .map(|absent| absent.name.as_str())
        .collect();
    absent.sort_unstable();
    let lost = [
        "No-Good",
        "bad_schema",
        "chat",
        "glm_payload_preview",
        "glm_web_search",
        "needs_provider",
        "no_prompt",
        "nobodys_search",
        "undeclared",
    ];
    assert_eq!(absent, lost);
    assert!(
        toolbox
            .registry()
            .absent()
            .all(|absent| absent.reason.len() > 10)
    );
    let hidden = toolbox
        .call(call("needs_provider", json!({})))
        .await
        .unwrap_err();
    assert_eq!(hidden.code, "tool_hidden");
    let status = toolbox
        .call(call("status", json!({})))
        .await
        .unwrap()
        .structured
        .unwrap();
    assert_eq!(status["hidden_tools"].as_array().unwrap().len(), lost.len());
    assert!(
        toolbox
            .call(call("chat", json!({"prompt": "x"})))
            .await
            .is_ok()
    );
    assert_eq!(
        toolbox
            .call(call("absent", json!({})))
            .await
            .unwrap_err()
            .code,
        "unknown_tool"
    );
}

#[test]
fn nothing_in_the_list_is_what_a_client_cannot_bear() {
    for tool in build("").tools() {
        let name = tool.name;
        let description = &tool.row.description;
        assert!(description.chars().count() <= 1000, "{name}");
        assert!(
            description.starts_with("Use this "),
            "{name}: says when to call it first"
        );
        let schemas = [Some(&tool.input), tool.output.as_ref()];
        for schema in schemas.into_iter().flatten() {
            assert_eq!(schema["type"], "object", "{name}");
            for union in ["oneOf", "anyOf", "allOf", "$ref", "$schema"] {
                assert!(!schema.contains_key(union), "{name}: {union}");
            }
            let text = serde_json::to_string(schema).unwrap();
            assert!(!text.contains("\"format\""), "{name}: a format");
        }
        assert_eq!(tool.input["additionalProperties"], false, "{name}");
        let properties = tool.input["properties"].as_object().unwrap();
        let first: Vec<&String> = properties.keys().take(tool.row.required.len()).collect();
        assert_eq!(
            first,
            tool.row.required.iter().collect::<Vec<_>>(),
            "{name}"
        );
        // What every workflow shares is said once, in the server's instructions.
        for parameter in tool.row.params.keys() {
            let said = properties[parameter]["description"].as_str();
            assert!(
                said.is_some_and(|said| !said.is_empty()),
                "{name}.{parameter} has no description"
            );
        }
    }
}
