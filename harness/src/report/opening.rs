//! The decision and the lines under it. Written once, here, and repeated word for word everywhere.

use exai_judge::Verdict;

use crate::evidence::ledger::Trend;
use crate::report::facts::Signature;
use crate::report::model::{Line, Opening, Report};
use crate::report::wording;

/// An opening before there is anything to say.
pub(super) const fn blank() -> Opening {
    Opening {
        go: false,
        heading: String::new(),
        lines: Vec::new(),
    }
}

/// Opens a report whose other parts are complete.
pub(super) fn opening(report: &Report) -> Opening {
    let claim = &report.claim;
    let go = claim.verdict == Verdict::Pass && report.blockers.is_empty();
    let (name, several) = (&claim.name, report.run.instances);
    // Claims are about one: several meet what one asks, and carry nothing.
    let heading = match (go, several > 1) {
        (true, false) => format!("Go: {name} is carried"),
        (false, false) => format!("No-go: {name} is not carried"),
        (true, true) => format!("Go: {several} instances meet {name}"),
        (false, true) => format!("No-go: {several} instances do not meet {name}"),
    };
    let mut lines = vec![
        line("Asked for", claim.printed.clone()),
        line("Criteria", counts(report)),
    ];
    if let Some(spoiler) = &report.run.spoiler {
        lines.push(line(
            "Self-test",
            format!("{spoiler}; this run is evidence for nothing"),
        ));
    }
    if report.run.instances > 1 {
        lines.push(line(
            "Instances",
            format!(
                "{} behind a round-robin proxy; claims are about one, so this run carries none",
                report.run.instances
            ),
        ));
    }
    if let Some(first) = &report.run.second_attempt_at {
        lines.push(line(
            "Again",
            format!("a second attempt at what {first} left open"),
        ));
    }
    lines.push(line("Changed", changes(report)));
    if let Some(trend) = &report.trend {
        lines.push(line("Trend", steadiness(trend)));
    }
    if !report.run.overrides.is_empty() {
        lines.push(line("Overrides", overrides(report)));
    }
    lines.push(line("Run", run(report)));
    lines.push(line("Build", build(report)));
    lines.push(line("Signature", signature(&report.signature)));
    Opening { go, heading, lines }
}

fn line(label: &str, text: String) -> Line {
    Line {
        label: label.to_owned(),
        text,
    }
}

fn counts(report: &Report) -> String {
    let (claim, outside) = (report.counts.claim, report.counts.outside_claim);
    let mut said = format!("{} decide: {}", claim.selected, claim.in_words());
    let tolerated = report
        .criteria
        .iter()
        .filter(|judged| judged.tolerated)
        .count();
    if tolerated > 0 {
        said.push_str(&format!(
            "; {} tolerates {tolerated} of them",
            report.claim.name
        ));
    }
    if outside.selected > 0 {
        let words = outside.in_words();
        said.push_str(&format!(
            "; {} outside the claim inform: {words}",
            outside.selected
        ));
    }
    said
}

fn changes(report: &Report) -> String {
    let Some(comparison) = &report.comparison else {
        return "no earlier run to compare with".to_owned();
    };
    let word = |verdict: Option<Verdict>| verdict.map_or("not judged", Verdict::word);
    let said: Vec<String> = comparison
        .verdicts
        .iter()
        .map(|change| {
            format!(
                "{} {} → {}",
                change.criterion,
                word(change.was),
                word(change.is)
            )
        })
        .collect();
    if said.is_empty() {
        return format!("no verdict since {}", comparison.with);
    }
    format!("{}, since {}", said.join(", "), comparison.with)
}

/// Which criteria ended otherwise in some of the last runs; the others are not named.
fn steadiness(trend: &Trend) -> String {
    let mut said = Vec::new();
    for (criterion, row) in &trend.verdicts {
        let judged: Vec<Verdict> = row.iter().copied().flatten().collect();
        if judged.iter().any(|verdict| Some(verdict) != judged.first()) {
            said.push(format!("{} ({criterion})", wording::past(row)));
        }
    }
    let runs = format!("the last {} runs of this kind", trend.runs.len());
    if said.is_empty() {
        return format!("{runs}: every criterion ended alike in each");
    }
    format!("{runs}: {}", said.join("; "))
}

fn overrides(report: &Report) -> String {
    let said: Vec<String> = report
        .run
        .overrides
        .iter()
        .map(|one| {
            format!(
                "{} = {} (counts for {})",
                one.key, one.value, one.counts_for
            )
        })
        .collect();
    said.join(", ")
}

fn run(report: &Report) -> String {
    let run = &report.run;
    if run.target.is_some() {
        return format!(
            "over {}, seed {}; {} of {} planned; {}",
            run.driver,
            run.seed,
            wording::span(run.measured_seconds),
            wording::span(run.planned_seconds),
            wording::date(run.started_at),
        );
    }
    format!(
        "{} profile, {} driver, {} store, seed {}; {} of {} planned; {}",
        run.profile,
        run.driver,
        run.ground(),
        run.seed,
        wording::span(run.measured_seconds),
        wording::span(run.planned_seconds),
        wording::date(run.started_at),
    )
}

fn build(report: &Report) -> String {
    let run = &report.run;
    if let Some(target) = &run.target {
        let digest = report.identity.server_sha256.as_deref();
        let digest = digest.map_or_else(
            || "what runs there was not identified".to_owned(),
            |digest| format!("command and files sha256 {}", wording::short_digest(digest)),
        );
        return format!("{target}, {digest}");
    }
    let tree = if run.dirty {
        " with uncommitted changes"
    } else {
        ""
    };
    let digest = report.identity.server_sha256.as_deref().map_or_else(
        || "running executable not identified".to_owned(),
        |digest| {
            format!(
                "running executable sha256 {}",
                wording::short_digest(digest)
            )
        },
    );
    format!(
        "exai {}, commit {}{tree}, {digest}",
        run.version, run.commit
    )
}

fn signature(signature: &Signature) -> String {
    match signature {
        Signature::Unsigned => "unsigned; carries merge-ready at most".to_owned(),
        Signature::Signed { key_id } => {
            format!("ed25519 key {}", wording::short_digest(key_id))
        }
    }
}
