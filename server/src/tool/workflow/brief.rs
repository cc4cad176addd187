//! What the steps collected, once, in order: shown to the reviewing model with the files, and to
//! the caller where no model reviews.

use std::fmt::Write as _;

use super::severity::{Severity, filtered};
use super::state::State;
use crate::tool::file;

/// The whole brief of a review.
pub(super) fn text(tool: &str, state: &State) -> String {
    let mut out = format!("Review of the work done with the tool {tool}.\n\n");
    out.push_str(&collected(state));
    // The newest step says what kind of review is wanted.
    let options: Vec<String> = state
        .steps
        .last()
        .into_iter()
        .flat_map(|step| &step.options)
        .map(|(name, value)| match value.as_str() {
            Some(word) => format!("{name}: {word}"),
            None => format!("{name}: {value}"),
        })
        .collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    list(&mut out, "What is wanted", &options);
    out.push_str(&file::render(&state.files()));
    out
}

/// Steps, issues, context and confidence, without the content of files.
pub(super) fn collected(state: &State) -> String {
    let mut out = String::new();
    for (n, step) in state.steps.iter().enumerate() {
        let role = if n == 0 { " (the task)" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(out, "## Step {}{role}\n{}\n", step.number, step.step);
        if !step.findings.is_empty() {
            let _ = write!(
                out,
                "\n### Findings of step {}\n{}\n",
                step.number, step.findings
            );
        }
        if let Some(hypothesis) = &step.hypothesis {
            let _ = write!(
                out,
                "\n### Hypothesis at step {}\n{hypothesis}\n",
                step.number
            );
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    list(&mut out, "Issues reported", &issues(state));
    list(
        &mut out,
        "Relevant functions, types and sections",
        &state.all(|s| &s.relevant_context),
    );
    list(
        &mut out,
        "Files looked at",
        &state.all(|step| &step.files_checked),
    );
    if let Some(confidence) = state.confidence() {
        let _ = write!(
            out,
            "\n## Confidence of the caller\n{}\n",
            confidence.name()
        );
    }
    out
}

/// The issues of all steps that the newest step's severity filter lets through.
fn issues(state: &State) -> Vec<&str> {
    let word = state
        .steps
        .last()
        .and_then(|step| step.text("severity_filter"));
    let least = word.and_then(Severity::named);
    filtered(state.all(|step| &step.issues_found), least)
}

fn list(out: &mut String, heading: &str, items: &[&str]) {
    if items.is_empty() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = write!(out, "\n## {heading}\n");
    for item in items {
        let _ = writeln!(out, "- {item}");
    }
}
