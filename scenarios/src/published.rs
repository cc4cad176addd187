//! The published schemas of what commands print with `--json`, for tests of the functions that
//! print what takes minutes to come by.

use serde_json::{Value, json};

const COMMANDS: &str = include_str!("../schema/commands.schema.json");

/// What is wrong with a document by the schema that it names; nothing when it is right.
///
/// # Panics
/// The document names no schema that is published.
#[track_caller]
pub fn errors_of(document: &Value) -> Vec<String> {
    let name = document["schema"].as_str().expect("a schema");
    let mut schemas: Value = serde_json::from_str(COMMANDS).expect("JSON");
    assert!(schemas["$defs"].get(name).is_some(), "{name} is published");
    schemas["$ref"] = json!(format!("#/$defs/{}", name.replace('/', "~1")));
    let validator = jsonschema::validator_for(&schemas).expect("a schema");
    let errors = validator.iter_errors(document);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}
