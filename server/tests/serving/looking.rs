//! Tools that look at the server and back at calls, on the shipped binary.

use serde_json::{Value, json};

use super::process::{Server, call, call_headers, serve_jwt, token};
use super::tools::{FULL, result, serve, text};

#[test]
fn health_and_self_check_agree_with_the_admin_pages() {
    // A key for an address where nothing listens.
    let settings = [
        "--demo",
        "tools.profile=full",
        "provider.kimi.base_url=http://127.0.0.1:9/v1",
        "provider.kimi.allow_private=true",
    ];
    let server = serve(
        &settings,
        &[("KIMI_API_KEY", "sk-planted-0123456789abcdef")],
    );
    let states = |said: &Value| -> Vec<(String, Value)> {
        let flat = |components: &Value| -> Vec<(String, Value)> {
            let components = components.as_object().unwrap().iter();
            components
                .map(|(name, one)| (name.clone(), one["status"].clone()))
                .collect()
        };
        let mut all = flat(&said["components"]);
        all.extend(flat(&said["components"]["providers"]));
        all
    };
    super::process::wait_for("the probes to find that kimi is gone", || {
        let page = server.admin("/health", &[]).json();
        (page["components"]["providers"]["kimi"]["status"] == "unhealthy").then_some(())
    });
    let page = server.admin("/health", &[]).json();
    let tool = result(&server, "health", json!({}))["structuredContent"].clone();
    for part in ["status", "not_ready", "version", "instance"] {
        assert_eq!(tool[part], page[part], "{part}");
    }
    assert_eq!(states(&tool), states(&page));
    let status = result(&server, "status", json!({"probe": true}));
    let steps = status["structuredContent"]["next_steps"].to_string();
    assert!(steps.contains("kimi is unhealthy"), "{steps}");
    let checked = result(&server, "self-check", json!({}));
    assert!(!checked.to_string().contains("sk-planted"), "{checked}");
    let said = &checked["structuredContent"];
    let keys = said["keys"].as_array().unwrap().iter();
    let set: Vec<&Value> = keys.filter(|key| key["set"] == true).collect();
    assert_eq!((set.len(), &set[0]["provider"]), (1, &json!("kimi")));
    let failed = said["checks"].as_array().unwrap().iter();
    assert!(
        failed
            .clone()
            .any(|one| one["name"] == "provider kimi" && one["ok"] == false)
    );
    let activity = result(&server, "activity", json!({}));
    assert!(text(&activity).contains(" self_check "), "{activity}");
}

#[test]
fn the_version_is_the_one_of_the_manifest() {
    let server = serve(&FULL, &[]);
    let manifest = server.admin("/manifest", &[]).json();
    let version = &result(&server, "version", json!({}))["structuredContent"];
    for part in [
        "version",
        "commit",
        "executable_sha256",
        "instance",
        "started_at",
    ] {
        assert_eq!(version[part], manifest[part], "{part}");
    }
}

#[test]
fn capabilities_equal_the_list_of_models_and_are_read_anew() {
    let server = serve(&FULL, &[]);
    let models = &result(&server, "listmodels", json!({}))["structuredContent"]["models"];
    let all = json!({"show_advanced": true});
    let said = result(&server, "provider_capabilities", all)["structuredContent"].clone();
    let providers = said["providers"].as_array().unwrap().iter();
    let shown = providers.flat_map(|row| row["models"].as_array().unwrap());
    let shown: Vec<&Value> = shown.collect();
    assert_eq!(shown.len(), models.as_array().unwrap().len());
    assert!(
        models
            .as_array()
            .unwrap()
            .iter()
            .all(|one| shown.contains(&one))
    );
    let anew = json!({"invalidate_cache": true});
    let later = result(&server, "provider_capabilities", anew);
    assert_ne!(later["structuredContent"]["read_at"], said["read_at"]);
}

/// A call by the holder of a token.
fn result_for(server: &Server, who: &str, tool: &str, arguments: Value) -> Value {
    let bearer = format!("Bearer {who}");
    let mut headers = call_headers(tool);
    headers.push(("authorization", &bearer));
    server.post(&call(tool, arguments), &headers).json()["result"].clone()
}

#[test]
fn a_user_looks_back_at_own_calls_and_an_administrator_at_all() {
    let server = serve_jwt(&FULL);
    let (ann, bob) = (token("ann", &["user"]), token("bob", &["user"]));
    let root = token("root", &["admin"]);
    for who in [&ann, &bob] {
        result_for(&server, who, "test_echo", json!({"text": "x"}));
    }
    let refused = result_for(&server, &bob, "test_echo", json!({"txt": "x"}));
    let id = &refused["structuredContent"]["error"]["correlation_id"];
    let log = |who: &str, arguments| {
        let answer = result_for(&server, who, "activity", arguments);
        text(&answer).to_owned()
    };
    let own = log(&bob, json!({}));
    assert!(own.contains(" bob ") && !own.contains(" ann "), "{own}");
    let all = log(&root, json!({}));
    assert!(all.contains(" bob ") && all.contains(" ann "), "{all}");
    let failed = log(&bob, json!({"filter": "unknown_argument"}));
    assert_eq!(failed.lines().count(), 1, "{failed}");
    assert!(log(&bob, json!({"until": "2020-01-01T00:00:00Z"})).starts_with("No calls"));
    assert!(log(&bob, json!({"since": "2100-01-01T00:00:00Z"})).starts_with("No calls"));
    for _ in 0..12 {
        result_for(&server, &bob, "test_echo", json!({"text": "x"}));
    }
    assert_eq!(log(&bob, json!({"lines": 10})).lines().count(), 10);
    let denied = result_for(&server, &bob, "activity", json!({"source": "server"}));
    let category = &denied["structuredContent"]["error"]["category"];
    assert_eq!(category, "auth_error", "{denied}");
    assert!(log(&root, json!({"source": "server"})).contains("listening"));
    let tail = result_for(&server, &bob, "toolcall_log_tail", json!({"n": 200}));
    let lines: Vec<Value> = text(&tail)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines.iter().any(|line| line["correlation_id"] == *id),
        "{lines:?}"
    );
    assert!(
        lines.iter().all(|line| line["principal"] == "bob"),
        "{lines:?}"
    );
    let two = result_for(&server, &bob, "toolcall_log_tail", json!({"n": 2}));
    assert_eq!(text(&two).lines().count(), 2);
    let path = result_for(
        &server,
        &bob,
        "toolcall_log_tail",
        json!({"path": "/etc/passwd"}),
    );
    assert_eq!(
        path["structuredContent"]["error"]["code"],
        "file_not_readable"
    );
}
