//! The JSON Schema of a configuration file, for editors and for whoever writes one by program. It
//! knows keys, kinds and the words a key accepts; relations between keys are `exai check`'s.

use serde_json::{Map, Value, json};

use super::Schema;
use super::schema::{ALIASES, Entry, Kind};

/// What every duration looks like.
const SPAN: &str = "^[0-9]+(ms|s|m|h)$";

/// The schema, laid out for people.
#[must_use]
pub fn text(schema: &Schema) -> String {
    // A value made of strings and maps always has a text.
    serde_json::to_string_pretty(&draw(schema)).unwrap_or_default() + "\n"
}

/// The schema of a whole file: every key optional, none besides those that exist.
#[must_use]
pub fn draw(schema: &Schema) -> Value {
    let mut root = object("a configuration file of exai");
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    for (key, entry) in &schema.entries {
        let words: Vec<&str> = key.split('.').collect();
        // Every provider has the keys of the first; its own table stands in for all.
        let path = match words.as_slice() {
            ["provider", "kimi", leaf] => vec!["provider", "*", leaf],
            ["provider", ..] => continue,
            words => words.to_vec(),
        };
        put(&mut root, &path, leaf(entry));
    }
    let aliases: Vec<&str> = ALIASES.split('.').collect();
    put(
        &mut root,
        &aliases,
        json!({
            "type": "object",
            "description": "extra names for models of the catalogue",
            "additionalProperties": {"type": "string"},
        }),
    );
    root
}

fn object(description: &str) -> Value {
    json!({
        "type": "object",
        "description": description,
        "additionalProperties": false,
        "properties": {},
    })
}

fn put(into: &mut Value, path: &[&str], leaf: Value) {
    match path {
        [] => {}
        [name] => into["properties"][*name] = leaf,
        ["*", rest @ ..] => {
            let names = &mut into["patternProperties"]["^[a-z0-9_-]{1,32}$"];
            if names.is_null() {
                *names = object("one provider");
            }
            put(names, rest, leaf);
        }
        [name, rest @ ..] => {
            let inner = &mut into["properties"][*name];
            if inner.is_null() {
                *inner = object(name);
            }
            put(inner, rest, leaf);
        }
    }
}

fn leaf(entry: &Entry) -> Value {
    let words = words(entry);
    let text = if words.is_empty() {
        json!({"type": "string"})
    } else {
        json!({"type": "string", "enum": words})
    };
    let span = || json!({"type": "string", "pattern": SPAN});
    let list = |items: Value| json!({"type": "array", "items": items});
    let shape = match entry.kind {
        Kind::Text => text,
        Kind::Whole => json!({"type": "integer", "minimum": 0}),
        Kind::Switch => json!({"type": "boolean"}),
        Kind::Span => span(),
        Kind::Texts => list(text),
        Kind::Spans => list(span()),
    };
    let mut shape: Map<String, Value> = shape.as_object().cloned().unwrap_or_default();
    shape.insert("description".to_owned(), json!(entry.note));
    shape.insert("default".to_owned(), json!(entry.default));
    Value::Object(shape)
}

/// The words a key accepts: those its note quotes, when the default is one of them.
fn words(entry: &Entry) -> Vec<&str> {
    let quoted: Vec<&str> = entry.note.split('"').skip(1).step_by(2).collect();
    let is_listed = match &entry.default {
        toml::Value::String(word) => quoted.contains(&word.as_str()),
        toml::Value::Array(items) => {
            let mut items = items.iter().filter_map(toml::Value::as_str);
            !quoted.is_empty() && items.all(|word| quoted.contains(&word))
        }
        _ => false,
    };
    if is_listed { quoted } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, DEFAULT_TOML};
    use super::*;

    fn validator() -> jsonschema::Validator {
        jsonschema::draft202012::new(&draw(&Schema::embedded().unwrap())).unwrap()
    }

    fn json_of(text: &str) -> Value {
        json!(toml::from_str::<toml::Table>(text).unwrap())
    }

    /// One key as a file of its own.
    fn file(key: &str, value: &toml::Value) -> String {
        let (table, leaf) = key.rsplit_once('.').unwrap();
        format!("[{table}]\n{leaf} = {value}\n")
    }

    #[test]
    fn the_published_schema_equals_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/config.schema.json");
        let wanted = text(&Schema::embedded().unwrap());
        if std::env::var_os("EXAI_WRITE_DOCS").is_some() {
            std::fs::write(path, &wanted).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == wanted,
            "{path} is out of date; EXAI_WRITE_DOCS=1 writes it"
        );
    }

    #[test]
    fn the_shipped_defaults_are_accepted_and_each_value_of_another_kind_is_not() {
        let (schema, validator) = (Schema::embedded().unwrap(), validator());
        let shipped = json_of(DEFAULT_TOML);
        assert!(
            validator.is_valid(&shipped),
            "{:?}",
            validator.validate(&shipped)
        );
        for (key, entry) in &schema.entries {
            let other = match entry.kind {
                Kind::Switch => toml::Value::Integer(1),
                _ => toml::Value::Boolean(true),
            };
            let planted = file(key, &other);
            assert!(!validator.is_valid(&json_of(&planted)), "{planted}");
            assert!(Config::from_toml(&planted).is_err(), "{planted}");
        }
    }

    #[test]
    fn what_the_schema_refuses_the_server_refuses_too() {
        let validator = validator();
        let planted = [
            "[server]\nlisten_on = \"127.0.0.1:1\"",
            "[sever]\nlisten = \"127.0.0.1:1\"",
            "[thread]\nttl = \"soon\"",
            "[thread]\nttl = \"3 h\"",
            "[limits]\nsessions = -1",
            "[retry]\nwaits = [\"1s\", 2]",
            "[tools]\nprofile = \"huge\"",
            "[tools]\nwebsearch = \"maybe\"",
            "[store]\nkind = \"memory\"",
            "[auth]\nmode = \"off\"",
            "[provider.own]\ndialect = \"gemini\"",
            "[provider.own]\nmodel = [\"a\"]",
            "[provider.Own]\nenabled = true",
        ];
        for text in planted {
            assert!(
                !validator.is_valid(&json_of(text)),
                "the schema takes {text}"
            );
            assert!(Config::from_toml(text).is_err(), "the server takes {text}");
        }
        let good = "[models.aliases]\n\"my.model\" = \"kimi-k2.6\"\n[tools]\nprofile = \"lean\"";
        assert!(validator.is_valid(&json_of(good)));
    }

    #[test]
    fn each_word_of_an_enumeration_is_one_the_server_knows() {
        let schema = Schema::embedded().unwrap();
        let mut seen = 0;
        for (key, entry) in schema
            .entries
            .iter()
            .filter(|(key, _)| !key.starts_with("provider"))
        {
            for word in words(entry) {
                let value = match entry.kind {
                    Kind::Texts => toml::Value::Array(vec![word.into()]),
                    _ => word.into(),
                };
                let text = file(key, &value);
                let said =
                    Config::from_toml(&text).map_or_else(|e| e.to_string(), |_| String::new());
                assert!(!said.contains("unknown variant"), "{text}{said}");
                seen += 1;
            }
        }
        assert!(seen >= 10, "{seen} words of enumerations");
    }
}
