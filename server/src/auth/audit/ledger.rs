//! The open audit file: whole lines or nothing.

use std::io::{self, Write as _};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use super::chain::{Anchor, Line, walk};
use super::{Decision, Deed};
use crate::observe::manifest::COMMIT;

/// A deed and when it was done, before it has a place in the chain.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) time: String,
    pub(super) deed: Deed,
    pub(super) decision: Decision,
}

/// Appends to a file that is this process's alone.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Locked as long as this process writes: two writers would break each other's chain.
    file: Flock<std::fs::File>,
    end: Anchor,
    /// Length of the whole lines.
    good: u64,
    /// Whether half a line may stand after them.
    is_torn: bool,
}

impl Ledger {
    /// Continues a file's chain. Half a line at its end, which a process killed while writing
    /// leaves and nobody was told of, is removed; a whole line never is.
    ///
    /// # Errors
    /// When the file cannot be opened, another process writes to it, or its chain is broken.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = lock(path)?;
        let walked = walk(path).map_err(|broken| io::Error::other(broken.to_string()))?;
        let mut ledger = Self {
            file,
            end: walked.end,
            good: walked.bytes,
            is_torn: walked.torn > 0,
        };
        if ledger.is_torn {
            tracing::warn!(path = %path.display(), bytes = walked.torn, "cut a torn audit line");
            ledger.cut()?;
        }
        Ok(ledger)
    }

    /// Adds one line, or leaves the file as it was.
    ///
    /// # Errors
    /// When it cannot be written, such as on a full disk. It may be tried again.
    pub(super) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        if self.is_torn {
            self.cut()?;
        }
        let line = Line {
            time: entry.time.clone(),
            deed: entry.deed.clone(),
            decision: entry.decision.name().to_owned(),
            build: COMMIT.to_owned(),
            prev: self.end.hash.clone(),
        };
        let sealed = line.seal()?;
        let mut text = serde_json::to_vec(&sealed)?;
        text.push(b'\n');
        if let Err(error) = self.file.write_all(&text) {
            self.is_torn = true;
            // Where even this fails it is done before the next line.
            drop(self.cut());
            return Err(error);
        }
        self.good += text.len() as u64;
        self.end = Anchor {
            count: self.end.count + 1,
            hash: sealed.hash,
        };
        Ok(())
    }

    /// Brings what was written to the disk.
    pub(super) fn sync(&self) {
        drop(self.file.sync_data());
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.good)?;
        self.is_torn = false;
        Ok(())
    }
}

fn lock(path: &Path) -> io::Result<Flock<std::fs::File>> {
    let file = std::fs::File::options()
        .create(true)
        .read(true)
        .append(true)
        .open(path)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        nix::errno::Errno::EWOULDBLOCK => io::Error::other(
            "another process writes to this audit file; set audit.file or server.state_dir",
        ),
        other => other.into(),
    })
}
