//! Saboteurs 19 and 19b: a denial under a correlation id that no audit line has.

use http::response::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::Stage;

const CORRELATION: &str = "exai-correlation-id";

/// A reply's head on its way back.
pub fn reply_head(stage: &Stage, parts: &mut Parts) {
    let denials = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
    if !denials.contains(&parts.status) {
        return;
    }
    let Some(number) = stage.trigger.due() else {
        return;
    };
    let Ok(made_up) = HeaderValue::from_str(&format!("unaudited-{number}")) else {
        return;
    };
    let own = parts.headers.insert(CORRELATION, made_up);
    let own = own.and_then(|own| own.to_str().map(str::to_owned).ok());
    let detail = json!({"status": parts.status.as_u16(), "correlation_id": own});
    stage.record(&Value::Null, detail);
}
