//! A connection that is upgraded on the client edge: bytes both ways, whatever the spoiler.

use std::time::Duration;

use exai_mocks::impostor::registry::{self, Edge};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::rig::Impostor;

const LONG: Duration = Duration::from_secs(10);

const ASKED: &str = "GET /ws HTTP/1.1\r\nHost: exai.test\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
    Sec-WebSocket-Protocol: mcp\r\nOrigin: http://localhost\r\n\r\n";

const TAKEN: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Protocol: mcp\r\nexai-instance: i-1\r\n\r\n";

/// Bytes that are neither text nor HTTP.
const BYTES: [u8; 6] = [0x81, 0x00, 0xff, b'\r', b'\n', 0x88];

/// Reads up to the empty line.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

/// Takes one upgrade, speaks first, sends everything back and closes after six bytes.
async fn serve(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let head = head(&mut stream).await;
    let first = [TAKEN.as_bytes(), &BYTES].concat();
    stream.write_all(&first).await.unwrap();
    let mut bytes = [0; BYTES.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    head
}

async fn speak(url: &str) {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(ASKED.as_bytes()).await.unwrap();
    let head = head(&mut stream).await;
    let lines: Vec<&str> = head.lines().collect();
    for line in TAKEN.to_lowercase().lines() {
        assert!(lines.contains(&line), "{line:?} is not in {head:?}");
    }
    let mut bytes = [0; BYTES.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, BYTES);
    stream.write_all(&BYTES).await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, BYTES, "what came back, and then the server's end");
}

#[tokio::test]
async fn an_upgraded_connection_passes_every_byte_with_every_spoiler() {
    let of_clients = registry::all().filter(|row| row.edges.contains(&Edge::Client));
    let names: Vec<_> = of_clients.map(|row| row.name).collect();
    assert!(names.contains(&"none") && names.len() > 10, "{names:?}");
    for name in names {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = format!("http://{}", listener.local_addr().unwrap());
        let impostor = Impostor::start("client", name, &upstream, None);
        // More than once: which side of the impostor notices the upgrade first is a race.
        for _ in 0..5 {
            let both = async { tokio::join!(serve(&listener), speak(&impostor.url)) };
            let (head, ()) = timeout(LONG, both).await.expect(name);
            for line in ["upgrade: websocket", "sec-websocket-protocol: mcp"] {
                assert!(head.contains(line), "{name}: {line:?} is not in {head:?}");
            }
        }
        impostor.end();
    }
}
