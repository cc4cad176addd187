//! Markdown for a step summary or a comment. The first screen is the decision, what blocks, what
//! was not tested and how to repeat it; tables follow.
//!
//! The whole stays under [`LIMIT_BYTES`], because a larger step summary is dropped as a whole. What
//! is cut is said, with the way to the full report.

use exai_judge::Verdict;
use exai_judge::finding::Violation;

use crate::report::model::{Judged, NotTested, Report};
use crate::report::{gap, wording};

/// Bytes a rendered document never exceeds (the host's own limit is 1 024 KiB a step).
pub const LIMIT_BYTES: usize = 900 * 1024;
/// Room kept for the closing lines.
const CLOSING_BYTES: usize = 2048;
/// How long the document may be before no further gap is named one by one.
const UNTESTED_BYTES: usize = 300 * 1024;
/// Characters kept of one text that came from elsewhere.
const TEXT_CHARS: usize = 2000;

/// The document.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = first_screen(report);
    out.push_str(&criteria_table(report));
    let mut left_out = Vec::new();
    for judged in report.judged() {
        let section = section(judged);
        if out.len() + section.len() > LIMIT_BYTES - CLOSING_BYTES {
            left_out.push(judged.finding.criterion.as_str());
        } else {
            out.push_str(&section);
        }
    }
    let page = code(&report.run.page());
    if !left_out.is_empty() {
        let names = left_out.join(", ");
        out.push_str(&format!(
            "Left out here for size: {names}; all of it is in {page}.\n\n"
        ));
    }
    out.push_str(&format!("Full report: {page} (opens offline).\n"));
    out
}

fn first_screen(report: &Report) -> String {
    let mut out = format!("# {}\n\n", text(&report.opening.heading));
    out.push_str(&format!("**What blocks ({})**\n\n", report.blockers.len()));
    if report.blockers.is_empty() {
        out.push_str("- nothing\n");
    }
    for blocker in report.blockers.iter().take(20) {
        let (id, word) = (text(&blocker.criterion), blocker.verdict.word());
        out.push_str(&format!(
            "- {} **{id} {word}**: {}",
            mark(blocker.verdict),
            text(&blocker.says)
        ));
        if !blocker.reasons.is_empty() {
            out.push_str(&format!(" ({})", text(&wording::reasons(&blocker.reasons))));
        }
        if blocker.more > 0 {
            out.push_str(&format!(" and {} more", blocker.more));
        }
        out.push('\n');
    }
    push_rest(&mut out, report.blockers.len());
    out.push_str(&format!(
        "\n**Not tested ({})**\n\n",
        report.not_tested.len()
    ));
    push_untested(&mut out, &report.not_tested);
    if !report.not_applicable.is_empty() {
        let count = report.not_applicable.len();
        out.push_str(&format!("\n**Not applicable ({count})**\n\n"));
    }
    for absent in &report.not_applicable {
        let said = format!("{} {}", text(&absent.criterion), text(&absent.what));
        out.push_str(&format!("- {}\n", said.trim()));
    }
    out.push_str(&format!(
        "\n**Repeat it**\n\n{}\n",
        fence(&report.run.replay)
    ));
    for line in &report.opening.lines {
        out.push_str(&format!("- {}: {}\n", text(&line.label), text(&line.text)));
    }
    out.push_str(&identity(report));
    out
}

/// The lines of a first screen, and behind a fold every gap as far as there is room for.
fn push_untested(out: &mut String, gaps: &[NotTested]) {
    if gaps.is_empty() {
        out.push_str("- nothing was left out\n");
    }
    let entry = |criterion: &str, says: &str| {
        let said = format!("{} {}", text(criterion), text(says));
        format!("- {}\n", said.trim())
    };
    let lines = gap::lines(gaps);
    for line in &lines {
        out.push_str(&entry(line.criterion, &line.says));
    }
    if lines.len() == gaps.len() {
        return;
    }
    let count = gaps.len();
    out.push_str(&format!(
        "\n<details><summary>Each of the {count}</summary>\n\n"
    ));
    for (index, gap) in gaps.iter().enumerate() {
        if out.len() > UNTESTED_BYTES {
            out.push_str(&format!("- and {} more\n", count - index));
            break;
        }
        out.push_str(&entry(&gap.criterion, &gap.what));
    }
    out.push_str("\n</details>\n");
}

fn push_rest(out: &mut String, count: usize) {
    if count > 20 {
        out.push_str(&format!("- and {} more\n", count - 20));
    }
}

