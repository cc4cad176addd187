//! Tools that hand one provider's own interface to their caller.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::call::Reply;
use super::information::reply;
use super::question::{self, user};
use super::run::Run;
use crate::failure::{Category, Failure};
use crate::provider::method::Method;
use crate::router::ask::CallKind;
use crate::router::direct::{DirectAnswer, DirectAsk, RawChat, Sent};
use crate::router::rank::estimate_tokens;

/// The `kimi_chat_with_tools` tool.
///
/// # Errors
/// What the arguments, the model's name or the provider refuse.
pub async fn chat_with_tools(run: Run<'_>) -> Result<Reply, Failure> {
    let answer = send(&run, Sent::Chat(chat_of(&run)?)).await?;
    let choice = choice_of(&answer)?;
    let message = &choice["message"];
    let content = message["content"].as_str().unwrap_or_default().to_owned();
    let calls = message.get("tool_calls").filter(|calls| calls.is_array());
    let calls = calls.cloned().unwrap_or_else(|| json!([]));
    let has_calls = calls.as_array().is_some_and(|calls| !calls.is_empty());
    let mut structured = facts(&answer);
    structured.insert("content".to_owned(), content.clone().into());
    structured.insert("tool_calls".to_owned(), calls);
    structured.insert("finish_reason".to_owned(), choice["finish_reason"].clone());
    if let Some(thought) = message.get("reasoning_content") {
        // A later turn with the tool's result must send it back.
        structured.insert("reasoning_content".to_owned(), thought.clone());
    }
    let mut whole = reply(structured.into());
    if !has_calls {
        whole.text = content;
    }
    Ok(whole)
}

/// The `kimi_capture_headers` tool.
///
/// # Errors
/// As [`chat_with_tools`].
pub async fn capture_headers(run: Run<'_>) -> Result<Reply, Failure> {
    let arguments = run.arguments();
    let answer = send(&run, Sent::Chat(chat_of(&run)?)).await?;
    let choice = choice_of(&answer)?;
    let mut structured = facts(&answer);
    structured.insert("content".to_owned(), choice["message"]["content"].clone());
    structured.insert("request_headers".to_owned(), json!(answer.sent));
    structured.insert("response_headers".to_owned(), json!(answer.received));
    for name in ["session_id", "call_key", "tool_name"] {
        if let Some(text) = arguments.text(name) {
            structured.insert(name.to_owned(), text.into());
        }
    }
    Ok(reply(structured.into()))
}

/// The `glm_web_search` tool.
///
/// # Errors
/// `websearch_off`, or what the provider refuses.
pub async fn web_search(run: Run<'_>) -> Result<Reply, Failure> {
    question::check_websearch(&run, "/search_query")?;
    let arguments = run.arguments();
    let mut body = json!({
        "search_engine": arguments.text("search_engine").unwrap_or("search-prime"),
        "search_query": arguments.text("search_query").unwrap_or_default(),
        "count": arguments.whole("count").unwrap_or(10),
    });
    for name in ["search_domain_filter", "request_id", "user_id"] {
        if let Some(text) = arguments.text(name) {
            body[name] = text.into();
        }
    }
    // The provider's word for no filter is to leave it out.
    let recency = arguments.text("search_recency_filter");
    if let Some(recency) = recency.filter(|recency| *recency != "all") {
        body["search_recency_filter"] = recency.into();
    }
    let method = Method::SearchEngine;
    let answer = send(&run, Sent::Post { method, body }).await?;
    let Some(found) = answer.body.get("search_result").and_then(Value::as_array) else {
        return Err(no_answer(&answer.provider, "no list of results"));
    };
    let structured = json!({
        "results": found,
        "provider": answer.provider,
        "elapsed_ms": answer.elapsed_ms,
    });
    let mut text = format!("{} results", found.len());
    for (n, one) in (1..).zip(found) {
        let part = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n\n{n}. {}\n{}\n{}",
            part("title"),
            part("link"),
            part("content")
        );
    }
    Ok(Reply {
        structured: Some(structured),
        ..Reply::of_text(text)
    })
}

/// The `glm_payload_preview` tool.
///
/// # Errors
/// What the model's name or the configuration refuse.
pub fn payload_preview(run: Run<'_>) -> Result<Reply, Failure> {
    let arguments = run.arguments();
    let prompt = arguments.text("prompt").unwrap_or_default();
    let messages = vec![user(prompt.to_owned(), Vec::new())];
    let mut ask = question::ask(&run, messages, CallKind::Chat)?;
    if let Some(system) = arguments.text("system_prompt") {
        system.clone_into(&mut ask.system);
    }
    let texts = [ask.system.as_str(), prompt];
    let estimated = estimate_tokens(texts);
    let mut body = (run.around.preview)(&ask, &run.context())?;
    let given = arguments.items("tools");
    if !given.is_empty() {
        let searching = body.get("tools").and_then(Value::as_array).cloned();
        let all: Vec<Value> = searching
            .into_iter()
            .flatten()
            .chain(given.to_vec())
            .collect();
        body["tools"] = all.into();
    }
    if let Some(choice) = run.call.arguments.get("tool_choice") {
        body["tool_choice"] = choice.clone();
    }
    Ok(reply(
        json!({ "payload": body, "estimated_tokens": estimated }),
    ))
}

fn chat_of(run: &Run<'_>) -> Result<RawChat, Failure> {
    let arguments = run.arguments();
    let hosted_search = arguments.flag("use_websearch", false);
    if hosted_search {
        question::check_websearch(run, "/use_websearch")?;
    }
    Ok(RawChat {
        model: arguments.text("model").map(str::to_owned),
        messages: arguments.items("messages").to_vec(),
        temperature: arguments.number("temperature").or(run.tool.row.temperature),
        tools: arguments.items("tools").to_vec(),
        hosted_search,
        tool_choice: run.call.arguments.get("tool_choice").cloned(),
    })
}

async fn send(run: &Run<'_>, what: Sent) -> Result<DirectAnswer, Failure> {
    let provider = run.tool.row.provider.clone().unwrap_or_default();
    (run.around.direct)(DirectAsk { provider, what }, run.context()).await
}

fn choice_of(answer: &DirectAnswer) -> Result<&Value, Failure> {
    let choices = answer.body.get("choices").and_then(Value::as_array);
    let choice = choices.and_then(|choices| choices.first());
    let choice = choice.filter(|choice| choice["message"].is_object());
    choice.ok_or_else(|| no_answer(&answer.provider, "no message"))
}

fn facts(answer: &DirectAnswer) -> Map<String, Value> {
    let facts = json!({
        "model": answer.model,
        "provider": answer.provider,
        "tokens": answer.usage,
        "cost_usd": answer.cost_usd,
        "elapsed_ms": answer.elapsed_ms,
    });
    match facts {
        Value::Object(facts) => facts,
        _ => Map::new(),
    }
}

fn no_answer(provider: &str, what: &str) -> Failure {
    let message = format!("{provider} answered with {what} in it. Try again.");
    Failure::new(Category::ProviderError, "provider_malformed", message)
}
