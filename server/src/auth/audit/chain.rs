//! The lines of audit files and how each holds the one before.

use std::fmt;
use std::io::{self, BufRead as _, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Deed, aside};
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
    /// How many lines older files hold: in the first line after them alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<u64>,
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

/// Where a chain stands, written `COUNT:HASH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Lines so far, older files included.
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

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.count, self.hash)
    }
}

impl FromStr for Anchor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (count, hash) = text.split_once(':')?;
            let is_hash =
                hash.len() == GENESIS.len() && hash.chars().all(|c| c.is_ascii_hexdigit());
            let hash = is_hash.then(|| hash.to_ascii_lowercase())?;
            let count = count.parse().ok()?;
            Some(Self { count, hash })
        };
        read().ok_or("write COUNT:HASH as the component audit of /health shows it")
    }
}

impl Anchor {
    /// Where the chain stood before this line, which is the first that is at hand.
    fn before(text: &[u8]) -> Option<Self> {
        let Sealed { line, .. } = serde_json::from_slice(text).ok()?;
        let begin = Self {
            count: line.after.unwrap_or_default(),
            hash: line.prev,
        };
        let is_begin = begin.count > 0 || begin == Self::default();
        is_begin.then_some(begin)
    }

    /// What the first line of a file says of older ones.
    pub(super) fn told(&self) -> Option<u64> {
        (self.count > 0).then_some(self.count)
    }

    /// Where the chain stands after this line; `None` when it does not fit.
    fn next(&self, text: &[u8], after: Option<u64>) -> Option<Self> {
        let sealed: Sealed = serde_json::from_slice(text).ok()?;
        let again = sealed.line.seal().ok()?;
        // Byte for byte: a field that was added is an edit as well.
        let is_whole = serde_json::to_vec(&again).is_ok_and(|whole| whole == text);
        let is_next = again.line.prev == self.hash && again.line.after == after;
        (is_whole && is_next).then(|| Self {
            count: self.count + 1,
            hash: again.hash,
        })
    }
}

/// What is wrong with an audit file.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A file could not be read.
    #[error("{} could not be read: {}", .0.display(), .1)]
    Unreadable(PathBuf, io::Error),
    /// A line was edited, removed or added by another hand.
    #[error("line {} of {} breaks the chain", .1, .0.display())]
    Chain(PathBuf, u64),
    /// The chain is whole and ends before the line that must be there.
    #[error("the chain ends after {0} lines, and the anchor is line {1}: the last lines are gone")]
    Short(u64, u64),
    /// The line that must be there is another.
    #[error("line {0} of the chain is not the anchor's: the lines from it on were written anew")]
    Other(u64),
    /// The line that must be there is in a file that is not here.
    #[error(
        "the files here begin after {0} lines, and the anchor is line {1}: bring the older ones"
    )]
    Away(u64, u64),
}

/// A file whose whole lines are one chain.
#[derive(Debug)]
pub(super) struct Walked {
    /// Where the chain stood before its first line.
    begin: Anchor,
    pub(super) end: Anchor,
    /// Length of the whole lines.
    pub(super) bytes: u64,
    /// Length of half a line after them.
    pub(super) torn: u64,
}

/// Reads a file, holding one line at a time. Where the chain stood before it is believed unless
/// `known`. `meet` is told where it stands before the first line and after each.
pub(super) fn walk(
    path: &Path,
    known: Option<&Anchor>,
    mut meet: impl FnMut(&Anchor),
) -> Result<Walked, Broken> {
    let unreadable = |error| Broken::Unreadable(path.to_owned(), error);
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut reader = io::BufReader::new(file);
    let mut begin = known.cloned();
    let mut end = begin.clone().unwrap_or_default();
    let (mut line, mut bytes, mut text) = (0, 0, Vec::new());
    loop {
        line += 1;
        text.clear();
        let mut taken = reader.by_ref().take(LONGEST);
        let read = taken.read_until(b'\n', &mut text).map_err(unreadable)? as u64;
        let broken = || Broken::Chain(path.to_owned(), line);
        let Some(whole) = text.strip_suffix(b"\n") else {
            if read == LONGEST {
                return Err(broken());
            }
            let begin = begin.unwrap_or_default();
            return Ok(Walked {
                begin,
                end,
                bytes,
                torn: read,
            });
        };
        let mut after = None;
        if line == 1 {
            end = match begin {
                Some(known) => known,
                None => Anchor::before(whole).ok_or_else(broken)?,
            };
            begin = Some(end.clone());
            after = end.told();
            meet(&end);
        }
        end = end.next(whole, after).ok_or_else(broken)?;
        meet(&end);
        bytes += read;
    }
}

/// A chain that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many files hold it.
    pub files: usize,
    /// Where it stands.
    pub end: Anchor,
    /// Bytes of half a line at its end: one that is being written, or was when the process died.
    pub torn: u64,
}

/// Checks the chain of a file and of the older ones beside it, `FILE.1` and so on; the oldest that
/// is there may itself follow on others. With an anchor, which somebody kept elsewhere, lines that
/// were cut off the end are found as well.
///
/// # Errors
/// The first thing that does not fit.
pub fn verify(path: &Path, anchor: Option<&Anchor>) -> Result<Verified, Broken> {
    let list = || files(path).map_err(|error| Broken::Unreadable(path.to_owned(), error));
    loop {
        let files = list()?;
        let verified = follow(&files, anchor);
        // A server may set its file aside meanwhile, and all are looked at anew.
        if list()? == files {
            return verified;
        }
    }
}

fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = aside::older(path)?
        .into_iter()
        .map(|(_, older)| older)
        .collect();
    if files.is_empty() || path.exists() {
        files.push(path.to_owned());
    }
    Ok(files)
}

fn follow(files: &[PathBuf], anchor: Option<&Anchor>) -> Result<Verified, Broken> {
    let (mut known, mut begin, mut torn) = (None, None, 0);
    let mut met = None;
    for (n, file) in files.iter().enumerate() {
        let walked = walk(file, known.as_ref(), |at| {
            if anchor.is_some_and(|anchor| anchor.count == at.count) {
                met = Some(at.clone());
            }
        })?;
        torn = walked.torn;
        if torn > 0 && n + 1 < files.len() {
            let lines = walked.end.count - walked.begin.count;
            return Err(Broken::Chain(file.clone(), lines + 1));
        }
        begin.get_or_insert(walked.begin.count);
        known = Some(walked.end);
    }
    let end = known.unwrap_or_default();
    let begin = begin.unwrap_or_default();
    match anchor {
        Some(anchor) if anchor.count < begin => Err(Broken::Away(begin, anchor.count)),
        Some(anchor) if anchor.count > end.count => Err(Broken::Short(end.count, anchor.count)),
        Some(anchor) if met.is_some_and(|met| met != *anchor) => Err(Broken::Other(anchor.count)),
        _ => Ok(Verified {
            files: files.len(),
            end,
            torn,
        }),
    }
}
