//! What somebody outside remembers of a ledger, so that its past cannot be cut or replaced.
//!
//! Entries are named by their hashes and name their parents, and a ledger with a parent missing is
//! refused. So a ledger that still holds the heads of a checkpoint still holds all that was before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use exai_judge::refusal::{Refusal, Why};
use serde::{Deserialize, Serialize};

use super::Entry;
use crate::canonical::canonical;
use crate::evidence::EvidenceError;

/// A ledger at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// How many entries it had.
    pub size: usize,
    /// The hashes of the entries that none named as its parent.
    pub heads: BTreeSet<String>,
}

impl Checkpoint {
    /// Refuses a ledger that has lost anything this checkpoint saw.
    ///
    /// # Errors
    /// [`Why::Checkpoint`].
    pub fn check(&self, entries: &BTreeMap<String, Entry>) -> Result<(), Refusal> {
        let gone = self.heads.iter().find(|head| !entries.contains_key(*head));
        if let Some(gone) = gone {
            let says = format!("entry {gone} was in the ledger and is gone");
            return Err(Refusal::new(Why::Checkpoint, says));
        }
        if entries.len() < self.size {
            let says = format!("it had {} entries and has {}", self.size, entries.len());
            return Err(Refusal::new(Why::Checkpoint, says));
        }
        Ok(())
    }

    /// Reads a checkpoint; None when there is no such file.
    ///
    /// # Errors
    /// When it is there and is no checkpoint.
    pub fn read(path: &Path) -> Result<Option<Self>, EvidenceError> {
        let name = || path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| EvidenceError::refused(name(), error.to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(EvidenceError::refused(name(), error.to_string())),
        }
    }

    /// Keeps this checkpoint, in place of an older one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), EvidenceError> {
        // A number and strings always serialise.
        let value = serde_json::to_value(self).unwrap_or_default();
        let whole = path.with_extension("part");
        std::fs::write(&whole, canonical(&value))
            .and_then(|()| std::fs::rename(&whole, path))
            .map_err(|cause| EvidenceError::Write {
                path: path.to_path_buf(),
                cause,
            })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::ledger::{Ledger, Told};

    fn told(ledger: &Ledger, run: &str) -> String {
        let at = "2026-11-21T05:00:00Z";
        ledger.append(Told::Intent, run, at, json!({})).unwrap()
    }

    #[test]
    fn a_cut_tail_a_rollback_and_another_past_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(&folder.path().join("ledger"));
        told(&ledger, "a");
        let tail = told(&ledger, "b");
        let kept = folder.path().join("checkpoint.json");
        ledger.checkpoint().unwrap().write(&kept).unwrap();
        let kept = Checkpoint::read(&kept).unwrap().unwrap();
        told(&ledger, "c");
        assert!(kept.check(&ledger.entries().unwrap()).is_ok());
        let other = Ledger::at(&folder.path().join("other"));
        for run in ["x", "y", "z"] {
            told(&other, run);
        }
        let replaced = kept.check(&other.entries().unwrap()).unwrap_err();
        assert_eq!(replaced.why, Why::Checkpoint);
        let mut cut = ledger.entries().unwrap();
        cut.retain(|hash, entry| *hash != tail && entry.run != "c");
        assert!(kept.check(&cut).is_err());
    }

    #[test]
    fn two_ledgers_become_one_and_a_second_merge_adds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (
            Ledger::at(&folder.path().join("one")),
            Ledger::at(&folder.path().join("two")),
        );
        told(&one, "a");
        told(&two, "b");
        assert_eq!(one.merge(&two, "2026-11-21T06:00:00Z").unwrap(), 1);
        assert_eq!(one.checkpoint().unwrap().heads.len(), 1);
        assert_eq!(one.merge(&two, "2026-11-21T07:00:00Z").unwrap(), 0);
        assert_eq!(one.entries().unwrap().len(), 3);
    }
}
