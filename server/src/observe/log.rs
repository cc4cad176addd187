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

/// Lines kept.
const KEPT: usize = 2000;

/// Bytes of one line kept; a longer one is cut.
const LINE_BYTES: usize = 4096;

/// Lines waiting for the exporter.
const QUEUE: usize = 4096;

// As global as the log itself, of which a process has one.
static LAST: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

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
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = last.iter().rev().filter(|line| is_wanted(line));
    let mut lines: Vec<String> = wanted.take(most).cloned().collect();
    lines.reverse();
    lines
}

/// Keeps each line it is given; the formatter writes one at a time.
struct Keeper;

impl io::Write for Keeper {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shown = &line[..line.len().min(LINE_BYTES)];
        let text = String::from_utf8_lossy(shown).trim_end().to_owned();
        let tap = TAP.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((lines, metrics)) = &*tap
            && lines.try_send(text.clone()).is_err()
        {
            metrics.telemetry_export("logs", "dropped");
        }
        drop(tap);
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        while last.len() >= KEPT {
            last.pop_front();
        }
        last.push_back(text);
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
    fn the_newest_lines_are_kept_and_long_ones_cut() {
        for n in 0..KEPT + 2 {
            Keeper.write_all(format!("line {n}.\n").as_bytes()).unwrap();
        }
        let long = vec![b'x'; 2 * LINE_BYTES];
        Keeper.write_all(&long).unwrap();
        assert_eq!(tail(usize::MAX, |_| true).len(), KEPT);
        assert!(tail(usize::MAX, |line| line == "line 0.").is_empty());
        let last = tail(2, |line| line.starts_with("line ") || line.starts_with('x'));
        assert_eq!(last[0], format!("line {}.", KEPT + 1));
        assert_eq!(last[1].len(), LINE_BYTES);
    }
}
