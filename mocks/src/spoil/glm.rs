//! GLM's own refusals: rows Z01 to Z08.

use serde_json::json;

use super::{Scene, html};
use crate::fault::FaultName;
use crate::refusal::Refusal;
use crate::reply::{Head, Reply};

pub fn page(name: FaultName<'_>) -> Option<Reply> {
    if name.id != "Z06" {
        return None;
    }
    Some(match name.variant {
        "405" => html(405, "Not Allowed by the web application firewall"),
        status => {
            let head = Head::new(if status == "404" { 404 } else { 200 }, "text/html")
                .with("x-powered-by", "Next.js");
            Reply::whole(
                head,
                b"<!DOCTYPE html><html><body id=\"__next\">404</body></html>",
            )
        }
    })
}

pub fn refusal(name: FaultName<'_>, scene: &Scene<'_>) -> Option<Refusal> {
    Some(match name.id {
        "Z01" => busy(name.variant),
        "Z02" => quota(name.variant, scene),
        "Z03" => busy("1305"),
        "Z04" => {
            let text = "[1305][The service may be temporarily overloaded, please try again later]";
            let error = json!({"type": "overloaded_error", "message": text});
            let body = json!({"type": "error", "error": error});
            Refusal {
                status: 529,
                headers: Vec::new(),
                body: Box::new(body),
                reason: "1305".into(),
            }
        }
        "Z05" => Refusal::glm(500, "500", "404 NOT_FOUND"),
        "Z07" => too_long(name.variant),
        "Z08" => Refusal::glm(
            400,
            "1214",
            "thinking.type cannot be disabled for this model",
        ),
        _ => return None,
    })
}

fn busy(code: &str) -> Refusal {
    let message = match code {
        "1302" => "High concurrency usage of this API, please reduce concurrency",
        "1303" => "High frequency usage of this API, please reduce frequency",
        "1312" => "This model is currently experiencing high traffic, please try again later",
        _ => "The service may be temporarily overloaded, please try again later",
    };
    Refusal::glm(429, code, message)
}

fn quota(code: &str, scene: &Scene<'_>) -> Refusal {
    let reset = scene.reset_time();
    let message = match code {
        "1113" => "Insufficient balance or no resource package. Please recharge.".to_owned(),
        "1310" => format!("Weekly/Monthly Limit Exhausted. Your limit will reset at {reset}"),
        "1311" => format!(
            "Your current subscription plan does not yet include access to {}",
            scene.content.model
        ),
        _ => format!("Usage limit reached for 5 hour. Your limit will reset at {reset}"),
    };
    Refusal::glm(429, code, message)
}

fn too_long(form: &str) -> Refusal {
    let message = "Prompt exceeds max length";
    let body = match form {
        "nested_int" => json!({"error": {"code": 1261, "message": message}}),
        "flat_text" => json!({"code": "1261", "message": message}),
        _ => json!({"code": 1261, "message": message}),
    };
    Refusal {
        status: 400,
        headers: Vec::new(),
        body: Box::new(body),
        reason: "1261".into(),
    }
}
