//! The caller's text, back as it came: shows that arguments and replies pass whole.

use super::call::Reply;
use super::run::Run;

/// Runs the tool.
#[must_use]
pub fn run(run: Run<'_>) -> Reply {
    Reply::of_text(run.arguments().text("text").unwrap_or_default().to_owned())
}
