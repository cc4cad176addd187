//! Saboteurs 2, 3, 3b, 6, 6b, 20, 20b, 27c, 30b, S31 and S41: one reply changed by itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Stage;
use crate::impostor::call::{Call, is_failure, text_mut};

/// The argument an answer would echo.
fn own_text(call: &Call) -> Option<String> {
    let arguments = call.arguments();
    ["prompt", "question", "step"]
        .iter()
        .find_map(|name| arguments.get(name).and_then(Value::as_str))
        .map(str::to_owned)
}

/// Saboteur 2: the prompt as the answer.
pub fn echo(stage: &Stage, call: &Call, reply: &mut Value) -> bool {
    let Some(own) = call.tool().and_then(|_| own_text(call)) else {
        return false;
    };
    let Some(text) = text_mut(reply) else {
        return false;
    };
    if stage.trigger.due().is_none() {
        return false;
    }
    *text = own.into();
    stage.spoiled(call);
    true
}

/// Saboteur 6: nothing as the answer.
pub fn empty(stage: &Stage, call: &Call, reply: &mut Value) -> bool {
    if call.tool().is_none() {
        return false;
    }
    let Some(text) = text_mut(reply).filter(|text| text.as_str() != Some("")) else {
        return false;
    };
    if stage.trigger.due().is_none() {
        return false;
    }
    *text = "".into();
    stage.spoiled(call);
    true
}

/// Saboteur 3: the failure's text in a success.
pub fn failure_as_text(stage: &Stage, call: &Call, reply: &mut Value) -> bool {
    let failed = call.tool().is_some() && reply.pointer("/result/isError") == Some(&true.into());
    if !failed || stage.trigger.due().is_none() {
        return false;
    }
    if let Some(result) = reply.get_mut("result").and_then(Value::as_object_mut) {
        result.insert("isError".into(), false.into());
        result.shift_remove("structuredContent");
    }
    stage.spoiled(call);
    true
}

/// Categories of failures that are the caller's own.
const OWN: [&str; 3] = ["client_error", "validation_error", "auth_error"];

/// Saboteur 3b: as 3, for failures alone that the caller has no part in.
pub fn foreign_failure_as_text(stage: &Stage, call: &Call, reply: &mut Value) -> bool {
    let category = reply.pointer("/result/structuredContent/error/category");
    let category = category.and_then(Value::as_str).unwrap_or_default();
    !OWN.contains(&category) && failure_as_text(stage, call, reply)
}

/// Saboteur 20: the canary in an error's text.
pub fn secret(stage: &Stage, call: &Call, reply: &mut Value) -> bool {
    print(stage, call, reply, &stage.params.canary)
}

/// Saboteur 20b: as 20, in base64 behind what a dump of bytes begins with.
pub fn encoded_secret(stage: &Stage, call: &Call, reply: &mut Value) -> bool {
    let dumped = STANDARD.encode(format!("k={}", stage.params.canary));
    print(stage, call, reply, &dumped)
}

fn print(stage: &Stage, call: &Call, reply: &mut Value, secret: &str) -> bool {
    if !is_failure(reply) || stage.trigger.due().is_none() {
        return false;
    }
    for path in ["/error/message", "/result/content/0/text"] {
        if let Some(Value::String(text)) = reply.pointer_mut(path) {
            text.push_str(" (key ");
            text.push_str(secret);
            text.push(')');
        }
    }
    stage.spoiled(call);
    true
}

/// Answers of fewer characters keep their tail.
const LONG: usize = 1_200;

/// Saboteur 6b: the last hundredth of a long answer's prose is gone; the lines that close it stay.
pub fn lost_tail(stage: &Stage, call: &Call, reply: &mut Value) -> bool {
    let Some(text) = call.tool().and_then(|_| text_mut(reply)) else {
        return false;
    };
    let Some(shorter) = text.as_str().and_then(without_tail) else {
        return false;
    };
    if stage.trigger.due().is_none() {
        return false;
    }
    *text = shorter.into();
    stage.spoiled(call);
    true
}

fn without_tail(text: &str) -> Option<String> {
    let length = text.chars().count();
    if length < LONG {
        return None;
    }
    let (prose, closing) = text.split_at(text.rfind("\nanswer ")?);
    let kept = prose.chars().count().checked_sub(length.div_ceil(100))?;
    let kept: String = prose.chars().take(kept).collect();
    Some(kept + closing)
}

/// Saboteur S41: structured content that leaves the answer to the text.
pub fn hollow(stage: &Stage, call: &Call, reply: &mut Value) -> bool {
    if call.tool().is_none() || is_failure(reply) {
        return false;
    }
    let Some(content) = reply.pointer_mut("/result/structuredContent") else {
        return false;
    };
    if stage.trigger.due().is_none() {
        return false;
    }
    *content = json!({"note": "the answer is in the text"});
    stage.spoiled(call);
    true
}

/// Saboteur 27c: an answer that another provider gave than was asked names nobody.
pub fn unnamed(stage: &Stage, call: &Call, reply: &mut Value) -> bool {
    let meta = reply.pointer_mut("/result/_meta/dev.exai~1reply");
    let meta = meta.and_then(Value::as_object_mut);
    let Some(meta) = meta.filter(|meta| meta.get("failover") == Some(&true.into())) else {
        return false;
    };
    if !meta.contains_key("provider") || stage.trigger.due().is_none() {
        return false;
    }
    meta.shift_remove("provider");
    stage.spoiled(call);
    true
}

/// Saboteur S31: a cursor that nobody gave out gets an empty page.
pub fn cursor_accepted(stage: &Stage, call: &Call, reply: &mut Value) -> bool {
    let is_paged = call.message.pointer("/params/cursor").is_some();
    let is_refused = call.method() == "tools/list" && is_paged && is_failure(reply);
    if !is_refused || stage.trigger.due().is_none() {
        return false;
    }
    *reply = call.result(&json!({"tools": []}));
    stage.spoiled(call);
    true
}

/// Saboteur 30b: the id as text, which is another id.
pub fn spelled_id(stage: &Stage, call: &Call, reply: &mut Value) -> bool {
    let is_number = call.tool().is_some() && call.id().is_number();
    if !is_number || stage.trigger.due().is_none() {
        return false;
    }
    reply["id"] = call.id().to_string().into();
    stage.spoiled(call);
    true
}
