//! From findings and facts to the one [`Report`]. Pure, and never kinder than what it is given: a
//! criterion of the claim without a finding is Inconclusive, a Pass against its own floors is
//! Inconclusive, a claim is carried only if all of it is.

use std::collections::{BTreeMap, BTreeSet};

use exai_judge::verdict::Exit;
use exai_judge::{Finding, Reason, Verdict};

use crate::evidence::ledger::Trend;
use crate::report::facts::{ClaimAsked, CriterionText, CutShort, Identity, RunFacts, Signature};
use crate::report::model::{
    ClaimAnswer, Comparison, Counts, Figure, FigureChange, Judged, NotTested, Previous, Report,
    SCHEMA, Tally, VerdictChange,
};
use crate::report::{blocker, gap, opening, series, wording};

/// Everything a report is built from.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The run.
    pub run: RunFacts,
    /// What was judged.
    pub identity: Identity,
    /// The claim asked for.
    pub claim: ClaimAsked,
    /// Titles and texts of the catalogue, in its order.
    pub texts: Vec<CriterionText>,
    /// What the judge found.
    pub findings: Vec<Finding>,
    /// What could not be tried, beyond what the findings say themselves.
    pub not_tested: Vec<NotTested>,
    /// What the judged server gives no subject for.
    pub not_applicable: Vec<NotTested>,
    /// Figures measured beside the criteria.
    pub figures: Vec<Figure>,
    /// Who vouches.
    pub signature: Signature,
    /// A run to compare with.
    pub previous: Option<Previous>,
    /// The runs of this kind before this one.
    pub before: Trend,
}

impl Report {
    /// Folds evidence into a report.
    #[must_use]
    pub fn build(evidence: Evidence) -> Self {
        let nothing_ran = evidence.findings.is_empty();
        let mut found = one_finding_each(evidence.findings);
        let catalogue = Catalogue {
            texts: &evidence.texts,
            replay: &evidence.run.replay,
        };
        let criteria: Vec<Judged> = evidence
            .claim
            .criteria
            .iter()
            .map(|id| found.remove(id).unwrap_or_else(|| never_judged(id)))
            .map(|finding| catalogue.judged(finding, &evidence.claim.tolerates))
            .collect();
        let mut outside_claim: Vec<Judged> = found
            .into_values()
            .map(|finding| catalogue.judged(finding, &[]))
            .collect();
        outside_claim.sort_by_key(|judged| catalogue.position(&judged.finding.criterion));

        let claim = answer(&evidence.claim, &criteria, &evidence.run, nothing_ran);
        let (figures, mut not_tested) = finite(evidence.figures);
        not_tested.extend(evidence.not_tested);
        not_tested.extend(own_gaps(criteria.iter().chain(&outside_claim)));
        let place = |one: &NotTested| (one.criterion.clone(), gap::place(&one.what));
        not_tested.sort_by_key(|gap| (catalogue.position(&gap.criterion), place(gap), gap.clone()));
        not_tested.dedup();

        let mut report = Self {
            schema: SCHEMA.to_owned(),
            opening: opening::blank(),
            counts: Counts {
                claim: Tally::of(&criteria),
                outside_claim: Tally::of(&outside_claim),
            },
            blockers: blocker::blockers(&claim, &criteria),
            comparison: None,
            trend: None,
            claim,
            not_tested,
            not_applicable: evidence.not_applicable,
            criteria,
            outside_claim,
            figures,
            run: evidence.run,
            identity: evidence.identity,
            signature: evidence.signature,
        };
        report.comparison = evidence
            .previous
            .map(|previous| compare(&previous, &report));
        report.trend = report.after(evidence.before);
        report.opening = opening::opening(&report);
        report
    }

    /// Takes over what was told of other runs, which this one's own record cannot show.
    pub fn set_beside(&mut self, comparison: Option<Comparison>, trend: Option<Trend>) {
        self.comparison = comparison;
        self.trend = trend;
        self.opening = opening::opening(self);
    }

