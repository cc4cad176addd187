//! The rules on recorded results: good, bad, empty, and each of the suite's traps.

use std::collections::BTreeMap;

use exai_judge::Verdict;
use serde_json::json;

use super::baseline::{Baseline, Served};
use super::import::{Check, Scenario, State, scenario};
use super::judge::{product, protocol};
use super::suite::{Record, scenario_of, server_scenarios};
use crate::client::Revision;

const GOOD: &str = include_str!("recorded/good.json");
const BAD: &str = include_str!("recorded/bad.json");
const WARNING_ONLY: &str = include_str!("recorded/warning-only.json");
const NOT_TESTABLE: &str = include_str!("recorded/not-testable.json");
const SKIPPED: &str = include_str!("recorded/skipped.json");
const EMPTY: &str = "[]";

fn imported(name: &str, text: &str) -> Scenario {
    let checks: Vec<Check> = serde_json::from_str(text).unwrap();
    scenario(name, &checks)
}

fn record(scenarios: &[(&str, &str)], required: &[&str]) -> Record {
    let imported = |(name, text): &(&str, &str)| ((*name).to_owned(), imported(name, text));
    Record {
        revision: Revision::V2026,
        required: required.iter().map(|name| (*name).to_owned()).collect(),
        scenarios: scenarios.iter().map(imported).collect::<BTreeMap<_, _>>(),
    }
}

#[test]
fn a_scenario_passes_only_with_a_success_of_its_own() {
    let cases = [
        ("good", GOOD, State::Passed, 0),
        ("bad", BAD, State::Failed, 1),
        ("empty", EMPTY, State::NothingShown, 0),
        (
            "skipped, which the suite ticks",
            SKIPPED,
            State::NothingShown,
            0,
        ),
        (
            "warning only, which it ticks too",
            WARNING_ONLY,
            State::NothingShown,
            1,
        ),
        (
            "not testable, which it fails",
            NOT_TESTABLE,
            State::NotTestable,
            5,
        ),
    ];
    for (what, text, state, faults) in cases {
        let scenario = imported(what, text);
        assert_eq!(
            (scenario.state, scenario.faults.len()),
            (state, faults),
            "{what}"
        );
    }
    let schema_alone = json!([{"id": "wire-schema-valid", "status": "SUCCESS"}]);
    let schema_alone = imported("schema", &schema_alone.to_string());
    assert_eq!(schema_alone.state, State::NothingShown);
    let broken = json!([{"id": "a", "status": "SUCCESS"},
        {"id": "wire-schema-harness-error", "status": "FAILURE"}]);
    assert_eq!(
        imported("broken", &broken.to_string()).state,
        State::SuiteBroken
    );
}

#[test]
fn a_word_the_suite_did_not_have_before_is_no_pass() {
    let strange = json!([{"id": "a", "status": "PROBABLY"}]);
    assert!(serde_json::from_value::<Vec<Check>>(strange).is_err());
}

/// Recorded scenarios, the required ones, and what they come to.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], Verdict);

#[test]
fn the_protocol_passes_only_when_every_required_scenario_does_without_a_warning() {
    let cases: [Case<'_>; 7] = [
        (&[("a", GOOD)], &["a"], Verdict::Pass),
        (&[("a", GOOD), ("b", BAD)], &["a"], Verdict::Pass),
        (&[("a", GOOD), ("b", BAD)], &["a", "b"], Verdict::Fail),
        (&[("a", GOOD)], &["a", "b"], Verdict::Inconclusive),
        (
            &[("a", GOOD), ("b", WARNING_ONLY)],
            &["a", "b"],
            Verdict::Inconclusive,
        ),
        (
            &[("a", GOOD), ("b", NOT_TESTABLE)],
            &["a", "b"],
            Verdict::Inconclusive,
        ),
        (&[], &[], Verdict::Inconclusive),
    ];
    for (scenarios, required, verdict) in cases {
        let outcome = protocol(&record(scenarios, required));
        assert_eq!(
            outcome.verdict, verdict,
            "{required:?}: {:?}",
            outcome.against
        );
        assert_eq!(
            outcome.against.is_empty(),
            verdict == Verdict::Pass || required.is_empty()
        );
    }
    let outcome = protocol(&record(&[("a", GOOD), ("b", BAD)], &["a"]));
    assert_eq!(
        (outcome.passed, outcome.beyond, outcome.beyond_passed),
        (1, 1, 0)
    );
}

const NEEDS_IMAGE: &str = "[[absent]]\nrevisions = [\"2026-07-28\"]\nscenario = \"image\"\n\
    checks = [\"tools-call-image\"]\nneeds = \"tool test_image_content\"\n";

