//! A reply as steps on a socket: the lowest layer, in which byte-level faults are written. One
//! engine plays them (`connection`), so that a healthy reply and a fault differ in data alone.

use std::time::Duration;

use crate::wire::Frame;

/// A reply ready to be played.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status; 0 when no head is ever sent.
    pub status: u16,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// Whether the connection may carry another request afterwards.
    pub keep_alive: bool,
}

/// One thing done on the socket.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// One write.
    Send(Vec<u8>),
    /// A pause, counted from the end of the pause before, so that a stream keeps its pace.
    Wait(Duration),
    /// The same write `times` times, each after a pause.
    Repeat {
        /// What to write.
        bytes: Vec<u8>,
        /// The pause before each.
        gap: Duration,
        /// How often.
        times: u64,
    },
    /// Closes the writing half.
    HalfClose,
    /// Resets the connection: the peer sees RST.
    Reset,
}

/// A status line and headers, the length not yet decided.
#[derive(Debug, Clone)]
pub struct Head {
    status: u16,
    text: String,
}

impl Head {
    /// A head with a content type.
    #[must_use]
    pub fn new(status: u16, content_type: &str) -> Self {
        let reason = http::StatusCode::from_u16(status)
            .ok()
            .and_then(|code| code.canonical_reason())
            .unwrap_or("Error");
        let text = format!("HTTP/1.1 {status} {reason}\r\ncontent-type: {content_type}\r\n");
        Self { status, text }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.text.push_str(name);
        self.text.push_str(": ");
        self.text.push_str(value);
        self.text.push_str("\r\n");
        self
    }

    /// The head of a body of known length.
    #[must_use]
    pub fn sized(self, length: usize) -> Vec<u8> {
        let value = length.to_string();
        (self.with("content-length", &value).text + "\r\n").into_bytes()
    }

    /// The head of a chunked body.
    #[must_use]
    pub fn chunked(self) -> Vec<u8> {
        (self.with("transfer-encoding", "chunked").text + "\r\n").into_bytes()
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }
}

/// One chunk of a chunked body.
#[must_use]
pub fn chunk(data: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", data.len()).into_bytes();
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
    out
}

/// The end of a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl Reply {
    /// A whole body.
    #[must_use]
    pub fn whole(head: Head, body: &[u8]) -> Self {
        let status = head.status();
        let mut bytes = head.sized(body.len());
        bytes.extend_from_slice(body);
        Self {
            status,
            steps: vec![Step::Send(bytes)],
            keep_alive: true,
        }
    }

    /// A stream of frames, each a chunk, with a pause before each. Without a pause the whole stream
    /// is one write: what a client reads is the same, and a loaded simulator costs less.
    #[must_use]
    pub fn stream(head: Head, frames: &[Frame], gap: Duration) -> Self {
        let status = head.status();
        let mut steps = vec![Step::Send(head.chunked())];
        for frame in frames {
            steps.push(Step::Wait(gap));
            steps.push(Step::Send(chunk(frame.text.as_bytes())));
        }
        steps.push(Step::Send(LAST_CHUNK.to_vec()));
        Self {
            status,
            steps: merged(steps),
            keep_alive: true,
        }
    }

    /// Waits before everything else.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        if !wait.is_zero() {
            self.steps.insert(0, Step::Wait(wait));
        }
        self
    }
}

/// Drops empty pauses and joins neighbouring writes.
fn merged(steps: Vec<Step>) -> Vec<Step> {
    let mut out: Vec<Step> = Vec::with_capacity(steps.len());
    for step in steps {
        match (out.last_mut(), step) {
            (_, Step::Wait(wait)) if wait.is_zero() => {}
            (Some(Step::Send(before)), Step::Send(bytes)) => before.extend(bytes),
            (_, step) => out.push(step),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_without_pauses_is_one_write() {
        let frames = [Frame::done(), Frame::done()];
        let reply = Reply::stream(Head::new(200, "text/event-stream"), &frames, Duration::ZERO);
        assert_eq!(reply.steps.len(), 1);
        let paced = Reply::stream(
            Head::new(200, "text/event-stream"),
            &frames,
            Duration::from_millis(5),
        );
        assert_eq!(paced.steps.len(), 5);
    }

    #[test]
    fn chunks_state_their_length_in_hex() {
        assert_eq!(chunk(b"0123456789abcdef!"), b"11\r\n0123456789abcdef!\r\n");
    }
}
