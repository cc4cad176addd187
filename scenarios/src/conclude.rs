//! From a record to findings, a report and an exit code: judged from what was written, never from
//! what is remembered.

use std::collections::BTreeMap;
use std::path::Path;

use exai_harness::evidence::Evidence;
use exai_harness::history::History;
use exai_harness::report::facts::RunFacts;
use exai_harness::report::model::{Figure, NotTested};
use exai_harness::report::plots::Plots;
use exai_harness::report::secrets::Secrets;
use exai_harness::report::{Report, files};
use exai_judge::claim::Claim;
use exai_judge::criterion::Criteria;
use exai_judge::finding::Check;
use exai_judge::judge::Handicap;
use exai_judge::verdict::Exit;
use exai_judge::{Event, Finding, Reason, RunKey, Verdict};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::Ending;
use crate::cli::arguments::RunArguments;
use crate::drawing::{Asked, Told};
use crate::earlier;
use crate::facts::Facts;
use crate::ground;
use crate::run::reports_folder;
use crate::stage::Trouble;
use crate::{binaries, catalogue};

/// A finished run, about to be judged.
pub struct Conclusion<'a> {
    /// Its folder.
    pub evidence: &'a Evidence,
    /// Its key, not revealed yet.
    pub key: &'a RunKey,
    /// What is judged.
    pub criteria: &'a Criteria,
    /// What is asked.
    pub claim: &'a Claim,
    /// What was asked for.
    pub arguments: &'a RunArguments,
    /// What is known.
    pub facts: &'a Facts,
    /// Why the run stopped early, if it did.
    pub trouble: Option<Trouble>,
}

/// What was asked beside the workload: told by the history itself.
#[derive(Default)]
pub struct Sidelines {
    /// Figures measured beside the criteria.
    pub figures: Vec<Figure>,
    /// What could not be tried.
    pub not_tested: Vec<NotTested>,
    /// What had no subject.
    pub not_applicable: Vec<NotTested>,
    /// Observations read.
    pub observations: u64,
    /// What charts are drawn from.
    pub plots: Plots,
}

impl Conclusion<'_> {
    /// Reveals the key, judges the record, writes save 3 and every report.
    ///
    /// # Errors
    /// When the record or a report cannot be written.
    pub fn write(&self) -> Result<(Report, String), Ending> {
        let harness = |error: &dyn std::fmt::Display| Ending::Harness(error.to_string());
        self.evidence
            .reveal(self.key)
            .map_err(|error| harness(&error))?;
        if let Some(policy) = self
            .facts
            .learned
            .get()
            .and_then(|said| said.policy.as_ref())
        {
            let text = exai_harness::canonical::canonical(policy);
            let written = self.evidence.write(exai_harness::evidence::POLICY, &text);
            written.map_err(|error| harness(&error))?;
        }
        let history = History::in_folder(self.evidence.folder());
        let handicap = ground::damaged(self.arguments.spoil.as_ref());
        let handicap = handicap.handicap(&self.arguments.criteria);
        let profile = self.facts.profile;
        let judged = judge_with((self.criteria, profile), self.key, &handicap, &history)?;
        let findings = self.with_trouble(self.selected(judged));
        let mut report = self.report(findings.clone(), sidelines(&history))?;
        let texts = criteria_texts(self.criteria, self.facts.profile)?;
        let root = self
            .evidence
            .seal(&as_json(&findings)?, &as_json(&report)?, texts)
            .map_err(|error| harness(&error))?;
        report.identity.merkle_root = Some(root.clone());
        let secrets = self.facts.secrets.get().into_iter().flatten();
        let secrets = Secrets::new(secrets.map(String::as_str));
        let secrets = secrets.map_err(|error| Ending::Bug(error.to_string()))?;
        let latest = reports_folder(self.arguments).join("latest");
        files::write(&report, &latest, &secrets).map_err(|error| harness(&error))?;
        Ok((report, root))
    }

    /// Findings of the criteria asked for; the others were not tried and say so.
    fn selected(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let named = &self.arguments.criteria;
        let is_named = |finding: &Finding| catalogue::is_named(named, &finding.criterion);
        findings.into_iter().filter(is_named).collect()
    }

    /// A run that stopped early leaves no criterion passed.
    fn with_trouble(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        let Some(trouble) = &self.trouble else {
            return findings;
        };
        for finding in &mut findings {
            finding.checks.push(cut_short(trouble));
            finding.conclude();
        }
        findings
    }

    fn report(&self, findings: Vec<Finding>, aside: Sidelines) -> Result<Report, Ending> {
        let run = self.run_facts();
        let judged: Vec<String> = findings.iter().map(|one| one.criterion.clone()).collect();
        let runs = self.evidence.folder().parent().unwrap_or(Path::new("."));
        let before = earlier::trend(runs, &run);
        let before = before.map_err(|error| Ending::Harness(error.to_string()))?;
        let asked = Asked {
            criteria: self.criteria,
            profile: self.facts.profile,
            claim: self.claim,
            named: &self.arguments.criteria,
        };
        let told = Told {
            previous: earlier::like(runs, &run, &judged),
            run,
            identity: self.facts.identity(),
            before,
        };
        Ok(asked.draw(told, findings, aside))
    }

    fn run_facts(&self) -> RunFacts {
        let folder = binaries::shown(self.evidence.folder());
        self.facts
            .run_facts(&self.evidence.intent().run, folder, self.arguments)
    }
}

