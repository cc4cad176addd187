//! A statement handed back for critical judgement, before anybody agrees with it. Asks nobody: the
//! model that called is the one that should think again.

use super::call::Reply;
use super::run::Run;
use crate::failure::Failure;

/// Runs the tool.
///
/// # Errors
/// `resend_prompt` when the statement belongs into a file.
pub fn run(run: Run<'_>) -> Result<Reply, Failure> {
    run.check_length("prompt")?;
    let statement = run.arguments().text("prompt").unwrap_or_default();
    let instruction = run.tool.system.trim_end();
    Ok(Reply::of_text(format!("{instruction}\n\n{statement}")))
}
