//! From arguments to a question for the router: what all tools that ask a model share.

use super::run::Run;
use crate::config::WebSearch;
use crate::failure::Failure;
use crate::router::ask::{Ask, CallKind, Image, Message, Speaker, ThinkingMode};

/// A question with the tool's own settings and what the arguments override.
///
/// # Errors
/// `websearch_off` when the call asks for a search this deployment does not allow.
pub fn ask(run: &Run<'_>, messages: Vec<Message>, kind: CallKind) -> Result<Ask, Failure> {
    let arguments = run.arguments();
    let websearch = arguments.flag("use_websearch", false);
    if websearch {
        check_websearch(run, "/use_websearch")?;
    }
    let default_model = run.around.settings.default_model.get();
    let older = arguments.text("kimi_thinking").map(|_| ThinkingMode::High);
    Ok(Ask {
        tool: run.tool.name,
        model: Some(arguments.text("model").unwrap_or(&default_model).to_owned()),
        provider: run.tool.row.provider.clone(),
        system: run.tool.system.to_owned(),
        messages,
        temperature: arguments.number("temperature").or(run.tool.row.temperature),
        thinking: arguments
            .word("thinking_mode")
            .or(older)
            .or(run.tool.row.thinking),
        websearch,
        max_output_tokens: None,
        kind,
        stream: arguments.flag("stream", false),
    })
}

/// Refuses a search that this deployment does not allow; `at` is the argument that asks for it.
///
/// # Errors
/// `websearch_off`.
pub fn check_websearch(run: &Run<'_>, at: &str) -> Result<(), Failure> {
    if run.around.settings.tools.websearch != WebSearch::Off {
        return Ok(());
    }
    let message = "This server does not search the web. Call again without a search.";
    Err(Failure::validation(at, message).with_code("websearch_off"))
}

/// A message of the caller.
#[must_use]
pub fn user(text: String, images: Vec<Image>) -> Message {
    Message {
        speaker: Speaker::User,
        text,
        images,
        thoughts: None,
    }
}
