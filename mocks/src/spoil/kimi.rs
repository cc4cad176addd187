//! Kimi's own refusals: rows K01 to K13.

use super::{Scene, html};
use crate::fault::FaultName;
use crate::refusal::Refusal;
use crate::reply::Reply;

const RATE: &str = "rate_limit_reached_error";
const INVALID: &str = "invalid_request_error";

pub fn page(name: FaultName<'_>) -> Option<Reply> {
    (name.id == "K10").then(|| html(504, "Gateway Time-out"))
}

pub fn refusal(name: FaultName<'_>, scene: &Scene<'_>) -> Option<Refusal> {
    let overloaded = "The engine is currently overloaded, please try again later";
    Some(match name.id {
        "K01" => Refusal::kimi(429, "engine_overloaded_error", overloaded),
        "K02" => Refusal::kimi(429, RATE, reached(name.variant)),
        "K03" => Refusal::kimi(
            429,
            RATE,
            "Your account org-7f3a<ak-9c1e> request reached organization TPD rate limit, current: \
             1500001, limit: 1500000",
        ),
        "K04" => Refusal::kimi(
            if name.variant == "403" { 403 } else { 429 },
            "exceeded_current_quota_error",
            "Your account org-7f3a<ak-9c1e> is suspended, please check your plan and billing \
             details",
        ),
        "K05" => {
            let mut refusal = Refusal::kimi(429, "engine_overloaded_error", overloaded);
            refusal
                .headers
                .push(("retry-after", name.variant.to_owned()));
            refusal
        }
        "K09" => Refusal::kimi(
            404,
            "resource_not_found_error",
            format!(
                "Not found the model {} or Permission denied",
                scene.content.model
            ),
        ),
        "K11" => Refusal::kimi(
            401,
            "invalid_authentication_error",
            "Invalid Authentication",
        ),
        _ => return contract(name.id),
    })
}

fn reached(variant: &str) -> String {
    let limit = if variant == "concurrency" {
        "max concurrency: 1"
    } else {
        "max RPM: 3"
    };
    format!(
        "Your account org-7f3a<ak-9c1e> request reached organization {limit}, please try again \
         after 1 seconds"
    )
}

/// The refusals that blame the request.
fn contract(id: &str) -> Option<Refusal> {
    let message = match id {
        "K06" => "invalid temperature: only 1 is allowed for this model",
        "K07" => {
            "thinking is enabled but reasoning_content is missing in assistant tool call message \
             at index 2"
        }
        "K08" => {
            "tools.function.parameters is not a valid moonshot flavored json schema, details: <At \
             path 'properties.path': type is not defined: missing 'type' or 'anyOf'>"
        }
        "K12" => "cannot specify both thinking and reasoning_effort",
        "K13" => "tool_choice 'specified' is incompatible with thinking enabled",
        _ => return None,
    };
    Some(Refusal::kimi(400, INVALID, message))
}
