//! A WebSocket whose frames are written byte by byte, for those that no client would send.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::{RawReply, RawRequest, Source, parse, troubled};
use crate::client::http::lane;
use crate::client::trouble::io_words;

/// The first byte of a whole text frame.
pub const TEXT: u8 = 0x81;
/// The first byte of a close frame.
pub const CLOSE: u8 = 0x88;
/// The first byte of a ping.
pub const PING: u8 = 0x89;
/// Any four bytes mask as well as any other.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What came next.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A text frame that holds JSON.
    Message(Value),
    /// A close frame with this code; 1005 when it has none.
    Close(u16),
    /// No close frame: `reset`, `closed`, `timeout`, or text that is no JSON.
    Trouble(String),
}

/// An upgraded connection; everything on it ends at one moment.
pub struct RawSocket {
    stream: TcpStream,
    read: Vec<u8>,
    until: Instant,
}

/// The head of an upgrade of `path`, with the subprotocol when there is one.
#[must_use]
pub fn upgrade(path: &str, host: &str, protocol: Option<&str>) -> RawRequest {
    let head = RawRequest::line(&format!("GET {path} HTTP/1.1"))
        .header("Host", host)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    match protocol {
        Some(protocol) => head.header("Sec-WebSocket-Protocol", protocol),
        None => head,
    }
}

/// A frame with this first byte, masked as a client must.
#[must_use]
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let masked = payload
        .iter()
        .zip(MASK.iter().cycle())
        .map(|(byte, mask)| byte ^ mask);
    let mut bytes = head(first, 0x80, payload.len());
    bytes.extend_from_slice(&MASK);
    bytes.extend(masked);
    bytes
}

/// The same, not masked.
#[must_use]
pub fn bare_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, 0, payload.len());
    bytes.extend_from_slice(payload);
    bytes
}

fn head(first: u8, masked: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => bytes.push(masked | short),
        (_, Ok(middle)) => {
            bytes.push(masked | 126);
            bytes.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend_from_slice(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    bytes
}

impl RawSocket {
    /// Upgrades a connection; all of its life ends after `wait`.
    ///
    /// # Errors
    /// The reply when it is no upgrade.
    pub async fn open(
        address: SocketAddr,
        source: impl Into<Source>,
        request: &RawRequest,
        wait: Duration,
    ) -> Result<Self, RawReply> {
        let source = source.into();
        let until = Instant::now() + wait;
        let failed = |words: &str| troubled(RawReply::default(), words);
        let stream = match timeout_at(until, lane::open(source.address, address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(failed(&io_words(&error))),
            Err(_late) => return Err(failed("timeout")),
        };
        let mut socket = Self {
            stream,
            read: Vec::new(),
            until,
        };
        socket.send(&source.sends(request)).await;
        let reply = socket.head().await;
        if reply.status == Some(101) {
            Ok(socket)
        } else {
            Err(RawReply {
                claimed: request.claimed(),
                ..reply
            })
        }
    }

    /// Reads the head of the answer, and the whole of it when it is no upgrade.
    async fn head(&mut self) -> RawReply {
        let end = loop {
            let end = self
                .read
                .windows(4)
                .position(|window| window == b"\r\n\r\n");
            match end {
                Some(end) => break end,
                None => {
                    if let Err(trouble) = self.more().await {
                        return troubled(RawReply::default(), &trouble);
                    }
                }
            }
        };
        let mut reply = RawReply::default();
        parse(&self.read, &mut reply);
        if reply.status == Some(101) {
            self.read.drain(..end + 4);
            return reply;
        }
        let trouble = super::finish(&mut self.stream, &mut self.read, self.until).await;
        parse(&self.read, &mut reply);
        reply.trouble = trouble;
        reply
    }

    /// Writes bytes; a peer that has gone shows in what is heard.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout_at(self.until, self.stream.write_all(bytes)).await;
    }

    /// Ends its own half of the connection without a close frame; the other half stays open.
    pub async fn end_half(&mut self) {
        let _ = timeout_at(self.until, self.stream.shutdown()).await;
    }

    /// Writes bytes, if the other end is still there to take them.
    pub async fn may_write(&mut self, bytes: &[u8]) -> bool {
        let wait = Duration::from_millis(200);
        match tokio::time::timeout(wait, self.stream.write_all(bytes)).await {
            Ok(written) => written.is_ok() && !matches!(self.stream.take_error(), Ok(Some(_))),
            // Its buffers are full: it is there, and does not read.
            Err(_full) => true,
        }
    }

    /// Writes a JSON message in one text frame.
    pub async fn say(&mut self, message: &Value) {
        self.send(&frame(TEXT, message.to_string().as_bytes()))
            .await;
    }

    /// The next message or the end; pings and pongs are passed over.
    pub async fn hear(&mut self) -> Heard {
        loop {
            if let Some((first, payload)) = self.take() {
                match first & 0x0f {
                    8 => {
                        let code = payload
                            .first_chunk()
                            .map_or(1005, |two| u16::from_be_bytes(*two));
                        return Heard::Close(code);
                    }
                    9 | 10 => {}
                    _ => {
                        let message = serde_json::from_slice(&payload);
                        let noise = |_| Heard::Trouble("no JSON".to_owned());
                        return message.map_or_else(noise, Heard::Message);
                    }
                }
            } else if let Err(trouble) = self.more().await {
                return Heard::Trouble(trouble);
            }
        }
    }

    /// The code of the close frame, whatever comes before it, or the trouble in words.
    pub async fn close_code(&mut self) -> String {
        loop {
            match self.hear().await {
                Heard::Message(_) => {}
                Heard::Close(code) => return code.to_string(),
                Heard::Trouble(trouble) => return trouble,
            }
        }
    }

    async fn more(&mut self) -> Result<(), String> {
        let mut buffer = vec![0; 16 * 1024];
        match timeout_at(self.until, self.stream.read(&mut buffer)).await {
            Ok(Ok(0)) => Err("closed".to_owned()),
            Ok(Ok(count)) => {
                self.read.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Ok(Err(error)) => Err(io_words(&error)),
            Err(_late) => Err("timeout".to_owned()),
        }
    }

    /// One whole frame of those that came.
    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, short) = (*self.read.first()?, *self.read.get(1)? & 0x7f);
        let (length, at) = match short {
            126 => (
                u64::from(u16::from_be_bytes(*self.read.get(2..)?.first_chunk()?)),
                4,
            ),
            127 => (u64::from_be_bytes(*self.read.get(2..)?.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        let end = at + usize::try_from(length).ok()?;
        let payload = self.read.get(at..end)?.to_vec();
        self.read.drain(..end);
        Some((first, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The masked frame of RFC 6455, section 5.7.
    #[test]
    fn a_masked_hello_is_the_one_of_the_standard() {
        let wanted = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        assert_eq!(frame(TEXT, b"Hello"), wanted);
        assert_eq!(bare_frame(TEXT, &[0; 256])[..4], [0x81, 126, 1, 0]);
        assert_eq!(bare_frame(TEXT, &[0; 65_536])[..4], [0x81, 127, 0, 0]);
    }
}
