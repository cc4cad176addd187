//! The ten categories of failure, each brought about from outside: what its caller is told, and how
//! bad the operator is told that it is.

use serde_json::{Value, json};

use super::broken::{Script, started, step, whole};
use super::process::{Server, call, call_headers, serve_jwt, token, wait_for};
use super::provider::serve_asking;

/// The scrape token of a server that asks for tokens.
const SCRAPE: (&str, &str) = ("authorization", "Bearer 0a9b8c7d6e5f40312233445566778899");

/// Counts of told failures, by their label.
fn counts(server: &Server, family: &str) -> Vec<(String, u64)> {
    let scrape = server.admin("/metrics", &[SCRAPE]).body;
    let of = |line: &str| {
        let (label, value) = line.strip_prefix(family)?.split_once("\"} ")?;
        Some((label.to_owned(), value.parse().ok()?))
    };
    let counts: Vec<_> = scrape.lines().filter_map(of).collect();
    assert!(!counts.is_empty(), "{family} is not in {scrape}");
    counts
}

/// What `fail` brings about: the error object, and the one category and severity it counts under.
fn told(server: &Server, fail: impl FnOnce() -> Value) -> (Value, String, String) {
    let families = [
        "exai_errors_total{category=\"",
        "exai_severity_errors_total{severity=\"",
    ];
    let before = families.map(|family| counts(server, family));
    let error = fail();
    let mut moved = families.iter().zip(before).map(|(family, before)| {
        let after = counts(server, family);
        let rose: Vec<_> = after.iter().filter(|one| !before.contains(one)).collect();
        assert_eq!(rose.len(), 1, "{error} moved {rose:?}");
        let old = before.iter().find(|(label, _)| *label == rose[0].0);
        assert_eq!(rose[0].1, old.unwrap().1 + 1, "{error} counts once");
        rose[0].0.clone()
    });
    let (category, severity) = (moved.next().unwrap(), moved.next().unwrap());
    (error, category, severity)
}

/// Fails, and is told so in all three ways.
fn fails(
    server: &Server,
    (category, code): (&str, &str),
    (is_retryable, severity): (bool, &str),
    fail: impl FnOnce() -> Value,
) {
    let (error, counted, grade) = told(server, fail);
    assert_eq!(
        (&error["category"], &error["code"], &error["retryable"]),
        (&json!(category), &json!(code), &json!(is_retryable)),
        "{error}"
    );
    assert_eq!((&*counted, &*grade), (category, severity), "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(!message.is_empty() && message.len() <= 2000, "{error}");
    assert!(!error["correlation_id"].as_str().unwrap().is_empty());
}

/// The error of a tool's result.
fn of_tool(server: &Server, tool: &str, arguments: Value) -> Value {
    let reply = server.post(&call(tool, arguments), &call_headers(tool));
    let result = reply.json()["result"].clone();
    assert_eq!(result["isError"], true, "{result}");
    result["structuredContent"]["error"].clone()
}

#[test]
fn what_a_caller_does_wrong_and_what_a_tool_cannot_do_are_told_apart() {
    let plain = tempfile::tempdir().unwrap();
    let roots = format!("files.roots={}", plain.path().display());
    let server = started(&Script::default(), &[&roots]);
    fails(
        &server,
        ("client_error", "unknown_method"),
        (false, "low"),
        || {
            let mut message = call("x", json!({}));
            message["method"] = "tools/imagine".into();
            let headers = [
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "tools/imagine"),
            ];
            let reply = server.post(&message, &headers).json();
            assert_eq!(reply["error"]["code"], -32601, "{reply}");
            reply["error"]["data"].clone()
        },
    );
    let invalid = ("validation_error", "invalid_argument");
    fails(&server, invalid, (false, "medium"), || {
        let error = of_tool(&server, "chat", json!({"prompt": 7}));
        assert_eq!(error["field"], "/prompt", "{error}");
        error
    });
    // A tool's failure may pass, except where what it was to work on is not there.
    let outside = ("tool_error", "not_a_repository");
    fails(&server, outside, (false, "medium"), || {
        of_tool(&server, "precommit", step(1, 1, json!({})))
    });
}

