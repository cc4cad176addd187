//! One run of this executable, and the record that it left, which must be believable.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use exai_harness::evidence::{Evidence, Record};
use exai_judge::Finding;

/// What a run left.
pub(super) struct Trial {
    pub(super) record: Record,
    pub(super) findings: Vec<Finding>,
}

impl Trial {
    /// Runs the self-test profile and reads the record.
    ///
    /// # Errors
    /// In words, when there is none or it is not believed.
    pub(super) fn run(reports: &Path, words: &[&str], seed: u64) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let log = std::fs::File::create(reports.with_extension("log"));
        let output = Command::new(own)
            .args(["run", "--profile", "selftest", "--quiet", "--seed"])
            .arg(seed.to_string())
            .args(words)
            .arg("--reports")
            .arg(reports)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.map_or_else(|_| Stdio::null(), Stdio::from))
            .status();
        let status = output.map_err(|error| error.to_string())?;
        let run = only_run(&reports.join("runs")).ok_or_else(|| {
            let log = std::fs::read_to_string(reports.with_extension("log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            format!("left no record ({status}): {}", last.join(" / "))
        })?;
        let record = Evidence::open(&run).map_err(|error| error.to_string())?;
        let findings = serde_json::from_value(record.findings.clone());
        Ok(Self {
            findings: findings.map_err(|error| error.to_string())?,
            record,
        })
    }
}

/// The one run in that folder.
pub(super) fn only_run(runs: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(runs).ok()?;
    entries.next()?.ok().map(|entry| entry.path())
}
