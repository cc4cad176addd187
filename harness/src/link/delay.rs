//! Bytes on their way: a line that lets each chunk out once its delay is over.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::{Duration, Instant};

/// Chunks held at most; reading stops until the oldest is out.
const HELD: usize = 256;

/// One direction's chunks in the order read.
#[derive(Default)]
pub(super) struct DelayLine {
    held: VecDeque<(Instant, Instant, Bytes)>,
}

impl DelayLine {
    /// Takes a chunk read `now`, due after `latency` and never before an earlier chunk.
    pub(super) fn push(&mut self, now: Instant, latency: Duration, chunk: Bytes) {
        let due = now + latency;
        let due = self.held.back().map_or(due, |(_, last, _)| due.max(*last));
        self.held.push_back((now, due, chunk));
    }

    /// When the oldest chunk is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.held.front().map(|(_, due, _)| *due)
    }

    /// The oldest chunk with the moment it was read.
    pub(super) fn pop(&mut self) -> Option<(Instant, Bytes)> {
        self.held.pop_front().map(|(read, _, chunk)| (read, chunk))
    }

    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether no further chunk may be read.
    pub(super) fn is_full(&self) -> bool {
        self.held.len() >= HELD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_never_overtakes_another_when_the_latency_drops() {
        let mut line = DelayLine::default();
        let now = Instant::now();
        line.push(now, Duration::from_millis(100), Bytes::from_static(b"a"));
        line.push(now, Duration::ZERO, Bytes::from_static(b"b"));
        assert_eq!(line.due(), Some(now + Duration::from_millis(100)));
        assert_eq!(line.pop().unwrap().1, "a");
        assert_eq!(line.due(), Some(now + Duration::from_millis(100)));
        assert_eq!(line.pop().unwrap().1, "b");
        assert!(line.is_empty());
    }
}
