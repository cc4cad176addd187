//! Frames that no good client sends, limits, and the close code that answers each.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::process::{PATIENCE, Server, serve, wait_for};
use super::socket::{Socket, open, tool_call};

/// An upgraded connection without a WebSocket library on this side.
fn raw(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.public).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "GET /ws HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: mcp\r\n\r\n",
        server.public
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    stream
}

/// A frame masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// The code of the close frame that comes back, and that the server then closes the connection.
fn close_code(stream: &mut TcpStream) -> u16 {
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    assert_eq!(said.first(), Some(&0x88), "no close frame first: {said:?}");
    u16::from_be_bytes([said[2], said[3]])
}

#[test]
fn a_broken_frame_is_answered_with_the_code_of_its_fault() {
    let server = serve(&["--demo"], &[]);
    let unmasked = vec![0x81, 2, b'{', b'}'];
    let table: [(&str, Vec<Vec<u8>>, u16); 9] = [
        ("unmasked", vec![unmasked], 1002),
        ("reserved bits", vec![frame(0xf1, b"{}")], 1002),
        ("reserved opcode", vec![frame(0x83, b"{}")], 1002),
        ("fragmented ping", vec![frame(0x09, b"x")], 1002),
        ("long ping", vec![frame(0x89, &[0; 126])], 1002),
        ("continuation without start", vec![frame(0x80, b"x")], 1002),
        (
            "text that is no UTF-8",
            vec![frame(0x81, b"\xc3\x28")],
            1007,
        ),
        (
            "the same in two fragments",
            vec![frame(0x01, b"\xc3"), frame(0x80, b"\x28")],
            1007,
        ),
        ("binary", vec![frame(0x82, b"{}")], 1003),
    ];
    for (what, frames, code) in table {
        let mut stream = raw(&server);
        for bytes in frames {
            stream.write_all(&bytes).unwrap();
        }
        assert_eq!(close_code(&mut stream), code, "{what}");
    }
    let mut socket = Socket::mcp(&server, &[]);
    let said = socket.ask(tool_call(2, "version", json!({})));
    assert_eq!(said["result"]["isError"], false, "{said}");
}

#[test]
fn a_message_at_the_limit_is_taken_and_one_byte_more_closes_with_1009() {
    let server = serve(&["--demo", "limits.body_bytes=5000"], &[]);
    let ping = |length: usize| {
        let text = r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#;
        format!("{text}{}", " ".repeat(length - text.len()))
    };
    let mut socket = Socket::mcp(&server, &[]);
    socket.say_text(&ping(5000));
    assert!(socket.hear().unwrap()["result"].is_object());
    socket.say_text(&ping(5001));
    assert_eq!(socket.closed(), 1009);
    // In endless small fragments, none of which is over the limit.
    let mut stream = raw(&server);
    stream.write_all(&frame(0x01, &[b' '; 100])).unwrap();
    while stream.write_all(&frame(0x00, &[b' '; 100])).is_ok() {
        stream.set_nonblocking(true).unwrap();
        let is_answered = stream.peek(&mut [0]).is_ok();
        stream.set_nonblocking(false).unwrap();
        if is_answered {
            break;
        }
    }
    assert_eq!(close_code(&mut stream), 1009);
}

/// The most memory that a process ever held, in bytes.
fn peak(server: &Server) -> u64 {
    let path = format!("/proc/{}/status", server.child.id());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kilobytes * 1024
}

/// What twenty messages of 24 MB each, one after the other, add to the peak.
fn growth(settings: &[&str]) -> u64 {
    let server = serve(settings, &[]);
    Socket::mcp(&server, &[]);
    let before = peak(&server);
    let piece = vec![b' '; 60_000];
    for _ in 0..20 {
        let mut stream = raw(&server);
        for number in 0..400 {
            let first = if number == 0 { 0x01 } else { 0x00 };
            if stream.write_all(&frame(first, &piece)).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    peak(&server) - before
}

#[test]
fn messages_over_the_limit_leave_memory_flat() {
    const MEBIBYTE: u64 = 1 << 20;
    let (kept, control) = (
        growth(&["--demo"]),
        growth(&["--demo", "limits.body_bytes=67108864"]),
    );
    assert!(
        kept < 20 * MEBIBYTE,
        "{kept} bytes more at a limit of 4 MiB"
    );
    // The same floods below a limit that lets them in.
    assert!(
        control > 20 * MEBIBYTE,
        "the floods are too small to show: {control} bytes"
    );
}

#[test]
fn a_flood_of_pings_is_closed_with_1008() {
    let server = serve(&["--demo"], &[]);
    let mut stream = raw(&server);
    for _ in 0..100 {
        // Late ones may meet a connection that is closed already.
        let _ = stream.write_all(&frame(0x89, b""));
    }
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    let at = said.windows(2).position(|pair| pair[0] == 0x88).unwrap();
    assert_eq!(u16::from_be_bytes([said[at + 2], said[at + 3]]), 1008);
}

#[test]
fn a_silent_peer_is_closed_after_ping_and_timeout_and_one_that_answers_stays() {
    let settings = [
        "--demo",
        "limits.ping_interval=400ms",
        "limits.ping_timeout=400ms",
    ];
    let server = serve(&settings, &[]);
    let mut answering = Socket::mcp(&server, &[]);
    let mut silent = raw(&server);
    let started = Instant::now();
    let mut said = Vec::new();
    let reading = std::thread::spawn(move || {
        silent.read_to_end(&mut said).unwrap();
        (said, started.elapsed())
    });
    // Reading is what makes this client answer pings.
    answering.patience(Duration::from_millis(100));
    while !reading.is_finished() {
        assert!(
            started.elapsed() < PATIENCE,
            "the silent peer was not closed"
        );
        let _ = answering.0.read();
    }
    let (said, took) = reading.join().unwrap();
    assert_eq!(said[..2], [0x89, 0], "no ping first: {said:?}");
    assert_eq!(u16::from_be_bytes([said[4], said[5]]), 1011, "{said:?}");
    assert!(took >= Duration::from_millis(800), "{took:?}");
    answering.patience(PATIENCE);
    let pong = answering.ask(json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}));
    assert!(pong["result"].is_object(), "{pong}");
}