    /// The runs before with this one as the newest; None when there are none before.
    #[must_use]
    pub fn after(&self, mut before: Trend) -> Option<Trend> {
        if before.runs.is_empty() {
            return None;
        }
        let verdicts = self.judged().map(|judged| {
            let finding = &judged.finding;
            (finding.criterion.as_str(), finding.verdict)
        });
        let figures = self.figures.iter();
        let figures = figures.map(|one| ((one.name.as_str(), one.unit.as_str()), one.value));
        before.push(&self.run.run_id, verdicts, figures);
        Some(before)
    }
}

/// Two findings for one criterion contradict each other; the worse one stands.
fn one_finding_each(findings: Vec<Finding>) -> BTreeMap<String, Finding> {
    let mut found: BTreeMap<String, Finding> = BTreeMap::new();
    for finding in findings {
        let known = found.get(&finding.criterion).map(|known| known.verdict);
        if known.is_none_or(|known| finding.verdict > known) {
            found.insert(finding.criterion.clone(), finding);
        }
    }
    found
}

/// The row of a criterion that the claim needs and nobody judged.
fn never_judged(criterion: &str) -> Finding {
    Finding {
        criterion: criterion.to_owned(),
        verdict: Verdict::Inconclusive,
        reasons: vec![Reason::NotSelected],
        headline: "not judged in this run".to_owned(),
        floors: Vec::new(),
        checks: Vec::new(),
        violations: Vec::new(),
        not_tested: Vec::new(),
        series: BTreeMap::new(),
    }
}

struct Catalogue<'a> {
    texts: &'a [CriterionText],
    replay: &'a str,
}

impl Catalogue<'_> {
    fn position(&self, criterion: &str) -> usize {
        self.texts
            .iter()
            .position(|text| text.id == criterion)
            .unwrap_or(usize::MAX)
    }

    fn judged(&self, finding: Finding, tolerates: &[Reason]) -> Judged {
        let finding = settle(finding);
        let row = self.texts.iter().find(|text| text.id == finding.criterion);
        let (title, text, line) = row.map_or_else(
            || ("not in the catalogue".to_owned(), String::new(), 0),
            |row| (row.title.clone(), row.text.clone(), row.line),
        );
        Judged {
            title,
            text,
            line,
            anchor: anchor(&finding.criterion),
            repeat: repeat(self.replay, &finding.criterion),
            tolerated: is_tolerated(&finding, tolerates),
            finding,
        }
    }
}

/// Only a reason makes an Inconclusive tolerable; one without any is not.
fn is_tolerated(finding: &Finding, tolerates: &[Reason]) -> bool {
    finding.verdict == Verdict::Inconclusive
        && !finding.reasons.is_empty()
        && finding
            .reasons
            .iter()
            .all(|reason| tolerates.contains(reason))
}

fn anchor(criterion: &str) -> String {
    criterion
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect()
}

/// The run's own command, narrowed to the criterion; a tier such as `V.8g` repeats as a whole.
fn repeat(replay: &str, criterion: &str) -> String {
    let whole = criterion.trim_end_matches(|last: char| last.is_ascii_lowercase());
    match replay.split_once("verify run") {
        Some((before, flags)) if flags.is_empty() || flags.starts_with(" --") => {
            format!("{before}verify run {whole}{flags}")
        }
        _ => replay.to_owned(),
    }
}

/// Removes points that are no numbers, and takes the Pass from a finding whose own floors or checks
/// do not carry it.
fn settle(mut finding: Finding) -> Finding {
    series::rename(&mut finding.series);
    for points in finding.series.values_mut() {
        points.retain(|(x, y)| x.is_finite() && y.is_finite());
    }
    finding.series.retain(|_, points| !points.is_empty());
    let mut said = BTreeSet::new();
    finding.not_tested.retain(|what| said.insert(what.clone()));
    finding.not_tested.sort_by_key(|what| gap::place(what));
    let mut concluded = finding.clone();
    concluded.conclude();
    if finding.verdict == Verdict::Pass && concluded.verdict != Verdict::Pass {
        finding.verdict = Verdict::Inconclusive;
        finding.reasons = vec![Reason::Contradictory];
        finding.headline = format!(
            "says Pass against its own floors or checks: {}",
            finding.headline
        );
    }
    finding
}

