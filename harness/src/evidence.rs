//! The evidence folder of a run: three saves while it lasts, and a reader that trusts nothing.
//!
//! Save 1 says what will be tried and commits to the run key; save 2 is the history as it happens;
//! save 3 holds the findings and the digests of everything under one Merkle root. The digests
//! detect change, they do not prove origin: that is a signature's work.

pub mod digests;
pub mod ledger;
mod merkle;

use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use exai_judge::RunKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::digests::Digests;
use crate::canonical::canonical;
use crate::history::History;

const PLAN: &str = "plan.json";
const INTENT: &str = "intent.json";
const KEY: &str = "key.json";
const FINDINGS: &str = "findings.json";
const REPORT: &str = "report.json";
const DIGESTS: &str = "digests.json";
/// The keys of the server's policy and their values, where the run recorded them.
pub const POLICY: &str = "policy.json";

/// Why evidence could not be written or is not believed.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The folder or a file of it could not be written.
    #[error("could not write evidence to {path}: {cause}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        cause: std::io::Error,
    },
    /// The revealed key is not the one save 1 committed to.
    #[error("could not reveal a key that save 1 did not commit to")]
    WrongKey,
    /// The record is not what was written (exit 5).
    #[error("could not accept the evidence: {file}: {why}")]
    Refused {
        /// The file at fault, by its name in the folder.
        file: String,
        /// What is wrong with it, for people.
        why: String,
    },
}

impl EvidenceError {
    fn refused(file: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Refused {
            file: file.into(),
            why: why.into(),
        }
    }
}

/// What names a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunName {
    /// Start, UTC, as `20261121T044336Z`.
    pub utc: String,
    /// The first seven characters of the commit.
    pub commit7: String,
    /// The printed seed.
    pub seed: u64,
}

impl RunName {
    /// The folder's name.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{}-{}-{}", self.utc, self.commit7, self.seed)
    }
}

/// What save 1 promises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// The folder's name.
    pub run: String,
    /// SHA-256 (hex) of the run key.
    pub key_commitment: String,
    /// SHA-256 (hex) of `plan.json`.
    pub plan_sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevealedKey {
    key: String,
}

/// An evidence folder being written.
#[derive(Debug)]
pub struct Evidence {
    folder: PathBuf,
    intent: Intent,
}

impl Evidence {
    /// Save 1: creates `runs/NAME` with mode 0700, the plan and the commitment to the run key.
    ///
    /// # Errors
    /// When the folder exists or cannot be written.
    pub fn create(
        runs: &Path,
        name: &RunName,
        plan: &Value,
        key: &RunKey,
    ) -> Result<Self, EvidenceError> {
        let folder = runs.join(name.folder());
        let made = std::fs::create_dir_all(runs)
            .and_then(|()| DirBuilder::new().mode(0o700).create(&folder));
        made.map_err(|cause| EvidenceError::Write {
            path: folder.clone(),
            cause,
        })?;
        let plan_text = canonical(plan);
        let intent = Intent {
            run: name.folder(),
            key_commitment: key.commitment(),
            plan_sha256: exai_judge::hex::sha256(plan_text.as_bytes()),
        };
        let evidence = Self { folder, intent };
        evidence.write(PLAN, &plan_text)?;
        evidence.write(INTENT, &text_of(&evidence.intent))?;
        Ok(evidence)
    }

    /// Where the recorder writes and other files of the run belong.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What save 1 promised; the body of the ledger's intent entry.
    #[must_use]
    pub const fn intent(&self) -> &Intent {
        &self.intent
    }

    /// Writes the run key, once the server has exited.
    ///
    /// # Errors
    /// When it is not the key of save 1, or the file exists or cannot be written.
    pub fn reveal(&self, key: &RunKey) -> Result<(), EvidenceError> {
        if key.commitment() != self.intent.key_commitment {
            return Err(EvidenceError::WrongKey);
        }
        self.write(KEY, &text_of(&RevealedKey { key: key.to_hex() }))
    }

