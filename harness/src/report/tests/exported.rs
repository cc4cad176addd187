//! What other programs take from a run, read by parsers and schemas written elsewhere.

use exai_judge::Verdict;
use openmetrics_parser::openmetrics::parse_openmetrics;
use serde_json::Value;

use super::samples;
use crate::report::{Evidence, Report, openmetrics, sarif, wording};

/// OASIS' own.
const SARIF_SCHEMA: &str = include_str!("../../../schema/sarif-2.1.0.schema.json");

fn runs() -> [Report; 3] {
    let build = |evidence: fn() -> Evidence| Report::build(evidence());
    [
        build(samples::go),
        build(samples::no_go),
        build(samples::inconclusive),
    ]
}

fn read(report: &Report) -> Value {
    serde_json::from_str(&sarif::render(report)).expect("JSON")
}

#[test]
fn sarif_matches_the_schema_of_its_standard() {
    let mut schema: Value = serde_json::from_str(SARIF_SCHEMA).expect("JSON");
    // The standard's one pattern that is no regular expression (`]?`) is for a field not written.
    for holder in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][holder]["properties"]["language"];
        language["pattern"] = "^[a-z]{2}".into();
    }
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for report in runs() {
        let value = read(&report);
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
    let mut wrong = read(&runs()[1]);
    wrong["runs"][0]["results"][0]["level"] = "loud".into();
    assert!(!validator.is_valid(&wrong), "the schema refuses nothing");
}

#[test]
fn every_criterion_in_the_claims_way_is_an_alert_and_no_other_is() {
    for report in runs() {
        let value = read(&report);
        let results = value["runs"][0]["results"].as_array().expect("a list");
        for judged in &report.criteria {
            let id = &judged.finding.criterion;
            let begin = format!("{id}: ");
            let told = |result: &&Value| {
                let says = result["message"]["text"].as_str().unwrap_or_default();
                says.starts_with(&begin)
            };
            let level = results.iter().find(told).map(|result| &result["level"]);
            match judged.finding.verdict {
                _ if judged.tolerated => assert_eq!(level, None, "{id}"),
                Verdict::Pass => assert_eq!(level, None, "{id}"),
                Verdict::Fail => assert_eq!(level, Some(&"error".into()), "{id}"),
                Verdict::Inconclusive | Verdict::HarnessError => {
                    assert_eq!(level, Some(&"warning".into()), "{id}");
                }
            }
        }
        assert_eq!(results.is_empty(), report.claim.exit_code == 0);
        let outside = &value["runs"][0]["properties"]["outside_claim"];
        let outside = outside.as_array().map_or(0, Vec::len);
        assert_eq!(outside, report.outside_claim.len());
    }
}

#[test]
fn an_alert_keeps_its_print_when_only_its_figures_change() {
    let prints = |report: &Report| -> Vec<String> {
        let value = read(report);
        let results = value["runs"][0]["results"].as_array().cloned();
        let print = |result: &Value| result["partialFingerprints"].to_string();
        results.unwrap_or_default().iter().map(print).collect()
    };
    let mut evidence = samples::no_go();
    let before = prints(&Report::build(evidence.clone()));
    for finding in &mut evidence.findings {
        finding.headline.push_str(" at 17:03");
        for violation in &mut finding.violations {
            violation.says = format!("41 {}", violation.says);
        }
    }
    let after = prints(&Report::build(evidence));
    assert_eq!(before, after);
    let mut unique = before.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), before.len(), "two alerts under one print");
}

#[test]
fn openmetrics_is_read_by_a_parser_written_elsewhere() {
    for report in runs() {
        let text = openmetrics::render(&report);
        let read = parse_openmetrics(&text).expect("OpenMetrics");
        let families = &read.families;
        let verdicts = families.get("exai_harness_verdict").expect("a family");
        let samples = verdicts.iter_samples().count();
        assert_eq!(samples, report.judged().count() * 4);
        let set = text
            .lines()
            .filter(|line| line.starts_with("exai_harness_verdict{") && line.ends_with(" 1"));
        for judged in report.judged() {
            let word = wording::machine_word(judged.finding.verdict);
            let of = format!("criterion=\"{}\"", judged.finding.criterion);
            let is = format!("exai_harness_verdict=\"{word}\"");
            let hit = set.clone().filter(|line| line.contains(&of));
            let hit: Vec<&str> = hit.collect();
            assert_eq!(hit.len(), 1, "{of}");
            assert!(hit[0].contains(&is), "{hit:?}");
        }
        assert_eq!(set.count(), report.judged().count());
    }
}
