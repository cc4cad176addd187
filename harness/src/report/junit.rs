//! JUnit XML. `junit.xml` holds exactly the claim's criteria, so that a viewer is red exactly when
//! the exit code is not 0; those outside the claim stand in a file of their own and as properties.
//!
//! Inconclusive and HarnessError are `error` elements: most viewers draw `skipped` in green. An
//! Inconclusive that its claim tolerates does not decide, so it stands with those outside; the
//! claim's own floors and checks, which must hold all the same, are a test case instead.

use std::time::Duration;

use exai_judge::{Finding, Verdict};
use quick_junit::{
    NonSuccessKind, Property, Report as Document, SerializeError, TestCase, TestCaseStatus,
    TestSuite,
};

use crate::report::model::{Blocker, Judged, NotTested, Report};
use crate::report::wording;

/// The claim's criteria.
///
/// # Errors
/// When the document cannot be written as XML.
pub fn render(report: &Report) -> Result<String, SerializeError> {
    let deciding = report.criteria.iter().filter(|judged| !judged.tolerated);
    let mut suite = suite_of(report, deciding, &report.claim.name);
    let rules = report
        .blockers
        .iter()
        .filter(|blocker| blocker.anchor.is_none());
    for (number, rule) in (1..).zip(rules) {
        suite.add_test_case(case_of_rule(report, rule, number));
    }
    if report.claim.rules > 0 && report.claim.reasons.is_empty() {
        suite.add_test_case(case_of_rules(report));
    }
    suite.add_test_cases(
        report
            .not_applicable
            .iter()
            .map(|absent| absent_case(report, absent)),
    );
    for judged in not_deciding(report) {
        let name = if judged.tolerated {
            "tolerated"
        } else {
            "outside_claim"
        };
        suite.add_property(Property::new(name, outside_line(judged)));
    }
    document(report, suite)
}

fn not_deciding(report: &Report) -> impl Iterator<Item = &Judged> {
    report
        .criteria
        .iter()
        .filter(|judged| judged.tolerated)
        .chain(&report.outside_claim)
}

/// The criteria that do not decide; for people, not for gates.
///
/// # Errors
/// When the document cannot be written as XML.
pub fn render_outside(report: &Report) -> Result<String, SerializeError> {
    let name = format!("outside {}", report.claim.name);
    document(report, suite_of(report, not_deciding(report), &name))
}

fn document(report: &Report, mut suite: TestSuite) -> Result<String, SerializeError> {
    let facts = [
        ("decision", report.opening.heading.clone()),
        ("repeat", report.run.replay.clone()),
        ("run_id", report.run.run_id.clone()),
        (
            "server_sha256",
            report.identity.server_sha256.clone().unwrap_or_default(),
        ),
        (
            "merkle_root",
            report.identity.merkle_root.clone().unwrap_or_default(),
        ),
    ];
    for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        suite.add_property(Property::new(name, value));
    }
    let time = Duration::from_secs(report.run.measured_seconds);
    suite.set_time(time);
    suite
        .extra
        .insert("timestamp".into(), report.run.started_at.to_string().into());
    let mut document = Document::new(format!("exai verify {}", report.claim.name));
    document.set_time(time);
    document.add_test_suite(suite);
    document.to_string()
}

fn suite_of<'a>(
    report: &Report,
    criteria: impl Iterator<Item = &'a Judged>,
    name: &str,
) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.add_test_cases(criteria.map(|judged| case_of(report, judged)));
    suite
}

fn case_of(report: &Report, judged: &Judged) -> TestCase {
    let finding = &judged.finding;
    let name = format!("{} {}", finding.criterion, judged.title);
    let mut case = TestCase::new(name, status_of(judged));
    case.set_classname(class_of(report));
    case.set_assertions(usize::try_from(samples(finding)).unwrap_or(usize::MAX));
    case
}

