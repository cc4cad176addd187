use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::process::{PATIENCE, call, call_headers, parse, serve, serve_jwt, token, wait_for};
use super::providers::{self, said, started_with};
use super::upstream::Upstream;

#[test]
fn a_hot_principal_is_told_when_to_come_back_and_its_neighbour_is_not_disturbed() {
    let server = serve_jwt(&["--demo", "limits.rate.principal=5"]);
    let bearer = |name: &str| format!("Bearer {}", token(name, &["user"]));
    let (hot, calm) = (bearer("hot"), bearer("calm"));
    let ask = |who: &str| {
        let mut headers = call_headers("version");
        headers.push(("authorization", who));
        server.post(&call("version", json!({})), &headers)
    };
    let refused = wait_for("a refusal", || {
        let reply = ask(&hot);
        assert!(matches!(reply.status, 200 | 429), "{reply:?}");
        (reply.status == 429).then_some(reply)
    });
    assert!(
        refused
            .header("retry-after")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            >= 1
    );
    let said = refused.json();
    assert_eq!(said["error"]["data"]["category"], "rate_limit_error");
    assert!(
        said["error"]["data"]["retry_after_ms"].as_u64().unwrap() <= 200,
        "{said}"
    );
    assert_eq!(ask(&calm).status, 200);
    wait_for("the hot one to be let in again", || {
        (ask(&hot).status == 200).then_some(())
    });
    let denials = server.admin(
        "/metrics",
        &[("authorization", "Bearer 0a9b8c7d6e5f40312233445566778899")],
    );
    let counted = "\nexai_denials_total{reason=\"rate_principal\"} ";
    let (_, count) = denials.body.split_once(counted).unwrap();
    assert!(!count.starts_with('0'), "{count:.9}");
}

#[test]
fn one_connection_too_many_from_an_address_is_told_so() {
    let server = serve(&["--demo", "limits.connections_per_address=3"], &[]);
    let held: Vec<TcpStream> = (0..3)
        .map(|_| TcpStream::connect(server.public).unwrap())
        .collect();
    let mut fourth = TcpStream::connect(server.public).unwrap();
    fourth.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    fourth.read_to_end(&mut answer).unwrap();
    let reply = parse(&answer);
    assert_eq!(reply.status, 429, "{reply:?}");
    assert_eq!(
        reply.json()["error"]["data"]["code"],
        "connections_per_address"
    );
    drop(held);
    wait_for("a place", || {
        let reply = server.post(&call("version", json!({})), &call_headers("version"));
        (reply.status == 200).then_some(())
    });
}

#[test]
fn the_session_after_the_last_is_refused() {
    let server = serve(&["--demo", "limits.sessions=2"], &[]);
    let (_first, second) = (server.session(&[]), server.session(&[]));
    let refused = server.post(&super::process::initialize(), &[]);
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.json()["error"]["data"]["code"], "too_many_sessions");
    let delete = [("mcp-session-id", second.as_str())];
    let ended = super::process::request(server.public, "DELETE", "/mcp", &delete, b"");
    assert!((200..300).contains(&ended.status), "{ended:?}");
    server.session(&[]);
}

#[test]
fn a_head_that_never_ends_is_cut_at_its_clock() {
    let server = serve(&["--demo", "limits.header_timeout=1s"], &[]);
    let mut stream = TcpStream::connect(server.public).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"POST /mcp HTTP/1.1\r\nhost: localhost\r\n")
        .unwrap();
    let started = Instant::now();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    let waited = started.elapsed();
    assert!(
        waited > Duration::from_millis(500) && waited < Duration::from_secs(10),
        "{waited:?}"
    );
}

#[test]
fn a_client_behind_a_trusted_proxy_is_held_to_its_own_limit() {
    held_behind("x-forwarded-for", str::to_owned);
}

#[test]
fn so_it_is_where_the_proxy_writes_the_standard_header() {
    held_behind("forwarded", |address| format!("for={address};proto=https"));
}

/// Asks as a proxy that names its clients in this header, in these words.
fn held_behind(header: &str, named: fn(&str) -> String) {
    let header_setting = format!("server.forwarding_header={header}");
    let settings = [
        "--demo",
        "server.trusted_proxies=127.0.0.1",
        &header_setting,
        "limits.rate.address=3",
    ];
    let server = serve(&settings, &[]);
    let ask = |forwarded: &str| {
        let mut headers = call_headers("version");
        headers.push((header, forwarded));
        server.post(&call("version", json!({})), &headers).status
    };
    let hot = named("198.51.100.1");
    wait_for("a refusal of the hot one", || {
        (ask(&hot) == 429).then_some(())
    });
    // What stands left of the proxy's own entry was written by the client.
    let mut forged = 0;
    wait_for("a refusal of the forger", || {
        forged += 1;
        let left = named(&format!("203.0.113.{forged}"));
        (ask(&format!("{left}, {hot}")) == 429).then_some(())
    });
    assert_eq!(ask(&named("198.51.100.2")), 200);
}

#[test]
fn an_untrusted_peer_cannot_speak_for_others() {
    let server = serve(&["--demo", "limits.rate.address=3"], &[]);
    let mut spoken = 0;
    wait_for("a refusal in spite of ever new names", || {
        spoken += 1;
        let name = format!("198.51.100.{}", spoken % 250);
        let mut headers = call_headers("version");
        headers.push(("x-forwarded-for", &name));
        (server.post(&call("version", json!({})), &headers).status == 429).then_some(())
    });
}

#[test]
fn a_text_beyond_the_longest_prompt_is_refused_with_limit_and_size_before_any_provider() {
    let upstream = Upstream::start(|_| said("hello"));
    let server = started_with(&upstream, &["limits.prompt_chars=70000"], &[]);
    let message = |chars: usize| json!([{"role": "user", "content": "ä".repeat(chars)}]);
    let within = json!({"messages": message(70_000)});
    let answered = providers::result(&server, "kimi_chat_with_tools", within);
    assert_eq!(answered["isError"], false, "{answered}");
    assert_eq!(upstream.posts().len(), 1);
    let long = "ä".repeat(70_001);
    let finding = json!({"step": "x", "step_number": 1, "total_steps": 1,
        "next_step_required": false, "findings": long});
    let cases = [
        ("chat", json!({"prompt": long}), "/prompt"),
        ("debug", finding, "/findings"),
        (
            "glm_payload_preview",
            json!({"prompt": "x", "system_prompt": long}),
            "/system_prompt",
        ),
        (
            "kimi_chat_with_tools",
            json!({"messages": message(70_001)}),
            "/messages/0/content",
        ),
        (
            "kimi_capture_headers",
            json!({"messages": message(70_001)}),
            "/messages/0/content",
        ),
    ];
    for (tool, arguments, field) in cases {
        let refused = providers::result(&server, tool, arguments);
        let error = &refused["structuredContent"]["error"];
        assert_eq!(error["code"], "prompt_too_long", "{tool}: {refused}");
        assert_eq!(error["category"], "validation_error");
        assert_eq!(error["field"], field);
        let said = error["message"].as_str().unwrap();
        assert!(said.contains("70001") && said.contains("70000"), "{said}");
    }
    assert_eq!(upstream.posts().len(), 1);
}
