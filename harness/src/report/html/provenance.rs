//! Figures, what changed, and where all of it comes from.

use exai_judge::Verdict;
use maud::{Markup, html};

use crate::report::charts::spark;
use crate::report::facts::Signature;
use crate::report::html::{command, word};
use crate::report::model::{Comparison, Figure, Report};
use crate::report::wording;

pub(super) fn provenance(report: &Report) -> Markup {
    html! {
        @if let Some(comparison) = &report.comparison { (compared(comparison)) }
        @if !report.figures.is_empty() { (figures(report)) }
        section.card #provenance aria-labelledby="provenance-title" {
            div.head { h2 #provenance-title { "Provenance" } }
            dl.provenance {
                (identity(report))
                (conditions(report))
            }
            h3 { "The same verdicts from the record alone" }
            (command(&format!("cargo verify judge {}", report.run.folder)))
        }
        div.signing aria-hidden="true" {
            span { "Decided by" } span { "Date" } span { "Signature" }
        }
        footer {
            p.soft {
                "Written from " code { (report.schema) } ", run " code { (report.run.run_id) } "."
            }
        }
    }
}

/// Each figure now, in the run compared with, and over the last runs.
fn figures(report: &Report) -> Markup {
    let then = |figure: &Figure| {
        let figures = &report.comparison.as_ref()?.figures;
        let found = figures.iter().find(|one| one.name == figure.name)?;
        Some(value(found.was, &figure.unit))
    };
    let past = |figure: &Figure| {
        let mut rows = report.trend.as_ref()?.figures.iter();
        rows.find(|row| row.name == figure.name && row.unit == figure.unit)
    };
    let runs = report.trend.as_ref().map_or(0, |trend| trend.runs.len());
    html! {
        section.card #figures aria-labelledby="figures-title" {
            div.head { h2 #figures-title { "Figures" } }
            p.asks {
                "Measured beside the criteria. They inform; no verdict rests on them."
                @if let Some(comparison) = &report.comparison { " Then: " (comparison.with) "." }
            }
            table.figures {
                caption.unseen { "Figures" }
                thead {
                    tr {
                        th scope="col" { "Figure" }
                        @if report.comparison.is_some() { th.number scope="col" { "then" } }
                        th.number scope="col" { "now" }
                        @if runs > 0 { th.past scope="col" { "the last " (runs) " runs" } }
                    }
                }
                tbody {
                    @for figure in &report.figures {
                        tr {
                            th scope="row" { (figure.name) }
                            @if report.comparison.is_some() {
                                td.number data-label="then" {
                                    (then(figure).unwrap_or_else(|| "not measured".to_owned()))
                                }
                            }
                            td.number data-label="now" { (value(figure.value, &figure.unit)) }
                            @if runs > 0 {
                                td.past {
                                    @if let Some(row) = past(figure) { (spark::measured(row)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn value(value: f64, unit: &str) -> String {
    let said = wording::measure(value);
    match unit {
        "ratio" => format!("{said} ×"),
        "count" => said,
        _ => format!("{said}\u{a0}{unit}"),
    }
}

fn compared(comparison: &Comparison) -> Markup {
    html! {
        section.card #changes aria-labelledby="changes-title" {
            div.head { h2 #changes-title { "Since " (comparison.with) } }
            @if comparison.verdicts.is_empty() { p { "No verdict changed." } } @else {
                ul {
                    @for change in &comparison.verdicts {
                        li {
                            b { (change.criterion) } ": "
                            (then(change.was)) " → " (then(change.is))
                        }
                    }
                }
            }
        }
    }
}

fn then(verdict: Option<Verdict>) -> Markup {
    html! { @if let Some(verdict) = verdict { (word(verdict)) } @else { "not judged" } }
}

fn identity(report: &Report) -> Markup {
    let identity = &report.identity;
    let signature = match &report.signature {
        Signature::Unsigned => "unsigned".to_owned(),
        Signature::Signed { key_id } => format!("ed25519 key {key_id}"),
    };
    html! {
        (digest("Server executable", identity.server_sha256.as_deref()))
        (digest("Policy (settings that change behaviour)", identity.policy_digest.as_deref()))
        (digest("Site (addresses, ports, paths)", identity.site_digest.as_deref()))
        (digest("Criteria text", identity.criteria_digest.as_deref()))
        (digest("Harness executable", identity.harness_sha256.as_deref()))
        (digest("Merkle root of the record", identity.merkle_root.as_deref()))
        (fact("Record", &report.run.folder))
        (fact("Observations", &wording::count(identity.observations)))
        (fact("Signature", &signature))
    }
}

fn digest(name: &str, value: Option<&str>) -> Markup {
    html! {
        dt { (name) }
        dd { @if let Some(value) = value { code { (value) } } @else { "none recorded" } }
    }
}

fn conditions(report: &Report) -> Markup {
    let (run, host) = (&report.run, &report.run.host);
    let user = if run.unprivileged {
        "an unprivileged user"
    } else {
        "the user who ran the harness"
    };
    #[expect(clippy::cast_precision_loss, reason = "gibibytes for people")]
    let memory = wording::measure(host.memory_bytes as f64 / f64::from(1 << 30));
    let load = host
        .load_before
        .map_or_else(|| "not read".to_owned(), wording::measure);
    html! {
        (fact("Began", &wording::date(run.started_at)))
        (fact("Ended", &wording::date(run.ended_at)))
        (fact("Seed", &run.seed.to_string()))
        (fact("Server ran as", user))
        (fact("Machine", &format!("{} CPUs, {memory} GiB, {}", host.cpus, host.kernel)))
        (fact("Load before", &load))
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { dt { (name) } dd { (value) } }
}
