//! The bounds of every argument of every tool, and a call just beyond each: the tools' own file is
//! read, never typed again.

use exai_judge::hex;
use serde_json::{Map, Value, json};

const TOOLS: &str = include_str!("../../../../server/tools.toml");
/// `limits.prompt_chars`, for texts that have no bound of their own.
const PROMPT_CHARS: usize = 100_000;
/// The largest whole number where an argument has no maximum of its own.
const WHOLE: f64 = u32::MAX as f64;
/// A name that no argument has.
const UNKNOWN: &str = "no_such_argument";

/// A call that differs from one that is permitted in a single argument.
#[derive(Debug, Clone, PartialEq)]
pub struct Beyond {
    /// The tool.
    pub tool: String,
    /// What is wrong, such as `temperature.maximum`.
    pub what: String,
    /// The argument that must be named, as a JSON pointer.
    pub field: String,
    /// The arguments.
    pub arguments: Value,
}

/// A tool as the file has it.
struct Row {
    name: String,
    kind: String,
    properties: Map<String, Value>,
    required: Vec<String>,
}

/// Reads the file.
fn rows() -> Vec<Row> {
    let document: Value = toml::from_str(TOOLS).unwrap_or_default();
    let tools = document["tool"].as_array().into_iter().flatten();
    tools.map(|tool| row(tool, &document["block"])).collect()
}

fn row(tool: &Value, blocks: &Value) -> Row {
    let texts = |name: &str| -> Vec<String> {
        let list = tool[name].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut properties = Map::new();
    for block in texts("blocks") {
        properties.extend(blocks[&block].as_object().cloned().unwrap_or_default());
    }
    for name in texts("omit") {
        properties.remove(&name);
    }
    properties.extend(tool["params"].as_object().cloned().unwrap_or_default());
    Row {
        name: tool["name"].as_str().unwrap_or_default().to_owned(),
        kind: tool["kind"].as_str().unwrap_or_default().to_owned(),
        properties,
        required: texts("required"),
    }
}

/// Names of all tools.
#[must_use]
pub fn tools() -> Vec<String> {
    rows().into_iter().map(|row| row.name).collect()
}

/// Calls with the least that a tool takes, of tools whose calls cost nothing and change nothing:
/// the workflows, which then wait for their second step.
#[must_use]
pub fn least() -> Vec<(String, Value)> {
    let rows = rows().into_iter().filter(|row| row.kind == "workflow");
    rows.map(|row| (row.name.clone(), row.least())).collect()
}

/// Everything just beyond a bound, tool by tool.
#[must_use]
pub fn beyond() -> Vec<Beyond> {
    rows().iter().flat_map(Row::beyond).collect()
}

impl Row {
    fn least(&self) -> Value {
        let filled = self.required.iter().map(|name| {
            let value = self.properties.get(name).map_or(Value::Null, filler);
            (name.clone(), value)
        });
        Value::Object(filled.collect())
    }

    fn beyond(&self) -> Vec<Beyond> {
        let least = self.least();
        let with = |what: String, field: String, change: &dyn Fn(&mut Value)| {
            let mut arguments = least.clone();
            change(&mut arguments);
            Beyond {
                tool: self.name.clone(),
                what,
                field,
                arguments,
            }
        };
        let mut all = vec![with(
            "unknown".to_owned(),
            format!("/{UNKNOWN}"),
            &|arguments| arguments[UNKNOWN] = json!(1),
        )];
        for name in &self.required {
            let what = format!("{name}.missing");
            all.push(with(what, format!("/{name}"), &|arguments| {
                if let Some(arguments) = arguments.as_object_mut() {
                    arguments.remove(name);
                }
            }));
        }
        for (name, schema) in &self.properties {
            for (kind, place, value) in values_beyond(schema, Some(PROMPT_CHARS)) {
                let (what, field) = (format!("{name}.{kind}"), format!("/{name}{place}"));
                all.push(with(what, field, &|arguments| {
                    arguments[name] = value.clone();
                }));
            }
        }
        all
    }
}

/// A value that a schema takes.
fn filler(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("string") => json!("a"),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        // A workflow goes on, a switch is on.
        Some("boolean") => json!(true),
        Some("array") => match schema["minItems"].as_u64() {
            Some(count) if count > 0 => json!([filler(&schema["items"])]),
            _ => json!([]),
        },
        Some(_) => {
            let required = schema["required"].as_array().into_iter().flatten();
            let required = required.filter_map(Value::as_str);
            let filled =
                required.map(|name| (name.to_owned(), filler(&schema["properties"][name])));
            Value::Object(filled.collect())
        }
        None => match schema["anyOf"].get(1) {
            Some(form) => filler(form),
            None => json!("a"),
        },
    }
}

