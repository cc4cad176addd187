//! A connection over the limit is told so, in the words it came with: 429 for HTTP, close code 1008
//! for a WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::door::Counted;
use super::refusal::{Asked, Desk, Refusal};
use super::ws;
use crate::protocol::caller::Transport;

/// How long a refused connection may take to hear it.
const TELLING: Duration = Duration::from_secs(1);

/// How long it may take to say whether it is a WebSocket.
const LISTENING: Duration = Duration::from_millis(200);

/// Bytes of its head that are looked at.
const HEAD: usize = 4096;

/// Tells a connection over the limit why, without doing what it wants.
pub async fn turn_away(
    mut stream: TcpStream,
    peer: SocketAddr,
    desk: Desk,
    (reason, told): (&'static str, Option<Counted<()>>),
) {
    let head = match told {
        Some(_) => head_of(&mut stream).await,
        None => HeaderMap::new(),
    };
    let key = head.get("sec-websocket-key");
    let message = "Too many connections; close one and try again.";
    let refusal = Refusal::over_count(reason, message);
    let transport = key.map_or(Transport::Http, |_| Transport::WebSocket);
    let asked = Asked::to_connect(peer, transport);
    let body = refusal
        .to_json(&Value::Null, &asked.correlation_id)
        .to_string();
    let correlation_id = Arc::clone(&asked.correlation_id);
    desk.record(&refusal, &asked).await;
    if told.is_none() {
        return;
    }
    let answer = match key {
        Some(key) => closed(key, &head, &correlation_id),
        None => refused(&body, &correlation_id),
    };
    let telling = async {
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        // Closing with unread bytes would reset the connection before the answer is read.
        let mut sink = [0; 4096];
        while stream.read(&mut sink).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    let _ = tokio::time::timeout(TELLING, telling).await;
}

fn refused(body: &str, correlation_id: &str) -> Vec<u8> {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
         exai-correlation-id: {correlation_id}\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    text.into_bytes()
}

/// An upgrade, and the close frame at once.
fn closed(key: &HeaderValue, head: &HeaderMap, correlation_id: &str) -> Vec<u8> {
    let accept = derive_accept_key(key.as_bytes());
    let dialect = ws::spoken(head).map_or(String::new(), |name| {
        format!("sec-websocket-protocol: {name}\r\n")
    });
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n{dialect}\
         exai-correlation-id: {correlation_id}\r\n\r\n"
    )
    .into_bytes();
    let reason = b"too many connections; close one and try again";
    let length = 2 + reason.len() as u8;
    answer.extend([0x88, length]);
    answer.extend(1008_u16.to_be_bytes());
    answer.extend(reason);
    answer
}

/// The headers of the first request, as far as they come in time; only whole lines count.
async fn head_of(stream: &mut TcpStream) -> HeaderMap {
    let mut bytes = Vec::with_capacity(HEAD);
    let reading = async {
        while bytes.len() < HEAD && !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read_buf(&mut bytes).await {
                Ok(length) if length > 0 => {}
                _ => return,
            }
        }
    };
    let _ = tokio::time::timeout(LISTENING, reading).await;
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let pairs = lines.filter_map(|(name, value)| {
        let name: HeaderName = name.parse().ok()?;
        Some((name, HeaderValue::from_str(value.trim()).ok()?))
    });
    pairs.collect()
}
