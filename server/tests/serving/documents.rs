//! What `exai` prints with `--json`: one document on standard output and nothing else, which names
//! its schema and is of it.

use std::collections::BTreeSet;
use std::process::Output;

use serde_json::{Value, json};

use super::process::exai;

const SCHEMAS: &str = include_str!("../../schema/commands.schema.json");

/// The name of the schema that a command's output is of.
fn schema_of(words: &[&str], output: &Output) -> String {
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{words:?}: {error}: {output:?}"));
    let (first, name) = told.as_object().and_then(|all| all.iter().next()).unwrap();
    assert_eq!(first, "schema", "{words:?}: {told}");
    let name = name.as_str().unwrap().to_owned();
    let mut all: Value = serde_json::from_str(SCHEMAS).unwrap();
    assert!(all["$defs"].get(&name).is_some(), "{words:?}: {name}");
    all["$ref"] = json!(format!("#/$defs/{}", name.replace('/', "~1")));
    let validator = jsonschema::validator_for(&all).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&told)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{words:?}: {errors:?}");
    // A schema that takes anything holds nothing.
    let mut wrong = told.clone();
    let fields = wrong.as_object_mut().unwrap();
    let last = fields.keys().next_back().unwrap().clone();
    fields.shift_remove(&last);
    let is_optional = name == "exai-call/1";
    assert!(
        is_optional || !validator.is_valid(&wrong),
        "{words:?}: without {last}"
    );
    name
}

#[test]
fn every_document_names_its_schema_and_is_of_it() {
    let state = tempfile::tempdir().unwrap();
    let dir = format!("server.state_dir={}", state.path().display());
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("all").display().to_string();
    let audit = out.path().join("audit.jsonl").display().to_string();
    std::fs::write(&audit, "").unwrap();
    let here = ["--set", &dir];
    let demo = ["--demo", "--set", &dir];
    let whose = ["--principal", "anonymous"];
    let into = ["--out", &folder];
    let doctor = ["doctor", "--json", "--set", "server.listen=127.0.0.1:0"];
    let commands: Vec<(Vec<&str>, i32)> = vec![
        (vec!["version", "--json"], 0),
        (vec!["audit", "verify", &audit, "--json"], 0),
        // No provider has a key here.
        ([&doctor[..], &here].concat(), 64),
        ([&["tools", "--json"][..], &demo].concat(), 0),
        (
            [&["call", "chat", "prompt=a", "--json"][..], &demo].concat(),
            0,
        ),
        ([&["call", "version", "--json"][..], &demo].concat(), 0),
        ([&["threads", "--json"][..], &demo].concat(), 0),
        ([&["models", "--live", "--json"][..], &demo].concat(), 0),
        ([&["usage", "--json"][..], &here].concat(), 0),
        ([&["config", "show", "--json"][..], &here].concat(), 0),
        ([&["data", "export"][..], &whose, &into, &here].concat(), 0),
        ([&["data", "purge"][..], &whose, &here].concat(), 0),
    ];
    let mut seen = BTreeSet::new();
    for (words, code) in &commands {
        let output = exai(&[]).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(*code), "{words:?}: {output:?}");
        seen.insert(schema_of(words, &output));
    }
    let published: Value = serde_json::from_str(SCHEMAS).unwrap();
    let published: BTreeSet<String> = published["$defs"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(seen, published, "a schema that nothing was held against");
}
