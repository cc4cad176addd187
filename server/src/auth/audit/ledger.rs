//! The open audit file: whole lines or nothing.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::chain::{Anchor, Line, walk};
use super::{Decision, Deed, aside};
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
    path: PathBuf,
    end: Anchor,
    /// Length of the whole lines.
    good: u64,
    /// At this length the file is set aside.
    full: u64,
    /// How long a file grows.
    bytes: u64,
    /// Whether half a line may stand after them.
    is_torn: bool,
}

impl Ledger {
    /// Continues a file's chain. Half a line at its end, which a process killed while writing
    /// leaves and nobody was told of, is removed; a whole line never is. Without lines of its own
    /// it goes on where the youngest older file ends; that one alone is read, and no other.
    ///
    /// # Errors
    /// When the file cannot be opened, another process writes to it, or its chain is broken.
    pub(super) fn open(path: &Path, bytes: u64) -> io::Result<Self> {
        let file = lock(path)?;
        let read = |path: &Path| {
            let walked = walk(path, None, |_| ());
            walked.map_err(|broken| {
                let fix = "move it away to start a new one; exai audit verify looks at it";
                io::Error::other(format!("{broken}; {fix}"))
            })
        };
        let walked = read(path)?;
        let mut end = walked.end;
        if walked.bytes == 0
            && let Some((_, last)) = aside::older(path)?.pop()
        {
            end = read(&last)?.end;
        }
        let mut ledger = Self {
            file,
            path: path.to_owned(),
            end,
            full: bytes,
            bytes,
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
        if self.good >= self.full {
            self.set_aside();
        }
        let is_first = self.good == 0;
        let line = Line {
            time: entry.time.clone(),
            deed: entry.deed.clone(),
            decision: entry.decision.name().to_owned(),
            build: COMMIT.to_owned(),
            after: self.end.told().filter(|_| is_first),
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

    /// Where the chain stands.
    pub(super) const fn end(&self) -> &Anchor {
        &self.end
    }

    /// Begins a new file. Where that cannot be, such as for a file that is mounted alone, the old
    /// one goes on for as long again.
    fn set_aside(&mut self) {
        self.sync();
        let begun = aside::set(&self.path, self.end.count).and_then(|()| lock(&self.path));
        match begun {
            Ok(file) => {
                self.file = file;
                self.good = 0;
                self.full = self.bytes;
            }
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(%path, cause = %error, "the audit file cannot be set aside");
                self.full = self.good + self.bytes;
            }
        }
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
