use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use super::process::{PATIENCE, Server, call, serve, wait_for};

/// A provider that takes requests and never answers.
struct Silent {
    url: String,
    taken: std::sync::mpsc::Receiver<TcpStream>,
}

fn silent() -> Silent {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "provider.kimi.base_url=http://{}/v1",
        listener.local_addr().unwrap()
    );
    let (send, taken) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if send.send(stream).is_err() {
                return;
            }
        }
    });
    Silent { url, taken }
}

fn serve_silent(provider: &Silent, more: &[&str]) -> Server {
    let mut settings = vec![provider.url.as_str(), "provider.kimi.allow_private=true"];
    settings.extend(more);
    serve(&settings, &[("KIMI_API_KEY", "sk-0123456789abcdef")])
}

/// Sends a call that will hang and leaves its answer on the wire.
fn hang(server: &Server) -> BufReader<TcpStream> {
    let body = call("chat", json!({"prompt": "hello"})).to_string();
    let mut stream = TcpStream::connect(server.public).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\naccept: application/json, text/event-stream\r\n\
         content-type: application/json\r\nmcp-protocol-version: 2026-07-28\r\n\
         mcp-method: tools/call\r\nmcp-name: chat\r\ncontent-length: {}\r\n\r\n{body}",
        server.public,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    BufReader::new(stream)
}

#[test]
fn a_silent_call_becomes_a_stream_with_comments_before_the_provider_says_anything() {
    let provider = silent();
    let server = serve_silent(
        &provider,
        &["limits.stream_after=300ms", "limits.stream_comment=200ms"],
    );
    let mut lines = hang(&server).lines();
    let mut comments = 0;
    assert!(lines.next().unwrap().unwrap().contains("200"));
    while comments < 3 {
        let line = lines.next().unwrap().unwrap();
        comments += usize::from(line.starts_with(": "));
    }
    assert!(provider.taken.recv_timeout(PATIENCE).is_ok());
}

#[test]
fn sigterm_turns_readiness_red_first_and_ends_within_the_limit() {
    let provider = silent();
    let mut server = serve_silent(&provider, &["server.drain=2s"]);
    wait_for("readiness", || {
        (server.admin("/health/ready", &[]).status == 200).then_some(())
    });
    let mut answer = hang(&server);
    wait_for("the call in flight", || {
        let metrics = server.admin("/metrics", &[]);
        metrics.body.contains("\nexai_in_flight 1\n").then_some(())
    });
    let started = Instant::now();
    server.signal(Signal::SIGTERM);
    wait_for("red readiness", || {
        (server.admin("/health/ready", &[]).status == 503).then_some(())
    });
    wait_for("a closed public listener", || {
        TcpStream::connect(server.public).err().map(drop)
    });
    assert_eq!(server.admin("/health/live", &[]).status, 200);
    let status = wait_for("the exit", || server.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    let took = started.elapsed();
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(9),
        "{took:?}"
    );
    let mut rest = String::new();
    let _ = std::io::Read::read_to_string(&mut answer, &mut rest);
}

/// Opens a session's standing stream; what comes after the line of its status.
fn standing(server: &Server, session: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(server.public).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "GET /mcp HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\n\
         mcp-session-id: {session}\r\n\
         mcp-protocol-version: 2025-11-25\r\n\r\n",
        server.public
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.contains("200"), "{line}");
    stream
}

#[test]
fn an_idle_server_ends_at_once_though_a_client_keeps_a_stream_open() {
    let mut server = serve(&["--demo"], &[]);
    let session = server.session(&[]);
    let _stream = standing(&server, &session);
    let started = Instant::now();
    server.signal(Signal::SIGINT);
    let status = wait_for("the exit", || server.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_standing_stream_ends_at_its_age_and_another_may_be_opened() {
    let server = serve(&["--demo", "limits.stream_age=1s"], &[]);
    let session = server.session(&[]);
    for _ in 0..2 {
        let started = Instant::now();
        let lines = standing(&server, &session).lines();
        // The chunk that ends a body, not a connection that broke.
        let ended = lines.map_while(Result::ok).any(|line| line == "0");
        let took = started.elapsed();
        assert!(ended && took >= Duration::from_millis(900), "{took:?}");
        assert!(took < Duration::from_secs(9), "{took:?}");
    }
}
