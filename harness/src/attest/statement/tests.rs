//! A statement is believed for exactly what it binds, and refused with the reason otherwise.

use std::collections::BTreeMap;

use exai_judge::refusal::Why;
use exai_judge::{Claims, Reason};

use super::*;
use crate::attest::{Envelope, PrivateKey, Trust};
use crate::report::Report;
use crate::report::tests::samples;

const CRITERIA: &str = "c1";

/// A signed statement and everything that asks about it.
struct Case {
    key: PrivateKey,
    claim: Claim,
    report: Report,
    seconds: BTreeMap<String, u64>,
    now: Timestamp,
}

impl Case {
    fn of(report: Report) -> Self {
        let text = "[[claim]]\nid = \"merge-ready\"\ntext = \"\"\nprofile = \"quick\"\n\
                    criteria = [\"V.1\", \"V.4\"]\nmax_age_days = 7\n";
        let mut report = report;
        report.identity.criteria_digest = Some(CRITERIA.to_owned());
        report.identity.server_sha256 = Some("aa".repeat(32));
        report.identity.harness_sha256 = Some("bb".repeat(32));
        Self {
            key: PrivateKey::generate().unwrap(),
            claim: Claims::parse(text).unwrap().rows.remove(0),
            now: report.run.ended_at + jiff::SignedDuration::from_hours(1),
            report,
            seconds: BTreeMap::new(),
        }
    }

    fn statement(&self) -> Value {
        let findings: Vec<Finding> = self
            .report
            .judged()
            .map(|one| one.finding.clone())
            .collect();
        let answer = self.claim.judge(&findings);
        let subject = Subject {
            report: &self.report,
            claim: &self.claim,
            answer: &answer,
            root: "dd",
            ledger: Checkpoint::default(),
            signed_at: self.report.run.ended_at,
        };
        subject.test_result()
    }

    fn signed(&self, statement: &Value) -> Envelope {
        let mut envelope = Envelope::around(statement);
        let signature = self.key.sign(&envelope.to_sign());
        envelope.add(&self.key.public(), &signature);
        envelope
    }

    fn check(&self, envelope: &Envelope, trust: &Trust, server: &str) -> Result<Checked, Why> {
        let demand = Demand {
            claim: &self.claim,
            trust,
            server: Some(server),
            policy: None,
            criteria: CRITERIA,
            least_seconds: &self.seconds,
            now: self.now,
        };
        check(envelope, &demand).map_err(|refusal| refusal.why)
    }

    /// What comes of a statement changed by somebody who holds the key.
    fn after(&self, change: impl Fn(&mut Value)) -> Result<Checked, Why> {
        let mut statement = self.statement();
        change(&mut statement);
        let trust = Trust::of_keys(vec![self.key.public()]);
        self.check(&self.signed(&statement), &trust, &"aa".repeat(32))
    }
}

fn good() -> Case {
    Case::of(Report::build(samples::go()))
}

#[test]
fn a_good_run_gives_a_statement_that_is_believed() {
    let checked = good().after(|_| {}).unwrap();
    assert!(checked.passed, "{:?}", checked.failed);
    assert_eq!(checked.binding.root, "dd");
}

#[test]
fn everything_but_a_pass_stands_among_the_failed_tests() {
    for evidence in [samples::no_go(), samples::inconclusive()] {
        let mut case = Case::of(Report::build(evidence));
        case.claim.criteria = case
            .report
            .judged()
            .map(|one| one.finding.criterion.clone())
            .collect();
        let checked = case.after(|_| {}).unwrap();
        assert!(!checked.passed && !checked.failed.is_empty());
        let summary = {
            let answer = case.claim.judge(&[]);
            let subject = Subject {
                report: &case.report,
                claim: &case.claim,
                answer: &answer,
                root: "dd",
                ledger: Checkpoint::default(),
                signed_at: case.now,
            };
            subject.summary()
        };
        let properties = summary["predicate"]["properties"].to_string();
        for judged in case.report.judged() {
            let name = judged.finding.criterion.replace('.', "").to_uppercase();
            let is_listed = properties.contains(&format!("EXAI_{name}_"));
            assert_eq!(is_listed, judged.finding.verdict == Verdict::Pass, "{name}");
        }
    }
}

