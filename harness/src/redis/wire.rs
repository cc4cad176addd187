//! As much of the Redis protocol as the nemesis and its probes need: one command, one reply.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The longest bulk string and the longest array read.
const LONGEST: usize = 16 * 1024 * 1024;
/// The deepest nesting of arrays read.
const DEEPEST: u32 = 8;

/// What the store said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`.
    Simple(String),
    /// `:3`.
    Number(i64),
    /// A string of bytes, read as text.
    Bulk(String),
    /// Nothing.
    Nil,
    /// Several.
    Array(Vec<Self>),
}

impl Reply {
    /// The text of a simple or bulk string.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Simple(text) | Self::Bulk(text) => Some(text),
            _ => None,
        }
    }
}

/// A command without a good reply.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The connection failed.
    #[error("could not speak to the store at {address}: {cause}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// No reply in time.
    #[error("could not hear the store at {address} within {limit:?}")]
    Late {
        /// Where.
        address: SocketAddr,
        /// How long.
        limit: Duration,
    },
    /// The store refused: `OOM ...`, `READONLY ...`, `WRONGPASS ...`.
    #[error("could not do {command} at the store: {said}")]
    Refused {
        /// The command's first word.
        command: String,
        /// The store's error line.
        said: String,
    },
}

/// One connection.
pub struct Wire {
    address: SocketAddr,
    limit: Duration,
    stream: BufReader<TcpStream>,
}

impl Wire {
    /// Connects and authenticates; each step and each later command has `limit`.
    ///
    /// # Errors
    /// When it is not possible in time.
    pub async fn open(
        address: SocketAddr,
        password: &str,
        limit: Duration,
    ) -> Result<Self, WireError> {
        let connect = tokio::time::timeout(limit, TcpStream::connect(address)).await;
        let stream = connect
            .map_err(|_elapsed| WireError::Late { address, limit })?
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|cause| WireError::Io { address, cause })?;
        let mut wire = Self {
            address,
            limit,
            stream: BufReader::new(stream),
        };
        wire.ask(&["AUTH", password]).await?;
        Ok(wire)
    }

    /// One command and its reply.
    ///
    /// # Errors
    /// When it is refused, breaks or takes too long; the connection is of no use after the latter
    /// two.
    pub async fn ask(&mut self, words: &[&str]) -> Result<Reply, WireError> {
        let (address, limit) = (self.address, self.limit);
        let exchange = tokio::time::timeout(limit, self.exchange(words)).await;
        let said = exchange
            .map_err(|_elapsed| WireError::Late { address, limit })?
            .map_err(|cause| WireError::Io { address, cause })?;
        said.map_err(|said| WireError::Refused {
            command: words.first().copied().unwrap_or_default().to_owned(),
            said,
        })
    }

    async fn exchange(&mut self, words: &[&str]) -> io::Result<Result<Reply, String>> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        read(&mut self.stream, DEEPEST).await
    }
}

async fn read(stream: &mut BufReader<TcpStream>, deeper: u32) -> io::Result<Result<Reply, String>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).unwrap_or(("", ""));
    let reply = match kind {
        "+" => Reply::Simple(rest.to_owned()),
        "-" => return Ok(Err(rest.to_owned())),
        ":" => Reply::Number(number(rest)?),
        "$" => match length(rest)? {
            Some(length) => bulk(stream, length).await?,
            None => Reply::Nil,
        },
        "*" if deeper > 0 => match length(rest)? {
            Some(length) => {
                let mut replies = Vec::new();
                for _ in 0..length {
                    match Box::pin(read(stream, deeper - 1)).await? {
                        Ok(reply) => replies.push(reply),
                        Err(said) => return Ok(Err(said)),
                    }
                }
                Reply::Array(replies)
            }
            None => Reply::Nil,
        },
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    Ok(Ok(reply))
}

async fn bulk(stream: &mut BufReader<TcpStream>, length: usize) -> io::Result<Reply> {
    let mut bytes = vec![0; length + 2];
    stream.read_exact(&mut bytes).await?;
    bytes.truncate(length);
    Ok(Reply::Bulk(String::from_utf8_lossy(&bytes).into_owned()))
}

fn number(text: &str) -> io::Result<i64> {
    text.parse()
        .map_err(|_not_a_number| io::ErrorKind::InvalidData.into())
}

fn length(text: &str) -> io::Result<Option<usize>> {
    match number(text)? {
        -1 => Ok(None),
        length => usize::try_from(length)
            .ok()
            .filter(|length| *length <= LONGEST)
            .map(Some)
            .ok_or_else(|| io::ErrorKind::InvalidData.into()),
    }
}
