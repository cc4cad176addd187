//! Tools that look at the server and back at calls.

use super::*;
use crate::failure::Category;
use crate::observe::health::{Report, Status};
use crate::tool::catalogue::{Catalogue, TOOLS_TOML};
use crate::tool::registry::Found;

async fn full() -> Bench {
    let config = "[tools]\nprofile = \"full\"\n[server]\ninstance = \"blue-17\"";
    Bench::new(config, Arc::new(|_| Ok("x".into()))).await
}

fn by(principal: &str, roles: &[&str], name: &str, arguments: Value) -> Call {
    let mut call = call(name, arguments);
    call.caller.principal = principal.into();
    call.caller.roles = roles.iter().map(|role| (*role).to_owned()).collect();
    call
}

#[tokio::test]
async fn information_tools_show_what_the_configuration_says() {
    let bench = full().await;
    let version = bench.call("version", json!({})).await.unwrap();
    let structured = version.structured.unwrap();
    assert_eq!(structured["instance_name"], "blue-17");
    assert_eq!(structured["executable_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(structured["providers"][0]["label"], "kimi label");
    assert_eq!(
        serde_json::from_str::<Value>(&version.text).unwrap(),
        structured
    );
    let status = bench
        .call("status", json!({"probe": true}))
        .await
        .unwrap()
        .structured
        .unwrap();
    assert_eq!(status["store"]["status"], "healthy");
    assert_eq!(status["instance_name"], "blue-17");
    let models = bench
        .call("listmodels", json!({}))
        .await
        .unwrap()
        .structured
        .unwrap();
    assert_eq!(models["models"][0]["aliases"][0], "alias");
    let structured = [
        "health",
        "listmodels",
        "provider_capabilities",
        "self_check",
        "status",
        "version",
    ];
    for name in structured {
        let reply = bench
            .call(name, json!({}))
            .await
            .unwrap()
            .structured
            .unwrap();
        let Found::Tool(tool) = bench.toolbox.registry().find(name) else {
            panic!("{name}")
        };
        let schema = Value::Object((**tool.output.as_ref().unwrap()).clone());
        assert!(jsonschema::is_valid(&schema, &reply), "{name}: {reply}");
    }
}

#[tokio::test]
async fn a_probe_names_a_provider_that_is_dead() {
    let bench = full().await;
    let calm = bench.call("status", json!({})).await.unwrap().text;
    assert!(!calm.contains("minimax"), "{calm}");
    for argument in ["probe", "doctor"] {
        let status = bench
            .call("status", json!({ argument: true }))
            .await
            .unwrap();
        let steps = status.structured.unwrap()["next_steps"].to_string();
        assert!(
            steps.contains("minimax is unhealthy: probe could not connect"),
            "{steps}"
        );
    }
}

#[tokio::test]
async fn health_says_what_the_probes_reported() {
    let bench = full().await;
    let health = &bench.toolbox.surroundings().health;
    health.report_provider("kimi", Report::new(Status::Healthy, ""));
    health.report("store", Report::new(Status::Unhealthy, "refused"));
    health.probed();
    let said = bench
        .call("health", json!({}))
        .await
        .unwrap()
        .structured
        .unwrap();
    assert_eq!(said["status"], "degraded");
    assert_eq!(said["components"]["store"]["detail"], "refused");
    assert_eq!(said["components"]["providers"]["kimi"]["status"], "healthy");
    let user = by("ann", &["user"], "health", json!({}));
    let said = bench.toolbox.call(user).await.unwrap().structured.unwrap();
    let store = &said["components"]["store"];
    assert_eq!(*store, json!({"status": "unhealthy"}), "figures for a user");
    let kimi = &said["components"]["providers"]["kimi"];
    assert_eq!(*kimi, json!({"status": "healthy"}));
}

#[tokio::test]
async fn a_self_check_names_each_fault_and_shows_no_key() {
    let mut config = Config::from_toml("[tools]\nprofile = \"full\"").unwrap();
    let key = "sk-planted-secret-0123456789";
    let row = config.providers.get_mut("kimi").unwrap();
    row.key = Some(crate::config::ProviderKey {
        variable: "KIMI_API_KEY".into(),
        secret: key.into(),
    });
    let bench = full().await;
    let mut around = bench.toolbox.surroundings().clone();
    around.settings = Arc::new(Settings::of(&config));
    let planted = "\n[[tool]]\nname = \"planted_fault\"\n";
    let catalogue = Catalogue::parse(&format!("{TOOLS_TOML}{planted}"));
    let toolbox = Toolbox::with_catalogue(around, catalogue);
    let reply = toolbox.call(call("self-check", json!({}))).await.unwrap();
    assert!(!reply.text.contains("planted-secret"), "{}", reply.text);
    let said = reply.structured.unwrap();
    assert_eq!(said["ok"], false);
    let checks = said["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["ok"] == false);
    let failed: Vec<&str> = failed
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        failed,
        ["every tool is loaded", "health", "provider minimax"]
    );
    let fixes = said["checks"].to_string();
    assert!(
        fixes.contains("planted_fault") && fixes.contains("could not connect"),
        "{fixes}"
    );
    let keys = said["keys"].as_array().unwrap();
    let set = |name: &str| keys.iter().find(|key| key["provider"] == name).unwrap()["set"].clone();
    assert_eq!((set("kimi"), set("glm")), (json!(true), json!(false)));
}

#[tokio::test]
async fn capabilities_equal_the_catalogue() {
    let bench = full().await;
    let plain = bench
        .call("provider_capabilities", json!({}))
        .await
        .unwrap();
    let said = plain.structured.unwrap();
    let model = &said["providers"][0]["models"][0];
    assert_eq!(model["name"], "kimi-k2");
    let facts = serde_json::to_value((bench.toolbox.surroundings().models)()).unwrap();
    assert_eq!(model["capabilities"], facts[0]["capabilities"]);
    assert!(said["tools"].as_array().unwrap().len() > 20);
    let advanced = json!({"include_tools": false, "show_advanced": true, "invalidate_cache": true});
    let said = bench.call("provider_capabilities", advanced).await.unwrap();
    let said = said.structured.unwrap();
    assert_eq!(said["providers"][0]["models"][0], facts[0]);
    assert!(said.get("tools").is_none());
}

#[tokio::test]
async fn everybody_sees_own_calls_and_an_administrator_all() {
    let bench = full().await;
    for (who, prompt) in [("ann", "a"), ("bob", "b")] {
        let call = by(who, &["user"], "chat", json!({ "prompt": prompt }));
        bench.toolbox.call(call).await.unwrap();
    }
    let bad = by("bob", &["user"], "chat", json!({"promt": "b"}));
    let bad_id = bad.caller.correlation_id.clone();
    bench.toolbox.call(bad).await.unwrap_err();
    let seen = async |who: &str, role: &str, tool: &str, arguments: Value| {
        let call = by(who, &[role], tool, arguments);
        bench.toolbox.call(call).await.unwrap().text
    };
    let own = seen("bob", "user", "activity", json!({})).await;
    assert!(own.contains(" bob ") && !own.contains(" ann "), "{own}");
    assert!(own.contains("validation_error/unknown_argument"), "{own}");
    let all = seen("root", "admin", "activity", json!({})).await;
    assert!(all.contains(" bob ") && all.contains(" ann "), "{all}");
    let failed = seen("bob", "user", "activity", json!({"filter": "UNKNOWN_ARG"})).await;
    assert_eq!(failed.lines().count(), 1, "{failed}");
    let none = seen(
        "bob",
        "user",
        "activity",
        json!({"until": "2020-01-01T00:00:00Z"}),
    )
    .await;
    assert!(none.starts_with("No calls"), "{none}");
    let since = json!({"since": "2020-01-01T00:00:00Z", "structured": true, "filter": " chat "});
    let lines = seen("bob", "user", "activity", since).await;
    assert!(
        lines
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok()),
        "{lines}"
    );
    let tail = seen("bob", "user", "toolcall_log_tail", json!({"n": 200})).await;
    assert!(
        tail.contains(&*bad_id) && !tail.contains("\"ann\""),
        "{tail}"
    );
    let one = seen("bob", "user", "toolcall_log_tail", json!({"n": 1})).await;
    assert_eq!(one.lines().count(), 1);
    let status = by("bob", &["user"], "status", json!({}));
    let status = bench
        .toolbox
        .call(status)
        .await
        .unwrap()
        .structured
        .unwrap();
    assert_eq!(status["last_errors"][0]["correlation_id"], *bad_id);
}

#[tokio::test]
async fn the_log_is_for_administrators_and_no_path_is_read() {
    let bench = full().await;
    let server = json!({"source": "server"});
    let user = bench
        .toolbox
        .call(by("ann", &["user"], "activity", server.clone()))
        .await;
    let failure = user.unwrap_err();
    assert_eq!(
        (failure.category, failure.code),
        (Category::AuthError, "not_permitted")
    );
    let admin = by("root", &["admin"], "activity", server);
    assert!(bench.toolbox.call(admin).await.is_ok());
    for path in ["/etc/passwd", "../x", "calls.jsonl"] {
        let refused = bench
            .call("toolcall_log_tail", json!({ "path": path }))
            .await;
        let refused = refused.unwrap_err();
        assert_eq!(
            (refused.code, refused.field.as_deref()),
            ("file_not_readable", Some("/path"))
        );
    }
    let when = bench
        .call("activity", json!({"since": "yesterday"}))
        .await
        .unwrap_err();
    assert_eq!(when.field.as_deref(), Some("/since"));
}

#[tokio::test]
async fn the_pages_say_how_long_the_slowest_tool_may_take() {
    let figure = format!(" {} s", full().await.toolbox.longest().as_secs());
    for page in [
        include_str!("../../../../docs/guide/clients.md"),
        include_str!("../../../../deploy/helm/exai/values.yaml"),
    ] {
        assert!(page.contains(&figure), "no page says{figure}");
    }
}
