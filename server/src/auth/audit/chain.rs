//! The lines of an audit file and how each holds the one before.

use std::io::{self, BufRead as _, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Deed;
use crate::config::digest::hex;

/// What the first line of a chain points back to.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Longest line that is read, in bytes; one that is written stays far below.
const LONGEST: u64 = 65_536;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) time: String,
    #[serde(flatten)]
    pub(super) deed: Deed,
    pub(super) decision: String,
    pub(super) build: String,
    pub(super) prev: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sealed {
    #[serde(flatten)]
    line: Line,
    pub(super) hash: String,
}

impl Line {
    pub(super) fn seal(self) -> io::Result<Sealed> {
        let text = serde_json::to_vec(&self)?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
        Ok(Sealed {
            line: self,
            hash: hex(digest.as_ref()),
        })
    }
}

/// Where a chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Lines so far.
    pub count: u64,
    /// The hash of the last of them; 64 zeros before the first.
    pub hash: String,
}

impl Default for Anchor {
    fn default() -> Self {
        Self {
            count: 0,
            hash: GENESIS.to_owned(),
        }
    }
}

impl Anchor {
    /// Where the chain stands after this line; `None` when it does not fit.
    fn after(&self, text: &[u8]) -> Option<Self> {
        let sealed: Sealed = serde_json::from_slice(text).ok()?;
        let again = sealed.line.seal().ok()?;
        // Byte for byte: a field that was added is an edit as well.
        let is_whole = serde_json::to_vec(&again).is_ok_and(|whole| whole == text);
        (is_whole && again.line.prev == self.hash).then(|| Self {
            count: self.count + 1,
            hash: again.hash,
        })
    }
}

/// What is wrong with an audit file.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The file could not be read.
    #[error("the audit file could not be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A line was edited, removed or added by another hand.
    #[error("line {0} of the audit file breaks the chain; move the file away to start a new one")]
    Chain(u64),
}

/// A file whose whole lines are one chain.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) end: Anchor,
    /// Length of the whole lines.
    pub(super) bytes: u64,
    /// Length of half a line after them.
    pub(super) torn: u64,
}

/// Reads a file, holding one line at a time.
pub(super) fn walk(path: &Path) -> Result<Walked, Broken> {
    let mut reader = io::BufReader::new(std::fs::File::open(path)?);
    let (mut end, mut bytes, mut text) = (Anchor::default(), 0, Vec::new());
    loop {
        text.clear();
        let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut text)?;
        let (read, broken) = (read as u64, Broken::Chain(end.count + 1));
        end = match text.strip_suffix(b"\n") {
            Some(line) => end.after(line).ok_or(broken)?,
            None if read == LONGEST => return Err(broken),
            None => {
                return Ok(Walked {
                    end,
                    bytes,
                    torn: read,
                });
            }
        };
        bytes += read;
    }
}

/// Checks a file's chain: where it stands.
///
/// # Errors
/// The first line that does not fit, counted from 1.
pub fn verify(path: &Path) -> Result<Anchor, Broken> {
    let walked = walk(path)?;
    match walked.torn {
        0 => Ok(walked.end),
        _ => Err(Broken::Chain(walked.end.count + 1)),
    }
}
