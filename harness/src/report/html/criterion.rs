//! One criterion: what had to happen, what was measured beside its limit, charts, what went wrong
//! and who saw it, and the command that repeats it.

use exai_judge::Verdict;
use exai_judge::finding::{Check, Floor, Violation};
use maud::{Markup, html};

use crate::report::charts::{self, spark};
use crate::report::html::{class, command, sign, word};
use crate::report::model::Judged;
use crate::report::wording;

/// Violations shown before the rest is folded.
const SHOWN: usize = 5;
/// Lines of a table of floors before what was reached is folded.
const LINES: usize = 8;

/// `past` is what the last runs ended with, this one the newest.
pub(super) fn card(judged: &Judged, past: Option<&[Option<Verdict>]>) -> Markup {
    let finding = &judged.finding;
    html! {
        section class={ "card " (class(finding.verdict)) } id=(judged.anchor)
            aria-labelledby={ (judged.anchor) "-title" } {
            (head(judged))
            @if let Some(past) = past { (spark::judged(past)) }
            @if !finding.reasons.is_empty() {
                p.why {
                    "Why: " (wording::reasons(&finding.reasons)) "."
                    @if judged.tolerated { " The claim asked for tolerates this." }
                }
            }
            (violations(judged))
            div.pair {
                @if finding.floors.iter().any(is_needed) { (floors(&finding.floors)) }
                @if !finding.checks.is_empty() { (checks(&finding.checks)) }
            }
            @if finding.floors.is_empty() && finding.checks.is_empty() {
                p.none { "Nothing was measured for this criterion." }
            }
            div.charts { @for chart in charts::charts(&finding.series) { (chart) } }
            @if !finding.not_tested.is_empty() {
                h3 { "Not tested" }
                ul { @for what in &finding.not_tested { li { (what) } } }
            }
            h3 { "Repeat this criterion" }
            (command(&judged.repeat))
        }
    }
}

fn head(judged: &Judged) -> Markup {
    let finding = &judged.finding;
    html! {
        div.head {
            h2 id={ (judged.anchor) "-title" } {
                a.anchor href={ "#" (judged.anchor) } { (finding.criterion) }
                " " (wording::capital(&judged.title))
            }
            (word(finding.verdict))
        }
        p.headline { (wording::glued(&finding.headline)) }
        @if !judged.text.is_empty() { p.asks { (wording::glued(&judged.text)) } }
    }
}

/// Of an event that may stay away, a count says nothing.
const fn is_needed(floor: &Floor) -> bool {
    floor.needed > 0
}

/// What was not reached comes first; a long tail of what was reached is folded.
fn floors(floors: &[Floor]) -> Markup {
    let needed = floors.iter().filter(|floor| is_needed(floor));
    let (met, mut shown): (Vec<&Floor>, Vec<&Floor>) = needed.partition(|floor| floor.is_met());
    let room = LINES.saturating_sub(shown.len()).min(met.len());
    let (first, rest) = met.split_at(if met.len() <= room + 1 {
        met.len()
    } else {
        room
    });
    shown.extend(first);
    html! {
        div {
            (floor_table("Had to happen", &shown))
            @if !rest.is_empty() {
                details {
                    summary { (rest.len()) " more, all reached" }
                    (floor_table("Had to happen, and did", rest))
                }
            }
        }
    }
}

fn floor_table(caption: &str, floors: &[&Floor]) -> Markup {
    html! {
        table.floors {
            caption { (caption) }
            thead {
                tr {
                    th scope="col" { "Event" }
                    th.number scope="col" { "needed" }
                    th.number scope="col" { "seen" }
                    th scope="col" { span.unseen { "State" } }
                }
            }
            tbody { @for floor in floors { (floor_row(floor)) } }
        }
    }
}

fn floor_row(floor: &Floor) -> Markup {
    let state = if floor.is_met() {
        "pass"
    } else {
        "inconclusive"
    };
    html! {
        tr class=(if floor.is_met() { "met" } else { "unmet" }) {
            th scope="row" { (floor.event) }
            td.number data-label="needed" { (wording::count(floor.needed)) }
            td.number data-label="seen" { (wording::count(floor.seen)) }
            td class={ "state " (state) } {
                @if floor.is_met() {
                    span aria-hidden="true" { "✓" } span.unseen { "reached" }
                } @else {
                    "not reached " span.soft { "(" (wording::reason_code(floor.reason)) ")" }
                }
            }
        }
    }
}