/// What stands behind the verdict: samples of its checks, or else the events it saw.
fn samples(finding: &Finding) -> u64 {
    let checked: u64 = finding.checks.iter().map(|check| check.n).sum();
    let seen = finding.floors.iter().map(|floor| floor.seen).sum();
    if checked > 0 { checked } else { seen }
}

fn class_of(report: &Report) -> String {
    format!("verify.{}", report.claim.name)
}

fn status_of(judged: &Judged) -> TestCaseStatus {
    let finding = &judged.finding;
    let (kind, message, class) = match finding.verdict {
        Verdict::Pass => return TestCaseStatus::success(),
        Verdict::Fail => (
            NonSuccessKind::Failure,
            finding.headline.clone(),
            finding.criterion.clone(),
        ),
        Verdict::Inconclusive => (
            NonSuccessKind::Error,
            codes(judged),
            "inconclusive".to_owned(),
        ),
        Verdict::HarnessError => (
            NonSuccessKind::Error,
            finding.headline.clone(),
            "harness".to_owned(),
        ),
    };
    let mut status = TestCaseStatus::non_success(kind);
    status
        .set_message(message)
        .set_type(class)
        .set_description(description(judged));
    status
}

fn codes(judged: &Judged) -> String {
    let codes: Vec<&str> = judged
        .finding
        .reasons
        .iter()
        .map(|reason| wording::reason_code(*reason))
        .collect();
    codes.join(" ")
}

fn outside_line(judged: &Judged) -> String {
    let finding = &judged.finding;
    let mut line = format!(
        "{}:{}",
        finding.criterion,
        wording::machine_word(finding.verdict)
    );
    if !finding.reasons.is_empty() {
        line.push(':');
        line.push_str(&codes(judged).replace(' ', "+"));
    }
    line
}

fn description(judged: &Judged) -> String {
    let finding = &judged.finding;
    let mut lines = vec![finding.headline.clone()];
    for floor in finding.floors.iter().filter(|floor| !floor.is_met()) {
        let (seen, needed) = (wording::count(floor.seen), wording::count(floor.needed));
        lines.push(format!(
            "had to happen: {}, {seen} of {needed}",
            floor.event
        ));
    }
    for check in finding
        .checks
        .iter()
        .filter(|check| check.verdict != Verdict::Pass)
    {
        let word = check.verdict.word();
        lines.push(format!(
            "{word}: {}: {} (limit {})",
            check.name, check.measured, check.limit
        ));
    }
    for violation in &finding.violations {
        lines.push(format!(
            "at {}: {}",
            wording::moment(violation.at),
            violation.says
        ));
    }
    lines.push(format!("repeat: {}", judged.repeat));
    lines.join("\n")
}

/// A rule of the claim itself that is not met keeps the exit code from 0, so it must be seen here.
fn case_of_rule(report: &Report, rule: &Blocker, number: usize) -> TestCase {
    let kind = match rule.verdict {
        Verdict::Fail => NonSuccessKind::Failure,
        _ => NonSuccessKind::Error,
    };
    let class = match rule.verdict {
        Verdict::HarnessError => "harness",
        Verdict::Fail => "claim",
        Verdict::Pass | Verdict::Inconclusive => "inconclusive",
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(rule.says.as_str()).set_type(class);
    let mut case = TestCase::new(format!("rule {number} of the claim"), status);
    case.set_classname(class_of(report));
    case
}

/// The one use of `skipped`: nothing the claim asks for hides behind it.
fn absent_case(report: &Report, absent: &NotTested) -> TestCase {
    let (check, why) = absent.what.split_once(": ").unwrap_or((&absent.what, ""));
    let mut status = TestCaseStatus::skipped();
    status.set_message(why);
    let mut case = TestCase::new(format!("{} {check}", absent.criterion), status);
    case.set_classname(class_of(report));
    case
}

fn case_of_rules(report: &Report) -> TestCase {
    let name = "the claim's own floors and checks";
    let mut case = TestCase::new(name, TestCaseStatus::success());
    case.set_classname(class_of(report));
    case.set_assertions(report.claim.rules);
    case
}
