//! Configuration keys as a list of differences from the embedded defaults: what the plan of a run
//! records and the first screen prints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// Dotted keys and their values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(BTreeMap<String, Value>);

/// A setting that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not read the setting {0:?}: write key=value, such as limits.rate.global=5000")]
pub struct NotASetting(String);

impl Settings {
    /// The same with one more key; a key that is there is replaced.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Reads `key=value`; a value that is no TOML literal is a string.
    ///
    /// # Errors
    /// When there is no `=` or no key.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, NotASetting> {
        let mut settings = Self::default();
        for word in words {
            let pair = word
                .split_once('=')
                .filter(|(key, _)| !key.trim().is_empty());
            let (key, text) = pair.ok_or_else(|| NotASetting(word.to_owned()))?;
            let literal = format!("v = {text}").parse::<Table>().ok();
            let value = literal.and_then(|mut table| table.remove("v"));
            let value = value.unwrap_or_else(|| Value::String(text.to_owned()));
            settings = settings.with(key.trim(), value);
        }
        Ok(settings)
    }

    /// These with `over` on top.
    #[must_use]
    pub fn merged(&self, over: &Self) -> Self {
        let both = self.0.iter().chain(&over.0);
        Self(
            both.map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        )
    }

    /// Whether there is nothing to set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys as people read them: `limits.rate.global = 5000`.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(key, value)| format!("{key} = {value}"))
    }

    /// The configuration file. A key below another key's value replaces that value.
    #[must_use]
    pub fn text(&self) -> String {
        let mut root = Table::new();
        for (key, value) in &self.0 {
            let parts: Vec<&str> = key.split('.').collect();
            place(&mut root, &parts, value);
        }
        root.to_string()
    }
}

fn place(table: &mut Table, path: &[&str], value: &Value) {
    match path {
        [] => {}
        [last] => {
            table.insert((*last).to_owned(), value.clone());
        }
        [first, rest @ ..] => {
            let slot = table
                .entry(*first)
                .or_insert_with(|| Value::Table(Table::new()));
            if !slot.is_table() {
                *slot = Value::Table(Table::new());
            }
            if let Value::Table(inner) = slot {
                place(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_keys_become_tables_and_overrides_win() {
        let base = Settings::default()
            .with("server.instance", "a \"b\"")
            .with("limits.rate.global", 1_000)
            .with("ready.require", vec![Value::from("store")]);
        let over = Settings::parse(["limits.rate.global=5000", "server.drain=1s"]).unwrap();
        let table: Table = base.merged(&over).text().parse().unwrap();
        assert_eq!(table["server"]["instance"].as_str(), Some("a \"b\""));
        assert_eq!(table["server"]["drain"].as_str(), Some("1s"));
        assert_eq!(table["limits"]["rate"]["global"].as_integer(), Some(5_000));
        assert_eq!(table["ready"]["require"][0].as_str(), Some("store"));
        let lines: Vec<String> = over.lines().collect();
        assert_eq!(
            lines,
            ["limits.rate.global = 5000", "server.drain = \"1s\""]
        );
    }

    #[test]
    fn a_word_without_a_key_is_refused() {
        for word in ["nothing", "=3", " = 3"] {
            assert!(Settings::parse([word]).is_err(), "{word}");
        }
    }
}
