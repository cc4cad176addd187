//! The daemon proves itself before a bridge shows it a token.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use super::piped::Bridge;
use super::process::{Server, exai, initialize, serve, serve_jwt, token};
use super::socket::tool_call;

/// Listens, answers everything with this, and keeps what it heard.
fn impostor(answer: &'static str) -> (String, std::sync::mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let (send, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut bytes = Vec::new();
            let mut part = [0; 4096];
            let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
            let mut is_answered = false;
            while let Ok(length @ 1..) = stream.read(&mut part) {
                bytes.extend_from_slice(&part[..length]);
                if !is_answered && bytes.ends_with(b"\r\n\r\n") {
                    is_answered = true;
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
            let _ = send.send(bytes);
        }
    });
    (url, heard)
}

#[test]
fn a_stranger_on_the_port_gets_no_token() {
    let server = serve_jwt(&["--demo"]);
    let secret = token("alice", &["user"]);
    let wrong = "HTTP/1.1 204 No Content\r\nexai-proof: 00ff00ff\r\n\r\n";
    let silent = "HTTP/1.1 204 No Content\r\n\r\n";
    let eager = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
                 connection: upgrade\r\n\r\n";
    for answer in [wrong, silent, eager] {
        let (url, heard) = impostor(answer);
        let env = [("EXAI_TOKEN", secret.as_str())];
        let mut bridge = Bridge::start(&url, server.state.path(), &[], &env);
        let said = bridge.ask(&initialize());
        assert_eq!(said["error"]["data"]["code"], "daemon_unproven", "{said}");
        let bytes = heard.recv_timeout(super::process::PATIENCE).unwrap();
        let bytes = String::from_utf8_lossy(&bytes);
        assert!(bytes.contains("exai-challenge"), "{bytes}");
        assert!(!bytes.to_lowercase().contains("authorization"), "{bytes}");
        assert!(!bytes.contains(&secret));
    }
    // The same token and folder at the real one.
    Bridge::to(&server, &[("EXAI_TOKEN", &secret)]).begin();
}

#[test]
fn a_bridge_that_cannot_be_safe_does_not_start_and_says_why() {
    let state = tempfile::tempdir().unwrap();
    let dir = format!("server.state_dir={}", state.path().display());
    let table = [
        ("ws://127.0.0.1:1/ws", "EXAI_DAEMON_KEY"),
        ("ws://exai.example.com/ws", "wss://"),
        ("http://127.0.0.1:1/ws", "neither ws:// nor wss://"),
    ];
    for (url, wanted) in table {
        let output = exai(&[("EXAI_TOKEN", "t")])
            .args(["bridge", "--url", url, "--set", &dir])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(64), "{url}");
        assert!(output.stdout.is_empty());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(wanted), "{url}: {said}");
    }
}

#[test]
fn the_proof_is_the_keys_and_is_asked_for_with_a_long_challenge() {
    let key = "5e8d7c6b4a39281706f5e4d3c2b1a098";
    let ask = |server: &Server, challenge: &str| {
        let headers = [("exai-challenge", challenge)];
        super::process::request(server.public, "GET", "/ws/proof", &headers, b"")
    };
    let challenge = "c".repeat(40);
    let proof = |key: &str| {
        let server = serve(&["--demo"], &[("EXAI_DAEMON_KEY", key)]);
        let reply = ask(&server, &challenge);
        assert_eq!(reply.status, 204, "{reply:?}");
        for bad in ["", "short", &"x".repeat(129), &"é".repeat(40)] {
            assert_eq!(ask(&server, bad).status, 400, "{bad}");
        }
        reply.header("exai-proof").unwrap().to_owned()
    };
    assert_eq!(proof(key), proof(key));
    assert_ne!(proof(key), proof("0a5e8d7c6b4a39281706f5e4d3c2b1a0"));
}

#[test]
fn over_tls_the_certificate_is_the_proof() {
    let server = serve_jwt(&["--demo"]);
    let dir = tempfile::tempdir().unwrap();
    let Some(front) = super::front::start(dir.path(), server.public) else {
        return;
    };
    let url = format!("wss://localhost:{}/ws", front.address.port());
    let good = token("alice", &["user"]);
    let trusted = front.certificate.to_str().unwrap();
    let env = [("EXAI_TOKEN", good.as_str()), ("SSL_CERT_FILE", trusted)];
    // A folder without a key: none is needed.
    let mut bridge = Bridge::start(&url, dir.path(), &[], &env);
    bridge.begin();
    let said = bridge.ask(&tool_call(7, "version", json!({})));
    assert_eq!(said["result"]["isError"], false, "{said}");
    let mut bridge = Bridge::start(&url, dir.path(), &[], &env[..1]);
    let said = bridge.ask(&initialize());
    assert_eq!(said["error"]["data"]["code"], "daemon_unproven", "{said}");
}