#[test]
fn what_providers_do_is_four_categories_and_a_refused_key_is_graver() {
    let script = Script::default();
    let server = started(&script, &["retry.waits=[\"1ms\", \"1ms\"]"]);
    let unknown = r#"{"error":{"message":"?","type":"moon_phase_error","code":"moon_phase"}}"#;
    let table: [(_, _, &str, _); 4] = [
        (
            whole("500 No", "broken"),
            "provider_error",
            "provider_failed",
            (true, "medium"),
        ),
        (
            Vec::new(),
            "network_error",
            "provider_unreachable",
            (true, "medium"),
        ),
        (
            whole("503 No", unknown),
            "unknown_error",
            "provider_code_unknown",
            (false, "medium"),
        ),
        (
            whole(
                "401 No",
                r#"{"error":{"message":"no","type":"invalid_authentication_error"}}"#,
            ),
            "provider_error",
            "provider_configuration",
            (false, "high"),
        ),
    ];
    for (n, (bytes, category, code, graded)) in table.into_iter().enumerate() {
        *script.lock().unwrap() = vec![bytes; 8];
        fails(&server, (category, code), graded, || {
            of_tool(&server, "chat", json!({"prompt": format!("question {n}")}))
        });
        script.lock().unwrap().clear();
    }
}

#[test]
fn silence_is_a_timeout_and_a_locked_store_is_the_server_s_own_and_critical() {
    let (server, provider) = serve_asking(&[
        "timeouts.prompt.first_token=200ms",
        "timeouts.thinking.first_token=200ms",
        "store.busy_timeout=200ms",
        "retry.waits=[\"1ms\", \"1ms\"]",
    ]);
    let silent = ("timeout_error", "provider_silent");
    fails(&server, silent, (true, "medium"), || {
        of_tool(&server, "chat", json!({"prompt": "slow one"}))
    });
    provider.open();
    let file = server.state.path().join("exai.sqlite");
    let file = rusqlite::Connection::open(file).unwrap();
    file.busy_timeout(super::process::PATIENCE).unwrap();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = ("server_error", "store_unavailable");
    fails(&server, locked, (true, "critical"), || {
        of_tool(&server, "chat", json!({"prompt": "hello"}))
    });
    file.execute_batch("ROLLBACK").unwrap();
    wait_for("the store again", || {
        let reply = server.post(
            &call("chat", json!({"prompt": "again"})),
            &call_headers("chat"),
        );
        (reply.json()["result"]["isError"] != true).then_some(())
    });
}

#[test]
fn a_forged_token_and_a_hot_identity_are_refused_at_the_door_by_category() {
    let server = serve_jwt(&["--demo", "limits.rate.principal=2"]);
    let good = token("ann", &["user"]);
    let (claims, seal) = good.rsplit_once('.').unwrap();
    let other = if seal.starts_with('A') { "B" } else { "A" };
    let forged = format!("{claims}.{other}{}", &seal[1..]);
    let ask = |token: &str| {
        let bearer = format!("Bearer {token}");
        let mut headers = call_headers("version");
        headers.push(("authorization", &bearer));
        server.post(&call("version", json!({})), &headers)
    };
    let data = |reply: super::process::Reply, status: u16| {
        assert_eq!(reply.status, status, "{reply:?}");
        reply.json()["error"]["data"].clone()
    };
    let (error, counted, grade) = told(&server, || data(ask(&forged), 401));
    assert_eq!((&*counted, &*grade), ("auth_error", "medium"));
    assert_eq!(
        (&error["category"], &error["retryable"]),
        (&json!("auth_error"), &json!(false)),
        "{error}"
    );
    let (error, counted, grade) = told(&server, || {
        let refused = wait_for("the refusal", || {
            let reply = ask(&good);
            (reply.status != 200).then_some(reply)
        });
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
        data(refused, 429)
    });
    assert_eq!((&*counted, &*grade), ("rate_limit_error", "medium"));
    assert_eq!(
        (&error["category"], &error["retryable"]),
        (&json!("rate_limit_error"), &json!(true)),
        "{error}"
    );
    assert!(error["retry_after_ms"].as_u64() > Some(0), "{error}");
}
