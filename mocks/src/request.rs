//! Reads HTTP/1.1 requests from a socket. The simulator owns the socket to the last byte, because a
//! reset, a cut character or a half-closed connection cannot be asked of a server library.

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest head, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;
/// The longest body, in bytes: Kimi's published 100 MB.
pub const MAX_BODY: usize = 100 * 1024 * 1024;
/// The most headers.
const MAX_HEADERS: usize = 64;
/// How long a kept connection may be idle, and how long a request may take to arrive.
const IDLE: Duration = Duration::from_secs(300);

/// A request as received.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Upper-case method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body, decoded from its transfer coding.
    pub body: Vec<u8>,
    /// Whether the client wants to keep the connection.
    pub keep_alive: bool,
}

impl Request {
    /// The first header of a lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Why no request could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes are no HTTP/1.1.
    #[error("could not parse the request: {0}")]
    Malformed(&'static str),
    /// Longer than a bound of this file.
    #[error("could not take a request with a {0} that long")]
    TooLong(&'static str),
    /// The connection broke or fell silent.
    #[error("could not read the request")]
    Io(#[from] io::Error),
}

/// The reading side of a connection: bytes that have arrived and belong to no request yet.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    /// Reads the next request; `None` when the client has closed between requests.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn next(&mut self, socket: &mut TcpStream) -> Result<Option<Request>, ReadError> {
        let (mut request, length) = loop {
            if let Some((request, length, used)) = parse_head(&self.bytes)? {
                self.bytes.drain(..used);
                break (request, length);
            }
            if self.bytes.len() > MAX_HEAD {
                return Err(ReadError::TooLong("head"));
            }
            if self.fill(socket).await? == 0 {
                return Ok(None);
            }
        };
        if request
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        {
            tokio::io::AsyncWriteExt::write_all(socket, b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        request.body = match length {
            Length::Of(length) => self.take(socket, length).await?,
            Length::Chunked => self.chunks(socket).await?,
        };
        Ok(Some(request))
    }

    /// Waits until the client closes its side. Bytes of a next request are kept.
    pub async fn closed(&mut self, socket: &mut TcpStream) {
        loop {
            if self.bytes.len() > MAX_HEAD {
                return std::future::pending().await;
            }
            if socket.readable().await.is_err() {
                return;
            }
            match socket.try_read_buf(&mut self.bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    async fn fill(&mut self, socket: &mut TcpStream) -> Result<usize, ReadError> {
        match timeout(IDLE, socket.read_buf(&mut self.bytes)).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        }
    }

    async fn need(&mut self, socket: &mut TcpStream, length: usize) -> Result<(), ReadError> {
        while self.bytes.len() < length {
            if self.fill(socket).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(())
    }

    async fn take(&mut self, socket: &mut TcpStream, length: usize) -> Result<Vec<u8>, ReadError> {
        if length > MAX_BODY {
            return Err(ReadError::TooLong("body"));
        }
        self.need(socket, length).await?;
        let rest = self.bytes.split_off(length);
        Ok(std::mem::replace(&mut self.bytes, rest))
    }

    async fn line(&mut self, socket: &mut TcpStream) -> Result<String, ReadError> {
        loop {
            if let Some(end) = self.bytes.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.bytes.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line).trim().to_owned());
            }
            if self.bytes.len() > MAX_HEAD {
                return Err(ReadError::TooLong("chunk line"));
            }
            let length = self.bytes.len() + 1;
            self.need(socket, length).await?;
        }
    }

    async fn chunks(&mut self, socket: &mut TcpStream) -> Result<Vec<u8>, ReadError> {
        let mut body = Vec::new();
        loop {
            let line = self.line(socket).await?;
            let digits = line.split(';').next().unwrap_or("");
            let length = usize::from_str_radix(digits, 16)
                .map_err(|_| ReadError::Malformed("chunk length"))?;
            if length == 0 {
                while !self.line(socket).await?.is_empty() {}
                return Ok(body);
            }
            if body.len().saturating_add(length) > MAX_BODY {
                return Err(ReadError::TooLong("body"));
            }
            body.extend(self.take(socket, length).await?);
            if !self.line(socket).await?.is_empty() {
                return Err(ReadError::Malformed("chunk end"));
            }
        }
    }
}

enum Length {
    Of(usize),
    Chunked,
}

/// A head, the form of its body and the bytes used; `None` when more are needed.
fn parse_head(bytes: &[u8]) -> Result<Option<(Request, Length, usize)>, ReadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let used = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(ReadError::Malformed("head")),
    };
    let path = parsed.path.unwrap_or("");
    let mut request = Request {
        method: parsed.method.unwrap_or("").to_owned(),
        path: path.split('?').next().unwrap_or("").to_owned(),
        headers: Vec::with_capacity(parsed.headers.len()),
        body: Vec::new(),
        keep_alive: parsed.version == Some(1),
    };
    for header in parsed.headers.iter() {
        let value = String::from_utf8_lossy(header.value).into_owned();
        request
            .headers
            .push((header.name.to_ascii_lowercase(), value));
    }
    if request
        .header("connection")
        .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    {
        request.keep_alive = false;
    }
    let coding = request.header("transfer-encoding").unwrap_or("");
    let length = if coding.eq_ignore_ascii_case("chunked") {
        Length::Chunked
    } else {
        let digits = request.header("content-length").unwrap_or("0");
        Length::Of(
            digits
                .parse()
                .map_err(|_| ReadError::Malformed("content-length"))?,
        )
    };
    Ok(Some((request, length, used)))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn read(parts: &[&[u8]]) -> Result<Option<Request>, ReadError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut socket, _) = listener.accept().await.unwrap();
        for part in parts {
            client.write_all(part).await.unwrap();
        }
        client.shutdown().await.unwrap();
        Inbox::default().next(&mut socket).await
    }

    #[tokio::test]
    async fn bodies_of_both_codings_are_read() {
        let sized = b"POST /v1/x?y=1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        let request = read(&[sized]).await.unwrap().unwrap();
        assert_eq!(
            (request.path.as_str(), request.body.as_slice()),
            ("/v1/x", &b"abc"[..])
        );
        assert!(request.keep_alive);
        let head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
        let request = read(&[head, b"2\r\nab\r\n", b"1;x=1\r\nc\r\n0\r\n\r\n"]).await;
        let request = request.unwrap().unwrap();
        assert_eq!(request.body, b"abc");
        assert!(!request.keep_alive);
    }

    #[tokio::test]
    async fn what_is_no_request_is_an_error_and_silence_is_none() {
        assert!(read(&[]).await.unwrap().is_none());
        assert!(
            read(&[b"\x16\x03\x01\x02\x00 tls hello\r\n\r\n"])
                .await
                .is_err()
        );
        assert!(
            read(&[b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"])
                .await
                .is_err()
        );
        assert!(
            read(&[b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"])
                .await
                .is_err()
        );
    }
}