/// Which bound, the place below the argument, and a value beyond it.
type Fault = (String, String, Value);

/// Everything beyond a bound of a schema; a text without a bound of its own has `longest`, if any.
fn values_beyond(schema: &Value, longest: Option<usize>) -> Vec<Fault> {
    let mut all = Vec::new();
    let mut add = |kind: &str, value: Value| all.push((kind.to_owned(), String::new(), value));
    add(
        "type",
        match schema["type"].as_str() {
            Some("string") | None => json!(7),
            Some(_) => json!("seven"),
        },
    );
    if schema["enum"].is_array() {
        add("choice", json!(hex::encode(b"no such word")));
        return all;
    }
    if let Some(least) = schema["minimum"].as_f64() {
        add("minimum", number(schema, least, -1.0));
    }
    let whole = (schema["type"] == "integer").then_some(WHOLE);
    if let Some(most) = schema["maximum"].as_f64().or(whole) {
        add("maximum", number(schema, most, 1.0));
    }
    let whole = |name: &str| schema[name].as_u64().map(|bound| bound as usize);
    if schema["type"] == "string" {
        if whole("minLength").is_some_and(|least| least > 0) {
            add("shortest", json!(""));
        }
        if let Some(most) = whole("maxLength").or(longest) {
            add("longest", json!("x".repeat(most + 1)));
        }
    }
    let item = filler(&schema["items"]);
    if let Some(most) = whole("maxItems") {
        add("most", Value::Array(vec![item; most + 1]));
    }
    if whole("minItems").is_some_and(|least| least > 0) {
        add("fewest", json!([]));
    }
    all.extend(items_beyond(&schema["items"]));
    all.extend(members_beyond(schema));
    all
}

/// Lists of one item that is beyond a bound. Where an item may have several forms, a fault in any
/// of them is one of the item as a whole.
fn items_beyond(items: &Value) -> Vec<Fault> {
    let forms = items["anyOf"].as_array();
    let has_forms = forms.is_some();
    let forms = forms.map_or_else(|| std::slice::from_ref(items), Vec::as_slice);
    let mut all = Vec::new();
    for (number, form) in forms.iter().filter(|form| form.is_object()).enumerate() {
        for (kind, place, value) in values_beyond(form, None) {
            // A text where an object may stand is the other form.
            if number > 0 && kind == "type" {
                continue;
            }
            let place = if has_forms { "" } else { &place };
            all.push((format!("item.{kind}"), format!("/0{place}"), json!([value])));
        }
    }
    all
}

/// Objects of which one member is beyond a bound, missing or unknown.
fn members_beyond(schema: &Value) -> Vec<Fault> {
    let Some(properties) = schema["properties"].as_object() else {
        return Vec::new();
    };
    let whole = filler(schema);
    let with = |name: &str, value: Option<Value>| {
        let mut members = whole.as_object().cloned().unwrap_or_default();
        match value {
            Some(value) => members.insert(name.to_owned(), value),
            None => members.remove(name),
        };
        Value::Object(members)
    };
    let mut all = Vec::new();
    if schema["additionalProperties"] == false {
        let value = with(UNKNOWN, Some(json!(1)));
        all.push(("unknown".to_owned(), format!("/{UNKNOWN}"), value));
    }
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        let what = format!("{name}.missing");
        all.push((what, format!("/{name}"), with(name, None)));
    }
    for (name, schema) in properties {
        for (kind, place, value) in values_beyond(schema, None) {
            let what = format!("{name}.{kind}");
            all.push((what, format!("/{name}{place}"), with(name, Some(value))));
        }
    }
    all
}

