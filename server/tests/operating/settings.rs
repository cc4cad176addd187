//! Wrong settings, told from outside: every key at once, each by its name.

use std::fmt::Write as _;

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
