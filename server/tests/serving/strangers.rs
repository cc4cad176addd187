use serde_json::{Value, json};

use super::process::{call, call_headers, request, serve};

#[test]
fn a_foreign_host_or_origin_is_refused_on_every_route_but_the_probes() {
    let server = serve(&["--demo"], &[]);
    let ask = call("version", json!({}));
    let table: [(&str, &str, u16); 8] = [
        ("host", "evil.example", 403),
        ("host", "localhost.evil.example", 403),
        ("origin", "http://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "http://localhost.evil.example", 403),
        ("origin", "http://localhost:6274", 200),
        ("origin", "http://[::1]:9", 200),
        ("host", "localhost", 200),
    ];
    for (name, value, status) in table {
        let mut headers = call_headers("version");
        headers.push((name, value));
        let reply = server.post(&ask, &headers);
        assert_eq!(reply.status, status, "{name}: {value}: {reply:?}");
        if status == 403 {
            assert_eq!(reply.json()["error"]["data"]["category"], "auth_error");
            assert_eq!(reply.json()["id"], 7);
            assert!(reply.header("access-control-allow-origin").is_none());
            for path in ["/health", "/metrics", "/manifest"] {
                assert_eq!(server.admin(path, &[(name, value)]).status, 403, "{path}");
            }
        }
    }
    let twice = request(
        server.public,
        "POST",
        "/mcp",
        &[("host", "localhost"), ("host", "b")],
        b"{}",
    );
    assert_eq!(twice.status, 400);
}

#[test]
fn a_preflight_of_a_foreign_origin_is_not_allowed_anything() {
    let server = serve(&["--demo"], &[]);
    let ask = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
        ];
        request(server.public, "OPTIONS", "/mcp", &headers, b"")
    };
    let foreign = ask("http://evil.example");
    assert_eq!(foreign.status, 403);
    assert!(foreign.header("access-control-allow-origin").is_none());
    let own = ask("http://localhost:3000");
    assert_eq!(own.status, 204);
    assert_eq!(
        own.header("access-control-allow-origin"),
        Some("http://localhost:3000")
    );
    assert!(own.header("access-control-allow-credentials").is_none());
}

#[test]
fn a_malformed_body_gets_a_json_rpc_error_and_the_server_goes_on() {
    let server = serve(&["--demo"], &[]);
    let deep = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{}{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let table = [
        ("{", 400, -32700),
        ("{}x", 400, -32700),
        (&deep, 400, -32700),
        ("[]", 400, -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, 400, -32600),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            400,
            -32600,
        ),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, 400, -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":3}}"#,
            400,
            -32600,
        ),
    ];
    for (body, status, code) in table {
        let reply = request(server.public, "POST", "/mcp", &[], body.as_bytes());
        assert_eq!(reply.status, status, "{body:.60}: {reply:?}");
        let said: Value = reply.json();
        assert_eq!(said["error"]["code"], code, "{body:.60}");
        assert_eq!(said["error"]["data"]["category"], "client_error");
    }
    let version = server.post(&call("version", json!({})), &call_headers("version"));
    assert_eq!(version.status, 200);
}

#[test]
fn a_body_over_the_limit_is_413_with_and_without_a_length() {
    let server = serve(&["--demo", "limits.body_bytes=1000"], &[]);
    let large = vec![b' '; 1001];
    assert_eq!(
        request(server.public, "POST", "/mcp", &[], &large).status,
        413
    );
    let mut chunked = format!("{:x}\r\n", large.len()).into_bytes();
    chunked.extend_from_slice(&large);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let headers = [("transfer-encoding", "chunked")];
    assert_eq!(
        request(server.public, "POST", "/mcp", &headers, &chunked).status,
        413
    );
    let zipped = [("content-encoding", "gzip")];
    assert_eq!(
        request(server.public, "POST", "/mcp", &zipped, b"{}").status,
        415
    );
    assert_eq!(
        request(server.public, "POST", "/mcp", &[], &[b' '; 1000]).status,
        400
    );
}
