//! What the golden files of printed documents hold on to, and what they let go.

#![expect(clippy::expect_used, reason = "a test without its ground has failed")]

#[path = "json/golden.rs"]
mod golden;

use golden::{Lines, lost, printed, promised};
use serde_json::{Value, json};

/// A file of schemas with one document.
fn schemas() -> Value {
    json!({"$defs": {
        "word": {"enum": ["good", "bad"]},
        "exai-x/1": {
            "type": "object",
            "required": ["schema", "rows", "state"],
            "properties": {
                "schema": {"const": "exai-x/1"},
                "state": {"$ref": "#/$defs/word"},
                "note": {"type": "string"},
                "sums": {"type": "object", "additionalProperties": {"type": "integer"}},
                "rows": {"type": "array", "items": {
                    "type": "object",
                    "required": ["name", "size"],
                    "properties": {
                        "name": {"type": "string"},
                        "size": {"type": ["integer", "null"]},
                    },
                }},
                "by": {"oneOf": [
                    {"type": "object", "required": ["state"],
                        "properties": {"state": {"const": "nobody"}}},
                    {"type": "object", "required": ["state", "key"], "properties": {
                        "state": {"const": "somebody"}, "key": {"type": "string"},
                    }},
                ]},
            },
        },
    }})
}

const ROOT: &str = "/$defs/exai-x~11";
const ROW: &str = "/$defs/exai-x~11/properties/rows/items";
const SOMEBODY: &str = "/$defs/exai-x~11/properties/by/oneOf/1";

fn text(lines: &Lines) -> String {
    lines.iter().cloned().collect::<Vec<_>>().join("\n")
}

/// What is lost when the object at a place of the schemas is changed.
fn after(at: &str, change: impl Fn(&mut Value)) -> Vec<String> {
    let golden = text(&promised(&schemas()));
    let mut schemas = schemas();
    change(schemas.pointer_mut(at).expect("a place"));
    lost(&golden, &promised(&schemas))
}

fn take(from: &mut Value, name: &str) -> Value {
    let fields = from.as_object_mut().expect("an object");
    fields.shift_remove(name).expect("a field")
}

/// A change to a part of the schemas.
type Change = fn(&mut Value);

/// What it is, where, what changes, and the line that is lost with it.
type Taking = (&'static str, &'static str, Change, &'static str);

const OF_A_ROW: [Taking; 5] = [
    (
        "removed",
        ROW,
        |row| drop(take(&mut row["properties"], "name")),
        "exai-x/1.rows[].name promises text",
    ),
    (
        "renamed",
        ROW,
        |row| {
            let size = take(&mut row["properties"], "size");
            row["properties"]["bytes"] = size;
        },
        "exai-x/1.rows[].size promises integer or null",
    ),
    (
        "of another kind",
        ROW,
        |row| row["properties"]["name"] = json!({"type": "integer"}),
        "exai-x/1.rows[].name promises text",
    ),
    (
        "of one kind more",
        ROW,
        |row| {
            row["properties"]["name"] = json!({"type": ["string", "null"]});
        },
        "exai-x/1.rows[].name promises text",
    ),
    (
        "optional",
        ROW,
        |row| row["required"] = json!(["size"]),
        "exai-x/1.rows[].name promises always",
    ),
];

const ELSEWHERE: [Taking; 4] = [
    (
        "one value less",
        "/$defs/word",
        |word| *word = json!({"enum": ["good"]}),
        "exai-x/1.state promises \"bad\"",
    ),
    (
        "optional in one alternative",
        SOMEBODY,
        |one| one["required"] = json!(["state"]),
        "exai-x/1.by(somebody).key promises always",
    ),
    (
        "a map's values",
        ROOT,
        |root| {
            root["properties"]["sums"]["additionalProperties"] = json!({"type": "string"});
        },
        "exai-x/1.sums.* promises integer",
    ),
    (
        "a list's items",
        ROOT,
        |root| {
            root["properties"]["rows"]["items"] = json!({"type": "string"});
        },
        "exai-x/1.rows[] promises object",
    ),
];

#[test]
fn a_promise_taken_back_is_lost() {
    for (what, at, change, line) in OF_A_ROW.into_iter().chain(ELSEWHERE) {
        let lost = after(at, change);
        assert!(lost.iter().any(|one| one == line), "{what}: {lost:?}");
    }
    let gone = after("/$defs", |all| drop(take(all, "exai-x/1")));
    assert!(gone.len() > 20, "a whole document: {gone:?}");
}

#[test]
fn a_promise_more_takes_nothing_away() {
    let cases: [(&str, &str, Change); 5] = [
        ("a field", ROW, |row| {
            row["properties"]["new"] = json!({"type": "string"})
        }),
        ("a field that is always there", ROW, |row| {
            row["properties"]["new"] = json!({"type": "string"});
            row["required"] = json!(["name", "size", "new"]);
        }),
        ("always there now", ROOT, |root| {
            root["required"] = json!(["schema", "rows", "state", "note"]);
        }),
        ("a value", "/$defs/word", |word| {
            *word = json!({"enum": ["good", "fair", "bad"]})
        }),
        ("a document", "/$defs", |all| {
            all["exai-y/1"] = json!({"type": "object"})
        }),
    ];
    for (what, at, change) in cases {
        assert_eq!(after(at, change), [""; 0], "{what}");
    }
}

fn document() -> Value {
    json!({
        "schema": "exai-x/1", "state": "good", "note": "a", "sums": {"one": 1},
        "rows": [{"name": "a", "size": 1}], "by": {"state": "somebody", "key": "k"},
    })
}

#[test]
fn a_field_that_is_not_printed_any_more_is_lost_even_when_it_may_be_absent() {
    let golden = text(&printed(&document(), &schemas()));
    let found = |change: fn(&mut Value)| {
        let mut document = document();
        change(&mut document);
        lost(&golden, &printed(&document, &schemas()))
    };
    assert_eq!(found(|_| ()), [""; 0]);
    assert_eq!(found(|one| drop(take(one, "note"))), ["exai-x/1.note text"]);
    let gone = found(|one| one["rows"][0]["size"] = json!("one"));
    assert_eq!(gone, ["exai-x/1.rows[].size number"]);
    assert_eq!(
        found(|one| drop(take(&mut one["by"], "key"))),
        ["exai-x/1.by.key text"]
    );
    // What cannot be told here is not lost, and names that are data are nobody's promise.
    assert_eq!(found(|one| one["rows"][0]["size"] = Value::Null), [""; 0]);
    assert_eq!(found(|one| one["sums"] = json!({"two": 2})), [""; 0]);
    assert_eq!(found(|one| one["new"] = json!(1)), [""; 0]);
}

#[test]
#[should_panic(expected = "a schema that is published")]
fn a_document_of_no_published_schema_has_no_lines() {
    printed(&json!({"schema": "exai-y/1"}), &schemas());
}

#[test]
fn a_redraw_adds_and_a_lost_line_fails_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("golden.txt");
    let all = promised(&schemas());
    std::fs::write(&file, text(&all)).expect("a file");
    golden::hold(&file, &all);
    std::fs::write(&file, text(&all) + "\nexai-x/1.gone promises text\n").expect("a file");
    assert!(std::panic::catch_unwind(|| golden::hold(&file, &all)).is_err());
}
