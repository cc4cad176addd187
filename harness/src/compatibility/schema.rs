//! What a schema of a tool may hold beside the clients' own limits: references that resolve inside
//! it, and formats that JSON Schema 2020-12 defines.

use serde_json::Value;

/// The formats of JSON Schema 2020-12 validation, §7.3.
const FORMATS: [&str; 19] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

/// Keywords whose members are names, not keywords.
const NAMED: [&str; 5] = [
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
];

/// Keywords that hold plain values, never schemas.
const PLAIN: [&str; 4] = ["enum", "const", "default", "examples"];

/// What is wrong, for people; nothing for a schema that is not there.
pub(super) fn faults(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(schema, schema, &mut found);
    found
}

fn look(schema: &Value, root: &Value, found: &mut Vec<String>) {
    if let Value::Array(all) = schema {
        all.iter().for_each(|one| look(one, root, found));
    }
    let Value::Object(members) = schema else {
        return;
    };
    for (keyword, value) in members {
        match (keyword.as_str(), value) {
            ("$ref" | "$dynamicRef", Value::String(to)) => {
                let inside = to
                    .strip_prefix('#')
                    .and_then(|pointer| root.pointer(pointer));
                if inside.is_none() {
                    found.push(format!("{keyword} {to} leads nowhere inside it"));
                }
            }
            ("format", Value::String(format)) if !FORMATS.contains(&format.as_str()) => {
                found.push(format!("format {format} is no standard one"));
            }
            (named, Value::Object(inner)) if NAMED.contains(&named) => {
                inner.values().for_each(|one| look(one, root, found));
            }
            (plain, _) if PLAIN.contains(&plain) => {}
            _ => look(value, root, found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reference_must_resolve_inside_and_a_format_must_be_standard() {
        let good = json!({
            "type": "object",
            "$defs": {"a": {"type": "string", "format": "uri"}},
            "properties": {
                "format": {"type": "string"},
                "x": {"$ref": "#/$defs/a"},
                "y": {"enum": [{"format": "odd"}]},
            },
        });
        assert_eq!(faults(&good), Vec::<String>::new());
        for (bad, says) in [
            (
                json!({"properties": {"x": {"$ref": "#/$defs/b"}}}),
                "#/$defs/b",
            ),
            (
                json!({"anyOf": [{"$ref": "https://x.test/s.json"}]}),
                "https://x.test",
            ),
            (json!({"items": {"format": "uint32"}}), "uint32"),
        ] {
            let found = faults(&bad);
            assert!(
                found.len() == 1 && found[0].contains(says),
                "{bad}: {found:?}"
            );
        }
    }
}
