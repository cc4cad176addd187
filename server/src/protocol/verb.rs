//! Prompts, each a verb that expands to a call of a tool.

use rmcp::ErrorData;
use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};
use serde_json::{Value, json};

use super::caller::Caller;
use super::resource::summaries;
use crate::thread::Threads;
use crate::tool::Toolbox;
use crate::tool::registry::Found;

/// What the use can be told by.
const BY: [&str; 3] = ["day", "model", "tool"];

/// The prompts whose tool is listed: one that leads to a hidden tool would mislead.
pub fn list(toolbox: &Toolbox) -> Vec<Prompt> {
    let has_tool = |prompt: &Prompt| {
        let tool = match prompt.name.as_str() {
            "continue" | "second_opinion" => "chat",
            "review" => "codereview",
            "usage" => "status",
            own => own,
        };
        matches!(toolbox.registry().find(tool), Found::Tool(_))
    };
    all().into_iter().filter(has_tool).collect()
}

fn all() -> Vec<Prompt> {
    let optional = |name: &str, says: &str| PromptArgument::new(name).with_description(says);
    let required = |name: &str, says: &str| optional(name, says).with_required(true);
    vec![
        Prompt::new(
            "consensus",
            Some("Have several models argue a decision, and one draw the balance."),
            Some(vec![required("question", "The decision.")]),
        )
        .with_title("Ask several models"),
        Prompt::new(
            "continue",
            Some("Go on with an earlier thread, found by its title."),
            Some(vec![optional(
                "title",
                "Part of the title; leave out for the last thread.",
            )]),
        )
        .with_title("Continue a thread"),
        Prompt::new(
            "debug",
            Some("Find the cause of a failure and have a model judge it."),
            Some(vec![required("symptom", "What goes wrong.")]),
        )
        .with_title("Find a root cause"),
        Prompt::new(
            "review",
            Some("Look at the code at hand and have a model review what you find."),
            Some(vec![optional("focus", "What to look at first.")]),
        )
        .with_title("Review this code"),
        Prompt::new(
            "second_opinion",
            Some("Ask another model about the question at hand."),
            Some(vec![
                required("question", "The question."),
                optional("model", "Who is asked; leave out for the server's choice."),
            ]),
        )
        .with_title("Get a second opinion"),
        Prompt::new(
            "usage",
            Some("Tell what I have used and spent, and how far my budgets are."),
            Some(vec![optional(
                "by",
                "tool, model or day; leave out for all three.",
            )]),
        )
        .with_title("What have I spent?"),
    ]
}

/// Expands a prompt.
///
/// # Errors
/// -32602 for an unknown prompt, a missing argument or a title no own thread has.
pub async fn get(
    toolbox: &Toolbox,
    caller: &Caller,
    name: &str,
    arguments: Option<JsonObject>,
) -> Result<GetPromptResult, ErrorData> {
    let threads = &toolbox.surroundings().threads;
    let arguments = arguments.unwrap_or_default();
    let Some(prompt) = list(toolbox).into_iter().find(|prompt| prompt.name == name) else {
        return Err(invalid("unknown prompt", json!({ "name": name })));
    };
    let known = prompt.arguments.unwrap_or_default();
    if let Some(unknown) = arguments
        .keys()
        .find(|key| known.iter().all(|one| one.name != **key))
    {
        return Err(invalid("unknown argument", json!({ "argument": unknown })));
    }
    let argument = |name: &str| {
        let given = arguments.get(name).and_then(Value::as_str);
        given.map(str::trim).filter(|text| !text.is_empty())
    };
    let text = match name {
        "continue" => go_on(threads, caller, argument("title").unwrap_or_default()).await?,
        "review" => review(argument("focus")),
        "consensus" => consensus(needed(argument("question"), "question")?),
        "usage" => usage(argument("by"))?,
        "debug" => debug(needed(argument("symptom"), "symptom")?),
        _ => second_opinion(needed(argument("question"), "question")?, argument("model")),
    };
    let messages = vec![PromptMessage::new_text(Role::User, text)];
    Ok(GetPromptResult::new(messages).with_description(prompt.description.unwrap_or_default()))
}

/// What can stand for an argument of a prompt; nothing where it is free text.
///
/// # Errors
/// -32602 for a prompt or argument there is none of, -32603 when the store cannot be reached.
pub async fn complete(
    toolbox: &Toolbox,
    caller: &Caller,
    (name, argument): (&str, &str),
    typed: &str,
) -> Result<Vec<String>, ErrorData> {
    let prompt = list(toolbox).into_iter().find(|prompt| prompt.name == name);
    let prompt = prompt.ok_or_else(|| invalid("unknown prompt", json!({ "name": name })))?;
    let mut known = prompt.arguments.into_iter().flatten();
    if !known.any(|one| one.name == argument) {
        return Err(invalid("unknown argument", json!({ "argument": argument })));
    }
    match (name, argument) {
        ("continue", "title") => titles(&toolbox.surroundings().threads, caller, typed).await,
        ("usage", "by") => {
            let ways = BY.iter().filter(|way| way.starts_with(typed));
            Ok(ways.map(|way| (*way).to_owned()).collect())
        }
        ("second_opinion", "model") => Ok(models(toolbox, typed)),
        _ => Ok(Vec::new()),
    }
}

