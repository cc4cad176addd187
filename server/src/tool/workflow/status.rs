//! The status object of a step: what was collected, what comes next, and the call that does it.

use serde_json::{Map, Value, json};

use super::engine::Ending;
use super::layout;
use super::state::State;
use crate::thread::Conversation;
use crate::tool::run::Run;

/// What the caller is told about its way on.
struct Next {
    number: u32,
    total: u32,
    is_last: bool,
}

/// The object, in its wire spelling.
pub(super) fn of(
    run: &Run<'_>,
    conversation: &Conversation,
    state: &State,
    ending: &Ending,
) -> Value {
    let tool = run.tool.name;
    let number = state.steps.last().map_or(1, |step| step.number);
    let is_open = *ending == Ending::Continue;
    let (files, is_embedded) = (state.files(), matches!(ending, Ending::Review { .. }));
    let mut status = Map::new();
    let mut set = |name: &str, value: Value| drop(status.insert(name.to_owned(), value));
    set("status", word(tool, ending).into());
    set("step_number", number.into());
    set("total_steps", state.total.into());
    set("next_step_required", is_open.into());
    set("continuation_id", conversation.id.to_string().into());
    set(&format!("{tool}_status"), collected(state));
    let context = if is_embedded {
        "fully_embedded"
    } else {
        "reference_only"
    };
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    set("file_context", json!({ "type": context, "files": names }));
    if let Some(reason) = ending.early() {
        set("early_termination", true.into());
        set("early_termination_reason", reason.into());
    }
    if let Some(step) = state.steps.last().filter(|_| is_open) {
        if let Some(why) = layout::unfinished(run.tool.row.layout, step) {
            set("not_finished", why.into());
        }
        let turns = conversation.exchanges.len() + 1;
        let next = Next {
            number: number + 1,
            total: state.total.max(number + 1),
            is_last: run.around.threads.turns_left(turns) <= 1,
        };
        let row = &run.tool.row;
        let actions = if number == 1 { &row.first } else { &row.later };
        set("required_actions", json!(actions));
        set("next_steps", next.in_words(tool).into());
        set("next_call", next.call(run, conversation));
    }
    Value::Object(status)
}

fn word(tool: &str, ending: &Ending) -> String {
    match ending {
        Ending::Continue => format!("pause_for_{tool}"),
        Ending::Review { .. } => format!("{tool}_complete"),
        Ending::Local {
            is_certain: true, ..
        } => "completion_without_expert".to_owned(),
        Ending::Local { .. } => "local_work_complete".to_owned(),
    }
}

fn collected(state: &State) -> Value {
    json!({
        "files_checked": state.all(|step| &step.files_checked).len(),
        "relevant_files": state.files().len(),
        "relevant_context": state.all(|step| &step.relevant_context).len(),
        "issues_found": state.all(|step| &step.issues_found).len(),
        "images_collected": state.image_count(),
        "current_confidence": state.confidence().map(super::state::Confidence::name),
        "hypothesis": state.hypothesis(),
    })
}

impl Next {
    fn in_words(&self, tool: &str) -> String {
        let number = self.number;
        let last = if self.is_last {
            " The thread holds one more step: make it the last."
        } else {
            ""
        };
        format!(
            "Do the required actions with your own tools first. Then call {tool} with step_number \
             {number}, as in next_call, with your own words in place of its text.{last}"
        )
    }

    /// A call that can be sent as it stands; every required argument has a value.
    fn call(&self, run: &Run<'_>, conversation: &Conversation) -> Value {
        let number = self.number;
        let mut arguments = Map::new();
        for name in &run.tool.row.required {
            let value = match name.as_str() {
                "step" => json!(format!("Step {number}: nothing to add.")),
                "findings" => json!("No new findings."),
                "step_number" => json!(number),
                "total_steps" => json!(self.total),
                "next_step_required" => json!(number < self.total && !self.is_last),
                // A tool's own required arguments keep the values of this call.
                other => run
                    .call
                    .arguments
                    .get(other)
                    .cloned()
                    .unwrap_or(Value::Null),
            };
            arguments.insert(name.clone(), value);
        }
        arguments.insert(
            "continuation_id".to_owned(),
            conversation.id.to_string().into(),
        );
        json!({ "tool": run.tool.name, "arguments": arguments })
    }
}
