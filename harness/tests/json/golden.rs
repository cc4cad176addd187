//! Golden files of what commands print with `--json`: what a reader may count on, one line each,
//! from the published schemas and from documents that were printed. Within a major version lines
//! are only ever added, so a redraw forgets none; one that is taken back is deleted by hand,
//! together with a new major version of its schema.
//!
//! The tests of each program that prints documents include this file.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// Lines of a golden file.
pub type Lines = BTreeSet<String>;

/// What the schemas of a file promise: of each field its kind, its values where they are counted
/// out, and whether it is always there.
pub fn promised(schemas: &Value) -> Lines {
    let mut lines = Lines::new();
    for (name, schema) in documents(schemas) {
        promise(&name, schema, schemas, &mut lines);
    }
    lines
}

/// What a document holds of the fields that its schema names, each with its kind. Items of a list
/// share a line, and so do members whose names are data.
///
/// # Panics
/// The document's schema is not among these.
pub fn printed(document: &Value, schemas: &Value) -> Lines {
    let name = document["schema"].as_str().unwrap_or_default();
    let found = documents(schemas).into_iter().find(|(one, _)| one == name);
    let (_, schema) = found.expect("a schema that is published");
    let mut lines = Lines::new();
    print(name, document, &parts(schema, schemas), schemas, &mut lines);
    lines
}

/// The lines that are no more. A null tells nothing of its field's kind, and takes nothing away.
pub fn lost(golden: &str, found: &Lines) -> Vec<String> {
    let is_null = |line: &str| {
        let at = line.rsplit_once(' ').map(|(at, _)| at);
        at.is_some_and(|at| found.contains(&format!("{at} null")))
    };
    let gone = |line: &&str| !found.contains(*line) && !is_null(line);
    golden.lines().filter(gone).map(str::to_owned).collect()
}

/// Holds the file against what was found; with `EXAI_WRITE_DOCS` set, what is new is added first.
///
/// # Panics
/// A line is no more, or the file cannot be read or written.
pub fn hold(file: &Path, found: &Lines) {
    if std::env::var_os("EXAI_WRITE_DOCS").is_some() {
        let before = std::fs::read_to_string(file).unwrap_or_default();
        let new = found.iter().filter(|line| !line.ends_with(" null"));
        let all: BTreeSet<&str> = before.lines().chain(new.map(String::as_str)).collect();
        let all: Vec<&str> = all.into_iter().collect();
        std::fs::write(file, all.join("\n") + "\n").expect("the golden file is written");
    }
    let golden = std::fs::read_to_string(file).expect("the golden file");
    let lost = lost(&golden, found);
    assert!(
        lost.is_empty(),
        "taken away, renamed, of another kind, or no longer always there: {lost:#?}"
    );
}

/// The documents of a file of schemas, by their names: its own root, or its named definitions.
fn documents(schemas: &Value) -> Vec<(String, &Value)> {
    if let Some(own) = schemas["properties"]["schema"]["const"].as_str() {
        return vec![(own.to_owned(), schemas)];
    }
    let all = schemas["$defs"].as_object().into_iter().flatten();
    all.filter(|(name, _)| name.contains('/'))
        .map(|(name, schema)| (name.clone(), schema))
        .collect()
}

/// A schema with what it refers to and its alternatives.
fn parts<'a>(schema: &'a Value, schemas: &'a Value) -> Vec<&'a Value> {
    let referred = schema["$ref"].as_str().and_then(|to| to.strip_prefix('#'));
    let referred = referred.and_then(|to| schemas.pointer(to));
    let alternatives = ["anyOf", "oneOf", "allOf"].map(|word| schema[word].as_array());
    let inner = alternatives.into_iter().flatten().flatten().chain(referred);
    std::iter::once(schema)
        .chain(inner.flat_map(|one| parts(one, schemas)))
        .collect()
}

fn promise(at: &str, schema: &Value, schemas: &Value, lines: &mut Lines) {
    let parts = parts(schema, schemas);
    let kinds: BTreeSet<&str> = parts.iter().flat_map(|part| kinds(part)).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    lines.insert(format!("{at} promises {}", kinds.join(" or ")));
    let several = parts.iter().filter(|part| fields(part).next().is_some());
    let several = several.count() > 1;
    for part in parts {
        for value in values(part) {
            lines.insert(format!("{at} promises {value}"));
        }
        // Alternatives are told apart by the value that is fixed in them.
        let at = match fixed(part).filter(|_| several) {
            Some(value) => format!("{at}({value})"),
            None => at.to_owned(),
        };
        for (name, field) in fields(part) {
            let is_required = |all: &Vec<Value>| all.iter().any(|one| one == name);
            if part["required"].as_array().is_some_and(is_required) {
                lines.insert(format!("{at}.{name} promises always"));
            }
            promise(&format!("{at}.{name}"), field, schemas, lines);
        }
        if part["items"].is_object() {
            promise(&format!("{at}[]"), &part["items"], schemas, lines);
        }
        if part["additionalProperties"].is_object() {
            let of = &part["additionalProperties"];
            promise(&format!("{at}.*"), of, schemas, lines);
        }
    }
}

fn print(at: &str, value: &Value, of: &[&Value], schemas: &Value, lines: &mut Lines) {
    lines.insert(format!("{at} {}", kind(value)));
    match value {
        Value::Object(members) => {
            for (name, inner) in members {
                let field = within(of, |part| &part["properties"][name.as_str()], schemas);
                let (name, field) = if field.is_empty() {
                    (
                        "*",
                        within(of, |part| &part["additionalProperties"], schemas),
                    )
                } else {
                    (name.as_str(), field)
                };
                // What no schema names is another's format, or nobody's to count on.
                if !field.is_empty() {
                    print(&format!("{at}.{name}"), inner, &field, schemas, lines);
                }
            }
        }
        Value::Array(items) => {
            let of = within(of, |part| &part["items"], schemas);
            for item in items.iter().filter(|_| !of.is_empty()) {
                print(&format!("{at}[]"), item, &of, schemas, lines);
            }
        }
        _ => {}
    }
}

/// One step into each part of a schema, where there is one to take.
fn within<'a>(
    of: &[&'a Value],
    step: impl Fn(&'a Value) -> &'a Value,
    schemas: &'a Value,
) -> Vec<&'a Value> {
    let inner = of
        .iter()
        .map(|part| step(part))
        .filter(|one| one.is_object());
    inner.flat_map(|one| parts(one, schemas)).collect()
}

fn fields(part: &Value) -> impl Iterator<Item = (&String, &Value)> {
    part["properties"].as_object().into_iter().flatten()
}

/// The value that is fixed in an alternative, such as its state.
fn fixed(part: &Value) -> Option<&str> {
    fields(part).find_map(|(_, field)| field["const"].as_str())
}

/// The values a part counts out.
fn values(part: &Value) -> impl Iterator<Item = &Value> {
    let listed = part["enum"].as_array().into_iter().flatten();
    listed.chain(part.get("const"))
}

/// What kinds of value a part takes, in the words of documents.
fn kinds(part: &Value) -> BTreeSet<&str> {
    let one = part["type"].as_str().into_iter();
    let several = part["type"].as_array().into_iter().flatten();
    let named = one.chain(several.filter_map(Value::as_str));
    let named = named.map(|word| match word {
        "array" => "list",
        "string" => "text",
        other => other,
    });
    let told = values(part).map(|value| -> &str { kind(value) });
    named.chain(told).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}
