//! Saboteurs 16, 17, 18 and 21 and their twins: what the server should have refused is made
//! acceptable on the way.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Stage;
use crate::impostor::call::Call;

/// The path of upgrades to WebSocket.
const UPGRADE: &str = "/ws";
/// The header that names a revision, and the revision without sessions.
const REVISION: &str = "mcp-protocol-version";
const STATELESS: &str = "2026-07-28";
/// A role in its own spelling.
const ADMIN: &str = "admin";

/// Saboteur 16b: 16 at the upgrade alone.
pub fn alg_none_upgrade(stage: &Stage, parts: &mut Parts) {
    if parts.uri.path() == UPGRADE {
        alg_none(stage, parts);
    }
}

/// Saboteur 17b: 17 on one revision alone.
pub fn expired_stateless(stage: &Stage, parts: &mut Parts) {
    let is_stateless = |value: &HeaderValue| value == STATELESS;
    if parts.headers.get(REVISION).is_some_and(is_stateless) {
        expired(stage, parts);
    }
}

/// Saboteur 18b: roles are compared without regard to case.
pub fn role_case(stage: &Stage, parts: &mut Parts) {
    let claims = token_part(parts, 1).unwrap_or_default();
    let roles = claims["roles"].as_array().into_iter().flatten();
    let mut roles = roles.filter_map(Value::as_str);
    if roles.any(|role| role != ADMIN && role.eq_ignore_ascii_case(ADMIN)) {
        replace(stage, parts, &stage.params.admin_token, &Value::Null);
    }
}

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

/// Saboteur 21b: 21 for the origin of a page without one.
pub fn origin_null(stage: &Stage, parts: &mut Parts) {
    if parts
        .headers
        .get(ORIGIN)
        .is_some_and(|origin| origin == "null")
    {
        origin(stage, parts);
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
