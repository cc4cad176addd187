//! The ledger of runs: one file an entry, named by its own hash, each naming its parents.
//!
//! Entries of two machines can be put into one folder; the next entry joins their chains.

pub mod checkpoint;
pub mod trend;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::EvidenceError;
use crate::canonical::canonical;

pub use checkpoint::Checkpoint;
pub use trend::Trend;

/// What an entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// A run began (save 1).
    Intent,
    /// A run ended and was judged (save 3).
    Outcome,
    /// A person decided; the body holds the signed envelope.
    Decision,
    /// A self-test was passed; likewise.
    Selftest,
    /// Two chains were joined.
    Merge,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What it tells.
    pub told: Told,
    /// The run's folder name.
    pub run: String,
    /// When, UTC, RFC 3339.
    pub at: String,
    /// The hashes of the entries before it.
    pub parents: BTreeSet<String>,
    /// An intent's promise; an outcome's root, verdicts and digests.
    pub body: Value,
}

/// How many instances of the server a run judged as one, by its plan or outcome; a record of a time
/// before there could be several says nothing of it.
#[must_use]
pub fn instances(body: &Value) -> u64 {
    body["instances"].as_u64().unwrap_or(1)
}

/// Whether a run judged one server alone: what claims are about.
#[must_use]
pub fn is_of_one(body: &Value) -> bool {
    instances(body) == 1
}

/// A folder of entries.
#[derive(Debug, Clone)]
pub struct Ledger {
    folder: PathBuf,
}

impl Ledger {
    /// The ledger in `folder`, which may not exist yet.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
        }
    }

    /// Adds an entry whose parents are all present heads, and gives its hash.
    ///
    /// # Errors
    /// When the ledger is refused, or the entry cannot be written.
    pub fn append(
        &self,
        told: Told,
        run: &str,
        at: &str,
        body: Value,
    ) -> Result<String, EvidenceError> {
        let parents = heads(&self.entries()?);
        let entry = Entry {
            told,
            run: run.to_owned(),
            at: at.to_owned(),
            parents,
            body,
        };
        self.write(&entry)
    }

    fn write(&self, entry: &Entry) -> Result<String, EvidenceError> {
        let text = text_of(entry);
        let hash = exai_judge::hex::sha256(text.as_bytes());
        let path = self.folder.join(format!("{hash}.json"));
        let done = std::fs::create_dir_all(&self.folder)
            .and_then(|()| OpenOptions::new().write(true).create_new(true).open(&path))
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            });
        done.map_err(|cause| EvidenceError::Write { path, cause })?;
        Ok(hash)
    }

    /// All entries by hash.
    ///
    /// # Errors
    /// [`EvidenceError::Refused`] when an entry is not what its name says, or a parent is missing.
    pub fn entries(&self) -> Result<BTreeMap<String, Entry>, EvidenceError> {
        let mut found = BTreeMap::new();
        if !self.folder.exists() {
            return Ok(found);
        }
        let unreadable = |cause: std::io::Error| EvidenceError::refused(".", cause.to_string());
        for file in std::fs::read_dir(&self.folder).map_err(unreadable)? {
            let file = file.map_err(unreadable)?;
            let name = file.file_name().to_string_lossy().into_owned();
            let Some(hash) = name.strip_suffix(".json") else {
                continue;
            };
            let bytes = std::fs::read(file.path()).map_err(unreadable)?;
            if exai_judge::hex::sha256(&bytes) != hash {
                return Err(EvidenceError::refused(name, "does not hash to its name"));
            }
            let entry: Entry = serde_json::from_slice(&bytes)
                .map_err(|cause| EvidenceError::refused(name.clone(), cause.to_string()))?;
            found.insert(hash.to_owned(), entry);
        }
        for (hash, entry) in &found {
            if let Some(gone) = entry
                .parents
                .iter()
                .find(|parent| !found.contains_key(*parent))
            {
                let why = format!("its parent {gone} is missing");
                return Err(EvidenceError::refused(format!("{hash}.json"), why));
            }
        }
        Ok(found)
    }

    /// Copies the entries of another ledger and joins the chains; gives how many were new.
    ///
    /// # Errors
    /// When either ledger is refused, or an entry cannot be written.
    pub fn merge(&self, other: &Self, at: &str) -> Result<usize, EvidenceError> {
        let known = self.entries()?;
        let theirs = other.entries()?;
        let new: Vec<&Entry> = theirs
            .iter()
            .filter(|(hash, _)| !known.contains_key(*hash))
            .map(|(_, entry)| entry)
            .collect();
        for entry in &new {
            self.write(entry)?;
        }
        if heads(&self.entries()?).len() > 1 {
            self.append(Told::Merge, "", at, Value::Null)?;
        }
        Ok(new.len())
    }

    /// What an append-only ledger can no longer lose.
    ///
    /// # Errors
    /// When the ledger is refused.
    pub fn checkpoint(&self) -> Result<Checkpoint, EvidenceError> {
        let entries = self.entries()?;
        Ok(Checkpoint {
            size: entries.len(),
            heads: heads(&entries),
        })
    }

    /// Runs that were begun and never judged; each counts as a harness error.
    ///
    /// # Errors
    /// When the ledger is refused.
    pub fn aborted(&self) -> Result<BTreeSet<String>, EvidenceError> {
        let entries = self.entries()?;
        let runs = |wanted: Told| -> BTreeSet<String> {
            let told = entries.values().filter(|entry| entry.told == wanted);
            told.map(|entry| entry.run.clone()).collect()
        };
        Ok(&runs(Told::Intent) - &runs(Told::Outcome))
    }
}

