//! The page as a parser reads it: well formed, whole, and without anything from outside.

use std::collections::BTreeSet;

use roxmltree::{Document, Node};

use super::samples;
use crate::report::{Evidence, Report, html};

/// The page as XML: void tags closed, the document type left out. What is not well formed is seen.
fn as_xml(page: &str) -> String {
    let mut out = String::new();
    let body = page
        .strip_prefix("<!DOCTYPE html>")
        .expect("a document type");
    for (index, part) in body.split("<meta ").enumerate() {
        if index == 0 {
            out.push_str(part);
            continue;
        }
        let (attributes, rest) = part.split_once('>').expect("a closed tag");
        out.push_str(&format!("<meta {attributes}/>{rest}"));
    }
    out
}

fn pages() -> Vec<String> {
    let all: [fn() -> Evidence; 4] = [
        samples::go,
        samples::no_go,
        samples::inconclusive,
        samples::crowded,
    ];
    all.iter()
        .map(|evidence| as_xml(&html::render(&Report::build(evidence()))))
        .collect()
}

fn text_of(node: Node<'_, '_>) -> String {
    let words: Vec<&str> = node
        .descendants()
        .filter(Node::is_text)
        .filter_map(|node| node.text())
        .collect();
    words.join("")
}

#[test]
fn the_first_screen_answers_the_four_questions() {
    let report = Report::build(samples::no_go());
    let page = as_xml(&html::render(&report));
    let document = Document::parse(&page).expect("well formed");
    let heading = document
        .descendants()
        .find(|node| node.has_tag_name("h1"))
        .expect("a heading");
    assert_eq!(text_of(heading), "No-go: merge-ready is not carried");
    let boxes: Vec<Node<'_, '_>> = document
        .descendants()
        .filter(|node| {
            node.attribute("class")
                .is_some_and(|class| class.split(' ').any(|one| one == "box"))
        })
        .collect();
    let says = |index: usize| text_of(boxes[index]);
    assert!(
        says(0).starts_with("What blocks 2") && says(0).contains("turn 7"),
        "{}",
        says(0)
    );
    assert!(says(1).starts_with("Not tested 3") && says(1).contains("live providers"));
    assert!(says(2).contains(&report.run.replay), "{}", says(2));
    let first_card = page.find("<section class=\"card").expect("cards");
    assert!(
        boxes.iter().all(|one| one.range().end < first_card),
        "depth comes after"
    );
}

#[test]
fn every_link_leads_somewhere_and_every_id_is_unique() {
    for page in pages() {
        let document = Document::parse(&page).expect("well formed");
        let mut ids = BTreeSet::new();
        for id in document
            .descendants()
            .filter_map(|node| node.attribute("id"))
        {
            assert!(ids.insert(id), "{id} stands twice");
        }
        let links = document
            .descendants()
            .filter_map(|node| node.attribute("href"));
        for link in links {
            let anchor = link.strip_prefix('#').expect("a link inside the page");
            assert!(ids.contains(anchor), "{link} leads nowhere");
        }
        for label in document
            .descendants()
            .filter_map(|node| node.attribute("aria-labelledby"))
        {
            assert!(ids.contains(label), "{label} names nothing");
        }
    }
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    for page in pages() {
        for word in [
            "<script", "<link", "<img", "@import", "url(", "http:", "https:", " on",
        ] {
            let outside_text = page.contains(word) && word != " on";
            assert!(!outside_text, "{word}");
        }
        let document = Document::parse(&page).expect("well formed");
        let handlers = document
            .descendants()
            .flat_map(|node| {
                node.attributes()
                    .map(|one| one.name().to_owned())
                    .collect::<Vec<_>>()
            })
            .filter(|name| name.starts_with("on"))
            .count();
        assert_eq!(handlers, 0);
    }
}

#[test]
fn every_table_has_a_caption_and_headers() {
    for page in pages() {
        let document = Document::parse(&page).expect("well formed");
        for table in document
            .descendants()
            .filter(|node| node.has_tag_name("table"))
        {
            let has = |tag: &str| table.descendants().any(|node| node.has_tag_name(tag));
            assert!(has("caption") && has("th"), "{}", text_of(table));
        }
        for chart in document
            .descendants()
            .filter(|node| node.has_tag_name("svg"))
        {
            assert!(
                chart
                    .attribute("aria-label")
                    .is_some_and(|label| label.len() > 10)
            );
        }
    }
}

#[test]
fn a_finding_without_series_draws_no_chart_and_one_with_series_draws_each() {
    let page = as_xml(&html::render(&Report::build(samples::go())));
    let document = Document::parse(&page).expect("well formed");
    let charts = |anchor: &str| {
        let card = document
            .descendants()
            .find(|node| node.attribute("id") == Some(anchor));
        let card = card.expect("a card");
        card.descendants()
            .filter(|node| node.has_tag_name("figure"))
            .count()
    };
    let counted: Vec<usize> = ["V1", "V2", "V3", "V4", "V5", "V6"].map(charts).to_vec();
    // V.2: timeline. V.3: distribution, in flight, memory, descriptors. V.4: latency with lanes.
    // V.5: timeline and recoveries.
    assert_eq!(counted, [0, 1, 4, 1, 2, 0]);
}

#[test]
fn an_axis_ends_where_the_run_ended() {
    let page = as_xml(&html::render(&Report::build(samples::go())));
    let document = Document::parse(&page).expect("well formed");
    let card = document
        .descendants()
        .find(|node| node.attribute("id") == Some("V4"));
    let ticks: Vec<String> = card
        .expect("a card")
        .descendants()
        .filter(|node| {
            node.attribute("class")
                .is_some_and(|class| class.starts_with("tick"))
        })
        .map(text_of)
        .collect();
    assert_eq!(ticks, ["80 s", "90 s", "100 s", "110 s"]);
}

#[test]
fn text_from_a_server_stays_text() {
    let mut evidence = samples::no_go();
    evidence.findings[3].violations[0].says =
        "<img src=x onerror=alert(1)> & \"quoted\"".to_owned();
    let page = as_xml(&html::render(&Report::build(evidence)));
    let document = Document::parse(&page).expect("well formed");
    assert!(!document.descendants().any(|node| node.has_tag_name("img")));
    assert!(text_of(document.root()).contains("<img src=x onerror=alert(1)>"));
}

#[test]
fn a_page_of_four_hours_stays_small_and_says_what_it_thinned() {
    let page = html::render(&Report::build(samples::crowded()));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.contains("the highest of each 480th of the time"));
    assert!(page.contains("18 further kinds have no row"));
    assert!(page.contains("2 faults without a name have no row"));
}
