//! What an exchange says: the one place where raw replies become a [`Call`].

use exai_judge::hex::sha256;
use exai_judge::operation::{
    AnswerSeen, FailureSeen, ProofKind, ReplyMeta, StructuredSeen, TurnSeen,
};
use exai_judge::{Call, Outcome, Transport};
use exai_mocks::journal::body_sha256;
use serde_json::Value;

use super::answer::answers;
use super::exchange::Exchange;
use crate::operation::{Ask, OperationPlan};

/// Categories whose refusals prove that nothing was done.
const REFUSING_CATEGORIES: [&str; 4] = [
    "validation_error",
    "auth_error",
    "rate_limit_error",
    "client_error",
];

/// Codes that prove it whatever their category.
const REFUSING_CODES: [&str; 3] = ["thread_full", "not_found", "thread_not_found"];

/// The sentence for people is cut to this many characters.
const MESSAGE_CHARS: usize = 300;

/// Who sent an operation, and how.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// The wire.
    pub transport: Transport,
    /// The client identity.
    pub identity: &'a str,
}

/// The finished operation.
#[must_use]
pub fn call(plan: &OperationPlan, sender: Sender<'_>, due: u64, exchange: Exchange) -> Call {
    let result = exchange.result();
    let failure = failure(&exchange);
    let text = result.and_then(first_text).unwrap_or_default();
    let meta = result.and_then(reply_meta);
    let said_instance = result
        .and_then(|result| own_meta(result)?.get("instance")?.as_str())
        .map(str::to_owned);
    Call {
        op: plan.op,
        criterion: plan.criterion.clone(),
        phase: plan.phase.clone(),
        tool: plan.tool().to_owned(),
        transport: sender.transport,
        identity: sender.identity.to_owned(),
        intended_at: due,
        sent_at: exchange.sent_at,
        first_byte_at: exchange.first_byte_at,
        done_at: exchange.done_at,
        deadline: plan.deadline,
        planned_provider: plan.planned_provider,
        proof: plan.proof.clone(),
        asked: plan.asked.clone(),
        thread: plan.thread.clone(),
        repeat: plan.repeat.clone(),
        fault: plan.fault.clone(),
        reaction: plan.reaction.clone(),
        outcome: outcome(&exchange, failure.as_ref()),
        belongs: exchange.belongs,
        replies: exchange.replies,
        status: exchange.status,
        answers: if failure.is_none() {
            answers(text)
        } else {
            Vec::new()
        },
        found: result.map_or_else(Vec::new, |result| found(plan, &texts(result))),
        body_sha256: serde_json::from_str(text)
            .ok()
            .and_then(|told| body_shown(&plan.proof, &told)),
        structured: result
            .filter(|_| failure.is_none())
            .and_then(|result| structured(plan, result)),
        meta,
        turns: result.and_then(turns),
        instance: exchange.instance.clone().or(said_instance),
        trouble: exchange.trouble.clone(),
        failure,
    }
}

fn outcome(exchange: &Exchange, failure: Option<&FailureSeen>) -> Outcome {
    match failure {
        Some(failure) if is_proven_refusal(failure) => Outcome::Refused,
        None if exchange.result().is_some() => Outcome::Ok,
        _ => Outcome::Unknown,
    }
}

fn is_proven_refusal(failure: &FailureSeen) -> bool {
    REFUSING_CATEGORIES.contains(&failure.category.as_str())
        || REFUSING_CODES.contains(&failure.code.as_str())
}

/// The typed failure, or as much of one as an untyped error reply gives.
fn failure(exchange: &Exchange) -> Option<FailureSeen> {
    let reply = exchange.reply.as_ref()?;
    if let Some(error) = reply.get("error") {
        let data = error.get("data").unwrap_or(&Value::Null);
        let mut seen = typed(data);
        if seen.message.is_empty() {
            seen.message = cut(error["message"].as_str().unwrap_or_default());
        }
        if seen.code.is_empty() {
            let is_unknown_resource = exchange.error_code() == Some(-32602)
                && data.get("uri").is_some_and(Value::is_string);
            seen.code = if is_unknown_resource {
                "not_found".to_owned()
            } else {
                error["code"].to_string()
            };
        }
        return Some(with_headers(seen, exchange));
    }
    let result = reply.get("result")?;
    if result.get("isError") != Some(&Value::Bool(true)) {
        return None;
    }
    let mut seen = typed(&result["structuredContent"]["error"]);
    if seen.message.is_empty() {
        seen.message = cut(first_text(result).unwrap_or_default());
    }
    Some(with_headers(seen, exchange))
}

