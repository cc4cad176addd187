//! One JSON line for each tool call that ended, in a file of its own that turns over: no prompt and
//! no answer, and whatever a name holds, it cannot end a line.
//!
//! A thread writes; a call never waits for the disk. What the queue cannot take is counted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use super::Metrics;

/// Lines waiting for the disk.
const QUEUE: usize = 4096;

/// How long the end of the process waits for the disk.
const PATIENCE: Duration = Duration::from_secs(2);

enum Order {
    Line(String),
    Flush(SyncSender<()>),
}

/// The way to the file; cheap to clone.
#[derive(Debug, Clone)]
pub struct CallLog {
    orders: SyncSender<Order>,
    metrics: Metrics,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Order")
    }
}

impl CallLog {
    /// Opens the file for appending. Before it would grow beyond `bytes` it becomes `FILE.1`, the
    /// one of that name `FILE.2`, and so on; `files` are kept besides the current one.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path, (bytes, files): (u64, usize), metrics: Metrics) -> io::Result<Self> {
        let mut pen = Pen {
            file: append_to(path)?,
            path: path.to_owned(),
            written: std::fs::metadata(path)?.len(),
            bytes,
            files,
        };
        let (orders, queue) = sync_channel(QUEUE);
        let counted = metrics.clone();
        // It ends when the last handle is dropped; `flush` waits for what it holds.
        std::thread::Builder::new()
            .name("call-log".to_owned())
            .spawn(move || pen.write_all(&queue, &counted))?;
        Ok(Self { orders, metrics })
    }

    /// Adds a line, which holds no line break.
    pub fn add(&self, line: String) {
        if self.orders.try_send(Order::Line(line)).is_err() {
            self.metrics.log_line_lost();
        }
    }

    /// Waits until what was added is in the file, for two seconds at most. Blocks.
    pub fn flush(&self) {
        let (done, waiting) = sync_channel(1);
        if self.orders.send(Order::Flush(done)).is_ok() {
            let _ = waiting.recv_timeout(PATIENCE);
        }
    }
}

struct Pen {
    file: File,
    path: PathBuf,
    written: u64,
    bytes: u64,
    files: usize,
}

impl Pen {
    fn write_all(&mut self, queue: &Receiver<Order>, metrics: &Metrics) {
        while let Ok(order) = queue.recv() {
            match order {
                Order::Flush(done) => drop(done.send(())),
                Order::Line(line) => {
                    if let Err(error) = self.write(&line) {
                        metrics.log_line_lost();
                        tracing::debug!(cause = %error, "the call log cannot be written");
                    }
                }
            }
        }
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let whole = format!("{line}\n");
        let length = whole.len() as u64;
        if self.written > 0 && self.written + length > self.bytes {
            self.turn_over()?;
        }
        self.file.write_all(whole.as_bytes())?;
        self.written += length;
        Ok(())
    }

    fn turn_over(&mut self) -> io::Result<()> {
        let name = |n: usize| match n {
            0 => self.path.clone(),
            n => PathBuf::from(format!("{}.{n}", self.path.display())),
        };
        for n in (0..self.files).rev() {
            match std::fs::rename(name(n), name(n + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.files == 0 {
            std::fs::remove_file(&self.path)?;
        }
        self.file = append_to(&self.path)?;
        self.written = 0;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_turn_over_at_their_size_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.jsonl");
        let log = CallLog::open(&path, (100, 2), Metrics::new()).unwrap();
        for n in 0..40 {
            log.add(format!("{{\"call\":{n},\"x\":\"0123456789\"}}"));
        }
        log.flush();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let (now, one, two) = (
            read("calls.jsonl"),
            read("calls.jsonl.1"),
            read("calls.jsonl.2"),
        );
        assert!(now.contains("\"call\":39,"), "{now}");
        assert!(!folder.path().join("calls.jsonl.3").exists());
        for text in [&now, &one, &two] {
            assert!(text.len() <= 100 && text.ends_with('\n'), "{text}");
        }
        let all = format!("{two}{one}{now}");
        let calls = all.lines().map(|line| line[8..10].parse::<u32>().unwrap());
        let calls: Vec<u32> = calls.collect();
        assert_eq!(calls, (calls[0]..40).collect::<Vec<u32>>());
    }
}
