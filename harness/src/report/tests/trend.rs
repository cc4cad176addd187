//! The last runs: drawn in the page, and the same number of them in every form that tells of them.

use super::{OPENED, samples};
use crate::report::{Report, html};

#[test]
fn every_form_counts_the_same_runs_and_names_the_criterion_that_changed() {
    let report = Report::build(samples::go());
    let says = "the last 4 runs of this kind: Pass in 3 of 4, Fail in 1 (V.4)";
    for format in OPENED {
        let text = format.render(&report).expect("rendered");
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(words.join(" ").contains(says), "{}: {text}", format.name());
    }
    let trend = report.trend.as_ref().expect("a trend");
    assert_eq!(trend.runs.len(), 4);
    assert_eq!(trend.runs.last(), Some(&report.run.run_id));
    for row in trend.verdicts.values() {
        assert_eq!(row.len(), 4);
    }
}

#[test]
fn the_page_draws_each_criterion_and_each_figure_over_the_runs() {
    let report = Report::build(samples::go());
    let page = html::render(&report);
    let drawn = page.matches("class=\"spark\"").count();
    assert_eq!(drawn, report.judged().count() + report.figures.len());
    let of_storage = "4 runs, oldest first: Pass, Fail, Pass, Pass";
    assert!(page.contains(of_storage), "V.4 is not drawn");
    // The newest value is this run's own.
    assert!(page.contains("4 runs, oldest first: 24.1, not measured, 24.9, 25.3"));
}

#[test]
fn a_first_run_has_no_trend_and_says_nothing_of_one() {
    let mut evidence = samples::go();
    evidence.before = Default::default();
    let report = Report::build(evidence);
    assert_eq!(report.trend, None);
    assert!(!html::render(&report).contains("class=\"spark\""));
    assert!(
        report
            .opening
            .lines
            .iter()
            .all(|line| line.label != "Trend")
    );
}
