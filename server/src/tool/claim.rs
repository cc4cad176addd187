//! What makes two calls the same call: tool and arguments, whatever the order of their fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::call::Call;
use super::registry::Tool;
use crate::config::digest::hex;
use crate::failure::Failure;
use crate::store::Claim;

/// Characters of an idempotency key.
const KEY_CHARS: usize = 200;

/// The idempotency key and the digest of tool and arguments. Tools that keep no thread have no
/// need of a key, and ignore it.
///
/// # Errors
/// `validation_error` for a key that is empty or too long.
pub fn of(tool: &Tool, call: &Call) -> Result<Option<Claim>, Failure> {
    let Some(key) = call
        .idempotency_key
        .as_ref()
        .filter(|_| tool.row.kind.keeps_threads())
    else {
        return Ok(None);
    };
    if key.is_empty() || key.chars().count() > KEY_CHARS {
        let message = format!("An idempotency key holds 1 to {KEY_CHARS} characters.");
        return Err(Failure::validation(
            "/_meta/dev.exai~1idempotency-key",
            message,
        ));
    }
    Ok(Some(Claim {
        key: key.clone(),
        digest: digest(tool.name, &call.arguments),
    }))
}

/// Lower-case hex over the tool's name and its normalised arguments.
#[must_use]
pub fn digest(tool: &str, arguments: &Map<String, Value>) -> String {
    let arguments = canonical(&Value::Object(arguments.clone()));
    hex(&Sha256::digest(format!("{tool}\0{arguments}")))
}

/// JSON with sorted keys, so that equal arguments have equal digests.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, String> = map
                .iter()
                .map(|(name, value)| (name, canonical(value)))
                .collect();
            let fields: Vec<String> = sorted
                .iter()
                .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        scalar => scalar.to_string(),
    }
}