fn identity(report: &Report) -> String {
    let identity = &report.identity;
    let rows = [
        ("Server sha256", &identity.server_sha256),
        ("Policy digest", &identity.policy_digest),
        ("Criteria digest", &identity.criteria_digest),
        ("Merkle root", &identity.merkle_root),
    ];
    let mut out = String::new();
    for (name, value) in rows {
        let value = value.as_deref().map_or_else(|| "none".to_owned(), code);
        out.push_str(&format!("- {name}: {value}\n"));
    }
    out.push('\n');
    out
}

fn criteria_table(report: &Report) -> String {
    let mut out = "| Criterion | Verdict | What | Found |\n|---|---|---|---|\n".to_owned();
    for judged in &report.criteria {
        let note = if judged.tolerated { " (tolerated)" } else { "" };
        out.push_str(&criterion_row(judged, note));
    }
    for judged in &report.outside_claim {
        out.push_str(&criterion_row(judged, " (outside the claim)"));
    }
    out.push('\n');
    out
}

fn criterion_row(judged: &Judged, note: &str) -> String {
    let finding = &judged.finding;
    let verdict = finding.verdict;
    format!(
        "| {}{note} | {} {} | {} | {} |\n",
        text(&finding.criterion),
        mark(verdict),
        verdict.word(),
        text(&judged.title),
        text(&finding.headline),
    )
}

fn section(judged: &Judged) -> String {
    let finding = &judged.finding;
    let mut out = format!(
        "## {} {}: {} {}\n\n{}\n\n",
        text(&finding.criterion),
        text(&judged.title),
        mark(finding.verdict),
        finding.verdict.word(),
        text(&finding.headline)
    );
    if !finding.reasons.is_empty() {
        out.push_str(&format!(
            "Why: {}.\n\n",
            text(&wording::reasons(&finding.reasons))
        ));
    }
    if !finding.floors.is_empty() {
        out.push_str("| Had to happen | needed | seen | |\n|---|--:|--:|---|\n");
        for floor in &finding.floors {
            let (needed, seen) = (wording::count(floor.needed), wording::count(floor.seen));
            let met = if floor.is_met() {
                "reached"
            } else {
                "**not reached**"
            };
            out.push_str(&format!(
                "| {} | {needed} | {seen} | {met} |\n",
                text(&floor.event)
            ));
        }
        out.push('\n');
    }
    if !finding.checks.is_empty() {
        out.push_str("| Check | measured | limit | n | |\n|---|--:|--:|--:|---|\n");
        for check in &finding.checks {
            out.push_str(&format!(
                "| {} | {} | {} | {} | {} {} |\n",
                text(&check.name),
                text(&check.measured),
                text(&check.limit),
                wording::count(check.n),
                mark(check.verdict),
                check.verdict.word()
            ));
        }
        out.push('\n');
    }
    for violation in &finding.violations {
        out.push_str(&violation_lines(violation));
    }
    out.push_str(&format!("Repeat it:\n\n{}\n", fence(&judged.repeat)));
    out
}

fn violation_lines(violation: &Violation) -> String {
    let at = wording::moment(violation.at);
    let mut out = format!("At {at}: {}\n\n", text(&violation.says));
    for witness in &violation.witnesses {
        let at = wording::moment(witness.at);
        out.push_str(&format!(
            "- {at} {}: {}\n",
            text(&witness.actor),
            text(&witness.what)
        ));
    }
    if !violation.witnesses.is_empty() {
        out.push('\n');
    }
    out
}

const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✓",
        Verdict::Inconclusive => "?",
        Verdict::HarnessError => "!",
        Verdict::Fail => "✕",
    }
}

/// Text as text: no markup, no HTML, no table cell, one line.
fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for letter in wording::cut(raw, TEXT_CHARS).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' | '#' | '$' => {
                out.push('\\');
                out.push(letter);
            }
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

/// A code span that its content cannot close.
fn code(raw: &str) -> String {
    let clean: String = raw
        .chars()
        .map(|letter| {
            if letter == '`' || letter.is_control() {
                ' '
            } else {
                letter
            }
        })
        .collect();
    format!("`{clean}`")
}

/// A code block that its content cannot close.
fn fence(command: &str) -> String {
    let clean: String = command
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let longest = clean.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{clean}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_become_markup() {
        let raw = "a|b `c` <img src=x> *d* [e](f)\n# g";
        let said = text(raw);
        assert_eq!(said, r"a\|b \`c\` &lt;img src=x&gt; \*d\* \[e\](f) \# g");
    }

    #[test]
    fn a_command_cannot_close_its_block() {
        assert_eq!(fence("a ``` b"), "````sh\na ``` b\n````\n");
    }
}
