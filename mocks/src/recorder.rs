//! Writes the journal: one task, one order, a bounded ring for those who ask later. A full queue
//! makes requests wait; a line is never dropped.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde_json::Value;
use tokio::sync::mpsc;

use crate::journal::Entry;

/// Entries kept for `GET /journal`.
pub const RING: usize = 4_096;
/// Entries waiting to be written.
const QUEUE: usize = 8_192;

/// The sending side, one per simulator.
#[derive(Debug)]
pub struct Recorder {
    queue: mpsc::Sender<Entry>,
    ring: Arc<Mutex<Ring>>,
}

#[derive(Debug, Default)]
struct Ring {
    /// Entries ever written.
    written: u64,
    entries: VecDeque<Entry>,
}

impl Recorder {
    /// Starts the writing thread. It ends when the recorder is dropped and everything is written.
    pub fn start<W: Write + Send + 'static>(out: W) -> (Self, JoinHandle<()>) {
        let (queue, entries) = mpsc::channel(QUEUE);
        let ring = Arc::<Mutex<Ring>>::default();
        let kept = Arc::clone(&ring);
        let writer = std::thread::spawn(move || write_all(entries, &kept, out));
        (Self { queue, ring }, writer)
    }

    /// Hands over one entry; waits while the queue is full.
    pub async fn record(&self, entry: Entry) {
        // The thread ends only after this sender is gone, or when standard output is closed: then
        // nobody reads the journal and the process is about to be told to stop.
        let _ = self.queue.send(entry).await;
    }

    /// The ring's entries with a number above `after`, numbers counting from 1, as
    /// `{"first","last","entries"}`: a `first` above `after + 1` shows what was overwritten.
    #[must_use]
    pub fn since(&self, after: u64) -> Value {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = ring.written - ring.entries.len() as u64 + 1;
        let first = oldest.max(after.saturating_add(1));
        let skip = usize::try_from(first - oldest).unwrap_or(usize::MAX);
        let entries: Vec<_> = ring.entries.iter().skip(skip).collect();
        serde_json::json!({"first": first, "last": ring.written, "entries": entries})
    }
}

fn write_all<W: Write>(mut entries: mpsc::Receiver<Entry>, ring: &Mutex<Ring>, mut out: W) {
    let mut lines = Vec::new();
    while let Some(entry) = entries.blocking_recv() {
        lines.clear();
        let mut next = Some(entry);
        while let Some(entry) = next {
            // A journal entry holds strings, numbers and JSON values: none fails to serialise.
            if serde_json::to_writer(&mut lines, &entry).is_ok() {
                lines.push(b'\n');
            }
            keep(ring, entry);
            next = entries.try_recv().ok();
        }
        if out.write_all(&lines).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn keep(ring: &Mutex<Ring>, entry: Entry) {
    let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
    if ring.entries.len() == RING {
        ring.entries.pop_front();
    }
    ring.entries.push_back(entry);
    ring.written += 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Ended, Outcome};

    fn entry(number: usize) -> Entry {
        Entry::Ended(Ended {
            seq: format!("kimi.1.{number}"),
            at: 0,
            first_byte_at: None,
            status: 200,
            outcome: Outcome::Answered,
            reason: None,
            answer_sha256: None,
            bytes_sent: 0,
        })
    }

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn every_entry_is_written_in_order_and_the_ring_keeps_the_last() {
        let page = Page::default();
        let (recorder, writer) = Recorder::start(page.clone());
        let total = RING + 904;
        for number in 1..=total {
            recorder.record(entry(number)).await;
        }
        let ring = Arc::clone(&recorder.ring);
        drop(recorder);
        writer.join().unwrap();
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let seqs: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<Entry>(line)
                    .unwrap()
                    .seq()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(seqs.len(), total);
        assert!(
            seqs.iter()
                .enumerate()
                .all(|(at, seq)| *seq == format!("kimi.1.{}", at + 1))
        );
        let ring = ring.lock().unwrap();
        assert_eq!((ring.entries.len(), ring.written), (RING, total as u64));
    }

    #[tokio::test]
    async fn a_reader_sees_what_was_overwritten() {
        let (queue, _entries) = mpsc::channel(1);
        let recorder = Recorder {
            queue,
            ring: Arc::default(),
        };
        for number in 1..=RING + 10 {
            keep(&recorder.ring, entry(number));
        }
        let all = recorder.since(0);
        assert_eq!(
            (all["first"].as_u64(), all["last"].as_u64()),
            (Some(11), Some(4_106))
        );
        let tail = recorder.since(4_104);
        assert_eq!(tail["entries"].as_array().unwrap().len(), 2);
        assert_eq!(
            recorder.since(9_999)["entries"].as_array().unwrap().len(),
            0
        );
    }
}
