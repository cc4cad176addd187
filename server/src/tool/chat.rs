//! One question, one answer, in a thread.

use super::call::{Kept, Reply, trace_fields};
use super::question::{ask, user};
use super::run::Run;
use super::{file, image};
use crate::failure::Failure;
use crate::router::ask::CallKind;
use crate::thread::Turn;

/// Runs the tool.
///
/// # Errors
/// What the arguments, the thread, the router or the store refuse.
pub async fn run(run: Run<'_>) -> Result<Reply, Failure> {
    let arguments = run.arguments();
    run.check_length("prompt")?;
    let prompt = arguments.text("prompt").unwrap_or_default();
    let reader = run.reader();
    let files = reader.texts(arguments.items("files"), "/files").await?;
    let images = image::read(&reader, arguments.items("images"), "/images").await?;
    let conversation = run.conversation().await?;

    let attached = file::render(&files);
    let mut messages = conversation.history();
    messages.push(user(format!("{prompt}{attached}"), images));
    let question = ask(&run, messages, CallKind::Chat)?;
    let answer = run.ask(question, run.call.cancel.child_token()).await?;

    let kept = Kept {
        text: answer.text.clone(),
        trace: trace_fields(&answer.trace),
        workflow: None,
    };
    let turn = Turn {
        tool: run.tool.name,
        user: prompt.to_owned(),
        attached,
        assistant: answer.text,
        thoughts: answer.thoughts,
        model: answer.trace.model_used,
        provider: answer.trace.provider,
        state: None,
        is_strict: false,
        reply: String::new(),
        correlation_id: run.call.caller.correlation_id.to_string(),
    };
    run.keep(&conversation, turn, kept).await
}