#[test]
fn an_upgraded_connection_counts_until_it_ends() {
    let settings = [
        "--demo",
        "limits.connections_per_address=2",
        "limits.connection_idle=1s",
    ];
    let server = serve(&settings, &[]);
    let mut held = Socket::mcp(&server, &[]);
    let other = Socket::mcp(&server, &[]);
    let refused = super::process::request(server.public, "GET", "/ws", &[], b"");
    assert_eq!(refused.status, 429, "{refused:?}");
    let mut third = open(&server, "mcp", &[]).unwrap();
    assert_eq!(third.closed(), 1008);
    let audit = server.state.path().join("audit.jsonl");
    wait_for("an audit line for each", || {
        let text = std::fs::read_to_string(&audit).unwrap_or_default();
        (text.matches("\"connections_per_address\"").count() == 2).then_some(())
    });
    drop(other);
    wait_for("the place", || open(&server, "mcp", &[]).ok());
    // The clock of idle HTTP connections is not theirs.
    let started = Instant::now();
    held.patience(Duration::from_millis(1500));
    assert!(held.0.read().is_err());
    assert!(started.elapsed() >= Duration::from_millis(1500));
    held.patience(PATIENCE);
    held.0
        .send(Message::text(
            tool_call(2, "version", json!({})).to_string(),
        ))
        .unwrap();
    assert_eq!(held.hear().unwrap()["result"]["isError"], false);
}

#[test]
fn the_session_after_the_last_is_closed_with_1008() {
    let server = serve(&["--demo", "limits.sessions=1"], &[]);
    let first = Socket::mcp(&server, &[]);
    let mut second = open(&server, "mcp", &[]).unwrap();
    assert_eq!(second.closed(), 1008);
    drop(first);
    wait_for("the place", || {
        let mut socket = open(&server, "mcp", &[]).unwrap();
        socket.say(&super::process::initialize());
        socket.hear().ok()
    });
}

#[test]
fn a_client_that_does_not_read_is_left_and_its_neighbour_is_not_disturbed() {
    let rates = ["limits.rate.principal=100000", "limits.rate.address=100000"];
    let server = serve(
        &["--demo", "limits.write_timeout=500ms", rates[0], rates[1]],
        &[],
    );
    let mut deaf = Socket::mcp(&server, &[]);
    deaf.0
        .get_ref()
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    // Every answer is some twenty kilobytes that nobody takes.
    let started = Instant::now();
    let mut id = 1;
    loop {
        id += 1;
        let mut list = list.clone();
        list["id"] = json!(id);
        let sent = deaf.0.send(Message::text(list.to_string()));
        if let Err(Error::Io(error)) = &sent
            && !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
        {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the server still holds on");
    }
    let mut other = Socket::mcp(&server, &[]);
    let said = other.ask(tool_call(2, "version", json!({})));
    assert_eq!(said["result"]["isError"], false, "{said}");
    wait_for("the session to be gone", || {
        let metrics = server.admin("/metrics", &[]).body;
        metrics.contains("\nexai_sessions 1\n").then_some(())
    });
}

#[test]
fn the_connection_after_the_last_of_all_is_closed_with_1008_and_counted() {
    let server = serve(&["--demo", "limits.connections=1"], &[]);
    let first = Socket::mcp(&server, &[]);
    assert_eq!(open(&server, "exai.v1", &[]).unwrap().closed(), 1008);
    let counted = "exai_denials_total{reason=\"connections\"} 1";
    let metrics = server.admin("/metrics", &[]).body;
    assert!(metrics.contains(counted), "{metrics}");
    drop(first);
    wait_for("the place", || {
        let mut socket = open(&server, "mcp", &[]).unwrap();
        socket.say(&super::process::initialize());
        socket.hear().ok()
    });
}
