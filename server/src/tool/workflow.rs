//! The engine of all workflow tools: a caller investigates in steps, and at the last one a model
//! reviews everything that was collected, or the steps are laid out as one document.
//!
//! What the steps collected lives in the thread, so that a restart or another instance goes on
//! where the last one stopped. The server never drives steps by itself.

mod brief;
mod engine;
mod layout;
mod review;
mod severity;
mod state;
mod status;

use serde_json::{Map, Value};

use super::call::{Kept, Reply, trace_fields, untraced_fields};
use super::question::{ask, user};
use super::run::Run;
use super::{changes, image, pages};
use crate::failure::Failure;
use crate::router::ask::{CallKind, Message};
use crate::thread::{Conversation, Turn};
use engine::{Ending, Request};
use review::Review;
pub use review::Reviews;
use state::{State, Step, StoredImage};

/// Runs one step of a workflow tool.
///
/// # Errors
/// What the arguments, the thread, the router or the store refuse. A step that fails is not kept
/// and may be sent again.
pub async fn run(run: Run<'_>) -> Result<Reply, Failure> {
    run.check_length("step")?;
    run.check_length("findings")?;
    let mut request = request_of(&run);
    let step = step_of(&run, &request).await?;
    let conversation = run.conversation().await?;
    let before = state_before(&run, &conversation, &request)?;
    if let Some(layout) = run.tool.row.layout {
        layout::check(layout, &before, &step)?;
    }
    request.is_next_required |= layout::unfinished(run.tool.row.layout, &step).is_some();
    let turns = conversation.exchanges.len() + 1;
    request.has_room = run.around.threads.turns_left(turns) > 0;
    let (state, ending) = engine::advance(before, step, &request, run.tool.row.expert);
    let stored = store_form(&state, run.around.settings.files.workflow_bytes)?;

    let review = match &ending {
        Ending::Review { .. } => Some(review(&run, &conversation, &state).await?),
        Ending::Continue | Ending::Local { .. } => None,
    };
    let status = status::of(&run, &conversation, &state, &ending);
    let (text, trace) = match &review {
        Some(review) => {
            let mut trace = trace_fields(&review.answer.trace);
            trace.insert("from_cache".to_owned(), review.is_kept.into());
            (review.answer.text.clone(), trace)
        }
        None => {
            let elapsed = u64::try_from(run.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            (
                own_words(&run, &state, &ending, &status),
                untraced_fields(elapsed),
            )
        }
    };
    let turn = turn_of(&run, &state, review, stored, &text);
    let kept = Kept {
        text,
        trace,
        workflow: Some(status),
    };
    run.keep(&conversation, turn, kept).await
}

fn request_of(run: &Run<'_>) -> Request {
    let arguments = run.arguments();
    Request {
        number: arguments.whole("step_number").unwrap_or(1),
        total: arguments.whole("total_steps").unwrap_or(1),
        is_next_required: arguments.flag("next_step_required", false),
        backtrack_from: arguments.whole("backtrack_from_step"),
        may_review: arguments.flag("use_assistant_model", true),
        has_room: true,
    }
}

/// The text of a step that no model answered: what was collected, where that is the answer, and
/// the status.
fn own_words(run: &Run<'_>, state: &State, ending: &Ending, status: &Value) -> String {
    let status = serde_json::to_string_pretty(status).unwrap_or_default();
    let document = match (run.tool.row.layout, ending) {
        (Some(layout), _) => layout::document(layout, state),
        (None, Ending::Local { .. }) => brief::collected(state),
        (None, _) => return status,
    };
    let document = document.trim_end();
    // The next call must be on the first page, which a long document would fill.
    let limits = &run.around.settings.limits;
    if document.chars().count() > pages::limit(limits) / 2 {
        return format!("{status}\n\n---\n{document}");
    }
    format!("{document}\n\n---\n{status}")
}

async fn step_of(run: &Run<'_>, request: &Request) -> Result<Step, Failure> {
    let arguments = run.arguments();
    let reader = run.reader();
    let mut files = reader
        .texts(arguments.items("relevant_files"), "/relevant_files")
        .await?;
    if run.tool.row.changes {
        files.extend(changes::read(run, request.number).await?);
    }
    let images = image::read(&reader, arguments.items("images"), "/images").await?;
    Ok(Step {
        number: request.number,
        step: arguments.text("step").unwrap_or_default().to_owned(),
        findings: arguments.text("findings").unwrap_or_default().to_owned(),
        files_checked: arguments.texts("files_checked"),
        files,
        relevant_context: arguments.texts("relevant_context"),
        issues_found: arguments.texts("issues_found"),
        confidence: arguments.word("confidence"),
        hypothesis: arguments.text("hypothesis").map(str::to_owned),
        images: images.iter().map(StoredImage::of).collect(),
        options: options_of(run),
    })
}

/// The tool's own parameters, with the defaults its row declares; a diff is kept as a file.
fn options_of(run: &Run<'_>) -> Map<String, Value> {
    let own = run
        .tool
        .row
        .params
        .iter()
        .filter(|(name, _)| *name != "diff");
    own.filter_map(|(name, schema)| {
        let given = run
            .call
            .arguments
            .get(name)
            .or_else(|| schema.get("default"))?;
        Some((name.clone(), given.clone()))
    })
    .collect()
}

/// What earlier steps left. Step 1 begins anew; a later step needs the thread of an earlier one.
fn state_before(
    run: &Run<'_>,
    conversation: &Conversation,
    request: &Request,
) -> Result<State, Failure> {
    let kept = conversation
        .state
        .as_deref()
        .map(serde_json::from_str::<State>);
    let own = match kept {
        Some(Ok(state)) if state.tool == run.tool.name => Some(state),
        _ => None,
    };
    match own {
        _ if request.number == 1 => Ok(State::begin(run.tool.name)),
        Some(state) => Ok(state),
        None => {
            let message = format!(
                "Step {} needs the continuation_id of an earlier step of {}. Begin with \
                 step_number 1.",
                request.number, run.tool.name
            );
            Err(Failure::validation("/continuation_id", message).with_code("no_such_workflow"))
        }
    }
}

fn store_form(state: &State, most: usize) -> Result<String, Failure> {
    let stored = serde_json::to_string(state).map_err(|error| {
        Failure::validation("/step", "The step could not be kept.").with_cause(error)
    })?;
    if stored.len() > most {
        let message = format!(
            "The steps, files and images of one workflow may hold {most} bytes together. Send the \
             parts that matter."
        );
        return Err(Failure::validation("/relevant_files", message).with_code("workflow_too_large"));
    }
    Ok(stored)
}

/// The expert pass: one question, made of every step that was not taken back.
async fn review(
    run: &Run<'_>,
    conversation: &Conversation,
    state: &State,
) -> Result<Review, Failure> {
    let mut messages: Vec<Message> = conversation.history_without(run.tool.name);
    messages.push(user(brief::text(run.tool.name, state), state.images()));
    let question = ask(run, messages, CallKind::Expert)?;
    review::ask(run, question).await
}

fn turn_of(
    run: &Run<'_>,
    state: &State,
    review: Option<Review>,
    stored: String,
    text: &str,
) -> Turn {
    let (model, provider) = review
        .map(|review| (review.answer.trace.model_used, review.answer.trace.provider))
        .unwrap_or_default();
    let user = run.arguments().text("step").unwrap_or_default().to_owned();
    Turn {
        tool: run.tool.name,
        user,
        attached: state.last_attached(),
        assistant: text.to_owned(),
        thoughts: Vec::new(),
        model,
        provider,
        state: Some(stored),
        is_strict: true,
        reply: String::new(),
        correlation_id: run.call.caller.correlation_id.to_string(),
    }
}

#[cfg(test)]
mod tests;
