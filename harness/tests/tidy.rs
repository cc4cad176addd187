//! The house rules as a test. Each message reads "file:line: what is wrong, what to do instead".

#![expect(
    clippy::expect_used,
    reason = "a test that cannot look around has failed"
)]

#[path = "tidy/reports.rs"]
mod reports;
#[path = "tidy/skips.rs"]
mod skips;
#[path = "tidy/sleeps.rs"]
mod sleeps;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A file fits in about this many lines.
const FILE_LINES: usize = 400;
/// A function fits in this many lines, signature and closing brace included.
const FUNCTION_LINES: usize = 60;
/// A line fits in this many characters.
const LINE_CHARS: usize = 100;
/// File and module names that say nothing.
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "helpers", "common", "misc", "imp", "types"];
/// The workspace, and the package outside it.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "scenarios/soak/Cargo.toml"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the workspace root")
}

/// Every Rust file git tracks or would track, with its text.
fn sources() -> Vec<(String, String)> {
    let listing = Command::new("git")
        .args(["ls-files", "-co", "--exclude-standard", "*.rs"])
        .current_dir(root())
        .output()
        .expect("git lists the sources");
    let names = String::from_utf8(listing.stdout).expect("paths are UTF-8");
    let read = |name: &str| std::fs::read_to_string(root().join(name)).ok();
    let found: Vec<_> = names
        .lines()
        .filter_map(|name| Some((name.to_owned(), read(name)?)))
        .collect();
    assert!(
        found.len() > 20,
        "the tidy test found only {} sources",
        found.len()
    );
    found
}

fn complain(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn files_functions_and_lines_keep_their_size() {
    let mut complaints = Vec::new();
    for (name, text) in sources() {
        let count = text.lines().count();
        if count > FILE_LINES {
            complaints.push(format!("{name}:{count}: {count} lines, split it by noun"));
        }
        for (index, line) in text.lines().enumerate() {
            if line.chars().count() > LINE_CHARS {
                complaints.push(format!(
                    "{name}:{}: line over {LINE_CHARS}, wrap it",
                    index + 1
                ));
            }
        }
        for (line, length) in long_functions(&text) {
            complaints.push(format!(
                "{name}:{line}: function of {length} lines, split it by verb"
            ));
        }
    }
    complain(&complaints);
}

/// Functions over the limit, found by indentation: rustfmt closes a function at its own column.
fn long_functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if !is_function_head(line.trim_start()) {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(indent));
        let end = lines[index..]
            .iter()
            .position(|candidate| *candidate == closing);
        let length = end.map_or(0, |end| end + 1);
        if length > FUNCTION_LINES {
            found.push((index + 1, length));
        }
    }
    found
}

fn is_function_head(line: &str) -> bool {
    let words = [
        "pub ",
        "pub(crate) ",
        "pub(super) ",
        "const ",
        "async ",
        "unsafe ",
    ];
    let mut rest = line;
    while let Some(word) = words.iter().find(|word| rest.starts_with(**word)) {
        rest = &rest[word.len()..];
    }
    rest.starts_with("fn ") && !line.ends_with(';')
}

#[test]
fn files_are_named_after_what_they_hold() {
    let mut complaints = Vec::new();
    for (name, _) in sources() {
        let path = Path::new(&name);
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        if EMPTY_NAMES.contains(&stem) {
            complaints.push(format!(
                "{name}:1: a name that says nothing, use the noun it holds"
            ));
        }
        if stem == "mod" {
            complaints.push(format!(
                "{name}:1: mod.rs, use a file named after the folder"
            ));
        }
        let parents = path
            .components()
            .filter_map(|part| part.as_os_str().to_str());
        if parents.clone().any(|part| EMPTY_NAMES.contains(&part)) {
            complaints.push(format!(
                "{name}:1: a folder that says nothing, use its noun"
            ));
        }
    }
    complain(&complaints);
}

#[test]
fn the_code_keeps_the_words_it_promised_to_avoid() {
    // Split so that this file does not contain what it looks for.
    let banned = [
        (["TO", "DO"].concat(), "do it, or open an issue"),
        (["FIX", "ME"].concat(), "fix it, or open an issue"),
        (
            ["#[all", "ow("].concat(),
            "use #[expect(lint, reason = \"...\")]",
        ),
        (
            ["#[ign", "ore"].concat(),
            "run it, or print \"not run\" with the package that is missing",
        ),
        (
            ["assert!(", "true"].concat(),
            "assert something that can fail",
        ),
        (["|| ", "true"].concat(), "assert something that can fail"),
        (["macro_", "export"].concat(), "use a function"),
        (
            ["unimplem", "ented!"].concat(),
            "say in the reply what is not built",
        ),
    ];
    let mut complaints = Vec::new();
    for (name, text) in sources() {
        for (index, line) in text.lines().enumerate() {
            for (word, instead) in &banned {
                if line.contains(word.as_str()) {
                    complaints.push(format!("{name}:{}: {word}, {instead}", index + 1));
                }
            }
        }
    }
    complain(&complaints);
}

#[test]
fn tests_wait_for_conditions_and_never_sleep() {
    complain(&sleeps::complaints(&sources()));
}

#[test]
fn what_a_test_skips_the_projects_own_check_may_demand() {
    let check = std::fs::read_to_string(root().join(".ci/run")).expect("the check");
    complain(&skips::complaints(&sources(), &check));
}

