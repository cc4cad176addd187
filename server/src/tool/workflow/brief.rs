//! What the reviewing model is shown: everything the steps collected, once, in order.

use std::fmt::Write as _;

use super::state::State;
use crate::tool::file;

/// The whole brief.
pub(super) fn text(tool: &str, state: &State) -> String {
    let mut out = format!("Review of the work done with the tool {tool}.\n");
    for (n, step) in state.steps.iter().enumerate() {
        let role = if n == 0 { " (the task)" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(out, "\n## Step {}{role}\n{}\n", step.number, step.step);
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
    }
    list(
        &mut out,
        "Issues reported",
        &state.all(|step| &step.issues_found),
    );
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
