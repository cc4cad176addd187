//! No format is kinder than the findings: nothing inconclusive is green, nothing is dropped.

use exai_judge::claim::Claims;
use exai_judge::{Reason, Verdict};
use roxmltree::Document;

use super::{OPENED, samples};
use crate::report::facts::{ClaimAsked, CutShort};
use crate::report::files::{self, Format, WriteError};
use crate::report::secrets::Secrets;
use crate::report::{Evidence, Report};

#[test]
fn an_inconclusive_is_green_nowhere() {
    let report = Report::build(samples::inconclusive());
    assert_eq!(
        (report.claim.verdict, report.claim.exit_code),
        (Verdict::Inconclusive, 2)
    );
    let render = |format: Format| format.render(&report).expect("rendered");
    for format in OPENED.into_iter().chain([Format::Junit]) {
        let text = render(format);
        assert!(
            text.contains("No-go: merge-ready is not carried"),
            "{}",
            format.name()
        );
        assert!(
            !text.contains("Go: merge-ready is carried"),
            "{}",
            format.name()
        );
    }
    let junit = render(Format::Junit);
    let document = Document::parse(&junit).expect("an XML parser reads it");
    let case = document
        .descendants()
        .find(|node| {
            node.attribute("name")
                .is_some_and(|name| name.starts_with("V.3 "))
        })
        .expect("V.3 has a test case");
    let error = case
        .children()
        .find(|node| node.has_tag_name("error"))
        .expect("an error");
    assert_eq!(error.attribute("type"), Some("inconclusive"));
    assert!(
        error
            .attribute("message")
            .is_some_and(|codes| codes.contains("dropped_arrivals"))
    );
    let json: serde_json::Value = serde_json::from_str(&render(Format::Json)).expect("JSON");
    assert_eq!(json["opening"]["go"], false);
    assert_eq!(json["criteria"][2]["verdict"], "INCONCLUSIVE");
    assert!(render(Format::Html).contains(r##"class="tile inconclusive" href="#V3""##));
}

#[test]
fn a_criterion_nobody_judged_is_inconclusive_in_every_format() {
    let report = Report::build(samples::inconclusive());
    let missing = report
        .criteria
        .iter()
        .find(|judged| judged.finding.criterion == "V.5");
    let missing = missing.expect("the claim names V.5, so V.5 has a row");
    assert_eq!(missing.finding.verdict, Verdict::Inconclusive);
    assert_eq!(missing.finding.reasons, [Reason::NotSelected]);
    assert!(
        report
            .blockers
            .iter()
            .any(|blocker| blocker.criterion == "V.5")
    );
}

#[test]
fn a_deleted_finding_changes_every_format_that_shows_it() {
    let whole = Report::build(samples::go());
    for index in 0..samples::go().findings.len() {
        let mut evidence = samples::go();
        let removed = evidence.findings.remove(index).criterion;
        let outside = !evidence.claim.criteria.contains(&removed);
        let less = Report::build(evidence);
        assert_eq!(less.opening.go, outside, "{removed} decides");
        for format in Format::ALL {
            let (before, after) = (format.render(&whole), format.render(&less));
            let same = before.expect("rendered") == after.expect("rendered");
            // The file of the criteria outside the claim holds nothing of those inside, but the
            // decision it repeats changes with them.
            assert!(
                !same,
                "{removed} is missing and {} does not show it",
                format.name()
            );
        }
    }
}

#[test]
fn every_format_counts_the_same() {
    for evidence in [samples::go(), samples::no_go(), samples::inconclusive()] {
        let report = Report::build(evidence);
        let (claim, outside) = (report.counts.claim, report.counts.outside_claim);
        for tally in [claim, outside] {
            let sum = tally.pass + tally.inconclusive + tally.harness_error + tally.fail;
            assert_eq!(sum, tally.selected);
        }
        let all = claim.selected + outside.selected;
        let render = |format: Format| format.render(&report).expect("rendered");

        let screen = render(Format::Terminal);
        let words = ["Pass", "Inconclusive", "HarnessError", "Fail"];
        let is_row = |line: &&str| {
            let mut parts = line.split_whitespace();
            parts.next().is_some_and(|id| id.starts_with("V."))
                && parts.next().is_some_and(|word| words.contains(&word))
        };
        assert_eq!(screen.lines().filter(is_row).count(), all);

        let markdown = render(Format::Markdown);
        assert_eq!(
            markdown
                .lines()
                .filter(|line| line.starts_with("| V."))
                .count(),
            all
        );
        assert_eq!(
            markdown
                .lines()
                .filter(|line| line.starts_with("## V."))
                .count(),
            all
        );

        let page = render(Format::Html);
        assert_eq!(page.matches(r#"class="tile "#).count(), all);
        assert_eq!(page.matches(r#"<section class="card "#).count(), all);

        let tests = |format: Format| render(format).matches("<testcase ").count();
        assert_eq!(tests(Format::Junit), claim.selected);
        assert_eq!(tests(Format::JunitOutside), outside.selected);
        let properties = render(Format::Junit)
            .matches(r#"name="outside_claim""#)
            .count();
        assert_eq!(properties, outside.selected);

        let json: serde_json::Value = serde_json::from_str(&render(Format::Json)).expect("JSON");
        assert_eq!(
            json["criteria"].as_array().map(Vec::len),
            Some(claim.selected)
        );
        assert_eq!(
            json["outside_claim"].as_array().map(Vec::len),
            Some(outside.selected)
        );
    }
}

#[test]
fn nothing_at_all_is_never_green() {
    let mut evidence = samples::go();
    evidence.findings.clear();
    let nothing_ran = Report::build(evidence);
    assert_eq!(
        (nothing_ran.opening.go, nothing_ran.claim.exit_code),
        (false, 4)
    );

    let mut evidence = samples::go();
    evidence.claim.criteria.clear();
    let nothing_asked = Report::build(evidence);
    assert_eq!(
        (nothing_asked.opening.go, nothing_asked.claim.exit_code),
        (false, 2)
    );
    let junit = Format::Junit.render(&nothing_asked).expect("XML");
    assert_eq!(junit.matches("<error ").count(), 1, "{junit}");
}

#[test]
fn a_pass_against_its_own_floor_is_taken_back() {
    let mut evidence = samples::go();
    evidence.findings[0].floors[0].seen = 0;
    assert_eq!(evidence.findings[0].verdict, Verdict::Pass);
    let report = Report::build(evidence);
    assert_eq!(report.criteria[0].finding.verdict, Verdict::Inconclusive);
    assert_eq!(report.criteria[0].finding.reasons, [Reason::Contradictory]);
    assert!(!report.opening.go);
}

#[test]
fn of_two_findings_for_one_criterion_the_worse_stands() {
    let mut evidence = samples::go();
    evidence
        .findings
        .push(samples::no_go().findings.swap_remove(3));
    let report = Report::build(evidence);
    assert_eq!(report.criteria[3].finding.verdict, Verdict::Fail);
    assert_eq!(report.claim.exit_code, 1);
}

#[test]
fn a_self_test_run_never_carries_a_claim() {
    let mut evidence = samples::go();
    evidence.run.spoiler = Some("9, one turn lost".to_owned());
    let report = Report::build(evidence);
    assert!(!report.opening.go);
    for format in [Format::Terminal, Format::Markdown, Format::Html] {
        let text = format.render(&report).expect("rendered");
        assert!(text.contains("9, one turn lost"), "{}", format.name());
    }
}

#[test]
fn a_run_that_a_signal_ended_never_carries_a_claim_and_names_the_signal() {
    let mut evidence = samples::go();
    evidence.run.cut_short = Some(CutShort::Sigterm);
    let report = Report::build(evidence);
    assert_eq!((report.opening.go, report.claim.exit_code), (false, 143));
    for format in [Format::Terminal, Format::Markdown, Format::Html] {
        let text = format.render(&report).expect("rendered");
        assert!(text.contains("SIGTERM ended the run"), "{}", format.name());
    }
}

#[test]
fn a_claims_own_rule_makes_junit_as_red_as_the_exit_code() {
    let mut evidence = samples::go();
    evidence.claim.reasons = vec!["no run on the embedded store in the ledger".to_owned()];
    let report = Report::build(evidence);
    assert_eq!(report.claim.exit_code, 2);
    let junit = Format::Junit.render(&report).expect("XML");
    assert_eq!(junit.matches("<error ").count(), 1, "{junit}");
}

#[test]
fn what_stands_outside_the_claim_does_not_redden_its_files() {
    let report = Report::build(samples::go());
    assert_eq!((report.opening.go, report.claim.exit_code), (true, 0));
    assert_eq!(report.counts.outside_claim.inconclusive, 2);
    let junit = Format::Junit.render(&report).expect("XML");
    assert!(
        !junit.contains("<error") && !junit.contains("<failure"),
        "{junit}"
    );
    assert!(junit.contains("V.7:INCONCLUSIVE:duration_short"), "{junit}");
    let outside = Format::JunitOutside.render(&report).expect("XML");
    assert_eq!(outside.matches("<error ").count(), 2, "{outside}");
}

#[test]
fn the_opening_is_word_for_word_the_same_everywhere() {
    let report = Report::build(samples::no_go());
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for format in OPENED {
        let text = format.render(&report).expect("rendered");
        let unescaped = text
            .replace("\\_", "_")
            .replace("&lt;", "<")
            .replace("&gt;", ">");
        let text = squeeze(&unescaped);
        assert!(text.contains(&report.opening.heading), "{}", format.name());
        for line in &report.opening.lines {
            assert!(
                text.contains(&squeeze(&line.text)),
                "{}: {}",
                format.name(),
                line.text
            );
        }
    }
}

#[test]
fn what_failovers_took_is_told_in_every_form() {
    let mut evidence = samples::go();
    let spread = "34 failovers, p50 120 ms, max 1 300 ms";
    let failovers = &mut evidence.findings[1];
    spread.clone_into(&mut failovers.headline);
    failovers.checks[0].measured = format!("0 of {spread}");
    failovers.checks[0].n = 34;
    let report = Report::build(evidence);
    for format in OPENED {
        let text = format.render(&report).expect("rendered");
        let words: Vec<&str> = text.split_whitespace().collect();
        let told = words.join(" ").matches(spread).count();
        // A screen has a line for each criterion and no table of checks.
        let times = if format == Format::Terminal { 1 } else { 2 };
        assert!(told >= times, "{}: {told} times", format.name());
    }
}

#[test]
fn a_secret_in_any_output_stops_every_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut evidence: Evidence = samples::no_go();
    evidence.findings[3].violations[0]
        .says
        .push_str(" key sk-canary-4711-abcdef");
    let report = Report::build(evidence);
    let secrets = Secrets::new(["sk-canary-4711-abcdef"]).expect("long enough");
    let into = folder.path().join("latest");
    let error = files::write(&report, &into, &secrets).expect_err("a secret stands in it");
    assert!(matches!(error, WriteError::Secret(_)), "{error}");
    assert!(!into.exists(), "something was written");
}

#[test]
fn every_file_is_written_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = Report::build(samples::go());
    let written = files::write(&report, folder.path(), &Secrets::none()).expect("written");
    let names: Vec<_> = written
        .iter()
        .filter_map(|path| path.file_name().and_then(|name| name.to_str()))
        .collect();
    assert_eq!(names, Format::ALL.map(Format::file));
    for (path, format) in written.iter().zip(Format::ALL) {
        let text = std::fs::read_to_string(path).expect("readable");
        assert_eq!(text, format.render(&report).expect("rendered"));
    }
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, Format::ALL.len(), "no half-written file is left");
}

#[test]
fn a_tolerated_inconclusive_neither_blocks_nor_turns_green() {
    let mut evidence = samples::inconclusive();
    let claim = "[[claim]]\nid = \"wired\"\ntext = \"\"\nprofile = \"smoke\"\nmax_age_days = 7\n\
                 criteria = [\"V.1\", \"V.3\"]\nfloors = [\"V.1/providers_reached\"]\n\
                 tolerates = [\"below_floor\", \"dropped_arrivals\"]\n";
    let claims = Claims::parse(claim).expect("a claim");
    let wired = claims.find("wired").expect("wired");
    let answer = wired.judge(&evidence.findings);
    assert_eq!(answer.verdict, Verdict::Pass, "{:?}", answer.because);
    evidence.claim = ClaimAsked::answered(wired, &answer, "wired (sample)".to_owned());
    let report = Report::build(evidence);
    assert_eq!((report.opening.go, report.claim.exit_code), (true, 0));
    assert_eq!(report.counts.claim.inconclusive, 1);
    assert!(report.blockers.is_empty(), "{:?}", report.blockers);

    let render = |format: Format| format.render(&report).expect("rendered");
    let junit = render(Format::Junit);
    assert!(
        !junit.contains("<error") && !junit.contains("<testcase name=\"V.3"),
        "{junit}"
    );
    assert!(
        junit.contains("name=\"tolerated\" value=\"V.3:INCONCLUSIVE:"),
        "{junit}"
    );
    assert!(junit.contains("own floors and checks"), "{junit}");
    assert!(render(Format::JunitOutside).contains("<testcase name=\"V.3"));
    assert!(render(Format::Html).contains(r##"class="tile inconclusive" href="#V3""##));
    assert!(render(Format::Terminal).contains("wired tolerates 1 of them"));
}

#[test]
fn a_rule_of_the_claim_that_is_not_met_blocks_beside_its_criteria() {
    let mut evidence = samples::inconclusive();
    let claim = "[[claim]]\nid = \"wired\"\ntext = \"\"\nprofile = \"smoke\"\nmax_age_days = 7\n\
                 criteria = [\"V.1\", \"V.3\"]\nfloors = [\"V.1/no_such_floor\"]\n";
    let claims = Claims::parse(claim).expect("a claim");
    let wired = claims.find("wired").expect("wired");
    let answer = wired.judge(&evidence.findings);
    evidence.claim = ClaimAsked::answered(wired, &answer, "wired (sample)".to_owned());
    let report = Report::build(evidence);
    let blocking: Vec<&str> = report
        .blockers
        .iter()
        .map(|blocker| blocker.criterion.as_str())
        .collect();
    assert_eq!(blocking, ["V.3", "claim"], "{:?}", report.blockers);
    assert_eq!((report.opening.go, report.claim.exit_code), (false, 2));
}

#[test]
fn whatever_stands_in_the_way_comes_with_the_one_seeded_command_that_repeats_it() {
    for evidence in [samples::no_go(), samples::inconclusive()] {
        let report = Report::build(evidence);
        let terminal = Format::Terminal.render(&report).expect("rendered");
        assert!(terminal.contains(&report.run.replay), "{terminal}");
        let in_the_way = |id: &&str| report.blockers.iter().any(|one| one.criterion == *id);
        let judged = report.criteria.iter();
        for judged in judged.filter(|one| in_the_way(&one.finding.criterion.as_str())) {
            assert!(judged.repeat.contains("--seed "), "{}", judged.repeat);
            for format in [Format::Html, Format::Markdown, Format::Junit, Format::Sarif] {
                // The page wraps between words.
                let text = format.render(&report).expect("rendered");
                let text = text.replace("<span>", "").replace("</span>", "");
                assert!(text.contains(&judged.repeat), "{}", format.name());
            }
        }
    }
}
