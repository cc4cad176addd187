//! `[provider.NAME]` rows: where each provider is and which variable holds its key.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::{Reader, address};
use crate::provider::dialect;

/// The wire form a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Moonshot's chat completions.
    Kimi,
    /// Zhipu's chat completions.
    Glm,
    /// MiniMax's Anthropic-style messages.
    Minimax,
    /// Any OpenAI-style endpoint.
    Openai,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Kimi, Self::Glm, Self::Minimax, Self::Openai];

    /// The dialect that requests are written in.
    #[must_use]
    pub const fn spoken(self) -> dialect::Dialect {
        match self {
            Self::Kimi => dialect::Dialect::Kimi,
            Self::Glm => dialect::Dialect::Glm,
            Self::Minimax => dialect::Dialect::Minimax,
            Self::Openai => dialect::Dialect::Openai,
        }
    }

    /// The configured word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kimi => "kimi",
            Self::Glm => "glm",
            Self::Minimax => "minimax",
            Self::Openai => "openai",
        }
    }
}

/// A key and the variable it came from.
#[derive(Debug, Clone)]
pub struct ProviderKey {
    /// The variable's name, which may be shown.
    pub variable: String,
    /// The key, which may not.
    pub secret: SecretString,
}

/// One provider as configured.
#[derive(Debug, Clone)]
pub struct ProviderRow {
    /// The row's name, such as `kimi`.
    pub name: String,
    /// The wire form.
    pub dialect: Dialect,
    /// Whether the row is in use at all.
    pub enabled: bool,
    /// Where requests go.
    pub base_url: Url,
    /// A name for people; empty when none was given.
    pub label: String,
    /// Whether a private or plain-http address is permitted.
    pub allow_private: bool,
    /// Variables tried in order.
    pub api_key_env: Vec<String>,
    /// Names served, for [`Dialect::Openai`].
    pub models: Vec<String>,
    /// Requests at once, as the account permits; 0 where `limits.in_flight_per_provider` holds.
    pub in_flight: usize,
    /// The key found, if any; without one the provider is not registered.
    pub key: Option<ProviderKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    dialect: Dialect,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(deserialize_with = "address::url")]
    base_url: Url,
    #[serde(default)]
    label: String,
    #[serde(default)]
    allow_private: bool,
    #[serde(default)]
    api_key_env: Vec<String>,
    #[serde(default)]
    models: Vec<String>,
    #[serde(default)]
    in_flight: usize,
}

const fn yes() -> bool {
    true
}

/// Reads every row; a row that does not fit leaves its fault with the reader.
pub(super) fn read(
    reader: &mut Reader<'_>,
    environment: &BTreeMap<String, String>,
) -> BTreeMap<String, ProviderRow> {
    let mut rows = BTreeMap::new();
    for name in reader.settings.names_under("provider.") {
        let Some(row) = reader.section::<Row>(&format!("provider.{name}")) else {
            continue;
        };
        let key = row.api_key_env.iter().find_map(|variable| {
            let value = environment
                .get(variable)
                .filter(|value| !value.is_empty())?;
            let secret = SecretString::from(value.as_str());
            Some(ProviderKey {
                variable: variable.clone(),
                secret,
            })
        });
        let row = ProviderRow {
            name: name.clone(),
            dialect: row.dialect,
            enabled: row.enabled,
            base_url: row.base_url,
            label: row.label,
            allow_private: row.allow_private,
            api_key_env: row.api_key_env,
            models: row.models,
            in_flight: row.in_flight,
            key,
        };
        rows.insert(name, row);
    }
    rows
}
