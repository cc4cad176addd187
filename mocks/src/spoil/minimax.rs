//! MiniMax's own refusals: rows M01 to M09, among them errors under status 200.

use serde_json::{Value, json};

use super::Scene;
use crate::fault::FaultName;
use crate::provider::Route;
use crate::refusal::{Refusal, request_id};

pub fn refusal(name: FaultName<'_>, scene: &Scene<'_>) -> Option<Refusal> {
    let mut refusal = match name.id {
        "M01" => base_resp(name.variant),
        "M02" => under_200(name.variant),
        "M03" => Refusal::minimax(529, "overloaded_error", 2064, "the cluster is overloaded"),
        "M04" => {
            let text = format!(
                "usage limit exceeded, 5-hour usage limit reached, resets at {}",
                scene.reset_time()
            );
            let status = if name.variant == "500" { 500 } else { 429 };
            Refusal::minimax(status, "rate_limit_error", 2056, &text)
        }
        "M05" => Refusal::minimax(
            402,
            "insufficient_balance_error",
            1008,
            "insufficient balance",
        ),
        "M06" => {
            let text = match name.variant {
                "arguments" => "invalid params, invalid function arguments json string",
                _ => "invalid params, tool result's tool id(call_function_1) not found",
            };
            Refusal::minimax(400, "invalid_request_error", 2013, text)
        }
        "M07" => Refusal::minimax(500, "api_error", 1000, "unknown error, 999"),
        "M08" => {
            let text = "output new_sensitive";
            let mut refusal = Refusal::minimax(422, "invalid_request_error", 1027, text);
            refusal.headers.push(("trace_id", request_id(1027)));
            refusal
        }
        "M09" => {
            let text = "rate growth limit reached, please slow down the growth of requests";
            Refusal::minimax(429, "rate_limit_error", 2045, text)
        }
        _ => return None,
    };
    if scene.route == Route::MiniMaxChat
        && let Some(error) = refusal.body.get_mut("error").and_then(Value::as_object_mut)
    {
        error.insert("http_code".into(), refusal.status.to_string().into());
    }
    Some(refusal)
}

fn base_resp(code: &str) -> Refusal {
    let text = match code {
        "1004" => "login fail: Please carry the API secret key",
        "1008" => "insufficient balance",
        "1027" => "output new_sensitive",
        _ => "rate limit exceeded(RPM)",
    };
    let number: u32 = code.parse().unwrap_or_default();
    let body = json!({"choices": null, "base_resp": {"status_code": number, "status_msg": text}});
    Refusal {
        status: 200,
        headers: Vec::new(),
        body: Box::new(body),
        reason: code.to_owned(),
    }
}

fn under_200(kind: &str) -> Refusal {
    let (kind, code, text) = match kind {
        "rate_limit" => ("rate_limit_error", 1002, "rate limit exceeded(RPM)"),
        "invalid_request" => ("invalid_request_error", 2013, "invalid params"),
        "authentication" => ("authentication_error", 1004, "login fail"),
        _ => ("overloaded_error", 2064, "the cluster is overloaded"),
    };
    Refusal::minimax(200, kind, code, text)
}
