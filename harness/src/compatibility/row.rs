//! A client's limits, from the file that `exai connect` reads the other half of.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Value;

const CLIENTS_TOML: &str = include_str!("../../../clients.toml");

/// What one client can bear.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Row {
    /// Such as `claude-code`.
    pub id: String,
    /// Its name for people.
    pub title: String,
    #[serde(default)]
    limits: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Rows {
    client: Vec<Row>,
}

/// All rows, in the order of the file.
///
/// # Errors
/// When the embedded file does not parse.
pub fn rows() -> Result<Vec<Row>, toml::de::Error> {
    toml::from_str::<Rows>(CLIENTS_TOML).map(|rows| rows.client)
}

impl Row {
    pub(super) fn number(&self, limit: &str) -> Option<usize> {
        usize::try_from(self.limits.get(limit)?.as_integer()?).ok()
    }

    pub(super) fn flag(&self, limit: &str) -> bool {
        self.limits.get(limit).and_then(Value::as_bool) == Some(true)
    }

    pub(super) fn text(&self, limit: &str) -> Option<&str> {
        self.limits.get(limit)?.as_str()
    }

    /// What the client does beyond a limit.
    pub(super) fn does(&self, limit: &str) -> &str {
        self.text(&format!("does_{limit}")).unwrap_or("not known")
    }

    /// The limits that are stated, by name.
    #[must_use]
    pub fn stated(&self) -> Vec<&str> {
        let names = self.limits.keys().map(String::as_str);
        names
            .filter(|name| *name != "shown" && !name.starts_with("does_"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a rule of [`super::super`] reads.
    const KNOWN: [&str; 10] = [
        "tool_name_words",
        "tool_name_max",
        "shown_name_max",
        "tools_max",
        "description_max_bytes",
        "instructions_max_bytes",
        "plain_top_level",
        "object_schemas",
        "structured_when_declared",
        "result_max_chars",
    ];

    #[test]
    fn every_limit_in_the_file_is_judged_and_says_what_the_client_does() {
        let rows = rows().unwrap();
        let judged = rows.iter().filter(|row| !row.stated().is_empty());
        assert!(judged.count() >= 8, "G20 names eight clients");
        for row in &rows {
            for limit in row.stated() {
                let is_known = KNOWN.contains(&limit) || limit == "result_max_tokens";
                assert!(is_known, "{}: {limit}", row.id);
                assert_ne!(row.does(limit), "not known", "{}: {limit}", row.id);
                let is_value = row.flag(limit) || row.number(limit).is_some();
                assert!(is_value, "{}: {limit}", row.id);
            }
            assert_eq!(
                row.text("shown").is_some(),
                row.number("shown_name_max").is_some()
            );
        }
    }
}
