//! A reader of the few words that the chart's templates use.

use serde_json::{Value, json};

/// The text of a template under these values.
pub fn drawn(template: &str, scope: &Value) -> String {
    let mut text = String::new();
    draw(&parts(template), 0, scope, &mut text);
    text
}

/// A part of a template: text, or what stands between braces.
enum Part<'a> {
    Text(&'a str),
    Word(&'a str),
}

fn parts(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for (at, piece) in template.split("{{").enumerate() {
        if at == 0 {
            parts.push(Part::Text(piece));
            continue;
        }
        let (word, text) = piece.split_once("}}").expect("braces that close");
        if let (true, Some(Part::Text(before))) = (word.starts_with('-'), parts.last_mut()) {
            *before = before.trim_end();
        }
        parts.push(Part::Word(word.trim_start_matches('-').trim()));
        parts.push(Part::Text(text));
    }
    parts
}

/// Draws parts until the `end` or `else` that closes them; where it stands and which it is.
fn draw(parts: &[Part<'_>], mut at: usize, scope: &Value, into: &mut String) -> (usize, bool) {
    while let Some(part) = parts.get(at) {
        at += 1;
        let word = match part {
            Part::Text(text) => {
                into.push_str(text);
                continue;
            }
            Part::Word(word) => *word,
        };
        if word == "end" || word == "else" {
            return (at, word == "else");
        }
        if let Some(condition) = word.strip_prefix("if ") {
            let value = look(scope, condition);
            let holds = ![json!(false), json!(""), json!([]), Value::Null].contains(&value);
            let (mut no, mut nothing) = (String::new(), String::new());
            let (end, has_else) = draw(parts, at, scope, if holds { into } else { &mut nothing });
            at = end;
            if has_else {
                (at, _) = draw(parts, at, scope, if holds { &mut nothing } else { &mut no });
                into.push_str(&no);
            }
        } else if let Some(of) = word.strip_prefix("range $name, $value := ") {
            let mut inner = scope.clone();
            (inner["$name"], inner["$value"]) = (json!(""), json!(""));
            let mut end = draw(parts, at, &inner, &mut String::new()).0;
            for (name, value) in look(scope, of).as_object().unwrap() {
                (inner["$name"], inner["$value"]) = (json!(name), value.clone());
                end = draw(parts, at, &inner, into).0;
            }
            at = end;
        } else {
            into.push_str(&expression(scope, word));
        }
    }
    (at, false)
}

fn look(scope: &Value, path: &str) -> Value {
    let path = path.trim().trim_start_matches('.');
    let found = path
        .split('.')
        .try_fold(scope, |value, name| value.get(name));
    found
        .cloned()
        .unwrap_or_else(|| panic!("{path} is no value"))
}

fn expression(scope: &Value, word: &str) -> String {
    let mut steps = word.split(" | ");
    let mut value = look(scope, steps.next().unwrap());
    for step in steps {
        value = match step.split_once(' ').unwrap_or((step, "")) {
            ("quote", _) => json!(format!("\"{}\"", plain(&value))),
            ("join", _) => {
                let items: Vec<String> = value.as_array().unwrap().iter().map(plain).collect();
                json!(items.join(","))
            }
            ("toYaml", _) => json!(yaml_of(&value)),
            ("nindent", columns) => {
                let margin = " ".repeat(columns.parse().unwrap());
                let lines = plain(&value);
                let lines = lines.lines().map(|line| format!("\n{margin}{line}"));
                json!(lines.collect::<String>())
            }
            (other, _) => panic!("the reader does not know {other}"),
        };
    }
    plain(&value)
}

/// JSON is YAML. The items of a list stand on lines of their own, so that it can go on with a list.
fn yaml_of(value: &Value) -> String {
    match value.as_array().filter(|items| !items.is_empty()) {
        Some(items) => {
            let lines: Vec<String> = items.iter().map(|item| format!("- {item}")).collect();
            lines.join("\n")
        }
        None => value.to_string(),
    }
}

pub fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
