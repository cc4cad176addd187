//! Bytes on a socket exactly as given, and what came back: for requests that no client would send.

mod request;
pub mod socket;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::client::http::{FORWARDED, lane};
use crate::client::trouble::io_words;
pub use request::RawRequest;

/// More of a reply than this is not read.
const REPLY_BYTES: usize = 8 * 1024 * 1024;

/// Where a request is sent from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The address, on loopback.
    pub address: Ipv4Addr,
    /// Whether it goes through a proxy that the server trusts, and says that address itself in
    /// `X-Forwarded-For`.
    pub forwarded: bool,
}

impl From<Ipv4Addr> for Source {
    /// Nobody stands between.
    fn from(address: Ipv4Addr) -> Self {
        Self {
            address,
            forwarded: false,
        }
    }
}

impl Source {
    /// The request as it leaves here.
    fn sends(self, request: &RawRequest) -> Vec<u8> {
        if self.forwarded {
            let said = request.clone();
            said.header(FORWARDED, self.address.to_string()).bytes()
        } else {
            request.bytes()
        }
    }
}

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawReply {
    /// Whom the request's credential names, as [`RawRequest::claimed`] tells; None where it was
    /// sent in pieces.
    pub claimed: Option<String>,
    /// The status of the first reply, if one came.
    pub status: Option<u16>,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, transfer coding removed, as far as it came.
    pub body: Vec<u8>,
    /// How it ended when it did not end well: `refused`, `reset`, `closed`, `timeout`.
    pub trouble: Option<String>,
}

impl RawReply {
    /// The first header of this name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The result in the words of the battery: a refusing status, the code of a JSON-RPC error, the
    /// category of a tool's failure, `accepted`, or the trouble when no status came.
    #[must_use]
    pub fn word(&self) -> String {
        match (self.status, &self.trouble) {
            (Some(status), _) if status >= 400 => status.to_string(),
            (Some(_), Some(trouble)) => trouble.clone(),
            (Some(_), None) => {
                let message = self.message().unwrap_or_default();
                refusal(&message).unwrap_or_else(|| "accepted".to_owned())
            }
            (None, trouble) => trouble.clone().unwrap_or_else(|| "closed".to_owned()),
        }
    }

    /// The first JSON message in the body, event stream or not.
    #[must_use]
    pub fn message(&self) -> Option<Value> {
        if let Ok(message) = serde_json::from_slice(&self.body) {
            return Some(message);
        }
        let frames = crate::client::sse::SseReader::default().push(&self.body);
        frames.into_iter().find_map(|frame| match frame {
            crate::client::sse::Frame::Data(text) => serde_json::from_str(&text).ok(),
            crate::client::sse::Frame::Comment => None,
        })
    }
}

/// What a message tells of a failure before any tool was asked: its code; None when it is none.
#[must_use]
pub fn code(message: &Value) -> Option<String> {
    // Each dialect keeps the one error object in a place of its own.
    let places = ["/error/data/code", "/error/details/code", "/details/code"];
    let mut found = places
        .iter()
        .filter_map(|place| message.pointer(place)?.as_str());
    found.next().map(str::to_owned)
}

/// What a message refuses with, if it does.
fn refusal(message: &Value) -> Option<String> {
    if let Some(code) = message["error"]["code"].as_i64() {
        return Some(code.to_string());
    }
    let result = &message["result"];
    let category = result["structuredContent"]["error"]["category"].as_str();
    let is_failure = result["isError"] == true;
    is_failure.then(|| {
        category
            .unwrap_or("a failure without a category")
            .to_owned()
    })
}

/// Sends `pieces` in order with `gap` between them, each at once, and reads one reply. All of it,
/// connecting included, ends after `wait`.
pub async fn send(
    address: SocketAddr,
    source: Ipv4Addr,
    pieces: &[Vec<u8>],
    gap: Duration,
    wait: Duration,
) -> RawReply {
    exchange((address, source), (pieces, gap), End::Open, wait).await
}

/// What becomes of the own half of a connection once everything is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It stays open.
    Open,
    /// It ends: no more will come.
    Ended,
}

async fn exchange(
    (address, source): (SocketAddr, Ipv4Addr),
    (pieces, gap): (&[Vec<u8>], Duration),
    own_half: End,
    wait: Duration,
) -> RawReply {
    let until = Instant::now() + wait;
    let mut reply = RawReply::default();
    let mut stream = match timeout_at(until, lane::open(source, address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return troubled(reply, &io_words(&error)),
        Err(_late) => return troubled(reply, "timeout"),
    };
    let mut read = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        if number > 0 && rest(&mut stream, &mut read, until.min(Instant::now() + gap)).await {
            break;
        }
        // A server may answer and close before it has read everything; the reply tells.
        match timeout_at(until, stream.write_all(piece)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => break,
            Err(_late) => return troubled(reply, "timeout"),
        }
    }
    if own_half == End::Ended {
        // One that has gone shows in what is read.
        let _ = timeout_at(until, stream.shutdown()).await;
    }
    let end = finish(&mut stream, &mut read, until).await;
    parse(&read, &mut reply);
    match end {
        Some(trouble) => troubled(reply, &trouble),
        None => reply,
    }
}

