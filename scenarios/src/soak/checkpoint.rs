//! How far a soak has come, written beside its history so that another run can go on from there.
//! It is a note for the next run, not evidence: what counts is in the history.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The file's name in a run's folder.
pub const FILE: &str = "checkpoint.json";

/// The note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The run's folder name.
    pub run: String,
    /// When this was written.
    pub at: Timestamp,
    /// How long the soak is to last in all, s.
    pub planned: u64,
    /// How long it lasted so far, runs before this one included, s.
    pub measured: u64,
    /// Goose users beside the stream.
    pub users: u32,
    /// The store behind the server.
    pub store: String,
    /// Fixes schedule and shape.
    pub seed: u64,
    /// The binary that is judged, SHA-256 (hex).
    pub server_sha256: String,
    /// Operations of the stream so far.
    pub operations: u64,
    /// Critical errors so far.
    pub criticals: u64,
}

impl Checkpoint {
    /// Replaces the note in `folder` by this one, in one step.
    ///
    /// # Errors
    /// The operating system's.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
        replace(&folder.join(FILE), &text)
    }

    /// Reads the note of the run in `folder`.
    ///
    /// # Errors
    /// In words: there is none, or it is none of ours.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(folder.join(FILE))
            .map_err(|error| format!("{} has no {FILE}: {error}", folder.display()))?;
        serde_json::from_str(&text)
            .map_err(|error| format!("{}: {error}", folder.join(FILE).display()))
    }
}

/// Writes a file so that a reader sees the old text or the new, never half of one.
///
/// # Errors
/// The operating system's.
pub fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
