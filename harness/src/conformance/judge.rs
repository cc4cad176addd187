//! From imported records to a verdict: two jobs, no clock, no disk.

use exai_judge::Verdict;
use serde::Serialize;

use super::baseline::{Baseline, Served, Weighed};
use super::import::{Scenario, State};
use super::suite::Record;

/// Which server was looked at, and by which measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// The fixtures on the product's listener: every required scenario passes, nothing is excused.
    Protocol,
    /// The product itself: every failure is a proven absence of a fixture.
    Product,
}

/// One job in one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The job.
    pub job: Job,
    /// The revision.
    pub revision: &'static str,
    /// What it came to.
    pub verdict: Verdict,
    /// Required scenarios.
    pub required: usize,
    /// Required scenarios that passed without a warning.
    pub passed: usize,
    /// Scenarios that ran beyond the required ones.
    pub beyond: usize,
    /// How many of those passed without a warning.
    pub beyond_passed: usize,
    /// Checks that succeeded, in all scenarios.
    pub checks_succeeded: usize,
    /// Checks that failed or warned, in all scenarios.
    pub checks_failed: usize,
    /// Scenarios that showed nothing, with the reason: neither passed nor failed.
    pub inconclusive: Vec<String>,
    /// What stands in the way of a pass, in words.
    pub against: Vec<String>,
    /// The product's failures by the baseline; None for the protocol's job.
    pub baseline: Option<Weighed>,
}

/// Whether a scenario passed without a warning.
fn is_clean(scenario: &Scenario) -> bool {
    scenario.state == State::Passed && scenario.faults.is_empty()
}

/// Judges the fixtures' build: no baseline, no warning.
#[must_use]
pub fn protocol(record: &Record) -> Outcome {
    let mut outcome = counted(Job::Protocol, record);
    let mut verdicts = Vec::new();
    for name in &record.required {
        let scenario = record.scenarios.get(name);
        let verdict = scenario.map_or(Verdict::Inconclusive, verdict_of);
        if verdict != Verdict::Pass {
            let why = scenario.map_or_else(|| "it did not run".to_owned(), in_words);
            outcome.against.push(format!("{name}: {why}"));
        }
        verdicts.push(verdict);
    }
    outcome.verdict = Verdict::worst(verdicts);
    outcome
}

/// Judges the product against its baseline.
#[must_use]
pub fn product(record: &Record, baseline: &Baseline, served: &Served) -> Outcome {
    let is_vacuous = |scenario: &&Scenario| baseline.is_vacuous(&scenario.name, served);
    let mut outcome = counted(Job::Product, record);
    for scenario in record
        .scenarios
        .values()
        .filter(is_vacuous)
        .filter(|one| is_clean(one))
    {
        match record.required.contains(&scenario.name) {
            true => outcome.passed -= 1,
            false => outcome.beyond_passed -= 1,
        }
        let why = "passed for want of what it needs";
        outcome
            .inconclusive
            .push(format!("{}: {why}", scenario.name));
    }
    let revision = record.revision.name();
    let weighed = baseline.weigh(revision, record.scenarios.values(), served);
    let stale = weighed.stale.iter();
    let stale =
        stale.map(|place| format!("{place}: the baseline expects a failure that did not come"));
    outcome
        .against
        .extend(weighed.unexplained.iter().cloned().chain(stale));
    let missing = record
        .required
        .iter()
        .filter(|name| !record.scenarios.contains_key(*name));
    let missing: Vec<String> = missing
        .map(|name| format!("{name}: it did not run"))
        .collect();
    outcome.verdict = if !outcome.against.is_empty() {
        Verdict::Fail
    } else if !missing.is_empty() || outcome.passed == 0 {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    };
    outcome.against.extend(missing);
    outcome.baseline = Some(weighed);
    outcome
}

fn counted(job: Job, record: &Record) -> Outcome {
    let is_required = |scenario: &&Scenario| record.required.contains(&scenario.name);
    let all = || record.scenarios.values();
    let shows_nothing = |scenario: &&Scenario| {
        matches!(
            scenario.state,
            State::NothingShown | State::NotTestable | State::SuiteBroken
        )
    };
    Outcome {
        job,
        revision: record.revision.name(),
        verdict: Verdict::Inconclusive,
        required: record.required.len(),
        passed: all()
            .filter(is_required)
            .filter(|one| is_clean(one))
            .count(),
        beyond: all().filter(|one| !is_required(one)).count(),
        beyond_passed: all()
            .filter(|one| !is_required(one) && is_clean(one))
            .count(),
        checks_succeeded: all().map(|one| one.succeeded).sum(),
        checks_failed: all().map(|one| one.faults.len()).sum(),
        inconclusive: all().filter(shows_nothing).map(named).collect(),
        against: Vec::new(),
        baseline: None,
    }
}

fn verdict_of(scenario: &Scenario) -> Verdict {
    match scenario.state {
        State::Passed if scenario.faults.is_empty() => Verdict::Pass,
        State::Passed | State::Failed => Verdict::Fail,
        State::NothingShown | State::NotTestable => Verdict::Inconclusive,
        State::SuiteBroken => Verdict::HarnessError,
    }
}

fn named(scenario: &Scenario) -> String {
    format!("{}: {}", scenario.name, word(scenario.state))
}

const fn word(state: State) -> &'static str {
    match state {
        State::Passed => "passed with warnings",
        State::Failed => "failed",
        State::NothingShown => "nothing of its own was checked",
        State::NotTestable => "not testable",
        State::SuiteBroken => "the suite could not check it",
    }
}

fn in_words(scenario: &Scenario) -> String {
    let faults = scenario.faults.iter();
    let faults = faults.map(|fault| format!("{}: {}", fault.check, fault.message));
    std::iter::once(word(scenario.state).to_owned())
        .chain(faults)
        .collect::<Vec<_>>()
        .join("; ")
}
