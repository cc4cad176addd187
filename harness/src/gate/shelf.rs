//! Everything on record about the builds that were judged, as the gate sees it: the ledger's lines,
//! the records behind them, and the statements about those.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use exai_judge::Finding;
use exai_judge::claim::{Claim, Role};
use exai_judge::gate::{Decision, Exhibit, JudgeDigests, SelfTest};
use exai_judge::refusal::{Refusal, Why};
use exai_judge::verdict::{Reason, Verdict};
use jiff::Timestamp;
use serde_json::Value;

use super::admission::{Admitted, Rules, admit, refused};
use crate::attest::decision::Written;
use crate::attest::selftest::Passed;
use crate::attest::statement::{Demand, check};
use crate::attest::{Envelope, Trust};
use crate::evidence::ledger::{Checkpoint, Entry, Ledger, Told, is_of_one};

/// The folders of statements beside the records: made here, and published.
pub const STATEMENTS: [&str; 2] = ["signed", "published"];
/// How a file with a test result ends.
pub const TEST_RESULT_FILE: &str = ".test-result.json";

/// A reports folder and the rules it is read by.
pub struct Shelf<'a> {
    /// The folder with `runs/`, `ledger/`, `signed/` and `published/`.
    pub reports: &'a Path,
    /// The catalogue and the judge.
    pub rules: Rules<'a>,
    /// Whose word counts.
    pub trust: &'a Trust,
    /// Now.
    pub now: Timestamp,
    /// Records opened so far; a record is judged again once.
    opened: RefCell<BTreeMap<String, Admitted>>,
}

/// What a look at the shelf brought.
#[derive(Debug, Default)]
pub struct Shown {
    /// The runs.
    pub exhibits: Vec<Exhibit>,
    /// Decisions with a trusted signature.
    pub decisions: Vec<Decision>,
    /// Self-tests with a trusted signature.
    pub selftests: Vec<SelfTest>,
    /// What a reader should know although it decides nothing.
    pub notes: Vec<String>,
}

impl<'a> Shelf<'a> {
    /// The shelf of a reports folder.
    #[must_use]
    pub fn at(reports: &'a Path, rules: Rules<'a>, trust: &'a Trust, now: Timestamp) -> Self {
        Self {
            reports,
            rules,
            trust,
            now,
            opened: RefCell::default(),
        }
    }

