//! JSON lines on stderr. Standard output belongs to the protocol. The last lines are kept for an
//! administrator to look back at, and each is handed to whoever sends telemetry, if somebody does.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::writer::MakeWriterExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use super::Metrics;
use super::event::Happenings;

/// Bytes of lines kept: about two thousand of calls.
const KEPT: usize = 1 << 20;

/// Bytes of one line kept; a longer one is cut.
const LINE_BYTES: usize = 4096;

/// Lines waiting for the exporter.
const QUEUE: usize = 4096;

// As global as the log itself, of which a process has one.
static LAST: Mutex<Last> = Mutex::new(Last::new());

/// Where a copy of each line goes, and where lost ones are counted.
static TAP: Mutex<Option<(mpsc::Sender<String>, Metrics)>> = Mutex::new(None);

/// Every line from now on, for whoever sends them elsewhere; what was tapped before ends.
#[must_use]
pub fn tap(metrics: Metrics) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(QUEUE);
    *TAP.lock().unwrap_or_else(PoisonError::into_inner) = Some((sender, metrics));
    lines
}

/// Starts logging with a filter such as `info`.
///
/// # Errors
/// When the filter does not parse or logging was started before.
pub fn start(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(io::stderr.and(|| Keeper))
        .with_filter(filter);
    LAST.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take_room();
    let own = Targets::new().with_target("exai_server", LevelFilter::INFO);
    tracing_subscriber::registry()
        .with(lines)
        .with(Happenings::of_the_log().with_filter(own))
        .try_init()
        .map_err(|error| error.to_string())
}

/// The last `most` lines that `is_wanted` takes, oldest first.
#[must_use]
pub fn tail(most: usize, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let bytes = LAST.lock().unwrap_or_else(PoisonError::into_inner).bytes();
    let text = String::from_utf8_lossy(&bytes);
    let wanted = text.lines().rev().filter(|line| is_wanted(line));
    let mut lines: Vec<String> = wanted.take(most).map(str::to_owned).collect();
    lines.reverse();
    lines
}

/// The last lines, one after the other in one piece of memory that is taken at the start.
#[derive(Debug)]
struct Last(VecDeque<u8>);

impl Last {
    const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Takes the whole room and writes each page of it once, so that it does not grow as it fills.
    fn take_room(&mut self) {
        self.0.reserve_exact(KEPT);
        self.0.resize(KEPT, b'\n');
        self.0.clear();
    }

    /// Adds a line that is shorter than the room; the oldest ones go.
    fn add(&mut self, line: &str) {
        while self.0.len() + line.len() >= KEPT {
            let end = self.0.iter().position(|byte| *byte == b'\n');
            self.0.drain(..end.map_or(self.0.len(), |end| end + 1));
        }
        self.0.extend(line.as_bytes());
        self.0.push_back(b'\n');
    }

    fn bytes(&self) -> Vec<u8> {
        let (front, back) = self.0.as_slices();
        [front, back].concat()
    }
}

/// Keeps each line it is given; the formatter writes one at a time.
struct Keeper;

impl io::Write for Keeper {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shown = &line[..line.len().min(LINE_BYTES)];
        let text = String::from_utf8_lossy(shown);
        let text = text.trim_end();
        let tap = TAP.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((lines, metrics)) = &*tap
            && lines.try_send(text.to_owned()).is_err()
        {
            metrics.telemetry_export("logs", "dropped");
        }
        drop(tap);
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        last.add(text);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn the_newest_lines_are_kept_in_the_room_taken_at_the_start_and_long_ones_cut() {
        let room = || LAST.lock().unwrap().0.capacity();
        LAST.lock().unwrap().take_room();
        let taken = room();
        for n in 0..KEPT / 4 {
            Keeper.write_all(format!("line {n}.\n").as_bytes()).unwrap();
        }
        let long = vec![b'x'; 2 * LINE_BYTES];
        Keeper.write_all(&long).unwrap();
        assert_eq!((room(), taken), (taken, KEPT));
        let all = tail(usize::MAX, |_| true);
        let bytes: usize = all.iter().map(|line| line.len() + 1).sum();
        assert!(bytes <= KEPT && bytes + 2 * LINE_BYTES > KEPT, "{bytes}");
        assert!(tail(usize::MAX, |line| line == "line 0.").is_empty());
        let last = tail(2, |line| line.starts_with("line ") || line.starts_with('x'));
        assert_eq!(last[0], format!("line {}.", KEPT / 4 - 1));
        assert_eq!(last[1].len(), LINE_BYTES);
    }
}
