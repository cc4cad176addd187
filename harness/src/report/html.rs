//! The report as one page: no script, no network, light and dark, desk, phone and paper.
//!
//! The first screen answers four questions: may I ship, what blocks, what was not tested, how do I
//! repeat it. Depth follows in the order of the claim.

mod criterion;
mod overview;
mod provenance;

use exai_judge::Verdict;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::model::{Judged, Report};

const STYLE: &str = include_str!("html/page.css");

/// Nothing may be loaded from anywhere; the page's own style is all it has.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The page.
#[must_use]
pub fn render(report: &Report) -> String {
    let exai = || format!("exai {}", report.run.version);
    let judged = report.run.target.clone().unwrap_or_else(exai);
    let title = format!("{} · {judged}", report.opening.heading);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (overview::overview(report))
                    (cards(report))
                    (provenance::provenance(report))
                }
            }
        }
    };
    // Text from elsewhere may hold control characters; in a page they are at best not allowed.
    page.into_string()
        .replace(|letter: char| letter.is_control() && letter != '\n', " ")
}

fn cards(report: &Report) -> Markup {
    let card = |judged: &Judged| {
        let past = report.trend.as_ref();
        let past = past.and_then(|trend| trend.verdicts.get(&judged.finding.criterion));
        criterion::card(judged, past.map(Vec::as_slice))
    };
    html! {
        @for judged in &report.criteria { (card(judged)) }
        @if !report.outside_claim.is_empty() {
            h2.part { "Outside the claim" }
            p.soft {
                "Judged all the same. These inform; they do not decide " (report.claim.name) "."
            }
            @for judged in &report.outside_claim { (card(judged)) }
        }
    }
}

/// The class that gives a verdict its colour.
const fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Inconclusive => "inconclusive",
        Verdict::HarnessError => "harness",
        Verdict::Fail => "fail",
    }
}

/// A sign beside the word, for those who do not see the colour.
const fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✓",
        Verdict::Inconclusive => "?",
        Verdict::HarnessError => "!",
        Verdict::Fail => "✕",
    }
}

/// The verdict word with its sign, in its colour.
fn word(verdict: Verdict) -> Markup {
    html! {
        span class={ "word " (class(verdict)) } {
            span aria-hidden="true" { (sign(verdict)) } " " (verdict.word())
        }
    }
}

/// A command that wraps between its words, and that one click selects whole.
fn command(text: &str) -> Markup {
    html! {
        code.command {
            @for (index, word) in text.split(' ').enumerate() {
                @if index > 0 { " " }
                span { (word) }
            }
        }
    }
}