/// Titles of own threads that contain what was typed, the newest first.
///
/// # Errors
/// -32603 when the store cannot be reached.
async fn titles(threads: &Threads, caller: &Caller, typed: &str) -> Result<Vec<String>, ErrorData> {
    let typed = typed.to_lowercase();
    let own = summaries(threads, caller).await?;
    Ok(own
        .into_iter()
        .map(|thread| thread.title)
        .filter(|title| title.to_lowercase().contains(&typed))
        .collect())
}

/// Names of models that can be asked and begin with what was typed.
fn models(toolbox: &Toolbox, typed: &str) -> Vec<String> {
    let models = (toolbox.surroundings().models)();
    let usable = models
        .into_iter()
        .filter(|one| one.available && one.status == "current");
    usable
        .map(|one| one.name)
        .filter(|name| name.starts_with(typed))
        .collect()
}

async fn go_on(threads: &Threads, caller: &Caller, title: &str) -> Result<String, ErrorData> {
    let wanted = title.to_lowercase();
    let own = summaries(threads, caller).await?;
    let found = own
        .into_iter()
        .find(|thread| thread.title.to_lowercase().contains(&wanted));
    let thread =
        found.ok_or_else(|| invalid("no thread of this title", json!({ "argument": "title" })))?;
    Ok(format!(
        "Go on with the thread \"{}\". Read the resource exai://thread/{} to see what was said. \
         Then call the tool chat with continuation_id \"{}\" and my next question in prompt.",
        thread.title, thread.id, thread.id
    ))
}

fn review(focus: Option<&str>) -> String {
    let focus = focus
        .map(|focus| format!(" Look first at: {focus}."))
        .unwrap_or_default();
    format!(
        "Review the code we are working on.{focus} Read it with your own tools. Then call the tool \
         codereview once: step_number 1, total_steps 1, next_step_required false, the task in \
         step, what you found in findings, issues as 'severity: place: issue' in issues_found, and \
         every file the reviewer must see in relevant_files as {{name, content}}. Show me the \
         review and what you would change first."
    )
}

fn second_opinion(question: &str, model: Option<&str>) -> String {
    let model = model
        .map(|model| format!(", \"{model}\" in model"))
        .unwrap_or_default();
    format!(
        "Get a second opinion: call the tool chat with everything needed to judge the question in \
         prompt{model}, and the files that matter in files as {{name, content}}. Then compare the \
         answer with your own view and tell me where you differ.\n\nThe question: {question}"
    )
}

fn consensus(question: &str) -> String {
    format!(
        "Get a decision argued from several sides. Ask the tool listmodels which models can be \
         asked. Then call the tool consensus once: step_number 1, total_steps the number of \
         models, next_step_required false, the question with everything needed to judge it in \
         step, and in models two or three of different providers, one for, one against and one \
         neutral. Show me the balance, and where you differ from it.\n\nThe question: {question}"
    )
}

fn debug(symptom: &str) -> String {
    format!(
        "Find out why this happens. Gather evidence with your own tools and state a hypothesis. \
         Then call the tool debug once: step_number 1, total_steps 1, next_step_required false, \
         the symptom in step, the evidence in findings, your explanation in hypothesis, and the \
         code and logs that matter in relevant_files as {{name, content}}. Tell me the cause, the \
         fix and the test that proves it.\n\nThe symptom: {symptom}"
    )
}

fn usage(by: Option<&str>) -> Result<String, ErrorData> {
    if by.is_some_and(|by| !BY.contains(&by)) {
        let data = json!({ "argument": "by", "known": BY });
        return Err(invalid("unknown value of an argument", data));
    }
    let table = by.map_or_else(
        || "by_day, by_tool and by_model".to_owned(),
        |by| format!("by_{by}"),
    );
    Ok(format!(
        "Tell me what I have used here. Call the tool status with {{\"usage\": true}}; the same \
         stands in the resource exai://usage/me. Show usage.{table} as a table of calls, tokens \
         and cost, and of usage.budgets what is spent, what is left and when each resets."
    ))
}

fn needed<'a>(given: Option<&'a str>, name: &str) -> Result<&'a str, ErrorData> {
    given.ok_or_else(|| {
        invalid(
            "a required argument is missing",
            json!({ "argument": name }),
        )
    })
}

fn invalid(message: &'static str, data: Value) -> ErrorData {
    ErrorData::invalid_params(message, Some(data))
}
