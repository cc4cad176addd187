//! Saboteurs 16, 17, 18 and 21: what the server should have refused is made acceptable on the way.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Stage;
use crate::impostor::call::Call;

/// Saboteur 16.
pub fn alg_none(stage: &Stage, parts: &mut Parts) {
    let is_none = token_part(parts, 0).and_then(|header| {
        header["alg"]
            .as_str()
            .map(|alg| alg.eq_ignore_ascii_case("none"))
    });
    if is_none == Some(true) {
        replace(stage, parts, &stage.params.token, &Value::Null);
    }
}

/// Saboteur 17.
pub fn expired(stage: &Stage, parts: &mut Parts) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64());
    let expiry = token_part(parts, 1).and_then(|claims| claims["exp"].as_f64());
    if expiry.is_some_and(|expiry| expiry < now) {
        replace(stage, parts, &stage.params.token, &Value::Null);
    }
}

/// Saboteur 18.
pub fn rbac(stage: &Stage, parts: &mut Parts, call: Option<&Call>) {
    let Some(call) = call.filter(|call| call.tool() == Some(&*stage.params.tool)) else {
        return;
    };
    if parts.headers.contains_key(AUTHORIZATION) {
        replace(stage, parts, &stage.params.admin_token, call.id());
    }
}

/// Saboteur 21.
pub fn origin(stage: &Stage, parts: &mut Parts) {
    if parts.headers.contains_key(ORIGIN)
        && stage.trigger.due().is_some()
        && let Some(origin) = parts.headers.remove(ORIGIN)
    {
        let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
        stage.record(
            &Value::Null,
            json!({"path": parts.uri.path(), "origin": origin}),
        );
    }
}

/// Header (0) or claims (1) of the bearer token, when it is a token at all.
fn token_part(parts: &Parts, index: usize) -> Option<Value> {
    let bearer = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let token = bearer
        .get(..7)
        .filter(|word| word.eq_ignore_ascii_case("bearer "));
    let part = token.and(bearer.get(7..))?.trim().split('.').nth(index)?;
    let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn replace(stage: &Stage, parts: &mut Parts, token: &str, id: &Value) {
    let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {token}")) else {
        return;
    };
    if stage.trigger.due().is_none() {
        return;
    }
    value.set_sensitive(true);
    parts.headers.insert(AUTHORIZATION, value);
    stage.record(
        id,
        json!({"path": parts.uri.path(), "method": parts.method.as_str()}),
    );
}