/// Sends one request and ends the own half of the connection, so that nothing more can come.
pub async fn send_and_end(
    address: SocketAddr,
    source: Ipv4Addr,
    request: &RawRequest,
    wait: Duration,
) -> RawReply {
    let pieces = [request.bytes()];
    exchange(
        (address, source),
        (&pieces, Duration::ZERO),
        End::Ended,
        wait,
    )
    .await
}

/// Sends one request at once.
pub async fn send_request(
    address: SocketAddr,
    source: impl Into<Source>,
    request: &RawRequest,
    wait: Duration,
) -> RawReply {
    let source = source.into();
    let pieces = [source.sends(request)];
    let reply = send(address, source.address, &pieces, Duration::ZERO, wait).await;
    RawReply {
        claimed: request.claimed(),
        ..reply
    }
}

fn troubled(mut reply: RawReply, words: &str) -> RawReply {
    reply.trouble = Some(
        words
            .strip_prefix("connection ")
            .unwrap_or(words)
            .to_owned(),
    );
    reply
}

/// Waits until `until`, reading what comes meanwhile; true when the peer is done.
async fn rest(stream: &mut TcpStream, read: &mut Vec<u8>, until: Instant) -> bool {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(got) = timeout_at(until, stream.read(&mut buffer)).await {
        match got {
            Ok(count) if count > 0 => read.extend_from_slice(&buffer[..count]),
            _ => return true,
        }
        if is_whole(read) {
            return true;
        }
    }
    false
}

/// Reads to the end of the reply; gives the trouble when it does not get there.
async fn finish(stream: &mut TcpStream, read: &mut Vec<u8>, until: Instant) -> Option<String> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if is_whole(read) || read.len() > REPLY_BYTES {
            return None;
        }
        match timeout_at(until, stream.read(&mut buffer)).await {
            Ok(Ok(0)) => return ends_with_connection(read).then_some("closed".to_owned()),
            Ok(Ok(count)) => read.extend_from_slice(&buffer[..count]),
            Ok(Err(error)) => return Some(io_words(&error)),
            Err(_late) => return Some("timeout".to_owned()),
        }
    }
}

/// Whether a reply that ended with its connection is cut: it promised a length, or never began.
fn ends_with_connection(read: &[u8]) -> bool {
    let mut reply = RawReply::default();
    parse(read, &mut reply);
    reply.status.is_none()
        || reply.header("content-length").is_some()
        || reply.header("transfer-encoding").is_some()
}

fn is_whole(read: &[u8]) -> bool {
    let mut reply = RawReply::default();
    let Some(body) = parse_head(read, &mut reply) else {
        return false;
    };
    if let Some(length) = reply
        .header("content-length")
        .and_then(|text| text.parse().ok())
    {
        return body.len() >= length;
    }
    if reply.header("transfer-encoding").is_some() {
        return dechunk(body).1;
    }
    matches!(reply.status, Some(101 | 204 | 304))
}

fn parse(read: &[u8], reply: &mut RawReply) {
    let Some(body) = parse_head(read, reply) else {
        return;
    };
    reply.body = if reply.header("transfer-encoding").is_some() {
        dechunk(body).0
    } else {
        body.to_vec()
    };
}

/// Reads status and headers, skipping interim replies, and gives the rest.
fn parse_head<'a>(read: &'a [u8], reply: &mut RawReply) -> Option<&'a [u8]> {
    let end = read.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (String::from_utf8_lossy(&read[..end]), &read[end + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    // 101 is the last answer in HTTP; other interim ones are not.
    if (100..200).contains(&status) && status != 101 {
        return parse_head(body, reply);
    }
    reply.status = Some(status);
    let split = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_lowercase(), value.trim().to_owned()))
    };
    reply.headers = lines.filter_map(split).collect();
    Some(body)
}

/// The chunks so far, and whether the last one came.
fn dechunk(mut body: &[u8]) -> (Vec<u8>, bool) {
    let mut whole = Vec::new();
    loop {
        let Some(end) = body.windows(2).position(|window| window == b"\r\n") else {
            return (whole, false);
        };
        let size = std::str::from_utf8(&body[..end]).ok();
        let size = size.and_then(|text| {
            usize::from_str_radix(text.split(';').next().unwrap_or_default().trim(), 16).ok()
        });
        let rest = &body[end + 2..];
        match size {
            Some(0) => return (whole, true),
            Some(size) if rest.len() >= size + 2 => {
                whole.extend_from_slice(&rest[..size]);
                body = &rest[size + 2..];
            }
            Some(size) => {
                whole.extend_from_slice(&rest[..size.min(rest.len())]);
                return (whole, false);
            }
            None => return (whole, false),
        }
    }
}

#[cfg(test)]
mod tests;
