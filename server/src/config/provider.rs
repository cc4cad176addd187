//! `[provider.NAME]` rows: where each provider is and which variable holds its key.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::relations::{Wrong, say};
use super::{Reader, address};
use crate::provider::catalogue::Catalogue;
use crate::provider::{self, method};

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
            key,
        };
        rows.insert(name, row);
    }
    rows
}

/// Every broken relation within a row, as key and sentence.
pub(super) fn broken(row: &ProviderRow) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let key = format!("provider.{}.base_url", row.name);
    let web = matches!(row.base_url.scheme(), "http" | "https") && row.base_url.has_host();
    say(&mut wrong, !web, &key, "must be an http or https URL");
    let open = !row.base_url.username().is_empty() || row.base_url.password().is_some();
    say(
        &mut wrong,
        open,
        &key,
        "must not hold a user name or password",
    );
    if let Some(why) = address::why_private(&row.base_url).filter(|_| web && !row.allow_private) {
        let message = format!(
            "is {why}; set allow_private = true on [provider.{}] if that is meant",
            row.name
        );
        wrong.push((key, message));
    }
    models(row, &mut wrong);
    wrong
}

/// A provider is registered with models that its dialect can ask for all of what they do.
fn models(row: &ProviderRow, wrong: &mut Vec<Wrong>) {
    let key = format!("provider.{}.models", row.name);
    if row.dialect != Dialect::Openai {
        let message = format!(
            "is for dialect \"openai\"; a provider of dialect \"{}\" serves the catalogue's",
            row.dialect.name()
        );
        say(wrong, !row.models.is_empty(), &key, &message);
        return;
    }
    let Ok(catalogue) = Catalogue::embedded() else {
        return;
    };
    let own = |name: &String| catalogue.models().iter().find(|model| &model.name == name);
    for model in row.models.iter().filter_map(own) {
        let lacking = provider::dialect::Dialect::Openai.lacks(model);
        let message = format!(
            "{} cannot be registered with {}: the dialect \"openai\" lacks {}; name the provider's \
             models as the provider does, or take the dialect \"{}\"",
            row.name,
            model.name,
            method::names(&lacking),
            model.dialect.name()
        );
        say(wrong, !lacking.is_empty(), &key, &message);
    }
}
