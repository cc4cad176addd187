//! A connection under clocks: a slow head, an idle keep-alive and a client that will not read each
//! end it, and so does a preamble where HTTP should begin. What happens inside a request is timed
//! elsewhere.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::preamble::Opening;

/// How long each silence may last.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// From the first byte of a head, or the connection, to the head's end.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// With bytes to send that the client does not take.
    pub write: Duration,
}

/// Requests being answered on one connection.
#[derive(Debug, Clone, Default)]
pub struct Busy(Arc<AtomicUsize>);

/// One request being answered, until dropped.
#[derive(Debug)]
pub struct Answering(Busy);

impl Busy {
    /// A head was read; the answer is on its way until the result is dropped.
    #[must_use]
    pub fn answering(&self) -> Answering {
        self.0.fetch_add(1, Ordering::AcqRel);
        Answering(self.clone())
    }

    fn is_answering(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Head,
    Idle,
    Answering,
}

/// A stream that ends when one of its clocks runs out.
pub struct TimedStream<S> {
    inner: S,
    clocks: Clocks,
    busy: Busy,
    phase: Phase,
    opening: Opening,
    is_misplaced: Arc<AtomicBool>,
    reading: Pin<Box<Sleep>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl<S> TimedStream<S> {
    /// A fresh connection, whose head is awaited.
    pub fn new(inner: S, clocks: Clocks, busy: Busy) -> Self {
        let reading = Box::pin(tokio::time::sleep(clocks.head));
        Self {
            inner,
            clocks,
            busy,
            phase: Phase::Head,
            opening: Opening::default(),
            is_misplaced: Arc::default(),
            reading,
            writing: None,
        }
    }

    /// Set once the connection has begun with a preamble, in one piece or in many. What reads from
    /// here takes that for an end like any other.
    pub fn is_misplaced(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_misplaced)
    }

    fn enter(&mut self, phase: Phase, span: Duration) {
        self.phase = phase;
        self.reading.as_mut().reset(Instant::now() + span);
    }

    fn follow(&mut self) {
        match (self.busy.is_answering(), self.phase) {
            (true, _) => self.phase = Phase::Answering,
            (false, Phase::Answering) => self.enter(Phase::Idle, self.clocks.idle),
            (false, _) => {}
        }
    }
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.follow();
        let before = buf.filled().len();
        let inner = Pin::new(&mut this.inner);
        if let Poll::Ready(result) = this.opening.poll_read(inner, cx, buf) {
            if this.opening.is_preamble() {
                this.is_misplaced.store(true, Ordering::Release);
            }
            if this.phase == Phase::Idle && buf.filled().len() > before {
                this.enter(Phase::Head, this.clocks.head);
            }
            return Poll::Ready(result);
        }
        if this.phase != Phase::Answering {
            ready!(this.reading.as_mut().poll(cx));
            return Poll::Ready(Err(late("no request in time")));
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> TimedStream<S> {
    fn timed<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.writing = None;
            return polled;
        }
        let span = self.clocks.write;
        let clock = self
            .writing
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(span)));
        ready!(clock.as_mut().poll(cx));
        Poll::Ready(Err(late("the client does not read")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.timed(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.timed(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.timed(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.timed(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const CLOCKS: Clocks = Clocks {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        write: Duration::from_secs(30),
    };

    async fn read_one(stream: &mut TimedStream<tokio::io::DuplexStream>) -> io::Result<usize> {
        let mut byte = [0];
        stream.read(&mut byte).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_sent_byte_by_byte_ends_at_the_head_clock() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut stream = TimedStream::new(server, CLOCKS, Busy::default());
        let started = Instant::now();
        let dripping = tokio::spawn(async move {
            while client.write_all(b"G").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
        });
        let error = loop {
            if let Err(error) = read_one(&mut stream).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() <= CLOCKS.head + Duration::from_millis(5));
        dripping.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_of_a_preamble_and_then_silence_ends_at_the_head_clock() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut stream = TimedStream::new(server, CLOCKS, Busy::default());
        let is_misplaced = stream.is_misplaced();
        client.write_all(b"\r\n\r\n\0\r\nQUIT").await.unwrap();
        let started = Instant::now();
        let error = read_one(&mut stream).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed().as_secs(), CLOCKS.head.as_secs());
        assert!(!is_misplaced.load(Ordering::Acquire), "it was not whole");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_longer_than_any_clock_and_idling_may_not() {
        let (_client, server) = tokio::io::duplex(64);
        let busy = Busy::default();
        let mut stream = TimedStream::new(server, CLOCKS, busy.clone());
        let answering = busy.answering();
        let reading = tokio::time::timeout(Duration::from_secs(600), read_one(&mut stream)).await;
        assert!(reading.is_err(), "a connection in use was ended");
        drop(answering);
        let started = Instant::now();
        assert!(read_one(&mut stream).await.is_err());
        assert_eq!(started.elapsed().as_secs(), CLOCKS.idle.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_left() {
        let (_client, server) = tokio::io::duplex(8);
        let mut stream = TimedStream::new(server, CLOCKS, Busy::default());
        let started = Instant::now();
        let error = stream.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed().as_secs(), CLOCKS.write.as_secs());
    }
}
