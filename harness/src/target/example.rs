//! Arguments drawn from an input schema: one set that should be accepted, and for each property one
//! that should not.

use serde_json::{Map, Value, json};

/// Nesting beyond this is not followed.
const DEPTH: usize = 8;
/// What a text argument says where its schema leaves it free.
const WORD: &str = "verify";

/// Arguments with every required property, each the plainest its schema allows.
#[must_use]
pub fn arguments(schema: &Value) -> Value {
    object(schema, 0)
}

fn object(schema: &Value, depth: usize) -> Value {
    let mut fields = Map::new();
    for name in required(schema) {
        let value = value(&schema["properties"][name], depth + 1);
        fields.insert(name.to_owned(), value);
    }
    fields.into()
}

/// The names a schema requires.
#[must_use]
pub fn required(schema: &Value) -> Vec<&str> {
    let names = schema["required"].as_array().into_iter().flatten();
    names.filter_map(Value::as_str).collect()
}

fn value(schema: &Value, depth: usize) -> Value {
    for key in ["const", "default"] {
        if let Some(value) = schema.get(key) {
            return value.clone();
        }
    }
    for key in ["examples", "enum"] {
        if let Some(first) = schema[key].as_array().and_then(|list| list.first()) {
            return first.clone();
        }
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema[key].as_array().and_then(|list| list.first()) {
            return value(first, depth);
        }
    }
    if depth > DEPTH {
        return Value::Null;
    }
    match type_of(schema) {
        Some("integer") => number(schema, true),
        Some("number") => number(schema, false),
        Some("boolean") => json!(false),
        Some("array") => {
            let least = schema["minItems"].as_u64().unwrap_or(0).min(16);
            (0..least)
                .map(|_| value(&schema["items"], depth + 1))
                .collect()
        }
        Some("object") => object(schema, depth),
        Some("null") => Value::Null,
        _ => text(schema),
    }
}

/// The one type a schema names; None when it names none or several.
fn type_of(schema: &Value) -> Option<&str> {
    schema["type"].as_str()
}

fn number(schema: &Value, is_whole: bool) -> Value {
    let bound = |key: &str| schema[key].as_f64();
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|low| low + 1.0));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|high| high - 1.0));
    let value = least.unwrap_or(1.0).min(most.unwrap_or(f64::MAX));
    if is_whole || value.fract() == 0.0 {
        json!(value.round() as i64)
    } else {
        json!(value)
    }
}

fn text(schema: &Value) -> Value {
    let shaped = match schema["format"].as_str() {
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("date") => "2026-01-01",
        Some("email") => "verify@example.com",
        Some("uri" | "url") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => WORD,
    };
    let least = schema["minLength"].as_u64().unwrap_or(0).min(10_000);
    let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
    let mut text: String = shaped.to_owned();
    while u64::try_from(text.len()).unwrap_or(u64::MAX) < least {
        text.push('x');
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    text.chars().take(most).collect::<String>().into()
}

/// One set of arguments for each property of a plain type, with a value no reading of that type
/// allows, by property.
#[must_use]
pub fn of_wrong_types(schema: &Value, good: &Value) -> Vec<(String, Value)> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .filter_map(|(name, row)| {
            let wrong = match type_of(row)? {
                "string" | "integer" | "number" | "boolean" => json!({"verify": [1]}),
                "array" | "object" => json!(7),
                _ => return None,
            };
            Some((name.clone(), with(good, name, wrong)))
        })
        .collect()
}

/// One set for each required property, without it.
#[must_use]
pub fn without_required(schema: &Value, good: &Value) -> Vec<(String, Value)> {
    let names = required(schema).into_iter();
    names
        .map(|name| {
            let mut less = good.clone();
            if let Some(fields) = less.as_object_mut() {
                fields.remove(name);
            }
            (name.to_owned(), less)
        })
        .collect()
}

/// Sets at the edge of what each property allows: empty, long, strange and large.
#[must_use]
pub fn at_the_edge(schema: &Value, good: &Value) -> Vec<(String, Value)> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut sets = Vec::new();
    for (name, row) in properties {
        let edges: Vec<Value> = match type_of(row) {
            Some("string") => vec![
                json!(""),
                json!("v".repeat(100_000)),
                json!("\u{0}\u{202e}\u{1f600}'\"; --\n{{7*7}}"),
            ],
            Some("integer") => vec![json!(0), json!(-1), json!(i64::MAX)],
            Some("number") => vec![json!(0), json!(-1), json!(1e300)],
            Some("array") => vec![json!([])],
            _ => Vec::new(),
        };
        sets.extend(
            edges
                .into_iter()
                .map(|edge| (name.clone(), with(good, name, edge))),
        );
    }
    sets
}

fn with(good: &Value, name: &str, value: Value) -> Value {
    let mut changed = good.clone();
    changed[name] = value;
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        json!({"type": "object", "required": ["city", "days", "tags", "where"], "properties": {
            "city": {"type": "string", "enum": ["Graz", "Linz"]},
            "days": {"type": "integer", "minimum": 3},
            "tags": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "where": {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}}},
            "note": {"type": ["string", "null"]},
        }})
    }

    #[test]
    fn good_arguments_hold_what_is_required_and_no_more() {
        let good = arguments(&schema());
        let wanted = json!({"city": "Graz", "days": 3, "tags": ["verify"], "where": {"x": 1}});
        assert_eq!(good, wanted);
        assert_eq!(arguments(&json!({"type": "object"})), json!({}));
    }

    #[test]
    fn each_plain_property_gets_a_value_of_another_type_and_one_of_several_types_gets_none() {
        let good = arguments(&schema());
        let wrong = of_wrong_types(&schema(), &good);
        let names: Vec<&str> = wrong.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["city", "days", "tags", "where"]);
        assert_eq!(wrong[2].1["tags"], 7);
        assert_eq!(wrong[2].1["days"], 3);
        let less = without_required(&schema(), &good);
        assert!(less.iter().all(|(name, set)| set.get(name).is_none()));
        assert_eq!(less.len(), 4);
    }
}