/// What did not fail is a HarnessError when the rig could not go on. When the server was gone for
/// good, what it was to answer is open; that it went is a finding of the criterion that killed it.
pub(crate) fn cut_short(trouble: &Trouble) -> Check {
    let (id, name, verdict, reason) = match trouble {
        Trouble::Server(_) => (
            "server",
            "the server lasted to the end of the run",
            Verdict::Inconclusive,
            Some(Reason::SkippedCheck),
        ),
        _ => ("rig", "the rig ran to its end", Verdict::HarnessError, None),
    };
    Check {
        id: id.to_owned(),
        name: name.to_owned(),
        measured: trouble.to_string(),
        limit: "no trouble".to_owned(),
        verdict,
        reason,
        n: 0,
    }
}

/// Judges a record.
///
/// # Errors
/// [`Ending::Refused`] when the record breaks off or holds lines that are no observation.
pub fn judge(
    criteria: &Criteria,
    profile: &str,
    key: &RunKey,
    history: &History,
) -> Result<Vec<Finding>, Ending> {
    judge_with((criteria, profile), key, &Handicap::default(), history)
}

/// As [`judge`], with deliberate damage.
///
/// # Errors
/// As [`judge`].
pub fn judge_with(
    (criteria, profile): (&Criteria, &str),
    key: &RunKey,
    handicap: &Handicap,
    history: &History,
) -> Result<Vec<Finding>, Ending> {
    let judgement =
        exai_judge::judge::judge_with(criteria, profile, key, handicap, || history.observations());
    if let Some(broken) = history.broken() {
        return Err(Ending::Refused(broken.to_string()));
    }
    judgement
        .map(|judgement| judgement.findings)
        .map_err(|error| Ending::Bug(error.to_string()))
}

/// Reads what a history tells beside the criteria.
#[must_use]
pub fn sidelines(history: &History) -> Sidelines {
    let mut aside = Sidelines::default();
    for observation in history.observations() {
        aside.observations += 1;
        aside.plots.observe(&observation);
        match observation.event {
            Event::Figure { name, value, unit } => {
                aside.figures.push(Figure { name, value, unit });
            }
            Event::NotTested { criterion, what } => {
                aside.not_tested.push(NotTested { criterion, what });
            }
            Event::NotApplicable {
                criterion,
                check,
                why,
            } => {
                let what = format!("{check}: {why}");
                aside.not_applicable.push(NotTested { criterion, what });
            }
            _ => {}
        }
    }
    let resident = aside.plots.resident_mib();
    let resident = resident.map(|(idle, most)| [("before any call", idle), ("at most", most)]);
    for (when, value) in resident.into_iter().flatten() {
        aside.figures.push(Figure {
            name: format!("resident memory of the server, {when}"),
            value,
            unit: "MiB".to_owned(),
        });
    }
    aside
}

/// Each criterion's text digest: what the evidence binds.
///
/// # Errors
/// [`Ending::Bug`] when the catalogue lacks the profile.
pub fn criteria_texts(
    criteria: &Criteria,
    profile: &str,
) -> Result<BTreeMap<String, String>, Ending> {
    let rows = criteria
        .of_profile(profile)
        .map_err(|error| Ending::Bug(error.to_string()))?;
    Ok(rows
        .into_iter()
        .map(|row| (row.id.clone(), row.text_sha256()))
        .collect())
}

fn as_json(value: &impl Serialize) -> Result<Value, Ending> {
    serde_json::to_value(value).map_err(|error| Ending::Bug(error.to_string()))
}

/// Criterion to verdict and reasons, for the ledger.
#[must_use]
pub fn verdicts(report: &Report) -> Value {
    let entries = report.judged().map(|judged| {
        let finding = &judged.finding;
        let reasons: Vec<Reason> = finding.reasons.clone();
        (
            finding.criterion.clone(),
            json!({"verdict": finding.verdict, "reasons": reasons}),
        )
    });
    Value::Object(entries.collect())
}

/// The process' exit code: the claim's verdict, 4 when nothing was observed, the signal's when one
/// ended the run.
#[must_use]
pub fn exit(report: &Report) -> Exit {
    Exit::from_code(report.claim.exit_code.into()).unwrap_or(Exit::Bug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_gone_leaves_nothing_passed_and_is_no_trouble_of_ours() {
        let gone = cut_short(&Trouble::Server("gone".to_owned()));
        assert_eq!(gone.verdict, Verdict::Inconclusive);
        assert_eq!(gone.reason, Some(Reason::SkippedCheck));
        let ours = cut_short(&Trouble::Rig("no port".to_owned()));
        assert_eq!(ours.verdict, Verdict::HarnessError);
    }
}
