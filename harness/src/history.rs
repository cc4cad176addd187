//! The one stream a run leaves behind, written by one task as it happens.
//!
//! Recording never waits: a full queue or a failing disk is remembered and reported at close,
//! because a history with a silent hole would let a checker pass on what it did not see.

mod control;
mod segments;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use exai_judge::{Event, Observation};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use segments::{Segments, segment_name};

/// Observations that may wait for the writer; one more is lost, and the loss is reported.
pub const QUEUE: usize = 65_536;

/// A segment is closed at the first line that reaches this many bytes.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// The run's clock: ns since the run began.
pub type Now = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Sees each observation as it is recorded; must not wait.
pub type Onlooker = Box<dyn Fn(&Observation) + Send + Sync>;

/// What went wrong with a history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A segment could not be created, written or read.
    #[error("could not use history segment {path}: {cause}")]
    Segment {
        /// The segment.
        path: PathBuf,
        /// The operating system's answer.
        cause: std::io::Error,
    },
    /// A line is not an observation.
    #[error("could not read line {line} of {path}: {cause}")]
    Line {
        /// The segment.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What the parser said.
        cause: serde_json::Error,
    },
    /// Observations did not reach the disk; the run is a harness error.
    #[error("could not keep {} observations of {}", .0.lost, .0.events + .0.lost)]
    Lost(Written),
    /// The recorder was closed before.
    #[error("could not close the history twice")]
    Closed,
}

/// What the writer put on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Observations on disk.
    pub events: u64,
    /// Observations that did not get there.
    pub lost: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Number of segments.
    pub segments: u32,
}

/// Where everything seen in a run is said; clones speak into the same history.
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
    /// What is said belongs to the second, deliberately broken instance.
    is_control: bool,
    /// Critical errors of this kind are not said of it.
    swallowed: Option<&'static str>,
}

struct Shared {
    folder: PathBuf,
    now: Now,
    queue: mpsc::Sender<Said>,
    lost: AtomicU64,
    onlooker: OnceLock<Onlooker>,
    writer: Mutex<Option<JoinHandle<Result<Written, HistoryError>>>>,
}

enum Said {
    Seen(Box<Observation>),
    /// A bystander: from here on the disk takes nothing more.
    DiskFull,
    End,
}

impl Recorder {
    /// Opens the first segment in `folder` and starts the writer; needs a tokio runtime.
    ///
    /// # Errors
    /// When the segment exists already or cannot be created.
    pub fn open(folder: &Path, now: Now) -> Result<Self, HistoryError> {
        Self::with_queue(folder, now, QUEUE)
    }

    fn with_queue(folder: &Path, now: Now, bound: usize) -> Result<Self, HistoryError> {
        let segments = Segments::open(folder)?;
        let (queue, said) = mpsc::channel(bound);
        let writer = tokio::task::spawn_blocking(move || segments.write_all(said));
        Ok(Self {
            shared: Arc::new(Shared {
                folder: folder.to_path_buf(),
                now,
                queue,
                lost: AtomicU64::new(0),
                onlooker: OnceLock::new(),
                writer: Mutex::new(Some(writer)),
            }),
            is_control: false,
            swallowed: None,
        })
    }

