//! The files of a history as its one writer fills them.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use exai_judge::Observation;
use tokio::sync::mpsc::{self, error::TryRecvError};

use super::{HistoryError, SEGMENT_BYTES, Said, Written};

/// A file to which the kernel lets nobody write for want of room.
const FULL: &str = "/dev/full";

/// The segments of one history, one open at a time.
pub(super) struct Segments {
    folder: PathBuf,
    path: PathBuf,
    file: BufWriter<File>,
    in_segment: u64,
    written: Written,
}

impl Segments {
    pub(super) fn open(folder: &Path) -> Result<Self, HistoryError> {
        let (path, file) = create(folder, 0)?;
        let written = Written {
            segments: 1,
            ..Written::default()
        };
        Ok(Self {
            folder: folder.to_path_buf(),
            path,
            file,
            in_segment: 0,
            written,
        })
    }

    pub(super) fn write_all(
        mut self,
        mut said: mpsc::Receiver<Said>,
    ) -> Result<Written, HistoryError> {
        loop {
            let next = match said.try_recv() {
                Ok(next) => Some(next),
                Err(TryRecvError::Disconnected) => None,
                Err(TryRecvError::Empty) => {
                    self.flush()?;
                    said.blocking_recv()
                }
            };
            match next {
                Some(Said::Seen(seen)) => self.write(&seen)?,
                Some(Said::DiskFull) => self.fill_disk()?,
                Some(Said::End) | None => return self.finish(),
            }
        }
    }

    fn write(&mut self, seen: &Observation) -> Result<(), HistoryError> {
        let mut line = serde_json::to_vec(seen).map_err(|cause| HistoryError::Line {
            path: self.path.clone(),
            line: self.written.events + 1,
            cause,
        })?;
        line.push(b'\n');
        let done = self.file.write_all(&line);
        self.blame(done)?;
        let bytes = u64::try_from(line.len()).unwrap_or(u64::MAX);
        self.written.events += 1;
        self.written.bytes += bytes;
        self.in_segment += bytes;
        if self.in_segment >= SEGMENT_BYTES {
            self.roll()?;
        }
        Ok(())
    }

    /// What is written after this meets `ENOSPC`; what was written before is on disk.
    fn fill_disk(&mut self) -> Result<(), HistoryError> {
        self.flush()?;
        self.file = match OpenOptions::new().write(true).open(FULL) {
            Ok(full) => BufWriter::new(full),
            Err(cause) => return self.blame(Err(cause)),
        };
        Ok(())
    }

    fn roll(&mut self) -> Result<(), HistoryError> {
        self.flush()?;
        (self.path, self.file) = create(&self.folder, self.written.segments)?;
        self.written.segments += 1;
        self.in_segment = 0;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), HistoryError> {
        let done = self.file.flush();
        self.blame(done)
    }

    fn finish(mut self) -> Result<Written, HistoryError> {
        self.flush()?;
        let done = self.file.get_ref().sync_all();
        self.blame(done)?;
        Ok(self.written)
    }

    fn blame(&self, done: std::io::Result<()>) -> Result<(), HistoryError> {
        done.map_err(|cause| HistoryError::Segment {
            path: self.path.clone(),
            cause,
        })
    }
}

fn create(folder: &Path, number: u32) -> Result<(PathBuf, BufWriter<File>), HistoryError> {
    let path = folder.join(segment_name(number));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    match file {
        Ok(file) => Ok((path, BufWriter::new(file))),
        Err(cause) => Err(HistoryError::Segment { path, cause }),
    }
}

pub(super) fn segment_name(number: u32) -> String {
    format!("history-{number:03}.ndjson")
}
