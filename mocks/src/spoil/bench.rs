//! FailoverBench's shapes without an id in the catalogue: FB12, FB13, FB14.

use serde_json::Value;

use super::{Scene, Spoiled, unwritten};
use crate::desk;
use crate::fault::FaultName;
use crate::provider::Route;
use crate::refusal::Refusal;

pub fn spoil(name: FaultName<'_>, scene: Scene<'_>) -> Spoiled {
    let refusal = match name.id {
        "FB12" => {
            let context = scene.terms.model.context.unwrap_or(200_000);
            Refusal::too_long(scene.route, context, context.saturating_mul(2))
        }
        "FB13" => policy(scene.route),
        "FB14" if ends_with_assistant(&scene) => Refusal::parameter(
            scene.route,
            "assistant prefill is not supported by this model",
        ),
        "FB14" => return scene.whole(),
        _ => return Spoiled::without_answer(unwritten()),
    };
    Spoiled::without_answer(desk::refused(&refusal))
}

fn policy(route: Route) -> Refusal {
    match route {
        Route::KimiChat => Refusal::kimi(
            400,
            "content_filter",
            "The request was rejected because it was considered high risk",
        ),
        Route::GlmChat => Refusal::glm(
            400,
            "1301",
            "System detected potentially unsafe or sensitive content in input or generation",
        ),
        _ => Refusal::minimax(422, "invalid_request_error", 1026, "input new_sensitive"),
    }
}

fn ends_with_assistant(scene: &Scene<'_>) -> bool {
    let messages = scene.body.get("messages").and_then(Value::as_array);
    let last = messages.and_then(|messages| messages.last());
    last.and_then(|message| message.get("role"))
        .and_then(Value::as_str)
        == Some("assistant")
}