/// The nearest number on the other side of a bound.
fn number(schema: &Value, bound: f64, side: f64) -> Value {
    if schema["type"] == "integer" {
        json!((bound + side) as i64)
    } else {
        json!(bound + side / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_tool_has_calls_beyond_its_bounds_and_no_two_are_the_same() {
        let all = beyond();
        let named: BTreeSet<&str> = all.iter().map(|one| one.tool.as_str()).collect();
        assert_eq!(named.len(), tools().len());
        assert!(named.len() >= 31, "{named:?}");
        let ids: BTreeSet<_> = all.iter().map(|one| (&one.tool, &one.what)).collect();
        assert_eq!(ids.len(), all.len());
    }

    #[test]
    fn the_bounds_of_the_battery_are_among_them() {
        let all = beyond();
        let of = |what: &str| {
            let found = all
                .iter()
                .find(|one| one.tool == "chat" && one.what == what);
            found.unwrap_or_else(|| panic!("no {what}")).clone()
        };
        assert_eq!(of("temperature.maximum").arguments["temperature"], 1.01);
        assert_eq!(of("temperature.minimum").arguments["temperature"], -0.01);
        assert_eq!(of("prompt.shortest").arguments["prompt"], "");
        let long = of("prompt.longest").arguments["prompt"].clone();
        assert_eq!(long.as_str().unwrap().len(), 100_001);
        assert_eq!(of("prompt.missing").arguments, json!({}));
        assert_eq!(of("prompt.missing").field, "/prompt");
        let steps = all.iter().find(|one| one.what == "total_steps.maximum");
        let beyond = steps.unwrap().arguments["total_steps"].clone();
        assert_eq!(beyond, 4_294_967_296_u64);
        assert_eq!(of("thinking_mode.type").arguments["thinking_mode"], 7);
    }

    #[test]
    fn what_lies_inside_a_list_of_objects_is_among_them() {
        let all = beyond();
        let of = |tool: &str, what: &str| {
            let mut found = all.iter().filter(|one| one.tool == tool);
            let found = found.find(|one| one.what == what);
            let found = found.unwrap_or_else(|| panic!("no {tool} {what}"));
            (found.field.as_str(), found.arguments.clone())
        };
        let (field, arguments) = of("consensus", "models.item.stance.choice");
        assert_eq!(field, "/models/0/stance");
        assert_eq!(arguments["models"][0]["model"], "a");
        let (field, arguments) = of("consensus", "models.item.model.missing");
        assert_eq!(
            (field, &arguments["models"][0]),
            ("/models/0/model", &json!({}))
        );
        let long = of("consensus", "models.item.stance_prompt.longest").1;
        let text = long["models"][0]["stance_prompt"].as_str().unwrap();
        assert_eq!(text.len(), 10_001);
        let (field, arguments) = of("kimi_chat_with_tools", "messages.item.role.choice");
        assert_eq!(field, "/messages/0/role");
        assert!(arguments["messages"][0]["role"].is_string());
        // A file is a path or an object: what is wrong inside is a fault of the item.
        for what in [
            "content.missing",
            "unknown",
            "name.longest",
            "shortest",
            "type",
        ] {
            let (field, arguments) = of("chat", &format!("files.item.{what}"));
            assert_eq!(field, "/files/0", "{what} {arguments}");
        }
    }

    #[test]
    fn one_argument_alone_differs_from_the_least_call() {
        let least: Vec<Row> = rows();
        for one in beyond() {
            let row = least.iter().find(|row| row.name == one.tool).unwrap();
            let (least, asked) = (row.least(), one.arguments);
            let names: BTreeSet<&String> = [&least, &asked]
                .into_iter()
                .flat_map(|all| all.as_object().unwrap().keys())
                .collect();
            let changed = names.iter().filter(|name| least[**name] != asked[**name]);
            assert_eq!(changed.count(), 1, "{} {}", one.tool, one.what);
        }
    }
}
