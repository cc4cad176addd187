//! `--json` from outside: one document on standard output and nothing else, which names its schema,
//! is of it, and has lost no field since the golden file was written. And how words are coloured.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test without its ground has failed"
)]

#[path = "evidence/desk.rs"]
mod desk;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use desk::Desk;
use serde_json::{Value, json};

const COMMANDS: &str = include_str!("../schema/commands.schema.json");
const REPORT: &str = include_str!("../../harness/schema/report.schema.json");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/json/golden.txt");

fn verify(folder: &Path, words: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(words)
        // Whoever runs the tests may have said it for everything.
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("TERM")
        .envs(env.iter().copied())
        .current_dir(folder)
        .output()
        .expect("verify starts")
}

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The little server of `verify target`'s own tests, honest.
const PLANTED: &str = env!("CARGO_BIN_EXE_planted");

/// An environment in which words are coloured.
const FORCED: [(&str, &str); 1] = [("CLICOLOR_FORCE", "1")];

/// A folder with one judged run of the little server, and what that run printed.
fn judged(words: &[&str]) -> (tempfile::TempDir, Output) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = PLANTED;
    let text = format!(
        "[server]\nstdio = [{server:?}]\n[load]\nrate = 60\nseconds = 2\n\
         [[tool]]\nname = \"repeat\"\ncall = true\narguments = {{ word = \"a\" }}\n"
    );
    std::fs::write(folder.path().join("target.toml"), text).expect("a file");
    let run = verify(folder.path(), words, &[("TERM", "dumb")]);
    (folder, run)
}

/// Every path of a document with the kind of what stands there; items of a list share a path, and
/// so do members whose names are data.
fn paths(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let is_data = [
                    "budgets", "verdicts", "figures", "series", "profiles", "floors", "limits",
                ]
                .iter()
                .any(|map| at.ends_with(map));
                let name = if is_data { "*" } else { name };
                paths(inner, &format!("{at}.{name}"), found);
            }
        }
        Value::Array(items) => {
            found.insert(format!("{at} list"));
            items
                .iter()
                .for_each(|item| paths(item, &format!("{at}[]"), found));
        }
        Value::Null => {}
        Value::Bool(_) => drop(found.insert(format!("{at} boolean"))),
        Value::Number(_) => drop(found.insert(format!("{at} number"))),
        Value::String(_) => drop(found.insert(format!("{at} text"))),
    }
}

/// The document a command printed, alone on standard output, held against the schema that it names.
fn document(words: &[&str], output: &Output) -> Value {
    let value: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", says(output)));
    let name = value["schema"].as_str().expect("a schema").to_owned();
    let schema: Value = if name == "exai-verify-report/1" {
        serde_json::from_str(REPORT).expect("JSON")
    } else {
        let mut all: Value = serde_json::from_str(COMMANDS).expect("JSON");
        assert!(
            all["$defs"].get(&name).is_some(),
            "{words:?}: {name} is not published"
        );
        all["$ref"] = json!(format!("#/$defs/{}", name.replace('/', "~1")));
        all
    };
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{words:?}: {errors:?}");
    value
}

/// The commands that write files, about a record of the little server.
fn writing<'a>(folder: &Path, record: &'a str) -> Vec<Vec<&'a str>> {
    let name = Path::new(record).file_name().expect("a name");
    let signed = folder.join("reports/target/signed").join(name);
    std::fs::create_dir_all(&signed).expect("a folder");
    std::fs::write(signed.join("statement.json"), "{}").expect("a file");
    let reports = ["--reports", "reports/target", "--json"];
    let (packed, ledger) = ("run.verify.tar.gz", "reports/target/ledger");
    let init = ["target", "init", "--json", "--out", "made.toml", "--stdio"];
    vec![
        vec!["explain", "V.4", "--json"],
        vec!["pack", record, "--out", packed, "--json"],
        vec!["open", packed, "--into", "opened", "--json"],
        vec!["attest", "keygen", "key.pem", "--json"],
        [&["ledger", "publish", record], &reports[..]].concat(),
        [&["ledger", "checkpoint", "kept.json"], &reports[..]].concat(),
        [&["ledger", "merge", ledger], &reports[..]].concat(),
        [&init[..], &[PLANTED]].concat(),
    ]
}

/// What the commands about signed evidence print, on a run in which nothing was observed.
fn signing(take: &mut impl FnMut(&[&str], &Output)) {
    let desk = Desk::new();
    let run = desk.record();
    let (key, public) = desk.keys();
    let name = Path::new(&run).file_name().expect("a name");
    let signed = format!("reports/signed/{}", name.display());
    let envelope = desk.path(&format!("{signed}/merge-ready.test-result.json"));
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48);
    let until = until.to_string();
    let about = ["--claim", "merge-ready", "--run", &run, "--json"];
    let by = ["--by", "ann", "--reason", "a reason", "--until", &until];
    let signer = ["--signing-key", key.as_str()];
    let commands = [
        [&["attest", "sign", &run, "--json"], &signer[..]].concat(),
        [
            &["attest", "check", &envelope, "--key", &public],
            &about[..],
        ]
        .concat(),
        [&["decide", "go"], &about[..], &by[..], &signer[..]].concat(),
    ];
    for words in commands {
        take(&words, &desk.verify(&words));
    }
    let table = desk.path("table.json");
    std::fs::write(&table, Desk::table().to_string()).expect("a file");
    let words = [&["attest", "selftest", &table, "--json"], &signer[..]].concat();
    take(&words, &desk.verify(&words));
    let statement = desk.path("a.provenance.json");
    std::fs::write(desk.path("a.tar.gz"), "an archive").expect("a file");
    std::fs::write(&statement, provenance().to_string()).expect("a file");
    let envelope = desk.path("a.intoto.json");
    // The desk adds where its reports are, which a provenance does not ask.
    let made = [
        "attest",
        "provenance",
        &statement,
        "--json",
        "--signing-key",
        &key,
    ];
    take(&made, &verify(Path::new("."), &made, &[]));
    let checked = ["attest", "check", &envelope, "--key", &public, "--json"];
    take(&checked, &verify(Path::new("."), &checked, &[]));
}

