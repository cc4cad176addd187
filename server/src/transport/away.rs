//! A connection over the limit is told so, in the words it came with: 429 for HTTP, close code 1008
//! for a WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::door::Counted;
use super::preamble::{self, Misplaced};
use super::refusal::{Asked, Desk, Refusal};
use super::ws;
use crate::protocol::caller::Transport;

/// How long a refused connection may take to hear it.
const TELLING: Duration = Duration::from_secs(1);

/// How long it may take to say whether it is a WebSocket.
const LISTENING: Duration = Duration::from_millis(200);

/// Bytes of its head that are looked at.
const HEAD: usize = 4096;

/// Why a connection is turned away, and how.
pub struct Away {
    /// The limit it is over.
    pub reason: &'static str,
    /// Its place among those that are told; without one it is closed unheard.
    pub told: Option<Counted<()>>,
    /// Whether its peer must begin it with a preamble, which was not read yet.
    pub asks_preamble: bool,
}

/// Tells a connection over the limit why, without doing what it wants. One that does not begin as
/// it must is closed without a word.
pub async fn turn_away(mut stream: TcpStream, peer: SocketAddr, desk: Desk, away: Away) {
    let Away { reason, told, .. } = away;
    let mut peer = peer;
    let head = match &told {
        None => HeaderMap::new(),
        Some(_) => match listen(&mut stream, away.asks_preamble).await {
            Ok((source, head)) => {
                peer = source.unwrap_or(peer);
                head
            }
            Err(Misplaced) => {
                let asked = Asked::to_connect(peer, Transport::Http);
                desk.record(&Refusal::misplaced(), &asked).await;
                return;
            }
        },
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

/// Whom the preamble names, where there is to be one, and the headers of the first request, as far
/// as they come in time; only whole lines count.
async fn listen(
    stream: &mut (impl AsyncRead + Unpin),
    asks_preamble: bool,
) -> Result<(Option<SocketAddr>, HeaderMap), Misplaced> {
    let source = match asks_preamble {
        true => preamble::read(stream, LISTENING).await?,
        false => None,
    };
    let mut bytes = Vec::with_capacity(HEAD);
    let reading = async {
        while bytes.len() < HEAD && !is_read(&bytes) {
            match stream.read_buf(&mut bytes).await {
                Ok(length) if length > 0 => {}
                _ => return,
            }
        }
    };
    let _ = tokio::time::timeout(LISTENING, reading).await;
    if preamble::is_one(&bytes) {
        return Err(Misplaced);
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let pairs = lines.filter_map(|(name, value)| {
        let name: HeaderName = name.parse().ok()?;
        Some((name, HeaderValue::from_str(value.trim()).ok()?))
    });
    Ok((source, pairs.collect()))
}

/// Whether the head has ended. A preamble holds the end of a head within its signature.
fn is_read(bytes: &[u8]) -> bool {
    let has_end = || bytes.windows(4).any(|end| end == b"\r\n\r\n");
    !preamble::may_become_one(bytes) && has_end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::preamble::tests::OF_CLIENT;

    /// What is heard of a peer that sends these bytes one at a time and waits.
    async fn heard(bytes: &[u8], asks: bool) -> Result<(Option<SocketAddr>, HeaderMap), Misplaced> {
        let (mut peer, mut server) = tokio::io::duplex(1);
        let bytes = bytes.to_vec();
        let sending = tokio::spawn(async move {
            let _ = peer.write_all(&bytes).await;
            std::future::pending::<()>().await;
        });
        let heard = listen(&mut server, asks).await;
        sending.abort();
        heard
    }

    #[tokio::test(start_paused = true)]
    async fn a_preamble_that_nobody_asked_for_is_heard_byte_by_byte() {
        let signature = b"\r\n\r\n\0\r\nQUIT\n";
        assert_eq!(heard(signature, false).await, Err(Misplaced));
        let (_, head) = heard(&signature[..11], false).await.unwrap();
        assert!(head.is_empty());
        let upgrade = b"GET /ws HTTP/1.1\r\nsec-websocket-key: k\r\n\r\n";
        let (_, head) = heard(upgrade, false).await.unwrap();
        assert_eq!(head["sec-websocket-key"], "k");
    }

    #[tokio::test(start_paused = true)]
    async fn behind_a_preamble_that_is_asked_for_the_head_is_heard_and_without_one_nothing_is() {
        let upgrade = &b"GET /ws HTTP/1.1\r\nsec-websocket-key: k\r\n\r\n"[..];
        let (source, head) = heard(&[&OF_CLIENT[..], upgrade].concat(), true)
            .await
            .unwrap();
        assert_eq!(source.unwrap().to_string(), "198.51.100.7:12345");
        assert_eq!(head["sec-websocket-key"], "k");
        assert_eq!(heard(upgrade, true).await, Err(Misplaced));
    }
}