fn answer(
    asked: &ClaimAsked,
    criteria: &[Judged],
    run: &RunFacts,
    nothing_ran: bool,
) -> ClaimAnswer {
    let mut reasons = asked.reasons.clone();
    if criteria.is_empty() {
        reasons.push("the claim names no criterion, so nothing was judged for it".to_owned());
    }
    if let Some(spoiler) = &run.spoiler {
        reasons.push(format!(
            "a self-test run ({spoiler}) is evidence for nothing"
        ));
    }
    if let Some(signal) = run.cut_short {
        reasons.push(format!(
            "{} ended the run after {} s; what had not run yet is not part of it",
            signal.name(),
            run.measured_seconds
        ));
    }
    let deciding = criteria.iter().filter(|judged| !judged.tolerated);
    let of_criteria = deciding.map(|judged| judged.finding.verdict);
    let of_rules = reasons.iter().map(|_| Verdict::Inconclusive);
    let verdict = Verdict::worst(of_criteria.chain(of_rules).chain([asked.verdict]));
    let by_verdict = if nothing_ran {
        Exit::NothingRan
    } else {
        verdict.exit()
    };
    let exit = run.cut_short.map_or(by_verdict, CutShort::exit);
    ClaimAnswer {
        name: asked.name.clone(),
        printed: asked.printed.clone(),
        verdict,
        exit_code: exit as u8,
        reasons,
        rules: asked.rules,
    }
}

fn own_gaps<'a>(judged: impl Iterator<Item = &'a Judged>) -> Vec<NotTested> {
    judged
        .flat_map(|judged| {
            judged.finding.not_tested.iter().map(|what| NotTested {
                criterion: judged.finding.criterion.clone(),
                what: what.clone(),
            })
        })
        .collect()
}

/// A figure without a value is not a figure; it is something that was not measured.
fn finite(figures: Vec<Figure>) -> (Vec<Figure>, Vec<NotTested>) {
    let (kept, lost): (Vec<_>, Vec<_>) = figures
        .into_iter()
        .partition(|figure| figure.value.is_finite());
    let gap = |figure: Figure| NotTested {
        criterion: String::new(),
        what: format!("{}: no value was measured", figure.name),
    };
    (kept, lost.into_iter().map(gap).collect())
}

fn compare(previous: &Previous, report: &Report) -> Comparison {
    let mut is: BTreeMap<&str, Verdict> = BTreeMap::new();
    for judged in report.judged() {
        is.insert(&judged.finding.criterion, judged.finding.verdict);
    }
    let mut names: Vec<&str> = previous.verdicts.keys().map(String::as_str).collect();
    names.extend(is.keys());
    names.sort_unstable();
    names.dedup();
    let verdicts = names
        .into_iter()
        .map(|name| VerdictChange {
            criterion: name.to_owned(),
            was: previous.verdicts.get(name).copied(),
            is: is.get(name).copied(),
        })
        .filter(|change| change.was != change.is)
        .collect();
    let figures = report
        .figures
        .iter()
        .filter_map(|figure| {
            let was = *previous
                .figures
                .get(&figure.name)
                .filter(|was| was.is_finite())?;
            let (name, unit) = (figure.name.clone(), figure.unit.clone());
            Some(FigureChange {
                name,
                was,
                is: figure.value,
                unit,
            })
        })
        .collect();
    Comparison {
        with: format!(
            "{} {} of {}",
            previous.version,
            previous.commit,
            wording::date(previous.started_at)
        ),
        run_id: previous.run_id.clone(),
        verdicts,
        figures,
    }
}
