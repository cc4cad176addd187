//! What a proxy of connections writes before what it passes on: the PROXY protocol, version 2, in
//! its binary form alone. It is read from trusted proxies where `server.proxy_protocol` asks for
//! it, and then each of their connections must begin with one; anybody else's ends with it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// What every preamble begins with; no request of HTTP does.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Longest part after the first 16 bytes, in bytes. Addresses take 36 at most; the rest are notes
/// that this server has no use for.
const LONGEST: usize = 512;

/// A connection began with something other than what its peer may or must begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("could not take the connection by its first bytes: they are no preamble of this peer's")]
pub struct Misplaced;

impl From<Misplaced> for io::Error {
    fn from(misplaced: Misplaced) -> Self {
        Self::new(io::ErrorKind::InvalidData, misplaced)
    }
}

/// Whether the first bytes of a connection are a preamble's.
#[must_use]
pub fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(&SIGNATURE)
}

/// Reads the preamble and not a byte more: whom the proxy speaks for, or `None` when it speaks for
/// itself, as its health checks do.
///
/// # Errors
/// [`Misplaced`] for anything else, a preamble that is too long, and one that comes too late.
pub async fn read(
    stream: &mut TcpStream,
    within: Duration,
) -> Result<Option<SocketAddr>, Misplaced> {
    let reading = async {
        let mut head = [0; 16];
        stream.read_exact(&mut head).await?;
        let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
        if !is_one(&head) || length > LONGEST {
            return Err(Misplaced.into());
        }
        let mut rest = vec![0; length];
        stream.read_exact(&mut rest).await?;
        Ok::<_, io::Error>(source(head[12], head[13], &rest)?)
    };
    match tokio::time::timeout(within, reading).await {
        Ok(Ok(source)) => Ok(source),
        Ok(Err(_)) | Err(_) => Err(Misplaced),
    }
}

/// Version and command, family and protocol, addresses: section 2.2 of the protocol's text.
fn source(command: u8, family: u8, rest: &[u8]) -> Result<Option<SocketAddr>, Misplaced> {
    match (command, family) {
        (0x20, _) | (0x21, 0x00) => Ok(None),
        (0x21, 0x11) => address::<4>(rest, 8).map(Some),
        (0x21, 0x21) => address::<16>(rest, 32).map(Some),
        _ => Err(Misplaced),
    }
}

fn address<const N: usize>(rest: &[u8], port: usize) -> Result<SocketAddr, Misplaced>
where
    IpAddr: From<[u8; N]>,
{
    // Both addresses and both ports must be there, though only the sender's are used.
    if rest.len() < port + 4 {
        return Err(Misplaced);
    }
    let host = rest.first_chunk::<N>().ok_or(Misplaced)?;
    let port = u16::from_be_bytes([rest[port], rest[port + 1]]);
    Ok(SocketAddr::new(IpAddr::from(*host).to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Told = Result<Option<&'static str>, Misplaced>;

    #[test]
    fn only_a_whole_address_of_a_connection_is_taken() {
        let four = [198, 51, 100, 7, 127, 0, 0, 1, 0x30, 0x39, 0x1f, 0x8f];
        let mut six = [0; 36];
        six[..2].copy_from_slice(&[0x20, 0x01]);
        six[15] = 9;
        let told = |command, family, rest: &[u8]| {
            let told = source(command, family, rest);
            told.map(|source| source.map(|source| source.to_string()))
        };
        let table: [(u8, u8, &[u8], Told); 9] = [
            (0x21, 0x11, &four, Ok(Some("198.51.100.7:12345"))),
            (0x21, 0x21, &six, Ok(Some("[2001::9]:0"))),
            (0x20, 0x00, &[], Ok(None)),
            (0x20, 0x11, &four, Ok(None)),
            (0x21, 0x00, &[], Ok(None)),
            (0x21, 0x11, &four[..11], Err(Misplaced)),
            (0x21, 0x12, &four, Err(Misplaced)),
            (0x21, 0x31, &[0; 216], Err(Misplaced)),
            (0x11, 0x11, &four, Err(Misplaced)),
        ];
        for (command, family, rest, wanted) in table {
            let wanted = wanted.map(|source| source.map(str::to_owned));
            assert_eq!(
                told(command, family, rest),
                wanted,
                "{command:x} {family:x}"
            );
        }
    }
}