#[test]
fn the_product_passes_only_with_each_failure_proven_to_be_an_absence() {
    let lacks = Served::default();
    let mut has = Served::default();
    has.tools.insert("test_image_content".to_owned());
    let other_words = BAD.replace("There is no tool of this name", "The answer was empty");
    let silent = format!("{NEEDS_IMAGE}says = \"Failed: another reason\"\n");
    let empty = "absent = []\n";
    let good = ("good", GOOD);
    let cases = [
        ("proven", NEEDS_IMAGE, BAD, &lacks, Verdict::Pass),
        ("not listed", empty, BAD, &lacks, Verdict::Fail),
        ("stale", NEEDS_IMAGE, GOOD, &lacks, Verdict::Fail),
        ("the server has it", NEEDS_IMAGE, BAD, &has, Verdict::Fail),
        (
            "another message",
            NEEDS_IMAGE,
            &other_words,
            &lacks,
            Verdict::Fail,
        ),
        (
            "another message than said",
            &silent,
            BAD,
            &lacks,
            Verdict::Fail,
        ),
        ("nothing to excuse", empty, GOOD, &lacks, Verdict::Pass),
    ];
    for (what, baseline, text, served, verdict) in cases {
        let baseline = Baseline::parse(baseline).unwrap();
        let record = record(&[good, ("image", text)], &["good"]);
        let outcome = product(&record, &baseline, served);
        assert_eq!(outcome.verdict, verdict, "{what}: {:?}", outcome.against);
    }
    let record = record(&[("image", BAD)], &["image"]);
    let none_passed = product(&record, &Baseline::parse(NEEDS_IMAGE).unwrap(), &lacks);
    assert_eq!(none_passed.verdict, Verdict::Inconclusive);
}

#[test]
fn a_pass_for_want_of_a_fixture_is_counted_as_nothing_shown() {
    let vacuous = "absent = []\n[[vacuous]]\nscenario = \"image\"\nneeds = \"tool absent\"\n";
    let baseline = Baseline::parse(vacuous).unwrap();
    let record = record(&[("good", GOOD), ("image", GOOD)], &["good", "image"]);
    let outcome = product(&record, &baseline, &Served::default());
    assert_eq!((outcome.passed, outcome.verdict), (1, Verdict::Pass));
    assert!(
        outcome.inconclusive[0].starts_with("image: "),
        "{:?}",
        outcome.inconclusive
    );
}

#[test]
fn a_capability_is_there_when_it_was_declared_and_an_unknown_kind_excuses_nothing() {
    let served = Served {
        capabilities: json!({"resources": {"subscribe": false}, "extensions": {"a/b": {}}}),
        ..Served::default()
    };
    let cases = [
        ("capability logging", Verdict::Pass),
        ("capability resources/subscribe", Verdict::Pass),
        ("capability extensions/a~b", Verdict::Fail),
        ("wish for more", Verdict::Fail),
        ("tool", Verdict::Fail),
    ];
    for (needs, verdict) in cases {
        let baseline = NEEDS_IMAGE.replace("tool test_image_content", needs);
        let record = record(&[("good", GOOD), ("image", BAD)], &["good"]);
        let outcome = product(&record, &Baseline::parse(&baseline).unwrap(), &served);
        assert_eq!(outcome.verdict, verdict, "{needs}: {:?}", outcome.against);
    }
}

#[test]
fn the_committed_baseline_can_be_read_and_empty_lists_excuse_nothing() {
    let baseline = Baseline::load().unwrap();
    let nothing: [Scenario; 0] = [];
    let weighed = baseline.weigh("2025-11-25", nothing.iter(), &Served::default());
    assert!(
        weighed.excused.is_empty() && weighed.stale.len() > 20,
        "{weighed:?}"
    );
}

#[test]
fn the_required_list_is_that_of_the_server_alone() {
    let text = "# server:\nserver:\n  - ping\n\n  - tools-list\n\nclient:\n  - initialize\n\
        not_scored:\n  - scenario: x\n";
    assert_eq!(server_scenarios(text), ["ping", "tools-list"]);
    assert!(server_scenarios("client:\n  - a\n").is_empty());
}

#[test]
fn a_folder_names_its_scenario() {
    let folder = "server-tools-call-image-2026-11-21T11-14-54-519Z";
    assert_eq!(scenario_of(folder), Some("tools-call-image"));
    for other in ["client-a-2026-11-21T11-14-54-519Z", "server-x", "server-"] {
        assert_eq!(scenario_of(other), None, "{other}");
    }
}