    /// The ledger's entries, held against a checkpoint where one is given.
    ///
    /// # Errors
    /// [`Why::Ledger`], [`Why::Checkpoint`], [`Why::Contradiction`].
    pub fn entries(
        &self,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<BTreeMap<String, Entry>, Refusal> {
        let ledger = Ledger::at(&self.reports.join("ledger"));
        let entries = ledger
            .entries()
            .map_err(|error| Refusal::new(Why::Ledger, refused(&error).says))?;
        if let Some(checkpoint) = checkpoint {
            checkpoint.check(&entries)?;
        }
        let mut roots: BTreeMap<&str, &Value> = BTreeMap::new();
        for entry in entries.values().filter(|entry| entry.told == Told::Outcome) {
            let before = roots.insert(&entry.run, &entry.body);
            if before.is_some_and(|before| *before != entry.body) {
                let says = format!("the ledger holds two different outcomes of {}", entry.run);
                return Err(Refusal::new(Why::Contradiction, says));
            }
        }
        Ok(entries)
    }

    /// Every run of the ledger by what the ledger says of it, and the decisions. What a row of the
    /// answer rests on must be looked into with [`Shelf::look_into`].
    #[must_use]
    pub fn by_ledger(&self, entries: &BTreeMap<String, Entry>) -> Shown {
        let mut shown = Shown::default();
        let ended: BTreeSet<&str> = entries
            .values()
            .filter(|entry| entry.told == Told::Outcome)
            .map(|entry| entry.run.as_str())
            .collect();
        for entry in entries.values() {
            match entry.told {
                Told::Outcome => shown.exhibits.extend(outcome(entry)),
                Told::Intent if !ended.contains(entry.run.as_str()) => {
                    let says = format!("{} began at {} and never ended", entry.run, entry.at);
                    shown.notes.push(says);
                    shown.exhibits.extend(aborted(entry));
                }
                Told::Decision => match self.decision(entry) {
                    Ok(decision) => shown.decisions.push(decision),
                    Err(refusal) => shown
                        .notes
                        .push(format!("a decision does not count: {refusal}")),
                },
                Told::Selftest => match self.selftest(entry) {
                    Ok(selftest) => shown.selftests.push(selftest),
                    Err(refusal) => shown
                        .notes
                        .push(format!("a self-test does not count: {refusal}")),
                },
                Told::Intent | Told::Merge => {}
            }
        }
        shown
    }

    fn decision(&self, entry: &Entry) -> Result<Decision, Refusal> {
        Written::read(&envelope(entry)?, self.trust).map(|written| written.weighed())
    }

    fn selftest(&self, entry: &Entry) -> Result<SelfTest, Refusal> {
        Passed::read(&envelope(entry)?, self.trust)
    }

    /// Opens the record behind a run, judges it again and reads its statements.
    ///
    /// # Errors
    /// A [`Refusal`] when the record is missing or not admitted, differs from the ledger, or a
    /// statement about it speaks against it.
    pub fn look_into(
        &self,
        run: &str,
        claim: &Claim,
        entries: &BTreeMap<String, Entry>,
    ) -> Result<Exhibit, Refusal> {
        let mut opened = self.opened.borrow_mut();
        if !opened.contains_key(run) {
            let folder = self.reports.join("runs").join(run);
            if !folder.is_dir() {
                let says = format!(
                    "{run} is on record, and its record is not in {}",
                    folder.display()
                );
                return Err(Refusal::new(Why::Unsupported, says));
            }
            let admitted = admit(&folder, &self.rules, self.trust, self.now)?;
            let outcome = entries
                .values()
                .find(|entry| entry.told == Told::Outcome && entry.run == run);
            if let Some(entry) = outcome.filter(|entry| entry.body["root"] != admitted.root) {
                let says = format!(
                    "{run} has another root than entry {} says",
                    entry.body["root"]
                );
                return Err(Refusal::new(Why::Ledger, says));
            }
            opened.insert(run.to_owned(), admitted);
        }
        let Some(admitted) = opened.get(run) else {
            return Err(Refusal::new(Why::Unsupported, run));
        };
        let signers = self.signers(admitted, claim)?;
        Ok(exhibit(admitted, signers))
    }

    /// The policy keys of a record that was looked into.
    #[must_use]
    pub fn policy(&self, run: &str) -> Option<BTreeMap<String, String>> {
        self.opened.borrow().get(run)?.policy.clone()
    }

    /// Roles of the trusted keys that signed a test result of this record for this claim.
    fn signers(&self, admitted: &Admitted, claim: &Claim) -> Result<Vec<Role>, Refusal> {
        let run = &admitted.report.run.run_id;
        let mut signers: BTreeMap<String, Role> = BTreeMap::new();
        for file in self.statements(run, claim) {
            let text = std::fs::read_to_string(&file);
            let text = text.map_err(|error| Refusal::new(Why::Changed, error.to_string()))?;
            let envelope = Envelope::parse(&text)?;
            let demand = Demand {
                claim,
                trust: self.trust,
                server: admitted.report.identity.server_sha256.as_deref(),
                policy: None,
                criteria: &self.rules.criteria_sha256,
                least_seconds: &self.rules.least_seconds,
                now: self.now,
            };
            let checked = match check(&envelope, &demand) {
                Ok(checked) => checked,
                // What nobody here trusts, or is about another claim, says nothing either way.
                Err(refusal) if is_silent(refusal.why) && claim.signed_by.is_none() => continue,
                Err(refusal) => return Err(refusal),
            };
            let carries = claim.judge(&admitted.findings).verdict == Verdict::Pass;
            let is_let_be = checked.binding.tolerated == claim.tolerated(&admitted.findings);
            if checked.binding.root != admitted.root || checked.passed != carries || !is_let_be {
                let says = format!("{} says otherwise than the record", file.display());
                return Err(Refusal::new(Why::Contradiction, says));
            }
            signers.extend(checked.signers.into_iter().map(|key| (key.id, key.role)));
        }
        Ok(signers.into_values().collect())
    }

    /// Files with test results about a run and a claim.
    fn statements(&self, run: &str, claim: &Claim) -> Vec<PathBuf> {
        let wanted = statement_file(&claim.id, TEST_RESULT_FILE);
        let folders = STATEMENTS.map(|folder| self.reports.join(folder).join(run));
        let files = folders.iter().map(|folder| folder.join(&wanted));
        files.filter(|file| file.exists()).collect()
    }
}

/// The name of a file with a statement about a claim.
#[must_use]
pub fn statement_file(claim: &str, ending: &str) -> String {
    format!("{}{ending}", claim.replace([' ', '(', ')'], "_"))
}

fn envelope(entry: &Entry) -> Result<Envelope, Refusal> {
    serde_json::from_value(entry.body["envelope"].clone())
        .map_err(|error| Refusal::new(Why::StatementType, error.to_string()))
}

const fn is_silent(why: Why) -> bool {
    matches!(why, Why::UntrustedKey | Why::Expired)
}

fn exhibit(admitted: &Admitted, signers: Vec<Role>) -> Exhibit {
    let (run, identity) = (&admitted.report.run, &admitted.report.identity);
    Exhibit {
        run: run.run_id.clone(),
        ended_at: run.ended_at.as_second(),
        server: identity.server_sha256.clone().unwrap_or_default(),
        policy: identity.policy_digest.clone(),
        profile: run.profile.clone(),
        driver: run.driver.clone(),
        store: run.store.clone(),
        seed: run.seed.to_string(),
        signers,
        judge: JudgeDigests {
            harness: identity.harness_sha256.clone().unwrap_or_default(),
            criteria: identity.criteria_digest.clone().unwrap_or_default(),
        },
        findings: admitted.findings.clone(),
    }
}

/// A run as its outcome entry tells it; None for a spoiled server, and for several instances, about
/// which no claim is.
fn outcome(entry: &Entry) -> Option<Exhibit> {
    let body = &entry.body;
    if !body["spoiler"].is_null() || !is_of_one(body) {
        return None;
    }
    let verdicts = body["verdicts"].as_object()?;
    let findings = verdicts.iter().filter_map(|(criterion, told)| {
        let verdict = serde_json::from_value(told["verdict"].clone()).ok()?;
        let reasons = serde_json::from_value(told["reasons"].clone()).unwrap_or_default();
        Some(bare(criterion, verdict, reasons, "as the ledger says"))
    });
    let ended = body["ended_at"].as_str().unwrap_or(&entry.at);
    Some(Exhibit {
        findings: findings.collect(),
        ..about(entry, body, ended)?
    })
}

/// A run that began and was never judged: a harness error of everything it set out to judge.
fn aborted(entry: &Entry) -> Option<Exhibit> {
    let plan = &entry.body["plan"];
    if !plan["spoiler"].is_null() || !is_of_one(plan) {
        return None;
    }
    let intended = plan["intended"].as_array()?;
    let says = "the run began and never ended";
    let findings = intended
        .iter()
        .filter_map(Value::as_str)
        .map(|criterion| bare(criterion, Verdict::HarnessError, Vec::new(), says));
    Some(Exhibit {
        findings: findings.collect(),
        policy: None,
        ..about(entry, plan, &entry.at)?
    })
}

fn about(entry: &Entry, body: &Value, ended: &str) -> Option<Exhibit> {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let ended: Timestamp = ended.parse().ok()?;
    Some(Exhibit {
        run: entry.run.clone(),
        ended_at: ended.as_second(),
        server: text("server_sha256"),
        policy: body["policy_digest"].as_str().map(str::to_owned),
        profile: text("profile"),
        driver: text("driver"),
        store: text("store"),
        seed: text("seed"),
        signers: Vec::new(),
        judge: JudgeDigests::default(),
        findings: Vec::new(),
    })
}

fn bare(criterion: &str, verdict: Verdict, reasons: Vec<Reason>, says: &str) -> Finding {
    Finding {
        criterion: criterion.to_owned(),
        verdict,
        reasons,
        headline: says.to_owned(),
        floors: Vec::new(),
        checks: Vec::new(),
        violations: Vec::new(),
        not_tested: Vec::new(),
        series: BTreeMap::new(),
    }
}
