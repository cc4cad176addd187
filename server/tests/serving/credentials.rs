use std::path::Path;

use serde_json::{Value, json};

use super::process::{Reply, Server, call, call_headers, serve_jwt, token, wait_for};

fn ask(server: &Server, tool: &str, token: Option<&str>) -> Reply {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = call_headers(tool);
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    server.post(&call(tool, json!({})), &headers)
}

fn audit(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Spoiled twins of a good token, each with the reason the audit line should give.
fn spoiled(good: &str) -> Vec<(&'static str, Option<String>)> {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (signed, proof) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let mut flipped = engine.decode(proof).unwrap();
    flipped[0] ^= 1;
    let none = engine.encode(r#"{"alg":"none"}"#);
    let other = engine.encode(engine.decode(payload).unwrap().to_ascii_uppercase());
    vec![
        ("token_missing", None),
        ("token_unsigned", Some(format!("{none}.{payload}."))),
        ("token_algorithm", Some(format!("{none}.{payload}.{proof}"))),
        ("token_unsigned", Some(format!("{signed}."))),
        ("token_not_compact", Some(signed.to_owned())),
        (
            "token_signature",
            Some(format!("{signed}.{}", engine.encode(flipped))),
        ),
        // The claimed issuer chooses the keys, and this one claims none.
        ("token_issuer", Some(format!("{header}.{other}.{proof}"))),
        ("token_encoding", Some(format!("{good}="))),
        ("token_too_long", Some("a.".repeat(5000))),
    ]
}

#[test]
fn each_bad_credential_is_refused_alike_and_audited_once() {
    let server = serve_jwt(&["--demo"]);
    let good = token("alice", &["user"]);
    assert_eq!(ask(&server, "version", Some(&good)).status, 200);
    let bad = spoiled(&good);
    let mut wanted = Vec::new();
    for (reason, token) in &bad {
        let reply = ask(&server, "version", token.as_deref());
        assert_eq!(reply.status, 401, "{reason}: {reply:?}");
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(
            challenge.contains("resource_metadata=\"http://"),
            "{challenge}"
        );
        assert_eq!(reply.json()["error"]["data"]["category"], "auth_error");
        assert!(
            !reply.body.contains(reason),
            "the reason was told: {reply:?}"
        );
        let id = reply.header("exai-correlation-id").unwrap();
        wanted.push((id.to_owned(), (*reason).to_owned()));
    }
    let file = server.state.path().join("audit.jsonl");
    let lines = wait_for("the audit lines", || {
        let lines = audit(&file);
        (lines.len() >= bad.len()).then_some(lines)
    });
    let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    let told: Vec<(String, String)> = lines
        .iter()
        .map(|line| (text(line, "correlation_id"), text(line, "reason")))
        .collect();
    assert_eq!(told, wanted);
    let whole = exai_server::auth::audit::verify(&file, None).unwrap();
    assert_eq!(whole.end.count, bad.len() as u64);
    let proof = good.rsplit_once('.').unwrap().1;
    assert!(!std::fs::read_to_string(&file).unwrap().contains(proof));
}

#[test]
fn the_first_message_needs_a_token_like_any_other() {
    let server = serve_jwt(&["--demo"]);
    assert_eq!(server.post(&super::process::initialize(), &[]).status, 401);
    let discover = json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover"});
    assert_eq!(server.post(&discover, &[]).status, 401);
    let in_query = super::process::request(
        server.public,
        "POST",
        &format!("/mcp?access_token={}", token("alice", &["user"])),
        &[],
        discover.to_string().as_bytes(),
    );
    assert_eq!(in_query.status, 401);
}

#[test]
fn a_role_decides_tools_and_admin_pages() {
    let server = serve_jwt(&["--demo"]);
    let nobody = token("n", &[]);
    let reply = ask(&server, "version", Some(&nobody));
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(reply.json()["id"], 7);
    let metrics = "0a9b8c7d6e5f40312233445566778899";
    let scraper = token("s", &["metrics"]);
    let (user, admin) = (token("u", &["user"]), token("a", &["admin"]));
    let table = [
        ("/metrics", None, 401),
        ("/metrics", Some(user.as_str()), 403),
        ("/metrics", Some(metrics), 200),
        ("/metrics", Some(scraper.as_str()), 200),
        ("/manifest", Some(metrics), 403),
        ("/manifest", Some(user.as_str()), 403),
        ("/manifest", Some(admin.as_str()), 200),
        ("/health", None, 401),
        ("/health", Some(admin.as_str()), 200),
        ("/health/live", None, 200),
    ];
    for (path, token, status) in table {
        let bearer = format!("Bearer {}", token.unwrap_or_default());
        let headers = [("authorization", bearer.as_str())];
        let headers = if token.is_some() { &headers[..] } else { &[] };
        assert_eq!(
            server.admin(path, headers).status,
            status,
            "{path} {token:?}"
        );
    }
    let metadata = super::process::request(
        server.public,
        "GET",
        "/.well-known/oauth-protected-resource/mcp",
        &[],
        b"",
    );
    assert_eq!(
        metadata.json()["authorization_servers"][0],
        "https://issuer.test"
    );
}

/// A client that reads of another resource than it asked must not go on (RFC 9728, section 3.3).
#[test]
fn the_metadata_names_the_server_as_its_clients_reach_it() {
    let path = "/.well-known/oauth-protected-resource/mcp";
    let told = |server: &Server, host: &str| {
        let headers = [("host", host)];
        let metadata = super::process::request(server.public, "GET", path, &headers, b"");
        let refused = server.post(&call("version", json!({})), &headers);
        assert_eq!((metadata.status, refused.status), (200, 401), "{host}");
        let challenge = refused.header("www-authenticate").unwrap().to_owned();
        (metadata.json()["resource"].to_string(), challenge)
    };
    let metadata_at = |origin: &str| format!("Bearer resource_metadata=\"{origin}{path}\"");
    let plain = serve_jwt(&["--demo"]);
    let (resource, challenge) = told(&plain, "localhost:8079");
    assert_eq!(resource, "\"http://localhost:8079/mcp\"");
    assert_eq!(challenge, metadata_at("http://localhost:8079"));
    // Behind a proxy that speaks TLS, which passes the Host on or writes its own.
    let public = "https://exai.example.com";
    let behind = serve_jwt(&["--demo", &format!("server.public_url={public}/")]);
    for host in ["exai.example.com", "127.0.0.1:8079"] {
        let (resource, challenge) = told(&behind, host);
        assert_eq!(resource, format!("\"{public}/mcp\""), "{host}");
        assert_eq!(challenge, metadata_at(public), "{host}");
    }
}

#[test]
fn a_session_of_another_principal_is_not_found() {
    let server = serve_jwt(&["--demo"]);
    let bearer = |name: &str| format!("Bearer {}", token(name, &["user"]));
    let (alice, bob) = (bearer("alice"), bearer("bob"));
    let session = server.session(&[("authorization", &alice)]);
    let ping = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/list", "params": {}});
    let with = |who: &str, id: &str| {
        let headers = [("authorization", who), ("mcp-session-id", id)];
        server.post(&ping, &headers)
    };
    let (foreign, unknown) = (with(&bob, &session), with(&bob, "0000-no-such"));
    assert_eq!((foreign.status, unknown.status), (404, 404));
    let shape = |reply: &Reply| {
        let mut said = reply.json();
        said["error"]["data"]["correlation_id"] = Value::Null;
        said
    };
    assert_eq!(shape(&foreign), shape(&unknown));
    let delete = [
        ("authorization", bob.as_str()),
        ("mcp-session-id", session.as_str()),
    ];
    let ended = super::process::request(server.public, "DELETE", "/mcp", &delete, b"");
    assert_eq!(ended.status, 404);
    assert_eq!(with(&alice, &session).status, 200);
}