/// The entries that no other names as its parent.
fn heads(entries: &BTreeMap<String, Entry>) -> BTreeSet<String> {
    let named: BTreeSet<&String> = entries.values().flat_map(|entry| &entry.parents).collect();
    entries
        .keys()
        .filter(|hash| !named.contains(hash))
        .cloned()
        .collect()
}

fn text_of(entry: &Entry) -> String {
    // An entry holds strings and JSON, which always serialise.
    serde_json::to_value(entry).map_or_else(|_| String::new(), |value| canonical(&value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(ledger: &Ledger, told: Told, run: &str) -> String {
        ledger
            .append(told, run, "2026-11-21T05:00:00Z", json!({}))
            .unwrap()
    }

    #[test]
    fn an_intent_without_an_outcome_is_an_aborted_run() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(&folder.path().join("ledger"));
        assert!(ledger.aborted().unwrap().is_empty());
        told(&ledger, Told::Intent, "a");
        told(&ledger, Told::Intent, "b");
        told(&ledger, Told::Outcome, "a");
        assert_eq!(ledger.aborted().unwrap(), BTreeSet::from(["b".to_owned()]));
    }

    #[test]
    fn entries_name_their_parents_and_join_two_chains() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let left = told(&Ledger::at(one.path()), Told::Intent, "a");
        let right = told(&Ledger::at(two.path()), Told::Intent, "b");
        let name = format!("{right}.json");
        std::fs::copy(two.path().join(&name), one.path().join(&name)).unwrap();
        let ledger = Ledger::at(one.path());
        let joined = told(&ledger, Told::Outcome, "a");
        let parents = ledger.entries().unwrap()[&joined].parents.clone();
        assert_eq!(parents, BTreeSet::from([left, right]));
    }

    #[test]
    fn a_changed_entry_and_a_removed_parent_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(folder.path());
        let first = told(&ledger, Told::Intent, "a");
        told(&ledger, Told::Outcome, "a");
        let path = folder.path().join(format!("{first}.json"));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"a\"", "\"b\"")).unwrap();
        assert!(ledger.entries().is_err());
        std::fs::remove_file(&path).unwrap();
        let refused = ledger.entries().unwrap_err().to_string();
        assert!(refused.contains("is missing"), "{refused}");
    }
}
