//! Arguments against a tool's schema, before anything is paid for.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use crate::failure::Failure;

/// Compiles a schema; an error names what is wrong with it.
///
/// # Errors
/// When the schema is not valid JSON Schema.
pub fn compile(schema: &Map<String, Value>) -> Result<Validator, String> {
    jsonschema::validator_for(&Value::Object(schema.clone()))
        .map_err(|error| format!("its schema does not compile: {error}"))
}

/// The largest whole number where an argument has no maximum of its own. Any reader of JSON holds
/// it exactly, and no other is taken for it (RFC 8259, section 6).
const MOST: u32 = u32::MAX;

/// A schema in which every whole number has a maximum, so that none is cut to what fits.
#[must_use]
pub fn bounded(schema: &Map<String, Value>) -> Map<String, Value> {
    let mut schema = schema.clone();
    schema.values_mut().for_each(bound);
    schema
}

fn bound(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(bound);
            if members.get("type").is_some_and(|kind| kind == "integer") {
                members.entry("maximum").or_insert_with(|| MOST.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(bound),
        _ => {}
    }
}

/// Checks arguments; the failure names the JSON pointer and never repeats the value.
///
/// # Errors
/// `validation_error` with the pointer of the first fault in `field`.
pub fn check(validator: &Validator, arguments: &Value) -> Result<(), Failure> {
    // Unknown names come first: they are most often why a required one is missing.
    let faults: Vec<ValidationError<'_>> = validator.iter_errors(arguments).collect();
    let is_unknown = |fault: &&ValidationError<'_>| {
        matches!(
            fault.kind(),
            ValidationErrorKind::AdditionalProperties { .. }
        )
    };
    match faults.iter().find(is_unknown).or_else(|| faults.first()) {
        None => Ok(()),
        Some(fault) => Err(failure_of(fault)),
    }
}

fn failure_of(fault: &ValidationError<'_>) -> Failure {
    let at = fault.instance_path().as_str();
    match fault.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let name = unexpected.first().map_or("", String::as_str);
            let field = format!("{at}/{}", escape(name));
            let message = format!("There is no argument {field}. See the tool's input schema.");
            Failure::validation(field, message).with_code("unknown_argument")
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let field = format!("{at}/{}", escape(name));
            let message = format!("The argument {field} is required.");
            Failure::validation(field, message).with_code("missing_argument")
        }
        ValidationErrorKind::AnyOf { .. } => {
            let message = format!("{at} must be a path, or an object {{name, content}}.");
            Failure::validation(at, message)
        }
        _ => {
            let what = fault.masked_with("the value");
            let place = if at.is_empty() { "The arguments" } else { at };
            Failure::validation(at, format!("{place}: {what}."))
        }
    }
}

/// A name as one token of a JSON pointer (RFC 6901), shortened so that it fits a message.
fn escape(name: &str) -> String {
    name.chars()
        .take(100)
        .collect::<String>()
        .replace('~', "~0")
        .replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn validator() -> Validator {
        let Value::Object(schema) = json!({
            "type": "object",
            "required": ["prompt"],
            "additionalProperties": false,
            "properties": {
                "prompt": {"type": "string", "maxLength": 5},
                "temperature": {"type": "number", "maximum": 1},
                "models": {"type": "array", "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {"stance": {"enum": ["for", "against"]}},
                }},
                "files": {"type": "array", "items": {"anyOf": [{"type": "string"}]}},
            },
        }) else {
            panic!("an object")
        };
        compile(&schema).unwrap()
    }

    #[test]
    fn a_whole_number_without_a_maximum_of_its_own_is_not_cut_to_what_fits() {
        let Value::Object(schema) = json!({
            "type": "object",
            "properties": {
                "step": {"type": "integer", "minimum": 1},
                "few": {"type": "integer", "maximum": 7},
                "share": {"type": "number"},
                "list": {"type": "array", "items": {"type": "integer"}},
            },
        }) else {
            panic!("an object")
        };
        let validator = compile(&bounded(&schema)).unwrap();
        let beyond = 4_294_967_296_u64;
        let taken = [json!({"step": beyond - 1}), json!({"share": 1e300})];
        for arguments in taken {
            assert_eq!(check(&validator, &arguments), Ok(()), "{arguments}");
        }
        let refused = [
            (json!({"step": beyond}), "/step"),
            (json!({"step": 9_007_199_254_740_993_u64}), "/step"),
            (json!({"step": 1e300}), "/step"),
            (json!({"few": 8}), "/few"),
            (json!({"list": [beyond]}), "/list/0"),
        ];
        for (arguments, field) in refused {
            let failure = check(&validator, &arguments).unwrap_err();
            assert_eq!(failure.field.as_deref(), Some(field), "{arguments}");
        }
    }

    #[test]
    fn a_fault_is_named_by_its_pointer_and_its_value_is_not_repeated() {
        let validator = validator();
        let cases = [
            (json!({}), "/prompt", "missing_argument"),
            (json!({"prompt": 7}), "/prompt", "invalid_argument"),
            (
                json!({"prompt": "sk-secret"}),
                "/prompt",
                "invalid_argument",
            ),
            (
                json!({"prompt": "x", "temperature": 1.5}),
                "/temperature",
                "invalid_argument",
            ),
            (json!({"promt": "x"}), "/promt", "unknown_argument"),
            (
                json!({"prompt": "x", "a/b": 1}),
                "/a~1b",
                "unknown_argument",
            ),
            (
                json!({"prompt": "x", "models": [{"stance": "maybe-sk-secret"}]}),
                "/models/0/stance",
                "invalid_argument",
            ),
            (
                json!({"prompt": "x", "files": [5]}),
                "/files/0",
                "invalid_argument",
            ),
        ];
        for (arguments, field, code) in cases {
            let failure = check(&validator, &arguments).unwrap_err();
            assert_eq!(
                (failure.field.as_deref(), failure.code),
                (Some(field), code)
            );
            assert!(
                !failure.message.contains("sk-secret"),
                "{}",
                failure.message
            );
        }
        assert_eq!(check(&validator, &json!({"prompt": "x"})), Ok(()));
    }
}
