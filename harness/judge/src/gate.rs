//! The gate: whether records carry a claim about one server, as a pure function of what was shown.
//!
//! It believes what it is given. Whether a record is whole, signed and judged again is decided
//! before; whether it counts for this claim, this build and this moment is decided here.

mod row;
mod selftest;

use serde::{Deserialize, Serialize};

use crate::claim::{Claim, IdentityLevel, Role};
use crate::finding::Finding;
use crate::refusal::{Refusal, Why};
use crate::verdict::{Exit, Verdict};

pub use row::Row;
pub use selftest::{JudgeDigests, SelfTest};

/// Seconds of a day.
pub const DAY_S: i64 = 86_400;

/// One run as the gate sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Exhibit {
    /// The run.
    pub run: String,
    /// Its end, seconds since 1970; its begin where it never ended.
    pub ended_at: i64,
    /// SHA-256 (hex) of the server judged.
    pub server: String,
    /// Its policy digest; None where it was not told.
    pub policy: Option<String>,
    /// `smoke`, `quick`, `full`, `soak`.
    pub profile: String,
    /// The driver.
    pub driver: String,
    /// The store.
    pub store: String,
    /// The seed.
    pub seed: String,
    /// The roles of the distinct trusted keys that signed it.
    pub signers: Vec<Role>,
    /// What judged it; empty where the record was not opened.
    pub judge: JudgeDigests,
    /// What was found; for a run that never ended, a HarnessError for each criterion it intended.
    pub findings: Vec<Finding>,
}

/// What was asked, and under which circumstances.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The claim.
    pub claim: &'a Claim,
    /// SHA-256 (hex) of the server it is about.
    pub server: &'a str,
    /// The policy digest it is about; None takes that of the newest run of the server.
    pub policy: Option<&'a str>,
    /// Now, seconds since 1970.
    pub now: i64,
    /// How sure the gate is of what is running.
    pub identity: IdentityLevel,
    /// Whether the ledger was held against a checkpoint kept elsewhere.
    pub has_checkpoint: bool,
    /// Waivers on file.
    pub waivers: &'a [Waiver],
    /// Checks that no waiver covers.
    pub never_waived: &'a [String],
    /// Whether waived criteria may stand.
    pub accepts_waivers: bool,
    /// Decisions on record whose signatures are trusted.
    pub decisions: &'a [Decision],
    /// Self-tests on record whose signatures are trusted.
    pub selftests: &'a [SelfTest],
}

/// A criterion that somebody answers for although it is not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// The criterion.
    pub criterion: String,
    /// The claim it is waived for.
    pub claim: String,
    /// Who answers for it.
    pub owner: String,
    /// Who agreed, somebody else.
    pub approved_by: String,
    /// Why.
    pub reason: String,
    /// Until when, seconds since 1970.
    pub until: i64,
}

/// What a person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Course {
    /// Ship although the evidence does not carry it.
    Go,
    /// Do not ship although it does.
    NoGo,
}

/// A decision on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was decided.
    pub course: Course,
    /// For which claim.
    pub claim: String,
    /// About which server.
    pub server: String,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
    /// From when, seconds since 1970.
    pub at: i64,
    /// Until when, seconds since 1970.
    pub until: i64,
}

/// The gate's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The claim.
    pub claim: String,
    /// Whether the evidence, with waivers where they are accepted, carries it.
    pub carried: bool,
    /// The exit code.
    pub exit: Exit,
    /// One row a criterion, and a store where both are needed.
    pub rows: Vec<Row>,
    /// Why not, one sentence each; empty when carried.
    pub reasons: Vec<String>,
    /// What a reader should know although it decides nothing.
    pub notes: Vec<String>,
    /// The evidence holds until, seconds since 1970; None when nothing carries it.
    pub valid_until: Option<i64>,
    /// How sure the gate is of what is running.
    pub identity: IdentityLevel,
    /// How sure it had to be.
    pub identity_needed: IdentityLevel,
    /// The decision in force, if one speaks about this claim and server.
    pub decision: Option<Decision>,
}

/// Answers the question from what was shown.
#[must_use]
pub fn answer(question: &Question<'_>, exhibits: &[Exhibit]) -> Answer {
    let rows = row::rows(question, exhibits);
    let mut fold = Fold::default();
    for row in &rows {
        fold.add_row(row, question);
    }
    fold.add_refusals(&rows);
    fold.add_rules(question, &rows);
    fold.add_circumstances(question, &rows);
    let in_force = in_force(question);
    let evidence_carries = fold.exit == Exit::Pass;
    let exit = match in_force.map(|decision| decision.course) {
        Some(Course::NoGo) if evidence_carries => Exit::Fail,
        Some(Course::Go) if !evidence_carries && !fold.touched => Exit::Overridden,
        _ => fold.exit,
    };
    if let Some(decision) = in_force {
        let says = format!("decided by {}: {}", decision.by, decision.reason);
        match decision.course {
            Course::NoGo => fold.reasons.push(format!("no-go {says}")),
            Course::Go => fold.notes.push(format!("go {says}")),
        }
    }
    let valid_until = rows.iter().filter_map(|row| row.valid_until).min();
    Answer {
        claim: question.claim.id.clone(),
        carried: exit == Exit::Pass,
        exit,
        valid_until: valid_until.filter(|_| exit == Exit::Pass),
        rows,
        reasons: fold.reasons,
        notes: fold.notes,
        identity: question.identity,
        identity_needed: question.claim.identity,
        decision: in_force.cloned(),
    }
}

/// The newest decision about this claim and server whose time has not run out.
fn in_force<'a>(question: &Question<'a>) -> Option<&'a Decision> {
    let speaks = |decision: &&Decision| {
        decision.claim == question.claim.id
            && decision.server == question.server
            && (decision.at..=decision.until).contains(&question.now)
    };
    let about = question.decisions.iter().filter(speaks);
    about.max_by_key(|decision| decision.at)
}

