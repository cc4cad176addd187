//! What people and machines read, as it stands today.

use roxmltree::Document;

use super::samples;
use crate::report::files::Format;
use crate::report::{Evidence, Report, json, junit, markdown, terminal};

fn runs() -> [(&'static str, Report); 3] {
    let build = |evidence: fn() -> Evidence| Report::build(evidence());
    [
        ("go", build(samples::go)),
        ("no_go", build(samples::no_go)),
        ("inconclusive", build(samples::inconclusive)),
    ]
}

#[test]
fn the_final_screen_reads_as_agreed() {
    for (name, report) in runs() {
        let screen = terminal::render(&report, terminal::Style::PLAIN);
        insta::assert_snapshot!(format!("terminal_{name}"), screen);
    }
}

#[test]
fn only_verdicts_are_coloured() {
    let report = Report::build(samples::no_go());
    let style = terminal::Style {
        colour: true,
        columns: 100,
    };
    let coloured = terminal::render(&report, style);
    let plain = terminal::render(&report, terminal::Style::PLAIN);
    let words = coloured.matches("\u{1b}[1;").count();
    assert_eq!(
        words,
        report.judged().count() + 1,
        "one word a criterion and the decision"
    );
    let mut stripped = coloured.replace("\u{1b}[0m", "");
    for code in ["31", "32", "33", "35"] {
        stripped = stripped.replace(&format!("\u{1b}[1;{code}m"), "");
    }
    assert_eq!(stripped, plain);
}

#[test]
fn the_step_summary_reads_as_agreed() {
    for (name, report) in runs() {
        insta::assert_snapshot!(format!("markdown_{name}"), markdown::render(&report));
    }
}

#[test]
fn a_step_summary_never_grows_past_what_the_host_takes() {
    let mut evidence = samples::no_go();
    let violation = evidence.findings[3].violations[0].clone();
    evidence.findings[3].violations = vec![violation; 9000];
    let report = Report::build(evidence);
    let text = markdown::render(&report);
    assert!(text.len() <= markdown::LIMIT_BYTES, "{} bytes", text.len());
    assert!(
        text.contains("Left out here for size: V.4; all of it is in"),
        "the cut is said"
    );
    assert!(text.contains("# No-go: merge-ready is not carried"));
}

#[test]
fn junit_reads_as_agreed() {
    for (name, report) in runs() {
        let text = junit::render(&report).expect("XML");
        insta::assert_snapshot!(format!("junit_{name}"), text);
    }
    let report = Report::build(samples::no_go());
    insta::assert_snapshot!(
        "junit_outside",
        junit::render_outside(&report).expect("XML")
    );
}

#[test]
fn junit_headers_equal_their_children() {
    for (name, report) in runs() {
        for format in [Format::Junit, Format::JunitOutside] {
            let text = format.render(&report).expect("XML");
            let document = Document::parse(&text).expect("an XML parser reads it");
            for node in document
                .descendants()
                .filter(|node| node.has_attribute("tests"))
            {
                let inside = |tag: &str| {
                    node.descendants()
                        .filter(|child| child.has_tag_name(tag))
                        .count()
                        .to_string()
                };
                let header = |name: &str| node.attribute(name).unwrap_or("missing").to_owned();
                assert_eq!(header("tests"), inside("testcase"), "{name}");
                assert_eq!(header("failures"), inside("failure"), "{name}");
                assert_eq!(header("errors"), inside("error"), "{name}");
                assert_eq!(header("skipped"), "0", "viewers draw skipped in green");
            }
        }
    }
}

#[test]
fn junit_names_are_unique() {
    for (_, report) in runs() {
        let text = junit::render(&report).expect("XML");
        let document = Document::parse(&text).expect("an XML parser reads it");
        let cases = document
            .descendants()
            .filter(|node| node.has_tag_name("testcase"));
        let mut names: Vec<_> = cases
            .map(|case| (case.attribute("classname"), case.attribute("name")))
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}

#[test]
fn characters_xml_forbids_do_not_reach_the_file() {
    let mut evidence = samples::no_go();
    evidence.findings[3].headline = "bell \u{7} <b>&amp; \u{1b}[31mred".to_owned();
    let report = Report::build(evidence);
    for format in [
        Format::Junit,
        Format::Html,
        Format::Terminal,
        Format::Markdown,
    ] {
        let text = format.render(&report).expect("rendered");
        assert!(!text.contains(['\u{7}', '\u{1b}']), "{}", format.name());
    }
    Document::parse(&junit::render(&report).expect("XML")).expect("an XML parser reads it");
}

#[test]
fn json_reads_as_agreed() {
    for (name, report) in runs() {
        let text = json::render(&report).expect("JSON");
        let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        // Points are checked by what the charts draw; a thousand of them are no reading.
        for list in ["criteria", "outside_claim"] {
            for judged in value[list].as_array_mut().expect("a list") {
                let series = judged["series"].as_object_mut().expect("an object");
                for points in series.values_mut() {
                    *points = format!("{} points", points.as_array().map_or(0, Vec::len)).into();
                }
            }
        }
        let pretty = serde_json::to_string_pretty(&value).expect("JSON");
        insta::assert_snapshot!(format!("json_{name}"), pretty);
    }
}

#[test]
fn json_matches_its_published_schema() {
    let schema: serde_json::Value = serde_json::from_str(json::SCHEMA_TEXT).expect("JSON");
    jsonschema::meta::validate(&schema).expect("the schema is one");
    let mut strict = schema.clone();
    close(&mut strict);
    for schema in [&schema, &strict] {
        let validator = jsonschema::validator_for(schema).expect("a schema");
        for (name, report) in runs() {
            let text = json::render(&report).expect("JSON");
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let errors: Vec<String> = validator
                .iter_errors(&value)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{name}: {}", errors.join("\n"));
        }
    }
}

/// Forbids every field the schema does not name, so that none is written without a description.
fn close(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(fields) => {
            if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), false.into());
            }
            fields.values_mut().for_each(close);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn the_schema_refuses_a_fifth_verdict() {
    let schema: serde_json::Value = serde_json::from_str(json::SCHEMA_TEXT).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let text = json::render(&Report::build(samples::go())).expect("JSON");
    let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert!(validator.is_valid(&value));
    value["criteria"][0]["verdict"] = "MOSTLY".into();
    assert!(!validator.is_valid(&value));
}

#[test]
fn a_report_survives_its_json() {
    for (name, report) in runs() {
        let text = json::render(&report).expect("JSON");
        let read: Report = serde_json::from_str(&text).expect("a report");
        assert_eq!(json::render(&read).expect("JSON"), text, "{name}");
        assert_eq!(read, report, "{name}");
    }
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    for format in Format::ALL {
        let once = format
            .render(&Report::build(samples::no_go()))
            .expect("rendered");
        let again = format
            .render(&Report::build(samples::no_go()))
            .expect("rendered");
        assert_eq!(once, again, "{}", format.name());
    }
}

/// What a battery leaves out case by case.
const LEFT_OUT: usize = 15;

#[test]
fn what_was_not_tested_takes_few_lines_and_is_whole_and_counted_alike_in_every_format() {
    let mut evidence = samples::go();
    let cases = (1..=LEFT_OUT).map(|row| format!("B{row}: a case of it"));
    evidence.findings[5].not_tested = cases.collect();
    let whether = "whether the end is told".to_owned();
    evidence.findings[5].not_tested.push(whether);
    let report = Report::build(evidence);
    let count = report.not_tested.len();
    assert!(count > LEFT_OUT + 2, "the samples leave out some more");
    let render = |format: Format| format.render(&report).expect("rendered");

    let json: serde_json::Value = serde_json::from_str(&render(Format::Json)).expect("JSON");
    assert_eq!(json["not_tested"].as_array().map(Vec::len), Some(count));

    let screen = render(Format::Terminal);
    let told = screen.lines().filter(|line| line.starts_with("untested"));
    assert_eq!(told.count(), count - LEFT_OUT, "{screen}");
    assert!(
        screen.contains("V.6 16 left out, in rows B1, B2, B3,"),
        "{screen}"
    );
    assert!(screen.contains(&format!("each of the {count} stands in the report")));

    let (markdown, page) = (render(Format::Markdown), render(Format::Html));
    let heading = format!("**Not tested ({count})**");
    assert!(markdown.contains(&heading), "{markdown}");
    let heading = format!(r#"Not tested <span class="count">{count}</span>"#);
    assert!(page.contains(&heading), "{page}");
    let each = format!("<summary>Each of the {count}</summary>");
    for (text, item) in [(&markdown, "\n- "), (&page, "<li>")] {
        let (_, after) = text.split_once(&each).expect("a fold");
        let (inside, _) = after.split_once("</details>").expect("its end");
        let inside = inside.replace('\u{a0}', " ");
        assert_eq!(inside.matches(item).count(), count, "{inside}");
        let second = inside.find("B2: a case").expect("the second row");
        assert!(inside.find("B10: a case") > Some(second), "{inside}");
        for gap in &report.not_tested {
            assert!(inside.contains(&gap.what), "{}", gap.what);
        }
    }
}

#[test]
fn a_step_summary_says_how_many_gaps_it_had_no_room_for() {
    let mut evidence = samples::go();
    let long = "x".repeat(1_500);
    let cases = (1..=1_000).map(|row| format!("B{row}: {long}"));
    evidence.findings[5].not_tested = cases.collect();
    let text = markdown::render(&Report::build(evidence));
    assert!(text.len() < markdown::LIMIT_BYTES);
    let (_, after) = text.split_once("<details>").expect("a fold");
    let (inside, _) = after.split_once("</details>").expect("its end");
    let told = inside.matches("\n- V.6").count();
    let rest = inside
        .split("- and ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let rest: usize = rest.and_then(|rest| rest.parse().ok()).expect("a count");
    assert!(told < 1_000 && told + rest >= 1_000, "{told} + {rest}");
}