fn checks(checks: &[Check]) -> Markup {
    let is_share = |check: &Check| check.measured.contains(" of ") && check.measured.contains('%');
    html! {
        table.checks {
            caption {
                "Found"
                @if checks.iter().any(is_share) {
                    span.soft { " · k of n, and what the share is below with 95 % confidence" }
                }
            }
            thead {
                tr {
                    th scope="col" { "Check" }
                    th.number scope="col" { "measured" }
                    th.number scope="col" { "limit" }
                    th.number scope="col" { "n" }
                    th scope="col" { span.unseen { "Verdict" } }
                }
            }
            tbody { @for alike in alike(checks) { (check_row(&alike)) } }
        }
    }
}

/// Checks that passed with the same figures share a row, at the place of the first of them.
fn alike(checks: &[Check]) -> Vec<Vec<&Check>> {
    let key = |check: &Check| (check.measured.clone(), check.limit.clone(), check.n);
    let mut rows: Vec<Vec<&Check>> = Vec::new();
    for check in checks {
        let passed = check.verdict == Verdict::Pass;
        let row = rows
            .iter_mut()
            .find(|row| passed && row[0].verdict == Verdict::Pass && key(row[0]) == key(check));
        match row {
            Some(row) => row.push(check),
            None => rows.push(vec![check]),
        }
    }
    rows
}

fn check_row(alike: &[&Check]) -> Markup {
    let check = alike[0];
    html! {
        tr class=(class(check.verdict)) {
            th scope="row" { @for check in alike { div { (check.name) } } }
            td.number data-label="measured" {
                (wording::glued(&check.measured))
                @if alike.len() > 1 { span.soft { " each" } }
            }
            td.number data-label="limit" { (wording::glued(&check.limit)) }
            td.number.n data-label="n" { (wording::count(check.n)) }
            td class={ "state " (class(check.verdict)) } {
                span aria-hidden="true" { (sign(check.verdict)) }
                @if check.verdict == Verdict::Pass {
                    span.unseen { "Pass" }
                } @else {
                    " " (check.verdict.word())
                    @if let Some(reason) = check.reason {
                        " " span.soft { "(" (wording::reason_code(reason)) ")" }
                    }
                }
            }
        }
    }
}

fn violations(judged: &Judged) -> Markup {
    let all: Vec<(usize, &Violation)> = (1..).zip(&judged.finding.violations).collect();
    let (first, rest) = all.split_at(all.len().min(SHOWN));
    html! {
        @if !all.is_empty() {
            h3 { "What went wrong, and who saw it" }
            @for (number, violation) in first { (violation_entry(judged, *number, violation)) }
            @if !rest.is_empty() {
                details {
                    summary { (rest.len()) " more" }
                    @for (number, violation) in rest {
                        (violation_entry(judged, *number, violation))
                    }
                }
            }
        }
    }
}

fn violation_entry(judged: &Judged, number: usize, violation: &Violation) -> Markup {
    let anchor = format!("{}-{number}", judged.anchor);
    html! {
        div.violation id=(anchor) {
            p {
                a.anchor href={ "#" (anchor) } { (wording::moment(violation.at)) }
                " " (wording::glued(&violation.says))
                @if let Some(op) = violation.op { " " span.soft { "operation " (op) } }
            }
            @if !violation.witnesses.is_empty() {
                table.witnesses {
                    caption.unseen { "Witnesses" }
                    thead {
                        tr {
                            th scope="col" { "at" }
                            th scope="col" { "witness" }
                            th scope="col" { "saw" }
                        }
                    }
                    tbody {
                        @for witness in &violation.witnesses {
                            tr {
                                td.at { (wording::moment(witness.at)) }
                                td { (witness.actor) }
                                td { (wording::glued(&witness.what)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
