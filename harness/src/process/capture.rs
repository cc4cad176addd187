//! Lines a child writes: the last ones are kept for messages, each may go to a sink.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::task::JoinHandle;

/// Lines kept.
const KEPT: usize = 200;
/// Characters kept of a line.
const LINE_KEPT: usize = 2_000;

/// Sees each whole line, without its newline, in order.
pub type LineSink = Arc<dyn Fn(&str) + Send + Sync>;

/// The last lines a child wrote, standard output and error as they came.
#[derive(Clone, Default)]
pub struct Tail {
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Tail {
    /// The lines joined by newlines, oldest first.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    /// Keeps one more line.
    pub(crate) fn keep(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= KEPT {
            lines.pop_front();
        }
        lines.push_back(line.chars().take(LINE_KEPT).collect());
    }

    /// Reads to the end of `from`, which is the child's end or its closing of the stream.
    pub(super) fn follow(
        &self,
        from: impl AsyncRead + Unpin + Send + 'static,
        sink: Option<LineSink>,
    ) -> JoinHandle<()> {
        let tail = self.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::with_capacity(64 * 1024, from);
            let mut bytes = Vec::new();
            while matches!(reader.read_until(b'\n', &mut bytes).await, Ok(read) if read > 0) {
                let text = String::from_utf8_lossy(&bytes);
                let line = text.trim_end_matches(['\n', '\r']);
                tail.keep(line);
                if let Some(sink) = &sink {
                    sink(line);
                }
                bytes.clear();
            }
        })
    }
}
