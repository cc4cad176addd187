//! From the record of a foreign server to its report, through the same judge and the same writers.

use std::path::Path;
use std::time::Duration;

use exai_harness::evidence::Evidence;
use exai_harness::evidence::ledger::Trend;
use exai_harness::history::History;
use exai_harness::report::facts::{CutShort, Identity, RunFacts};
use exai_harness::report::secrets::Secrets;
use exai_harness::report::{Report, files};
use exai_judge::{Finding, RunKey};
use jiff::Timestamp;

use super::book;
use super::reach::{Reach, Subject};
use crate::cli::Ending;
use crate::conclude::{self as concluding, Sidelines};
use crate::drawing::{Asked, Told};
use crate::facts::host;
use crate::stage::Trouble;
use crate::{binaries, earlier};

/// A finished run, about to be judged.
pub struct Conclusion<'a> {
    /// Its folder.
    pub evidence: &'a Evidence,
    /// Its key, not revealed yet.
    pub key: &'a RunKey,
    /// The server.
    pub reach: &'a Reach,
    /// What it was at the start.
    pub subject: &'a Subject,
    /// The version it gave; empty when it gave none.
    pub version: &'a str,
    /// SHA-256 (hex) of this executable.
    pub harness_sha256: &'a str,
    /// What no output may contain.
    pub secrets: &'a Secrets,
    /// The file that names it.
    pub file: &'a Path,
    /// Begin.
    pub started_at: Timestamp,
    /// Seconds it took.
    pub measured_seconds: u64,
    /// What it might have taken.
    pub budget: Duration,
    /// The signal that ended it, if one did.
    pub cut_short: Option<CutShort>,
    /// Why it stopped early, if it did.
    pub trouble: Option<Trouble>,
}

impl Conclusion<'_> {
    /// Reveals the key, judges the record, writes save 3 and every report.
    ///
    /// # Errors
    /// When the record or a report cannot be written.
    pub fn write(&self, latest: &Path) -> Result<(Report, String), Ending> {
        let harness = |error: &dyn std::fmt::Display| Ending::Harness(error.to_string());
        let revealed = self.evidence.reveal(self.key);
        revealed.map_err(|error| harness(&error))?;
        let criteria = book::criteria()?;
        let history = History::in_folder(self.evidence.folder());
        let mut findings = concluding::judge(&criteria, book::NUMBERS, self.key, &history)?;
        // A run that stopped early leaves no criterion passed.
        if let Some(trouble) = &self.trouble {
            for finding in &mut findings {
                finding.checks.push(concluding::cut_short(trouble));
                finding.conclude();
            }
        }
        let mut report = self.report(findings.clone(), concluding::sidelines(&history))?;
        let texts = concluding::criteria_texts(&criteria, book::NUMBERS)?;
        let json = |value: serde_json::Result<serde_json::Value>| {
            value.map_err(|error| Ending::Bug(error.to_string()))
        };
        let sealed = self.evidence.seal(
            &json(serde_json::to_value(&findings))?,
            &json(serde_json::to_value(&report))?,
            texts,
        );
        let root = sealed.map_err(|error| harness(&error))?;
        report.identity.merkle_root = Some(root.clone());
        let written = files::write(&report, latest, self.secrets);
        written.map_err(|error| harness(&error))?;
        Ok((report, root))
    }

    fn report(&self, findings: Vec<Finding>, aside: Sidelines) -> Result<Report, Ending> {
        let run = self.run_facts();
        let judged: Vec<String> = findings.iter().map(|one| one.criterion.clone()).collect();
        let runs = self.evidence.folder().parent();
        let asked = Asked {
            criteria: &book::criteria()?,
            profile: book::NUMBERS,
            claim: &book::claim()?,
            named: &[],
        };
        let told = Told {
            previous: runs.and_then(|runs| earlier::like(runs, &run, &judged)),
            run,
            identity: Identity {
                server_sha256: self.subject.sha256.clone(),
                criteria_digest: Some(exai_judge::hex::sha256(book::CRITERIA.as_bytes())),
                harness_sha256: Some(self.harness_sha256.to_owned()),
                ..Identity::default()
            },
            // The ledger does not tell one foreign server from another.
            before: Trend::default(),
        };
        Ok(asked.draw(told, findings, aside))
    }

    fn run_facts(&self) -> RunFacts {
        RunFacts {
            run_id: self.evidence.intent().run.clone(),
            folder: binaries::shown(self.evidence.folder()),
            version: self.version.to_owned(),
            commit: String::new(),
            dirty: false,
            started_at: self.started_at,
            ended_at: Timestamp::now(),
            seed: 0,
            profile: book::PROFILE.to_owned(),
            driver: self.reach.wire().to_owned(),
            store: "none".to_owned(),
            instances: 1,
            replay: format!("verify target run {}", self.file.display()),
            planned_seconds: self.budget.as_secs(),
            measured_seconds: self.measured_seconds,
            host: host(),
            overrides: Vec::new(),
            spoiler: None,
            unprivileged: false,
            cut_short: self.cut_short,
            second_attempt_at: None,
            target: Some(self.reach.shown()),
        }
    }
}