fn typed(error: &Value) -> FailureSeen {
    let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
    FailureSeen {
        category: text("category"),
        code: text("code"),
        retryable: error["retryable"].as_bool().unwrap_or(false),
        retry_after_ms: error["retry_after_ms"].as_u64(),
        correlation_id: error["correlation_id"].as_str().map(str::to_owned),
        message: cut(&text("message")),
    }
}

fn with_headers(mut seen: FailureSeen, exchange: &Exchange) -> FailureSeen {
    seen.retry_after_ms = seen.retry_after_ms.or(exchange.retry_after_ms);
    seen.correlation_id = seen
        .correlation_id
        .or_else(|| exchange.correlation_id.clone());
    seen
}

fn cut(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS).collect()
}

/// The text of the first content block.
fn first_text(result: &Value) -> Option<&str> {
    result["content"].get(0)?["text"].as_str()
}

fn own_meta(result: &Value) -> Option<&Value> {
    result.get("_meta")?.get("dev.exai/reply")
}

fn reply_meta(result: &Value) -> Option<ReplyMeta> {
    let meta = own_meta(result)?;
    let text = |field: &str| meta[field].as_str().map(str::to_owned);
    Some(ReplyMeta {
        continuation_id: text("continuation_id"),
        turn: meta["turn"]
            .as_u64()
            .and_then(|turn| u32::try_from(turn).ok()),
        model_used: text("model_used"),
        provider: text("provider"),
        failover: meta["failover"].as_bool().unwrap_or(false),
        replayed: meta["replayed"].as_bool().unwrap_or(false),
        incomplete: text("incomplete"),
        correlation_id: text("correlation_id"),
    })
}

/// What the structured content proves by itself; None when there is none.
fn structured(plan: &OperationPlan, result: &Value) -> Option<StructuredSeen> {
    let content = result
        .get("structuredContent")
        .filter(|content| !content.is_null())?;
    let mut strings = strings(content);
    let keyed: Vec<AnswerSeen> = strings.iter().flat_map(|text| answers(text)).collect();
    // Member names count as shown.
    let whole = content.to_string();
    strings.push(&whole);
    Some(StructuredSeen {
        answers: keyed
            .into_iter()
            .filter(|answer| answer.first.starts_with("answer "))
            .collect(),
        found: found(plan, &strings),
        body_sha256: body_shown(&plan.proof, content),
    })
}

/// The text blocks of a result.
fn texts(result: &Value) -> Vec<&str> {
    let blocks = result["content"].as_array().into_iter().flatten();
    blocks.filter_map(|block| block["text"].as_str()).collect()
}

/// What a reply had to carry and does, in these texts.
fn found(plan: &OperationPlan, texts: &[&str]) -> Vec<String> {
    let is_told = |text: &str| texts.iter().any(|told| told.contains(text));
    match &plan.proof {
        ProofKind::Site { needles } => {
            let held = needles.iter().filter(|needle| is_told(needle));
            held.cloned().collect()
        }
        // An echo is no memory: what the request carried itself counts for nothing.
        ProofKind::Memory { tracers } => {
            let sent: Vec<&str> = match &plan.ask {
                Ask::Tool { arguments, .. } => strings(arguments),
                Ask::Method { params, .. } => strings(params),
            };
            let is_sent = |text: &str| sent.iter().any(|one| one.contains(text));
            let texts = tracers.iter().map(|planted| &planted.text);
            texts
                .filter(|text| is_told(text) && !is_sent(text))
                .cloned()
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Every string of a value, member names left out.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(members) => members.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// The digest of a previewed body.
fn body_shown(proof: &ProofKind, shown: &Value) -> Option<String> {
    let ProofKind::Twin { .. } = proof else {
        return None;
    };
    Some(body_sha256(shown.get("payload")?.as_object()?))
}

/// The exchanges of a thread resource; None when the result is not one.
fn turns(result: &Value) -> Option<Vec<TurnSeen>> {
    let text = result["contents"].get(0)?["text"].as_str()?;
    let thread: Value = serde_json::from_str(text).ok()?;
    let turn = |shown: &Value| {
        Some(TurnSeen {
            turn: u32::try_from(shown["turn"].as_u64()?).ok()?,
            user_sha256: sha256(shown["user"].as_str()?.as_bytes()),
            answer_sha256: shown["assistant"]
                .as_str()
                .map(|text| sha256(text.as_bytes())),
        })
    };
    thread["turns"].as_array()?.iter().map(turn).collect()
}

#[cfg(test)]
mod tests;