    /// A voice for what watches the second, deliberately broken instance: the samples of its
    /// server stand under the name `control`, its critical errors prove the detector, and all else
    /// it says, which would be mistaken for the first instance's, is left out.
    #[must_use]
    pub fn of_control(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            is_control: true,
            swallowed: None,
        }
    }

    /// This voice, deaf to critical errors of one kind: the saboteur of the detector's proof.
    #[must_use]
    pub fn without(self, swallowed: Option<&'static str>) -> Self {
        Self { swallowed, ..self }
    }

    /// Shows every further observation to one onlooker; a second one is not heeded.
    pub fn show_to(&self, onlooker: Onlooker) {
        let _second = self.shared.onlooker.set(onlooker);
    }

    /// Where the segments are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// Ns since the run began, by the run's clock.
    #[must_use]
    pub fn now(&self) -> u64 {
        (self.shared.now)()
    }

    /// Records what is happening at this moment.
    pub fn record(&self, event: Event) {
        self.record_at(self.now(), event);
    }

    /// Records what happened at `at`, ns on the run's clock.
    pub fn record_at(&self, at: u64, event: Event) {
        let event = if self.is_control {
            control::said_of_control(event, self.swallowed)
        } else {
            Some(event)
        };
        let Some(event) = event else { return };
        let observation = Observation { at, event };
        if let Some(onlooker) = self.shared.onlooker.get() {
            onlooker(&observation);
        }
        let seen = Said::Seen(Box::new(observation));
        if self.shared.queue.try_send(seen).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A bystander: the kernel refuses every write from now on, as it does on a full disk.
    pub fn fill_disk(&self) {
        if self.shared.queue.try_send(Said::DiskFull).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Observations lost so far; anything but 0 makes the run a harness error.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Writes out what is queued, syncs, and counts.
    ///
    /// # Errors
    /// When anything was lost on the way, or the disk refused, or it was closed before.
    pub async fn close(&self) -> Result<Written, HistoryError> {
        let writer = {
            let mut slot = self
                .shared
                .writer
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            slot.take().ok_or(HistoryError::Closed)?
        };
        // A writer that has ended already gives its reason below.
        let _ended = self.shared.queue.send(Said::End).await;
        let mut written = match writer.await {
            Ok(ended) => ended?,
            Err(_panicked) => Written::default(),
        };
        written.lost = self.lost();
        if written.lost == 0 && written.segments > 0 {
            Ok(written)
        } else {
            Err(HistoryError::Lost(written))
        }
    }
}

/// A history on disk, readable as often as the judge needs.
#[derive(Debug, Clone)]
pub struct History {
    segments: Vec<PathBuf>,
    broken: Arc<Mutex<Option<HistoryError>>>,
}

impl History {
    /// Finds the segments in `folder`, which number from 0 without a gap.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        let segments = (0..)
            .map(|number| folder.join(segment_name(number)))
            .take_while(|path| path.exists())
            .collect();
        Self {
            segments,
            broken: Arc::default(),
        }
    }

    /// The segments, in order.
    #[must_use]
    pub fn segments(&self) -> &[PathBuf] {
        &self.segments
    }

    /// All observations in the order written. Ends early at a line it cannot read: ask
    /// [`History::broken`] afterwards.
    #[must_use]
    pub fn observations(&self) -> Observations {
        Observations {
            segments: self.segments.clone().into_iter(),
            reading: None,
            broken: Arc::clone(&self.broken),
        }
    }

    /// What ended a reading early, once.
    #[must_use]
    pub fn broken(&self) -> Option<HistoryError> {
        self.broken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// One reading of a [`History`].
pub struct Observations {
    segments: std::vec::IntoIter<PathBuf>,
    reading: Option<Reading>,
    broken: Arc<Mutex<Option<HistoryError>>>,
}

struct Reading {
    path: PathBuf,
    lines: BufReader<File>,
    line: u64,
    text: Vec<u8>,
}

impl Iterator for Observations {
    type Item = Observation;

    fn next(&mut self) -> Option<Observation> {
        match self.advance() {
            Ok(seen) => seen,
            Err(error) => {
                *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                self.segments = Vec::new().into_iter();
                self.reading = None;
                None
            }
        }
    }
}

impl Observations {
    fn advance(&mut self) -> Result<Option<Observation>, HistoryError> {
        loop {
            if let Some(reading) = &mut self.reading {
                if let Some(seen) = reading.observation()? {
                    return Ok(Some(seen));
                }
                self.reading = None;
            }
            let Some(path) = self.segments.next() else {
                return Ok(None);
            };
            let file = File::open(&path).map_err(|cause| HistoryError::Segment {
                path: path.clone(),
                cause,
            })?;
            self.reading = Some(Reading {
                path,
                lines: BufReader::new(file),
                line: 0,
                text: Vec::new(),
            });
        }
    }
}

impl Reading {
    fn observation(&mut self) -> Result<Option<Observation>, HistoryError> {
        self.text.clear();
        let read = self.lines.read_until(b'\n', &mut self.text);
        let length = read.map_err(|cause| HistoryError::Segment {
            path: self.path.clone(),
            cause,
        })?;
        if length == 0 {
            return Ok(None);
        }
        self.line += 1;
        serde_json::from_slice(&self.text)
            .map(Some)
            .map_err(|cause| HistoryError::Line {
                path: self.path.clone(),
                line: self.line,
                cause,
            })
    }
}

#[cfg(test)]
mod tests;
