//! What a request is after, as fields: one question to a model, whose answer must fit the schema.

use serde_json::{Value, json};

use super::call::Reply;
use super::information::reply;
use super::question::{ask, user};
use super::registry::Registry;
use super::run::Run;
use crate::failure::{Category, Failure};
use crate::router::ask::CallKind;

/// Runs the tool.
///
/// # Errors
/// What the arguments or the router refuse, and `not_structured` when the model's answer does not
/// fit.
pub async fn run(run: Run<'_>, registry: &Registry) -> Result<Reply, Failure> {
    run.check_length("prompt")?;
    let arguments = run.arguments();
    let prompt = arguments.text("prompt").unwrap_or_default();
    let names: Vec<&str> = registry.tools().iter().map(|tool| tool.name).collect();
    let context = match arguments.text("context") {
        Some(context) => format!("\n\nContext:\n{context}"),
        None => String::new(),
    };
    let tools = names.join(", ");
    let text = format!("Tools: {tools}\n\nRequest:\n{prompt}{context}");
    let question = ask(&run, vec![user(text, Vec::new())], CallKind::Chat)?;
    let answer = run.ask(question, run.call.cancel.child_token()).await?;
    let mut fields = fields_of(&answer.text).ok_or_else(not_structured)?;
    if !fields["suggested_tool"]
        .as_str()
        .is_some_and(|name| names.contains(&name))
    {
        fields["suggested_tool"] = Value::Null;
    }
    let trace = &answer.trace;
    fields["model"] = json!(trace.model_used);
    fields["provider"] = json!(trace.provider);
    fields["search"] = json!(trace.searched);
    fields["tokens"] = json!(trace.usage);
    fields["cost_usd"] = json!(trace.cost_usd);
    let schema = run.tool.output.as_deref().cloned().unwrap_or_default();
    if jsonschema::is_valid(&Value::Object(schema), &fields) {
        Ok(reply(fields))
    } else {
        Err(not_structured())
    }
}

/// The JSON object in an answer, also where a model put words or a fence around it.
fn fields_of(text: &str) -> Option<Value> {
    let object = text.get(text.find('{')?..=text.rfind('}')?)?;
    let fields: Value = serde_json::from_str(object).ok()?;
    fields.is_object().then_some(fields)
}

fn not_structured() -> Failure {
    let message = "The model's answer was not in the form asked for. Try again, or ask with chat.";
    Failure::new(Category::ProviderError, "not_structured", message)
}
