//! What `exai` prints with `--json`: one document on standard output and nothing else, which names
//! its schema, is of it, and has lost no field since the golden file was written. And how words are
//! coloured.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::golden;
use super::process::exai;

const SCHEMAS: &str = include_str!("../../schema/commands.schema.json");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/serving/golden.txt");

const ESCAPE: u8 = 0x1b;

/// The document that a command printed, which is of the schema that it names.
fn document(words: &[&str], output: &Output) -> Value {
    let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, 1, "{words:?}: {output:?}");
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
    told
}

#[test]
fn every_document_names_its_schema_is_of_it_and_has_lost_no_field() {
    let state = tempfile::tempdir().unwrap();
    let dir = format!("server.state_dir={}", state.path().display());
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("all").display().to_string();
    let audit = out.path().join("audit.jsonl").display().to_string();
    std::fs::write(&audit, "").unwrap();
    let [before, after] = ["before.toml", "after.toml"].map(|name| out.path().join(name));
    std::fs::write(&before, "").unwrap();
    std::fs::write(&after, "[thread]\nttl = \"1h\"\n").unwrap();
    let [before, after] = [before, after].map(|path| path.display().to_string());
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
        ([&["migrate", "--json"][..], &here].concat(), 0),
        ([&["config", "show", "--json"][..], &here].concat(), 0),
        (vec!["config", "diff", &before, &after, "--json"], 1),
        ([&["data", "export"][..], &whose, &into, &here].concat(), 0),
        ([&["data", "purge"][..], &whose, &here].concat(), 0),
    ];
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap();
    let mut seen = BTreeSet::new();
    let mut found = golden::promised(&schemas);
    for (words, code) in &commands {
        // Where words would be coloured, a document is not, and neither is what stands beside it.
        let output = exai(&[("CLICOLOR_FORCE", "1")]).args(words).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(*code), "{words:?}: {output:?}");
        assert!(!output.stderr.contains(&ESCAPE), "{words:?}: {output:?}");
        let told = document(words, &output);
        seen.insert(told["schema"].as_str().unwrap().to_owned());
        found.extend(golden::printed(&told, &schemas));
    }
    let published = schemas["$defs"].as_object().unwrap().keys().cloned();
    let published: BTreeSet<String> = published.collect();
    assert_eq!(seen, published, "a schema that nothing was held against");
    golden::hold(Path::new(GOLDEN), &found);
}

#[test]
fn words_are_coloured_where_it_is_asked_for_and_nowhere_else() {
    let has_escape = |words: &[&str], env: &[(&str, &str)]| {
        let output = exai(env).args(words).output().unwrap();
        let bytes = [output.stdout, output.stderr].concat();
        assert!(!bytes.is_empty(), "{words:?}");
        bytes.contains(&ESCAPE)
    };
    let forced = ("CLICOLOR_FORCE", "1");
    for words in [&["--help"][..], &["tools", "--banana"]] {
        assert!(!has_escape(words, &[]), "{words:?}: a pipe is no terminal");
        assert!(has_escape(words, &[forced]), "{words:?}");
        let plain = [forced, ("NO_COLOR", "1")];
        assert!(!has_escape(words, &plain), "{words:?}");
    }
}

/// Runs a command on a terminal of its own.
const ON_A_TERMINAL: &str = "import pty, sys\npty.spawn(sys.argv[1:])";

#[test]
fn a_terminal_without_colours_gets_none() {
    let shown = |terminal: &str| {
        let exai = exai(&[]).get_program().to_owned();
        let python = Command::new("python3")
            .args(["-c", ON_A_TERMINAL])
            .arg(exai)
            .arg("--help")
            .env("TERM", terminal)
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            // A build server's logs show colours whatever their terminal is.
            .env_remove("CI")
            .stdin(Stdio::null())
            .output();
        python.ok().map(|output| output.stdout)
    };
    let Some(coloured) = shown("xterm") else {
        eprintln!("not run: a terminal for exai (package python3)");
        let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|name| name == "python");
        assert!(!is_required, "python3 is required");
        return;
    };
    let plain = shown("dumb").unwrap();
    for (shown, in_colours) in [(coloured, true), (plain, false)] {
        let text = String::from_utf8_lossy(&shown);
        assert_eq!(shown.contains(&ESCAPE), in_colours, "{text}");
        assert!(text.contains("Usage"), "{text}");
    }
}
