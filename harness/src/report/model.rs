//! One report: everything every format says about one run. Writers read this value and nothing
//! else, so that no two of them can disagree.
//!
//! Building it is `build.rs`; the names under which a finding carries its charts are `series.rs`.

use std::collections::BTreeMap;

use exai_judge::{Finding, Reason, Verdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::evidence::ledger::Trend;
use crate::report::facts::{Identity, RunFacts, Signature};

/// The name and major version of the JSON form (`harness/schema/report.schema.json`).
pub const SCHEMA: &str = "exai-verify-report/1";

/// What a run concluded, complete: the same value gives the same bytes in every format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The decision and the lines under it, word for word the same in every format.
    pub opening: Opening,
    /// The claim asked for and its verdict.
    pub claim: ClaimAnswer,
    /// How many criteria ended with which verdict.
    pub counts: Counts,
    /// What stands between this run and its claim, worst first.
    pub blockers: Vec<Blocker>,
    /// What was not tried, and why.
    pub not_tested: Vec<NotTested>,
    /// What the judged server gives no subject for, and why: neither passed nor left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_applicable: Vec<NotTested>,
    /// The claim's criteria, each judged.
    pub criteria: Vec<Judged>,
    /// Criteria judged beside the claim; they inform and do not decide.
    pub outside_claim: Vec<Judged>,
    /// Figures measured beside the criteria.
    pub figures: Vec<Figure>,
    /// What differs from the run compared with, if there is one.
    pub comparison: Option<Comparison>,
    /// The last runs of this kind, this one the newest; None before there are two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<Trend>,
    /// The run.
    pub run: RunFacts,
    /// What exactly was judged, and by what.
    pub identity: Identity,
    /// Who vouches for the record.
    pub signature: Signature,
}

impl Report {
    /// All criteria, those of the claim first.
    pub fn judged(&self) -> impl Iterator<Item = &Judged> {
        self.criteria.iter().chain(&self.outside_claim)
    }
}

/// The heading every format opens with, and what stands under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Whether the claim is carried.
    pub go: bool,
    /// Such as `No-go: merge-ready is not carried`.
    pub heading: String,
    /// One fact a line: what decided, what changed, what it is worth.
    pub lines: Vec<Line>,
}

/// One labelled line of the opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Such as `Criteria` or `Overrides`.
    pub label: String,
    /// The sentence.
    pub text: String,
}

/// The claim as answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimAnswer {
    /// Such as `merge-ready`.
    pub name: String,
    /// The name with the conditions it holds under: driver, store, simulated providers.
    pub printed: String,
    /// The worst of its criteria and of the claim's own rules.
    pub verdict: Verdict,
    /// The exit code of the process that asked.
    pub exit_code: u8,
    /// The claim's own rules that were not met, such as evidence on the other store.
    pub reasons: Vec<String>,
    /// How many floors and checks the claim names beside its criteria.
    pub rules: usize,
}

/// Verdicts counted, for the claim's criteria and for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Those that decide.
    pub claim: Tally,
    /// Those that inform.
    pub outside_claim: Tally,
}

/// How many of each verdict; the four add up to `selected`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All of them.
    pub selected: usize,
    /// [`Verdict::Pass`].
    pub pass: usize,
    /// [`Verdict::Inconclusive`].
    pub inconclusive: usize,
    /// [`Verdict::HarnessError`].
    pub harness_error: usize,
    /// [`Verdict::Fail`].
    pub fail: usize,
}

impl Tally {
    /// Counts the verdicts of a list.
    #[must_use]
    pub fn of(judged: &[Judged]) -> Self {
        let mut tally = Self {
            selected: judged.len(),
            ..Self::default()
        };
        for one in judged {
            *tally.slot(one.finding.verdict) += 1;
        }
        tally
    }

    fn slot(&mut self, verdict: Verdict) -> &mut usize {
        match verdict {
            Verdict::Pass => &mut self.pass,
            Verdict::Inconclusive => &mut self.inconclusive,
            Verdict::HarnessError => &mut self.harness_error,
            Verdict::Fail => &mut self.fail,
        }
    }

    /// The counts in words, worst first, without those that are zero: `1 Fail, 6 Pass`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let counts = [
            (self.fail, Verdict::Fail),
            (self.harness_error, Verdict::HarnessError),
            (self.inconclusive, Verdict::Inconclusive),
            (self.pass, Verdict::Pass),
        ];
        let said: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, verdict)| format!("{count} {}", verdict.word()))
            .collect();
        if said.is_empty() {
            "none".to_owned()
        } else {
            said.join(", ")
        }
    }
}

/// A criterion with its finding and what a reader needs beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
    /// The criterion's title, such as `storage stable under stress`.
    pub title: String,
    /// What the criterion asks for, in full.
    pub text: String,
    /// Its first line in the criteria's file, from 1; 0 where it is not known.
    #[serde(default)]
    pub line: u32,
    /// The anchor of this criterion in the page, unique and stable: `V4`, `V8g`.
    pub anchor: String,
    /// Inconclusive for reasons that the claim tolerates: neither carried by it nor in its way.
    pub tolerated: bool,
    /// The one command that repeats this criterion under this run's conditions.
    pub repeat: String,
}

/// Something that stands between the run and its claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    /// The criterion; `claim` where the claim's own rule is not met.
    pub criterion: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// The reasons of an Inconclusive.
    pub reasons: Vec<Reason>,
    /// What happened, in one sentence.
    pub says: String,
    /// How many further things went wrong in the same criterion.
    pub more: usize,
    /// Where the page shows the whole of it, if a criterion is behind it.
    pub anchor: Option<String>,
}

/// Something this run did not try.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotTested {
    /// The criterion it belongs to; empty for the run as a whole.
    pub criterion: String,
    /// What and why, for people.
    pub what: String,
}

/// A figure measured beside the criteria.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its full name with its conditions.
    pub name: String,
    /// The value.
    pub value: f64,
    /// `ms`, `req/s`, `MiB`, `ratio`, `s`.
    pub unit: String,
}

/// An earlier run to compare with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Previous {
    /// Its id.
    pub run_id: String,
    /// The version it judged.
    pub version: String,
    /// The commit it judged.
    pub commit: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Criterion to verdict.
    pub verdicts: BTreeMap<String, Verdict>,
    /// Figure name to value.
    pub figures: BTreeMap<String, f64>,
}

/// What differs from an earlier run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The earlier run, for people: `0.0.9 4f1c9ae of 2026-01-10 09:12 UTC`.
    pub with: String,
    /// Its id.
    pub run_id: String,
    /// Criteria whose verdict differs, or which one of the two runs did not judge.
    pub verdicts: Vec<VerdictChange>,
    /// Figures both runs measured.
    pub figures: Vec<FigureChange>,
}

/// A criterion whose verdict differs; None where that run did not judge it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictChange {
    /// The criterion.
    pub criterion: String,
    /// Then.
    pub was: Option<Verdict>,
    /// Now.
    pub is: Option<Verdict>,
}

/// A figure then and now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FigureChange {
    /// The figure's name.
    pub name: String,
    /// Then.
    pub was: f64,
    /// Now.
    pub is: f64,
    /// The unit of both.
    pub unit: String,
}
