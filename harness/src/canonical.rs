//! Canonical JSON (RFC 8785): one text for one value, for everything that is hashed or published.

use serde_json::{Number, Value};

/// Canonical JSON of a value: keys in UTF-16 order, no blanks, numbers as ECMAScript writes them.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_value(value, &mut out);
    out
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Number(number) => out.push_str(&write_number(number)),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (index, name) in names.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_value(&fields[name], out);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::String(_) => out.push_str(&value.to_string()),
    }
}

fn write_number(number: &Number) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() => write_float(value),
        _ => number.to_string(),
    }
}

/// Shortest digits that read back as the same double; an exponent only below 1e-6 and from 1e21 on.
fn write_float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 {
        return "0".to_owned();
    }
    if (1e-6..1e21).contains(&magnitude) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    if magnitude < 1.0 {
        text
    } else {
        text.replace('e', "e+")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_ecmascript_writes_them() {
        // Rows of RFC 8785, appendix B.
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (5e-324, "5e-324"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (295_147_905_179_352_830_000.0, "295147905179352830000"),
            (1e21, "1e+21"),
            (333_333_333.333_333_3, "333333333.3333333"),
            (0.000_001, "0.000001"),
            (1e-7, "1e-7"),
            (-1.5, "-1.5"),
        ];
        for (value, written) in cases {
            assert_eq!(write_float(value), written);
        }
    }

    #[test]
    fn keys_are_sorted_and_nothing_is_padded() {
        let value = serde_json::json!({"b": [1, 2.0, null], "a": {"é": "\u{1}", "z": true}});
        assert_eq!(
            canonical(&value),
            r#"{"a":{"z":true,"é":"\u0001"},"b":[1,2,null]}"#
        );
    }

    #[test]
    fn canonical_json_does_not_depend_on_the_order_of_keys() {
        let one = serde_json::json!({"b": [1, {"z": null, "a": "\u{20ac}\n"}], "a": true});
        let other = serde_json::json!({"a": true, "b": [1, {"a": "\u{20ac}\n", "z": null}]});
        assert_eq!(canonical(&one), canonical(&other));
        assert_eq!(
            canonical(&one),
            "{\"a\":true,\"b\":[1,{\"a\":\"\u{20ac}\\n\",\"z\":null}]}"
        );
    }
}