/// Where one archive comes from, as far as a check asks.
fn provenance() -> Value {
    let digest = exai_judge::hex::sha256(b"an archive");
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "a.tar.gz", "digest": {"sha256": digest}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {"externalParameters": {"commit": "0123", "changed_since": false}},
            "runDetails": {
                "builder": {"id": "https://builder.test/1"},
                "metadata": {"finishedOn": "2026-11-22T04:00:00Z"},
            },
        },
    })
}

#[test]
fn each_document_names_its_schema_is_of_it_and_has_lost_no_field() {
    let (world, run) = judged(&["target", "run", "--json", "--quiet"]);
    let folder = world.path();
    std::fs::write(folder.join("said.md"), "This is production ready.\n").expect("a file");
    let runs = std::fs::read_dir(folder.join("reports/target/runs")).expect("runs");
    let record = runs.flatten().next().expect("a record").path();
    let record = record.to_str().expect("a path");
    let reports = ["--reports", "reports/target", "--json"];
    let server = PLANTED;
    let commands: Vec<Vec<&str>> = vec![
        vec!["list", "--json"],
        vec!["doctor", "--json"],
        vec!["clients", "--json", "--", server],
        vec!["judge", record, "--json"],
        [&["ledger", "show"], &reports[..]].concat(),
        [&["ledger", "trend"], &reports[..]].concat(),
        [&["claims", "lint", "said.md"], &reports[..]].concat(),
        [
            &["gate", "--claim", "merge-ready", "--server", server],
            &reports[..],
        ]
        .concat(),
    ];
    let mut found = BTreeSet::new();
    let mut take = |words: &[&str], output: &Output| {
        let value = document(words, output);
        let name = value["schema"].as_str().unwrap_or_default().to_owned();
        paths(&value, &name, &mut found);
    };
    take(&["target", "run"], &run);
    for words in commands.into_iter().chain(writing(folder, record)) {
        let words = [&["--quiet"], &words[..]].concat();
        let output = verify(folder, &words, &FORCED);
        assert!(output.stderr.is_empty(), "{words:?}: {}", says(&output));
        take(&words, &output);
    }
    signing(&mut take);
    let found: Vec<String> = found.into_iter().collect();
    if std::env::var_os("EXAI_WRITE_DOCS").is_some() {
        let text = found.join("\n") + "\n";
        std::fs::create_dir_all(Path::new(GOLDEN).parent().expect("a folder")).expect("a folder");
        std::fs::write(GOLDEN, text).expect("a file");
    }
    let golden = std::fs::read_to_string(GOLDEN).expect("the golden file");
    let lost: Vec<&str> = golden
        .lines()
        .filter(|line| !found.iter().any(|one| one == line))
        .collect();
    assert!(
        lost.is_empty(),
        "a field was taken away or is of another kind: {lost:?}"
    );
}

#[test]
fn a_document_that_lost_a_field_is_not_of_its_schema() {
    let output = verify(Path::new("."), &["list", "--json"], &[]);
    let whole = document(&["list"], &output);
    let mut all: Value = serde_json::from_str(COMMANDS).expect("JSON");
    all["$ref"] = json!("#/$defs/exai-verify-list~11");
    let validator = jsonschema::validator_for(&all).expect("a schema");
    let mut less = whole.clone();
    less["criteria"][0]
        .as_object_mut()
        .expect("a row")
        .remove("id");
    let mut more = whole;
    more["criteria"][0]["note"] = json!("new");
    assert!(!validator.is_valid(&less) && validator.is_valid(&more));
}

#[test]
fn words_are_coloured_where_it_is_asked_for_and_nowhere_else() {
    let (world, _) = judged(&["target", "run"]);
    let runs = std::fs::read_dir(world.path().join("reports/target/runs")).expect("runs");
    let record = runs.flatten().next().expect("a record").path();
    let record = record.to_str().expect("a path");
    let escape = |env: &[(&str, &str)]| {
        let output = verify(world.path(), &["report", record], env);
        assert!(output.status.success(), "{}", says(&output));
        output.stdout.contains(&0x1b)
    };
    assert!(!escape(&[]), "a pipe is no terminal");
    assert!(escape(&[("CLICOLOR_FORCE", "1")]));
    assert!(!escape(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
fn progress_is_plain_lines_on_standard_error_and_none_when_quiet() {
    let (_loud, loud) = judged(&["target", "run"]);
    assert!(says(&loud).contains("s  wire"), "{}", says(&loud));
    assert!(!loud.stderr.contains(&0x1b) && !loud.stderr.contains(&b'\r'));
    let (_quiet, quiet) = judged(&["target", "run", "--quiet"]);
    assert!(quiet.stderr.is_empty(), "{}", says(&quiet));
    assert!(!quiet.stdout.is_empty());
}
