//! A proxy of connections in front of the server: whom its preamble names is who counts, and a
//! preamble of anybody else is no way in (attacks D7 and D14).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::process::{PATIENCE, Reply, Server, call, call_headers, exai, parse, serve, wait_for};

/// A server behind a proxy of connections, which is this machine.
const BEHIND: [&str; 3] = [
    "--demo",
    "server.trusted_proxies=127.0.0.1",
    "server.proxy_protocol=true",
];

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Starts one with these settings as well.
fn behind(more: &[&str]) -> Server {
    serve(&[&BEHIND, more].concat(), &[])
}

/// A preamble of version 2: command and family, and what follows.
fn preamble([command, family]: [u8; 2], rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE.as_slice(), &[command, family], &length, rest].concat()
}

/// One that names a client of 198.51.100.0/24, with a note of three bytes as proxies add them.
fn of_client(number: u8) -> Vec<u8> {
    let ends = [198, 51, 100, number, 127, 0, 0, 1, 0x30, 0x39, 0x1f, 0x8f];
    preamble([0x21, 0x11], &[ends.as_slice(), &[0x04, 0, 0]].concat())
}

/// The answer to one call on a connection that begins with these bytes; status 0 when it is closed
/// without one.
fn ask(server: &Server, opening: &[u8], more: &[(&str, &str)]) -> Reply {
    let body = call("version", json!({})).to_string();
    let mut head = format!("POST /mcp HTTP/1.1\r\nhost: {}\r\n", server.public);
    let usual = [
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("connection", "close"),
    ];
    for (name, value) in usual.iter().chain(&call_headers("version")).chain(more) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    let mut stream = TcpStream::connect(server.public).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Whoever closes at once may do so before all was sent.
    let _ = stream.write_all(&[opening, head.as_bytes()].concat());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    parse(&answer)
}

/// Waits for so many lines in the record that say why a connection was closed.
fn recorded(server: &Server, count: usize) {
    wait_for("the audit lines", || {
        let text = std::fs::read_to_string(server.state.path().join("audit.jsonl")).ok()?;
        let found = text.matches("\"preamble\"").count();
        (found == count).then_some(())
    });
}

#[test]
fn whom_the_preamble_of_a_trusted_proxy_names_is_who_is_counted_whatever_a_header_says() {
    let server = behind(&["limits.rate.address=3"]);
    wait_for("a refusal of the hot one", || {
        (ask(&server, &of_client(1), &[]).status == 429).then_some(())
    });
    let mut forged = 0;
    wait_for("a refusal of the hot one under ever new names", || {
        forged = (forged + 1) % 250;
        let name = format!("203.0.113.{forged}");
        let reply = ask(&server, &of_client(1), &[("x-forwarded-for", &name)]);
        (reply.status == 429).then_some(())
    });
    assert_eq!(ask(&server, &of_client(2), &[]).status, 200);
    // A proxy asks for itself, as its health checks do.
    assert_eq!(ask(&server, &preamble([0x20, 0], &[]), &[]).status, 200);
    recorded(&server, 0);
}

#[test]
fn a_trusted_proxys_connection_without_a_whole_preamble_is_closed_and_on_record() {
    let server = behind(&["limits.header_timeout=2s"]);
    let wrong = [
        Vec::new(),
        b"PROXY TCP4 198.51.100.7 127.0.0.1 12345 8079\r\n".to_vec(),
        preamble([0x21, 0x11], &[198, 51, 100, 7]),
        preamble([0x21, 0x12], &[0; 12]),
        preamble([0x21, 0x11], &vec![0; 65_535]),
        [of_client(1), of_client(2)].concat(),
    ];
    for opening in &wrong {
        let reply = ask(&server, opening, &[]);
        assert_eq!(reply.status, 0, "{:?}: {reply:?}", opening.get(..40));
    }
    recorded(&server, wrong.len());
    assert_eq!(ask(&server, &of_client(1), &[]).status, 200);
}

#[test]
fn a_preamble_that_nobody_asked_for_is_never_believed_closes_the_connection_and_is_on_record() {
    for trusted in ["[]", "[\"127.0.0.1\"]"] {
        let trusted = format!("server.trusted_proxies={trusted}");
        let server = serve(&["--demo", &trusted], &[]);
        assert_eq!(ask(&server, &of_client(1), &[]).status, 0);
        recorded(&server, 1);
        assert_eq!(ask(&server, &[], &[]).status, 200);
    }
}

#[test]
fn a_strangers_preamble_is_noticed_in_whatever_pieces_it_comes() {
    let server = serve(&["--demo"], &[]);
    let opening = of_client(1);
    for cut in 1..SIGNATURE.len() {
        let mut stream = TcpStream::connect(server.public).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&opening[..cut]).unwrap();
        let _ = stream.write_all(&opening[cut..]);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, Vec::<u8>::new(), "cut at {cut}");
        recorded(&server, cut);
    }
}

#[test]
fn a_preamble_that_does_not_come_in_time_closes_the_connection_and_is_on_record() {
    let server = behind(&["limits.header_timeout=1s"]);
    let mut stream = TcpStream::connect(server.public).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let started = Instant::now();
    stream.write_all(&of_client(1)[..20]).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let waited = started.elapsed();
    assert_eq!(answer, Vec::<u8>::new());
    assert!(
        waited >= Duration::from_millis(900) && waited < PATIENCE / 2,
        "{waited:?}"
    );
    recorded(&server, 1);
}

#[test]
fn an_overloaded_server_closes_on_a_strangers_preamble_too_and_reads_that_of_its_proxy() {
    let full = "limits.connections=1";
    let hold = |server: &Server, opening: &[u8]| {
        let mut held = TcpStream::connect(server.public).unwrap();
        held.write_all(opening).unwrap();
        held
    };
    let plain = serve(&["--demo", full], &[]);
    let _held = hold(&plain, b"GET / HTTP/1.1\r\n");
    wait_for("the server to be full", || {
        (ask(&plain, &[], &[]).status == 429).then_some(())
    });
    assert_eq!(ask(&plain, &of_client(1), &[]).status, 0);
    recorded(&plain, 1);

    let proxied = behind(&[full]);
    let _held = hold(&proxied, &of_client(9));
    wait_for("the server to be full", || {
        (ask(&proxied, &of_client(1), &[]).status == 429).then_some(())
    });
    assert_eq!(ask(&proxied, &[], &[]).status, 0);
    recorded(&proxied, 1);
}

#[test]
fn asking_for_preambles_without_naming_the_proxies_is_refused_with_the_key() {
    let output = exai(&[])
        .args(["check", "--set", "server.proxy_protocol=true"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("server.proxy_protocol"), "{said}");
}
