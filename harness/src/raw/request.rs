//! A request whose every byte is chosen.

use crate::token::subject;

/// An HTTP request in raw parts. Nothing is added: no `Host`, no length, unless asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRequest {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl RawRequest {
    /// A request line such as `POST /mcp HTTP/1.1`.
    #[must_use]
    pub fn line(line: &str) -> Self {
        Self {
            head: format!("{line}\r\n").into_bytes(),
            body: Vec::new(),
        }
    }

    /// A header line, any bytes.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.head.extend_from_slice(name.as_bytes());
        self.head.extend_from_slice(b": ");
        self.head.extend_from_slice(value.as_ref());
        self.head.extend_from_slice(b"\r\n");
        self
    }

    /// A body together with its right `Content-Length`.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        self.header("Content-Length", length).unmeasured_body(body)
    }

    /// A body alone; whatever length headers there are may lie.
    #[must_use]
    pub fn unmeasured_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Whom its bearer token names, good or not; None without one, with several, and for one that
    /// names nobody.
    #[must_use]
    pub fn claimed(&self) -> Option<String> {
        let head = String::from_utf8_lossy(&self.head);
        let mut tokens = head.lines().filter_map(bearer);
        let only = tokens.next().filter(|_| tokens.next().is_none())?;
        subject(only)
    }

    /// The bytes to send.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        [self.head.as_slice(), b"\r\n", &self.body].concat()
    }
}

/// The token of an `Authorization` line.
fn bearer(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(':')?;
    let value = value.trim().strip_prefix("Bearer ")?;
    name.eq_ignore_ascii_case("authorization").then_some(value)
}