#[test]
fn what_the_claim_tolerates_stands_in_neither_list_and_is_bound_by_its_name() {
    let mut case = good();
    case.claim.tolerates = vec![Reason::DurationShort];
    case.seconds.insert("V.4".to_owned(), u64::MAX);
    let open = case.report.criteria.iter_mut();
    for judged in open.filter(|judged| judged.finding.criterion == "V.4") {
        judged.finding.verdict = Verdict::Inconclusive;
        judged.finding.reasons = vec![Reason::DurationShort];
    }
    let statement = case.statement();
    for list in ["passedTests", "failedTests"] {
        let tests = statement["predicate"][list].to_string();
        assert!(!tests.contains("V.4"), "{tests}");
    }
    let checked = case.after(|_| {}).unwrap();
    assert!(checked.passed, "{:?}", checked.failed);
    assert_eq!(checked.binding.tolerated, ["V.4"]);
    let both = case.after(|told| {
        let passed = told["predicate"]["passedTests"].as_array_mut().unwrap();
        passed.push("V.4".into());
    });
    assert_eq!(both.unwrap_err(), Why::Contradiction);
    case.claim.checks = vec!["V.4/lost".to_owned()];
    let unnamed = case.after(|told| {
        for list in ["passedTests", "failedTests"] {
            let tests = told["predicate"][list].as_array_mut().unwrap();
            tests.retain(|name| !name.as_str().unwrap().starts_with("V.4/lost"));
        }
    });
    assert_eq!(unnamed.unwrap_err(), Why::MissingCriterion);
    case.claim.checks.clear();
    let mut statement = case.statement();
    case.claim.tolerates.clear();
    statement["predicate"]["failedTests"] = json!([]);
    let trust = Trust::of_keys(vec![case.key.public()]);
    let strict = case.check(&case.signed(&statement), &trust, &"aa".repeat(32));
    assert_eq!(
        strict.unwrap_err(),
        Why::MissingCriterion,
        "nothing is tolerated"
    );
}

#[test]
fn a_changed_statement_is_refused_with_the_reason_even_when_it_is_signed_again() {
    let binding = |statement: &mut Value, field: &str, value: &str| {
        statement["predicate"]["dev.exai/binding"][field] = Value::from(value);
    };
    type Change<'a> = &'a dyn Fn(&mut Value);
    let cases: [(&str, Change<'_>, Why); 9] = [
        (
            "subject",
            &|s| s["subject"][0]["digest"]["sha256"] = "ee".into(),
            Why::SubjectMismatch,
        ),
        (
            "server",
            &|s| binding(s, "server_sha256", "ee"),
            Why::SubjectMismatch,
        ),
        (
            "claim",
            &|s| binding(s, "claim", "release-candidate"),
            Why::SubjectMismatch,
        ),
        (
            "criteria",
            &|s| binding(s, "criteria_sha256", "c2"),
            Why::CriterionText,
        ),
        (
            "type",
            &|s| s["predicateType"] = SUMMARY.into(),
            Why::StatementType,
        ),
        (
            "missing",
            &|s| s["predicate"]["passedTests"] = json!(["V.1"]),
            Why::MissingCriterion,
        ),
        (
            "result",
            &|s| s["predicate"]["failedTests"] = json!(["V.4/x"]),
            Why::Contradiction,
        ),
        (
            "future",
            &|s| binding(s, "signed_at", "2099-01-01T00:00:00Z"),
            Why::Clock,
        ),
        (
            "order",
            &|s| binding(s, "signed_at", "2001-01-01T00:00:00Z"),
            Why::Clock,
        ),
    ];
    for (name, change, why) in cases {
        assert_eq!(good().after(change).unwrap_err(), why, "{name}");
    }
}

#[test]
fn a_short_run_an_old_one_and_another_binary_are_refused() {
    let mut case = good();
    case.seconds.insert("V.4".to_owned(), 14_400);
    assert_eq!(case.after(|_| {}).unwrap_err(), Why::Short);
    let mut case = good();
    case.now = case.report.run.ended_at + jiff::SignedDuration::from_hours(8 * 24);
    assert_eq!(case.after(|_| {}).unwrap_err(), Why::Expired);
    let case = good();
    let trust = Trust::of_keys(vec![case.key.public()]);
    let other = case
        .check(&case.signed(&case.statement()), &trust, "ff")
        .unwrap_err();
    assert_eq!(other, Why::SubjectMismatch);
}

#[test]
fn a_dev_key_a_lone_key_and_a_foreign_harness_do_not_carry_a_release() {
    use exai_judge::claim::Role;
    let mut case = good();
    case.claim.signed_by = Some(Role::Release);
    let envelope = case.signed(&case.statement());
    let bundle = |role: &str, more: &str| {
        let pem = case.key.public().to_pem();
        Trust::parse(&format!(
            "{more}\n[[key]]\nowner = \"ann\"\nrole = \"{role}\"\npublic = '''{pem}'''\n"
        ))
        .unwrap()
    };
    let server = "aa".repeat(32);
    let ask = |case: &Case, trust: &Trust| case.check(&envelope, trust, &server);
    assert_eq!(
        ask(&case, &bundle("dev", "")).unwrap_err(),
        Why::UntrustedKey
    );
    assert!(ask(&case, &bundle("release", "")).is_ok());
    let other = bundle("release", "harness_sha256 = [\"00\"]");
    assert_eq!(ask(&case, &other).unwrap_err(), Why::Harness);
    case.claim.keys = 2;
    assert_eq!(
        ask(&case, &bundle("release", "")).unwrap_err(),
        Why::UntrustedKey
    );
}