#[test]
fn checkers_take_their_numbers_from_the_criteria() {
    let mut complaints = Vec::new();
    for (name, text) in sources() {
        if !name.starts_with("harness/judge/src/checker") {
            continue;
        }
        for (index, line) in before_tests(&text).lines().enumerate() {
            if let Some(number) = stray_number(line) {
                complaints.push(format!(
                    "{name}:{}: the number {number} in a checker, use a row of criteria.toml",
                    index + 1
                ));
            }
        }
    }
    complain(&complaints);
}

fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// The first number other than 0 and 1 outside strings and comments.
fn stray_number(line: &str) -> Option<String> {
    let code = line.split("//").next().unwrap_or_default();
    let outside: String = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let mut previous = ' ';
    let mut rest = outside.chars().peekable();
    while let Some(character) = rest.next() {
        let starts_number =
            character.is_ascii_digit() && !previous.is_alphanumeric() && previous != '_';
        if starts_number && previous != '.' {
            let mut number = String::from(character);
            while let Some(next) = rest.next_if(|next| next.is_ascii_digit() || *next == '_') {
                number.push(next);
            }
            if !["0", "1"].contains(&number.as_str()) {
                return Some(number);
            }
            previous = '0';
        } else {
            previous = character;
        }
    }
    None
}

/// Who may import whom (DESIGN §2.1): a crate and the crates of ours it may use in its library.
fn allowed_imports() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("exai-server", vec![]),
        ("exai-mocks", vec![]),
        ("exai-judge", vec![]),
        ("exai-harness", vec!["exai-judge", "exai-mocks"]),
        (
            "exai-scenarios",
            vec!["exai-harness", "exai-judge", "exai-mocks"],
        ),
        (
            "exai-containers",
            vec!["exai-harness", "exai-judge", "exai-mocks"],
        ),
        (
            "exai-soak",
            vec!["exai-harness", "exai-judge", "exai-mocks"],
        ),
        ("exai-benches", vec!["exai-harness", "exai-server"]),
    ])
}

/// The packages of the workspace, or of the one outside it that a manifest names.
fn metadata(manifest: &str) -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--manifest-path",
            manifest,
        ])
        .current_dir(root())
        .output()
        .expect("cargo describes the workspace");
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

#[test]
fn nothing_that_judges_imports_the_server() {
    let allowed = allowed_imports();
    let workspaces = MANIFESTS.map(metadata);
    let packages = workspaces.iter().flat_map(|one| one["packages"].as_array());
    let packages: Vec<&Value> = packages.flatten().collect();
    let names: BTreeSet<&str> = packages
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    let mut complaints = Vec::new();
    for lost in allowed.keys().filter(|name| !names.contains(*name)) {
        complaints.push(format!("{lost}: a row here without a crate, take it away"));
    }
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let Some(allowed) = allowed.get(name) else {
            complaints.push(format!(
                "{name}: a crate without a row here, add who it may import"
            ));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let used = dependency["name"].as_str().expect("a name");
            if used.starts_with("exai-") && !allowed.contains(&used) {
                complaints.push(format!("{name}: imports {used}, use its sockets and files"));
            }
        }
    }
    complain(&complaints);
}

#[test]
fn the_judge_is_pure() {
    let metadata = metadata(MANIFESTS[0]);
    let packages = metadata["packages"].as_array().expect("packages");
    let judge = packages
        .iter()
        .find(|package| package["name"] == "exai-judge")
        .expect("judge");
    let dependencies = judge["dependencies"].as_array().expect("dependencies");
    let impure = [
        "tokio",
        "hyper",
        "reqwest",
        "rand",
        "getrandom",
        "nix",
        "procfs",
        "tempfile",
    ];
    for dependency in dependencies {
        let used = dependency["name"].as_str().expect("a name");
        assert!(
            !impure.contains(&used),
            "exai-judge: imports {used}, pass the value in"
        );
    }
    for (name, text) in sources() {
        if !name.starts_with("harness/judge/src") {
            continue;
        }
        for word in [
            "std::fs",
            "std::net",
            "std::process",
            "std::env",
            "Instant",
            "SystemTime",
        ] {
            let at = before_tests(&text)
                .lines()
                .position(|line| line.contains(word));
            assert!(
                at.is_none(),
                "{name}:{}: {word}, pass the value in",
                at.unwrap_or(0) + 1
            );
        }
    }
}

#[test]
fn the_tidy_rules_see_what_they_look_for() {
    assert_eq!(stray_number("if seen >= 20 {"), Some("20".to_owned()));
    assert_eq!(stray_number("let first = list[0] + 1; // 42"), None);
    assert_eq!(stray_number("criterion.limit(\"p95_ms\")"), None);
    let body = "    step();\n".repeat(FUNCTION_LINES);
    assert_eq!(
        long_functions(&format!("fn long() {{\n{body}}}\n")).len(),
        1
    );
    assert!(long_functions("fn short() {\n    step();\n}\n").is_empty());
    assert!(is_function_head("pub async fn call(&self) {"));
    assert!(!is_function_head("fn declared(&self);"));
    for line in [
        "    std::thread::sleep(HESITATION);\n",
        "sleep(Duration::from_secs(1))",
    ] {
        assert_eq!(sleeps::sleeps(line, true), [1]);
        let inline = format!("#[cfg(test)]\nmod tests {{\n{line}\n}}\n");
        assert_eq!(sleeps::sleeps(&inline, false), [3]);
    }
}
