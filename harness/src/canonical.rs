//! Canonical JSON: one text for one value, for everything that is hashed.

use serde_json::Value;

/// JSON with sorted keys and no spaces: one text for one value (RFC 8785 for the values used here,
/// which hold integers, strings and short decimals).
#[must_use]
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_unstable_by(|left, right| left.encode_utf16().cmp(right.encode_utf16()));
            let inside: Vec<String> = keys
                .into_iter()
                .map(|key| format!("{}:{}", Value::from(key.as_str()), canonical(&fields[key])))
                .collect();
            format!("{{{}}}", inside.join(","))
        }
        Value::Array(items) => {
            let inside: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", inside.join(","))
        }
        leaf => leaf.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn canonical_json_does_not_depend_on_the_order_of_keys() {
        let one = json!({"b": [1, {"z": null, "a": "\u{20ac}\n"}], "a": true});
        let other = json!({"a": true, "b": [1, {"a": "\u{20ac}\n", "z": null}]});
        assert_eq!(canonical(&one), canonical(&other));
        assert_eq!(
            canonical(&one),
            "{\"a\":true,\"b\":[1,{\"a\":\"\u{20ac}\\n\",\"z\":null}]}"
        );
    }
}
