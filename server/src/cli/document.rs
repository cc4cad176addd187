//! What `--json` prints: one document on one line, whose first field names its schema.
//!
//! The schemas stand under these names in `server/schema/commands.schema.json`. Within a major
//! version fields are only ever added.

use serde_json::{Map, Value};

use super::say;

/// Prints the fields as a document of this schema, such as `exai-tools/1`.
pub(super) fn say_document(schema: &str, fields: &Value) {
    say(&document(schema, fields));
}

/// The document's text; of fields that are no object nothing is in it.
pub(super) fn document(schema: &str, fields: &Value) -> String {
    let mut all = Map::new();
    all.insert("schema".to_owned(), schema.into());
    all.extend(fields.as_object().cloned().unwrap_or_default());
    Value::Object(all).to_string()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Line;
    use super::*;

    /// Every command that takes `--json`, as it is written.
    fn taking_json(command: &clap::Command, words: &str, found: &mut Vec<String>) {
        if command
            .get_arguments()
            .any(|one| one.get_long() == Some("json"))
        {
            found.push(format!("{words} --json"));
        }
        for inner in command.get_subcommands() {
            taking_json(inner, &format!("{words} {}", inner.get_name()), found);
        }
    }

    #[test]
    fn every_command_that_takes_json_has_a_published_schema() {
        let published: Value =
            serde_json::from_str(include_str!("../../schema/commands.schema.json")).unwrap();
        let all = published["$defs"].as_object().unwrap().values();
        let told: Vec<&str> = all.filter_map(|one| one["description"].as_str()).collect();
        let mut found = Vec::new();
        taking_json(&Line::command(), "exai", &mut found);
        assert!(found.len() >= 8, "{found:?}");
        for words in found {
            assert!(told.contains(&&*words), "{words} is in no schema: {told:?}");
        }
    }

    #[test]
    fn the_schema_s_name_comes_first() {
        let text = document("exai-x/1", &serde_json::json!({"a": 1}));
        assert_eq!(text, "{\"schema\":\"exai-x/1\",\"a\":1}");
    }
}