    /// Save 3: findings and report, then the digests of every file in the folder and of the
    /// criteria's texts. Gives the Merkle root, which the ledger's outcome entry names.
    ///
    /// # Errors
    /// When a file exists or cannot be written.
    pub fn seal(
        &self,
        findings: &Value,
        report: &Value,
        criteria: BTreeMap<String, String>,
    ) -> Result<String, EvidenceError> {
        self.write(FINDINGS, &canonical(findings))?;
        self.write(REPORT, &canonical(report))?;
        let digests = Digests::of_folder(&self.folder, &self.intent.run, criteria)?;
        self.write(DIGESTS, &text_of(&digests))?;
        Ok(digests.root)
    }

    /// Adds a text file, such as a log, before the seal.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), EvidenceError> {
        let path = self.folder.join(name);
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let done = opened.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        done.map_err(|cause| EvidenceError::Write { path, cause })
    }

    /// Reads a finished run back and checks every byte of it.
    ///
    /// # Errors
    /// [`EvidenceError::Refused`] when a file is missing, changed, added or not what it should be.
    pub fn open(folder: &Path) -> Result<Record, EvidenceError> {
        let digests = exact(folder)?;
        digests.check(folder)?;
        let intent: Intent = read(folder, INTENT)?;
        let revealed: RevealedKey = read(folder, KEY)?;
        let key = RunKey::from_hex(&revealed.key)
            .ok_or_else(|| EvidenceError::refused(KEY, "not a run key"))?;
        if key.commitment() != intent.key_commitment {
            return Err(EvidenceError::refused(
                KEY,
                "not the key that save 1 committed to",
            ));
        }
        if digests.files.get(PLAN) != Some(&intent.plan_sha256) {
            return Err(EvidenceError::refused(PLAN, "not the plan of save 1"));
        }
        if intent.run != digests.run {
            return Err(EvidenceError::refused(INTENT, "names another run"));
        }
        Ok(Record {
            plan: read(folder, PLAN)?,
            findings: read(folder, FINDINGS)?,
            report: read(folder, REPORT)?,
            history: History::in_folder(folder),
            intent,
            digests,
            key,
        })
    }
}

/// A run read back whole.
#[derive(Debug)]
pub struct Record {
    /// What was to be tried.
    pub plan: Value,
    /// What save 1 promised.
    pub intent: Intent,
    /// The run key.
    pub key: RunKey,
    /// What the judge found then.
    pub findings: Value,
    /// The report model written then.
    pub report: Value,
    /// Everything that was seen.
    pub history: History,
    /// The digests, criteria texts included, and the root.
    pub digests: Digests,
}

fn text_of(value: &impl Serialize) -> String {
    // These structs hold strings and maps of strings, which always serialise.
    serde_json::to_value(value).map_or_else(|_| String::new(), |value| canonical(&value))
}

/// Reads the one file that no digest covers: it must be the canonical text of what it says, so that
/// no byte of it is free.
fn exact(folder: &Path) -> Result<Digests, EvidenceError> {
    let text = read_text(folder, DIGESTS)?;
    let digests: Digests = parsed(DIGESTS, &text)?;
    if text_of(&digests) == text {
        Ok(digests)
    } else {
        Err(EvidenceError::refused(
            DIGESTS,
            "was rewritten: it is not in canonical form",
        ))
    }
}

/// Reads a file whose bytes have been checked.
fn read<T: for<'de> Deserialize<'de>>(folder: &Path, name: &str) -> Result<T, EvidenceError> {
    parsed(name, &read_text(folder, name)?)
}

fn read_text(folder: &Path, name: &str) -> Result<String, EvidenceError> {
    std::fs::read_to_string(folder.join(name))
        .map_err(|cause| EvidenceError::refused(name, format!("cannot be read: {cause}")))
}

fn parsed<T: for<'de> Deserialize<'de>>(name: &str, text: &str) -> Result<T, EvidenceError> {
    serde_json::from_str(text)
        .map_err(|cause| EvidenceError::refused(name, format!("is not what it should be: {cause}")))
}

#[cfg(test)]
mod tests;