/// Reasons as they add up; the exit code is the gravest one's.
struct Fold {
    exit: Exit,
    reasons: Vec<String>,
    notes: Vec<String>,
    /// Whether something was refused that no decision may override.
    touched: bool,
}

impl Default for Fold {
    fn default() -> Self {
        Self {
            exit: Exit::Pass,
            reasons: Vec::new(),
            notes: Vec::new(),
            touched: false,
        }
    }
}

/// Observed and not met comes first; then what cannot be believed, then what is not known.
const GRAVITY: [Exit; 5] = [
    Exit::Fail,
    Exit::Refused,
    Exit::HarnessError,
    Exit::Inconclusive,
    Exit::Pass,
];

impl Fold {
    fn blocks(&mut self, exit: Exit, says: String) {
        let gravest = GRAVITY
            .into_iter()
            .find(|one| *one == exit || *one == self.exit);
        self.exit = gravest.unwrap_or(exit);
        self.reasons.push(says);
    }

    fn refuses(&mut self, refusal: &Refusal) {
        self.touched |= !refusal.why.is_absence();
        self.blocks(Exit::Refused, refusal.to_string());
    }

    fn add_row(&mut self, row: &Row, question: &Question<'_>) {
        if row.verdict == Verdict::Pass && row.refusal.is_none() {
            if row.waiver.is_some() {
                let says = format!("{}: the waiver is stale, remove it", row.label());
                self.notes.push(says);
            }
            return;
        }
        match (&row.waiver, &row.refusal) {
            (Some(waiver), _) if question.accepts_waivers => {
                self.notes.push(waived(row, waiver));
            }
            (Some(waiver), _) => {
                let says = waived(row, waiver);
                self.blocks(Exit::Fail, format!("{says} (--accept-waivers takes it)"));
            }
            // Told once for all the rows it concerns.
            (None, Some(_)) => {}
            (None, None) => {
                let says = format!("{} {}: {}", row.label(), row.verdict.word(), row.says);
                self.blocks(row.verdict.exit(), says);
            }
        }
    }

    /// What no evidence stands for, each reason once with the criteria it concerns.
    fn add_refusals(&mut self, rows: &[Row]) {
        let mut told: Vec<(&Refusal, Vec<String>)> = Vec::new();
        for row in rows.iter().filter(|row| row.waiver.is_none()) {
            let Some(refusal) = &row.refusal else {
                continue;
            };
            match told.iter_mut().find(|(known, _)| *known == refusal) {
                Some((_, labels)) => labels.push(row.label()),
                None => told.push((refusal, vec![row.label()])),
            }
        }
        for (refusal, labels) in told {
            self.refuses(&Refusal {
                says: format!("{}: {}", labels.join(", "), refusal.says),
                ..refusal.clone()
            });
        }
    }

    /// The claim's own floors and checks, store by store; nothing is added where no run stands.
    fn add_rules(&mut self, question: &Question<'_>, rows: &[Row]) {
        let mut stores: Vec<Option<&str>> = rows.iter().map(|row| row.store.as_deref()).collect();
        stores.sort_unstable();
        stores.dedup();
        for store in stores {
            let of_store = rows.iter().filter(|row| row.store.as_deref() == store);
            let findings: Vec<Finding> = of_store.filter_map(|row| row.finding.clone()).collect();
            if findings.is_empty() {
                continue;
            }
            for (path, verdict) in question.claim.rules(&findings) {
                if verdict != Verdict::Pass {
                    self.blocks(verdict.exit(), format!("{path} {}", verdict.word()));
                }
            }
        }
    }

    fn add_circumstances(&mut self, question: &Question<'_>, rows: &[Row]) {
        let claim = question.claim;
        if question.identity < claim.identity {
            let (have, need) = (question.identity.words(), claim.identity.words());
            let says = format!("this is {have}, and {} needs {need}", claim.id);
            self.blocks(Exit::Inconclusive, says);
        }
        if claim.live_providers {
            let says = format!(
                "no live round trip to a provider is on record; without one the claim's name is \
                 \"{}\"",
                claim.simulated()
            );
            self.blocks(Exit::Inconclusive, says);
        }
        // What speaks against the claim needs neither a tested judge nor a signature.
        let carrying = |row: &&Row| row.finding.is_some() && row.verdict == Verdict::Pass;
        let mut untested: Vec<Refusal> = Vec::new();
        for row in rows.iter().filter(carrying) {
            untested.extend(selftest::missing(question, row));
        }
        untested.dedup();
        untested.iter().for_each(|refusal| self.refuses(refusal));
        let Some(role) = claim.signed_by else { return };
        for row in rows.iter().filter(carrying) {
            let fit = row.signers.iter().filter(|signer| **signer >= role).count();
            if fit < claim.keys {
                let says = format!(
                    "{} is signed by {fit} of {} {role:?} keys; unsigned records carry \
                     merge-ready at most",
                    row.run.as_deref().unwrap_or("the record"),
                    claim.keys
                );
                self.refuses(&Refusal::new(Why::UntrustedKey, says));
            }
        }
        if !question.has_checkpoint {
            let says = "no checkpoint of the ledger is kept elsewhere (verify ledger checkpoint)";
            self.refuses(&Refusal::new(Why::Checkpoint, says));
        }
    }
}

fn waived(row: &Row, waiver: &Waiver) -> String {
    let (label, word) = (row.label(), row.verdict.word());
    let Waiver { owner, reason, .. } = waiver;
    format!("{label} {word}, waived by {owner}: {reason}")
}

#[cfg(test)]
mod tests;
