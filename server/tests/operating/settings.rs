//! Settings, told from outside: wrong ones all at once, each by its name; each one's origin; the
//! published schema.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::place::text_of;
use super::process::exai;

/// Every key of a table with its value, under its dotted name.
fn leaves(prefix: &str, table: &toml::Table, into: &mut Vec<(String, toml::Value)>) {
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => leaves(&format!("{prefix}{name}."), inner, into),
            leaf => into.push((format!("{prefix}{name}"), leaf.clone())),
        }
    }
}

#[test]
fn a_file_in_which_every_key_is_wrong_is_refused_with_the_name_of_each() {
    let mut keys = Vec::new();
    let shipped: toml::Table = toml::from_str(&text_of("server/default.toml")).unwrap();
    leaves("", &shipped, &mut keys);
    assert!(keys.len() > 100, "{} keys", keys.len());
    let mut file = String::new();
    for (key, value) in &keys {
        let wrong = if value.is_bool() { "1" } else { "true" };
        writeln!(file, "{key} = {wrong}").unwrap();
    }
    writeln!(file, "server.lisen = \"127.0.0.1:1\"").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.toml");
    std::fs::write(&path, file).unwrap();
    let output = exai(&[])
        .args(["check", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    for (key, _) in &keys {
        assert!(said.contains(key.as_str()), "{key} is not named:\n{said}");
    }
    assert!(
        said.contains("server.lisen") && said.contains("server.listen"),
        "{said}"
    );
}

/// What `exai check` says of a file.
fn checked(text: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("exai.toml");
    std::fs::write(&path, text).unwrap();
    let mut command = exai(&[]);
    let output = command.args(["check", "--config"]).arg(&path).output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

fn json_of(text: &str) -> Value {
    json!(toml::from_str::<toml::Table>(text).unwrap())
}

#[test]
fn the_published_schema_takes_what_is_shipped_and_refuses_each_planted_fault_as_the_server_does() {
    let printed = exai(&[]).args(["check", "--schema"]).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let is_published = printed == text_of("docs/config.schema.json");
    assert!(is_published, "the published one is another");
    let schema = serde_json::from_str(&printed).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let shipped = text_of("server/default.toml");
    assert!(schema.is_valid(&json_of(&shipped)));
    assert_eq!(checked(&shipped), (Some(0), String::new()));
    let own = "[provider.mine]\ndialect = \"openai\"\nbase_url = \"https://llm.example/v1\"\n\
               models = [\"house-7b\"]\n[models.aliases]\nhouse = \"mine/house-7b\"\n";
    assert!(schema.is_valid(&json_of(own)));
    assert_eq!(checked(own), (Some(0), String::new()));
    let planted = [
        "[server]\nlisen = \"127.0.0.1:1\"",
        "[servers]\nlisten = \"127.0.0.1:1\"",
        "[thread]\nttl = \"three hours\"",
        "[thread]\nttl = 10800",
        "[limits]\nin_flight = \"many\"",
        "[limits]\nsessions = -1",
        "[tools]\nprofile = \"everything\"",
        "[store]\nkind = \"memory\"",
        "[auth]\nmode = \"open\"",
        "[files]\nroots = \"/srv\"",
        "[provider.mine]\ndialect = \"other\"",
        "[provider.mine]\nbase = \"https://example.com\"",
        "[models.aliases]\nhouse = 7",
    ];
    for text in planted {
        assert!(!schema.is_valid(&json_of(text)), "the schema takes {text}");
        let (code, said) = checked(text);
        assert_eq!(code, Some(64), "the server takes {text}: {said}");
    }
}

/// `exai config show` of a file, two variables and two flags.
fn shown(path: &std::path::Path, words: &[&str]) -> String {
    let env = [
        ("EXAI_LIMITS__SESSIONS", "8"),
        ("EXAI_LIMITS__IN_FLIGHT", "9"),
    ];
    let mut command = exai(&env);
    command.args(["config", "show", "--config"]).arg(path);
    command.args(["--set", "limits.in_flight=40"]);
    command.args(["--set", "tools.profile=lean"]);
    let output = command.args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_layer_of_every_value_is_told_and_a_password_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("exai.toml");
    let text = "[thread]\nttl = \"1h\"\n[limits]\nsessions = 7\n[store]\n\
                kind = \"redis\"\nurl = \"redis://exai:tansy-0123456789@127.0.0.1:6379\"\n";
    std::fs::write(&path, text).unwrap();
    let show = |words: &[&str]| shown(&path, words);
    let told: Value = serde_json::from_str(&show(&["--json"])).unwrap();
    let rows = told["settings"].as_array().unwrap();
    let file = format!("file {}", path.display());
    let set = [
        ("thread.ttl", "\"1h\"", file.as_str()),
        ("limits.sessions", "8", "environment EXAI_LIMITS__SESSIONS"),
        ("limits.in_flight", "40", "flag --set limits.in_flight"),
        ("tools.profile", "\"lean\"", "flag --set tools.profile"),
        ("store.kind", "\"redis\"", &file),
    ];
    let row = |key: &str| rows.iter().find(|row| row["key"] == key).unwrap();
    for (key, value, origin) in set {
        assert_eq!(
            row(key),
            &json!({"key": key, "value": value, "origin": origin})
        );
    }
    assert_eq!(row("store.url")["origin"], file.as_str());
    let mut keys = Vec::new();
    leaves(
        "",
        &toml::from_str(&text_of("server/default.toml")).unwrap(),
        &mut keys,
    );
    for (key, _) in &keys {
        let origin = &row(key)["origin"];
        let is_set = set.iter().any(|(name, ..)| name == key) || key == "store.url";
        assert!(is_set || origin == "default", "{key}: {origin}");
    }
    let lines = show(&["--origin"]);
    assert_eq!(lines.lines().count(), rows.len());
    assert!(
        lines.contains(&format!("\nthread.ttl = \"1h\"  # {file}\n")),
        "{lines}"
    );
    let plain = show(&[]);
    assert!(plain.contains("\nthread.ttl = \"1h\"\n"), "{plain}");
    for text in [told.to_string(), lines, plain] {
        assert!(!text.contains("tansy-0123456789"), "{text}");
    }
}

#[test]
fn two_files_are_held_against_each_other_with_what_needs_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let diff = |before, after| {
        let mut command = exai(&[]);
        let output = command.args(["config", "diff"]).args([before, after]);
        let output = output.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let old = write("old.toml", "[thread]\nexchanges = 3\n");
    let new = write(
        "new.toml",
        "[thread]\nexchanges = 4\n[limits.rate]\nglobal = 7\n[store]\n\
         url = \"redis://:a-hidden-word@127.0.0.1:6379\"\n",
    );
    let (code, told, said) = diff(&old, &new);
    assert_eq!((code, said.as_str()), (1, ""), "{told}");
    let rows: Vec<&str> = told.lines().collect();
    let rate = "limits.rate.global: 1000 -> 7  # a reload puts it in force";
    let thread = "thread.exchanges: 3 -> 4  # needs a restart";
    assert_eq!((rows[0], rows[2]), (rate, thread), "{told}");
    assert!(rows[1].starts_with("store.url: "), "{told}");
    assert!(!told.contains("a-hidden-word"), "{told}");
    // A default that is written down is no difference.
    let plain = write("plain.toml", "[limits.rate]\nglobal = 1000\n");
    let empty = write("empty.toml", "");
    assert_eq!(diff(&plain, &empty), (0, String::new(), String::new()));
    let wrong = write("wrong.toml", "[thread]\ntll = \"1h\"\n");
    let (code, _, said) = diff(&empty, &wrong);
    assert!(code == 64 && said.contains("thread.ttl"), "{code}: {said}");
}

#[test]
fn a_secret_may_stand_in_a_file_that_a_variable_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let named = path.display().to_string();
    let token = |env: &[(&str, &str)]| {
        let mut command = exai(env);
        command.args(["token", "--sub", "me", "--role", "user"]);
        for setting in ["auth.jwt.issuer=https://one", "auth.jwt.audience=one"] {
            command.args(["--set", setting]);
        }
        command.output().unwrap()
    };
    let from_file = [("EXAI_JWT_SECRET_FILE", named.as_str())];
    let none = token(&from_file);
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!(none.status.code(), Some(64), "{said}");
    assert!(
        said.contains("EXAI_JWT_SECRET_FILE") && said.contains(&named),
        "{said}"
    );
    std::fs::write(&path, "9f2c81d4e6b7a0355c1e8f7d2b4a6903\n").unwrap();
    let made = token(&from_file);
    assert!(made.status.success(), "{made:?}");
    assert_eq!(made.stdout.iter().filter(|byte| **byte == b'.').count(), 2);
}
