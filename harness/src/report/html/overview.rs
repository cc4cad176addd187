//! The first screen.

use maud::{Markup, html};

use crate::report::html::{class, command, word};
use crate::report::model::{Blocker, Judged, NotTested, Report};
use crate::report::{gap, wording};

/// Entries of a list shown before the rest is folded.
const SHOWN: usize = 5;

pub(super) fn overview(report: &Report) -> Markup {
    html! {
        header {
            p.eyebrow { (eyebrow(report)) }
            div class={ "decision " (class(report.claim.verdict)) } {
                h1 { (report.opening.heading) }
                p.lead { (lead(report)) }
            }
        }
        div.answers {
            section.box.blocks aria-labelledby="blocks" {
                h2 #blocks { "What blocks " span.count { (report.blockers.len()) } }
                (blockers(&report.blockers))
            }
            section.box.untested aria-labelledby="untested" {
                h2 #untested { "Not tested " span.count { (report.not_tested.len()) } }
                (untested(report))
                @if !report.not_applicable.is_empty() {
                    h2 #not-applicable {
                        "Not applicable " span.count { (report.not_applicable.len()) }
                    }
                    (gaps(&report.not_applicable))
                }
            }
            section.box.repeat aria-labelledby="repeat" {
                h2 #repeat { "Repeat it" }
                (command(&report.run.replay))
            }
        }
        nav.tiles aria-label="Criteria of the claim" {
            @for judged in &report.criteria { (tile(judged)) }
        }
        @if !report.outside_claim.is_empty() {
            p.divider { "Outside the claim: judged, does not decide" }
            nav.tiles.outside aria-label="Criteria outside the claim" {
                @for judged in &report.outside_claim { (tile(judged)) }
            }
        }
        dl.facts {
            @for line in &report.opening.lines {
                dt { (line.label) }
                dd { (wording::glued(&line.text)) }
            }
        }
    }
}

fn eyebrow(report: &Report) -> String {
    let run = &report.run;
    if let Some(target) = &run.target {
        return format!("{target} · {}", wording::date(run.started_at));
    }
    let tree = if run.dirty {
        " with uncommitted changes"
    } else {
        ""
    };
    format!(
        "exai {} · commit {}{tree} · {} · {} profile · {} driver, {} store",
        run.version,
        run.commit,
        wording::date(run.started_at),
        run.profile,
        run.driver,
        run.ground()
    )
}

/// What decided, in one sentence.
fn lead(report: &Report) -> Markup {
    let counts = report.counts.claim;
    let tolerated = report
        .criteria
        .iter()
        .filter(|judged| judged.tolerated)
        .count();
    html! {
        (word(report.claim.verdict))
        " · "
        @if counts.selected == 0 {
            "no criterion was judged"
        } @else {
            (counts.pass) " of the " (counts.selected) " criteria it needs passed"
            @if counts.pass < counts.selected { " (" (counts.in_words()) ")" }
            @if tolerated > 0 { ", " (tolerated) " tolerated by this claim" }
        }
        " · exit " (report.claim.exit_code)
    }
}

fn blockers(blockers: &[Blocker]) -> Markup {
    html! {
        @if blockers.is_empty() { p.none { "Nothing blocks." } } @else {
            ul {
                @for blocker in blockers.iter().take(SHOWN) { (blocker_entry(blocker)) }
            }
            @if blockers.len() > SHOWN {
                details {
                    summary { (blockers.len() - SHOWN) " more" }
                    ul { @for blocker in &blockers[SHOWN..] { (blocker_entry(blocker)) } }
                }
            }
        }
    }
}

fn blocker_entry(blocker: &Blocker) -> Markup {
    html! {
        li {
            @if let Some(anchor) = &blocker.anchor {
                a href={ "#" (anchor) } { b { (blocker.criterion) } }
            } @else { b { (wording::capital(&blocker.criterion)) } }
            " " (word(blocker.verdict)) " " (wording::glued(&blocker.says))
            @if !blocker.reasons.is_empty() {
                " " span.soft { "(" (wording::reasons(&blocker.reasons)) ")" }
            }
            @if blocker.more > 0 { " " span.soft { "and " (blocker.more) " more" } }
        }
    }
}

/// A line for what was left out of each criterion, and every gap behind a fold.
fn untested(report: &Report) -> Markup {
    let all = &report.not_tested;
    let lines = gap::lines(all);
    html! {
        @if all.is_empty() { p.none { "Nothing was left out." } } @else {
            ul {
                @for line in &lines {
                    li {
                        (criterion(report, line.criterion))
                        (wording::glued(&line.says))
                    }
                }
            }
            @if lines.len() < all.len() {
                details {
                    summary { "Each of the " (all.len()) }
                    ul { @for gap in all { (gap_entry(gap)) } }
                }
            }
        }
    }
}

/// The criterion of a line, with the way to its card where there is one.
fn criterion(report: &Report, id: &str) -> Markup {
    let card = report.judged().find(|one| one.finding.criterion == id);
    html! {
        @if let Some(judged) = card {
            a href={ "#" (judged.anchor) } { b { (id) } } " "
        } @else if !id.is_empty() { b { (id) } " " }
    }
}

fn gaps(gaps: &[NotTested]) -> Markup {
    html! {
        @if gaps.is_empty() { p.none { "Nothing was left out." } } @else {
            ul { @for gap in gaps.iter().take(SHOWN) { (gap_entry(gap)) } }
            @if gaps.len() > SHOWN {
                details {
                    summary { (gaps.len() - SHOWN) " more" }
                    ul { @for gap in &gaps[SHOWN..] { (gap_entry(gap)) } }
                }
            }
        }
    }
}

fn gap_entry(gap: &NotTested) -> Markup {
    html! {
        li {
            @if !gap.criterion.is_empty() { b { (gap.criterion) } " " }
            (wording::glued(&gap.what))
        }
    }
}

fn tile(judged: &Judged) -> Markup {
    let finding = &judged.finding;
    html! {
        a class={ "tile " (class(finding.verdict)) } href={ "#" (judged.anchor) } {
            span.id { (finding.criterion) }
            (word(finding.verdict))
            span.name { (wording::capital(&judged.title)) }
            span.found { (wording::glued(&finding.headline)) }
        }
    }
}
