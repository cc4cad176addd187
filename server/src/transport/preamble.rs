//! What a proxy of connections writes before what it passes on: the PROXY protocol, version 2, in
//! its binary form alone. It is read from trusted proxies where `server.proxy_protocol` asks for
//! it, and then each of their connections must begin with one; anybody else's ends with it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

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

/// Whether they are too few to tell: the next ones may make a preamble of them.
#[must_use]
pub fn may_become_one(bytes: &[u8]) -> bool {
    bytes.len() < SIGNATURE.len() && SIGNATURE.starts_with(bytes)
}

/// The first bytes of a connection that may not begin with a preamble, held back while they may
/// still become one: in how many pieces they come is the peer's choice.
#[derive(Debug, Default)]
pub struct Opening {
    /// How much of the signature has come.
    seen: usize,
    is_decided: bool,
    /// What came and is no preamble, not yet handed on.
    held: Bytes,
}

impl Opening {
    /// Whether it was a preamble.
    #[must_use]
    pub const fn is_preamble(&self) -> bool {
        self.seen == SIGNATURE.len()
    }

    /// Reads on from `inner`, unless that is a preamble.
    ///
    /// # Errors
    /// [`Misplaced`] once the whole signature has come; what `inner` says.
    pub fn poll_read(
        &mut self,
        mut inner: Pin<&mut impl AsyncRead>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_decided && !self.is_preamble() {
            let mut room = [0; SIGNATURE.len()];
            let mut piece = ReadBuf::new(&mut room[self.seen..]);
            ready!(inner.as_mut().poll_read(cx, &mut piece))?;
            self.take(piece.filled());
        }
        if self.is_preamble() {
            return Poll::Ready(Err(Misplaced.into()));
        }
        if self.held.is_empty() {
            return inner.poll_read(cx, buf);
        }
        let length = self.held.len().min(buf.remaining());
        buf.put_slice(&self.held[..length]);
        self.held.advance(length);
        Poll::Ready(Ok(()))
    }

    /// Takes the next bytes; none means that there are no more.
    fn take(&mut self, piece: &[u8]) {
        if !piece.is_empty() && SIGNATURE[self.seen..].starts_with(piece) {
            self.seen += piece.len();
        } else {
            self.is_decided = true;
            self.held = [&SIGNATURE[..self.seen], piece].concat().into();
        }
    }
}

/// Reads the preamble and not a byte more: whom the proxy speaks for, or `None` when it speaks for
/// itself, as its health checks do. The whole of it must come `within` that time.
///
/// # Errors
/// [`Misplaced`] for anything else, a preamble that is too long, and one that comes too late.
pub async fn read(
    stream: &mut (impl AsyncRead + Unpin),
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
pub(super) mod tests {
    use std::collections::VecDeque;
    use std::task::Waker;

    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt as _;
    use tokio::time::Instant;

    use super::*;

    /// A whole preamble, for 198.51.100.7:12345.
    pub const OF_CLIENT: [u8; 28] = [
        0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, b'Q', b'U', b'I', b'T', 0x0a, 0x21, 0x11, 0, 12,
        198, 51, 100, 7, 127, 0, 0, 1, 0x30, 0x39, 0x1f, 0x8f,
    ];

    /// A peer whose bytes come in these pieces and no others, and then no more.
    struct Pieces(VecDeque<Vec<u8>>);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if let Some(mut piece) = self.0.pop_front() {
                let rest = piece.split_off(piece.len().min(buf.remaining()));
                buf.put_slice(&piece);
                if !rest.is_empty() {
                    self.0.push_front(rest);
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    /// What an opening hands on of these bytes, cut at each of `cuts` and read `room` at once, and
    /// whether it was a preamble.
    fn opened(bytes: &[u8], cuts: &[usize], room: usize) -> (Vec<u8>, bool) {
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        places.dedup();
        let pieces = places
            .windows(2)
            .map(|pair| bytes[pair[0]..pair[1]].to_vec());
        let mut inner = Pieces(pieces.collect());
        let (mut opening, mut handed) = (Opening::default(), Vec::new());
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let mut space = vec![0; room];
            let mut buf = ReadBuf::new(&mut space);
            let polled = opening.poll_read(Pin::new(&mut inner), &mut cx, &mut buf);
            match polled {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => handed.extend(buf.filled()),
                Poll::Ready(Err(_)) => return (handed, true),
                _ => return (handed, false),
            }
        }
    }

    proptest! {
        #[test]
        fn a_preamble_is_noticed_and_all_else_handed_on_however_it_is_cut(
            seen in 0..=SIGNATURE.len(),
            rest in prop::collection::vec(any::<u8>(), 0..40),
            cuts in prop::collection::vec(any::<usize>(), 0..14),
            room in 1..32_usize,
        ) {
            let bytes = [&SIGNATURE[..seen], &rest].concat();
            let (handed, was_preamble) = opened(&bytes, &cuts, room);
            prop_assert_eq!(was_preamble, is_one(&bytes));
            let wanted = if was_preamble { Vec::new() } else { bytes };
            prop_assert_eq!(handed, wanted);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_preamble_that_is_not_whole_in_time_ends_at_the_limit() {
        let limit = Duration::from_secs(10);
        // Nothing, a part of the head, the head, a part of the addresses.
        for sent in [0, 7, 16, 20] {
            let (mut proxy, mut server) = tokio::io::duplex(64);
            proxy.write_all(&OF_CLIENT[..sent]).await.unwrap();
            let started = Instant::now();
            assert_eq!(read(&mut server, limit).await, Err(Misplaced), "{sent}");
            assert_eq!(started.elapsed().as_secs(), limit.as_secs(), "{sent}");
        }
        let dripped = async |pause: Duration| {
            let (mut proxy, mut server) = tokio::io::duplex(64);
            let dripping = tokio::spawn(async move {
                for byte in OF_CLIENT {
                    tokio::time::sleep(pause).await;
                    let _ = proxy.write_all(&[byte]).await;
                }
            });
            let source = read(&mut server, limit).await;
            dripping.abort();
            source
        };
        // Each byte by itself is in time; only the sum is not.
        assert_eq!(dripped(Duration::from_secs(1)).await, Err(Misplaced));
        let source = dripped(Duration::from_millis(300)).await.unwrap();
        assert_eq!(source.unwrap().to_string(), "198.51.100.7:12345");
    }

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
