//! The two digests that bind evidence to a configuration.
//!
//! Each is the SHA-256, in lower-case hex, of one line `key=value` per key of that mark, sorted by
//! key, each line ended by a newline. Values are TOML; a duration is its milliseconds followed by
//! `ms`. The policy digest also covers `auth.policy` (SHA-256 of the role policy's text) and
//! `demo`, and for each file of `tools.prompts` a line `prompts.NAME` with the SHA-256 of its text.
//! Secrets are in neither.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use toml::Value;

use super::duration;
use super::layer::Settings;
use super::prompts::Prompts;
use super::schema::{Kind, Mark, Schema};
use crate::auth::policy::Policy;

/// Policy and site digest of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Digests {
    /// Over keys that change behaviour.
    pub policy: String,
    /// Over addresses, ports, paths, URLs and labels.
    pub site: String,
    /// The lines under the policy digest, key to value, so that a difference can be named.
    pub policy_keys: BTreeMap<String, String>,
    /// The lines under both digests, so that a reload can tell what it changes.
    #[serde(skip)]
    pub keys: BTreeMap<String, String>,
}

impl Digests {
    pub(super) fn of(
        settings: &Settings,
        schema: &Schema,
        (policy, prompts): (&Policy, &Prompts),
        demo: bool,
    ) -> Self {
        let mut lines = Vec::new();
        let mut policy_keys = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for (key, value) in [
            ("auth.policy", hex_sha256(policy.text())),
            ("demo", demo.to_string()),
        ] {
            lines.push((Mark::Policy, format!("{key}={value}\n")));
            policy_keys.insert(key.to_owned(), value);
        }
        for (key, value) in settings.values() {
            if let Some((kind, mark)) = schema.find(key) {
                let value = canonical(kind, value);
                lines.push((mark, format!("{key}={value}\n")));
                keys.insert(key.to_owned(), value.clone());
                if mark == Mark::Policy {
                    policy_keys.insert(key.to_owned(), value);
                }
            }
        }
        for (name, found) in prompts.all() {
            let (key, digest) = (
                format!("prompts.{name}"),
                hex_sha256(found.unwrap_or_default()),
            );
            lines.push((Mark::Policy, format!("{key}={digest}\n")));
            policy_keys.insert(key, digest);
        }
        lines.sort_by(|a, b| a.1.cmp(&b.1));
        let digest = |wanted: Mark| {
            let chosen = lines.iter().filter(|(mark, _)| *mark == wanted);
            hex_sha256(&chosen.map(|(_, line)| line.as_str()).collect::<String>())
        };
        Self {
            policy: digest(Mark::Policy),
            site: digest(Mark::Site),
            keys: policy_keys.clone().into_iter().chain(keys).collect(),
            policy_keys,
        }
    }
}

fn canonical(kind: Kind, value: &Value) -> String {
    let span = |value: &Value| {
        let parsed = value.as_str().and_then(|text| duration::parse(text).ok());
        parsed.map_or_else(
            || value.to_string(),
            |span| format!("{}ms", span.as_millis()),
        )
    };
    match (kind, value) {
        (Kind::Span, value) => span(value),
        (Kind::Spans, Value::Array(items)) => items.iter().map(span).collect::<Vec<_>>().join(","),
        (_, value) => value.to_string(),
    }
}

fn hex_sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// Bytes as lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
