//! What can be held of a command without running it: that the real command line takes its words,
//! and that the recipes, packages, tests and files it names are there.

use std::collections::BTreeMap;

use clap::Parser as _;
use clap::error::ErrorKind;
use exai_scenarios::cli::arguments::Arguments;

use super::page::{at, text_of};
use super::served::built;

/// Options of cargo on the pages that name nothing of ours.
const CARGO: [&str; 6] = [
    "--workspace",
    "--release",
    "--lib",
    "--quick",
    "--no-run",
    "--list",
];

/// What is wrong with a command as it stands, if anything is. Prose `may_stop_short`: it can name a
/// command without what it needs.
pub fn hold(text: &str, may_stop_short: bool) -> Result<(), String> {
    let words = words(text);
    let first = words.iter().position(|word| !is_assignment(word));
    let words: Vec<&str> = words[first.unwrap_or(0)..]
        .iter()
        .map(String::as_str)
        .collect();
    match words.as_slice() {
        ["cargo", "verify", rest @ ..] | ["verify" | "./verify", rest @ ..] => {
            verify(rest, may_stop_short)
        }
        ["cargo", verb @ ("bench" | "build" | "test"), rest @ ..] => cargo(verb, rest),
        ["cargo", "mutants", rest @ ..] => cargo("test", rest),
        ["just", recipe, rest @ ..] => hold(&expanded(recipe, rest)?, may_stop_short),
        ["exai", rest @ ..] => exai(rest),
        ["docker" | "helm" | "kubectl" | "npm", rest @ ..] => {
            rest.iter().try_for_each(|w| there(w))
        }
        [script, rest @ ..] if script.starts_with("deploy/") => is_script(script, rest),
        _ => Err("no rule says how to try it".to_owned()),
    }
}

pub fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty()
        && name
            .chars()
            .all(|one| one.is_ascii_uppercase() || one == '_')
}

/// The words of a command as a shell takes it apart, up to its comment.
fn words(text: &str) -> Vec<String> {
    let (mut all, mut word, mut quote): (Vec<String>, Option<String>, _) = (Vec::new(), None, None);
    for one in text.chars() {
        match (quote, one) {
            (Some(open), _) if one == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(one);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, _) if one.is_whitespace() => all.extend(word.take()),
            _ => word.get_or_insert_default().push(one),
        }
    }
    all.extend(word);
    all
}

fn verify(words: &[&str], may_stop_short: bool) -> Result<(), String> {
    let stops_short = [
        ErrorKind::MissingRequiredArgument,
        ErrorKind::MissingSubcommand,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    match Arguments::try_parse_from([&["verify"], words].concat()) {
        Err(error) if !(may_stop_short && stops_short.contains(&error.kind())) => {
            Err(error.to_string())
        }
        _ => Ok(()),
    }
}

/// With `--help` the real command line reads every word before it.
fn exai(words: &[&str]) -> Result<(), String> {
    let output = std::process::Command::new(built("exai"))
        .args(words)
        .arg("--help")
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(())
    } else {
        Err(said)
    }
}

/// The packages of the workspace and where they are.
fn packages() -> BTreeMap<String, String> {
    let read = |path: &str| -> toml::Table { text_of(path).parse().expect("TOML") };
    let members = read("Cargo.toml")["workspace"]["members"].clone();
    let members: Vec<String> = members.try_into().expect("names");
    let named = members.into_iter().map(|member| {
        let package = read(&format!("{member}/Cargo.toml"));
        let name = package["package"]["name"]
            .as_str()
            .expect("a name")
            .to_owned();
        (name, member)
    });
    named.collect()
}

fn cargo(verb: &str, words: &[&str]) -> Result<(), String> {
    let packages = packages();
    let mut folder = None;
    let mut words = words.iter().take_while(|word| **word != "--");
    while let Some(word) = words.next() {
        let mut value = || words.next().copied().unwrap_or_default();
        match *word {
            "-p" => {
                let name = value();
                let found = packages
                    .get(name)
                    .ok_or(format!("there is no package {name}"))?;
                folder = Some(found.clone());
            }
            kind @ ("--test" | "--bench") => {
                let folder = folder.as_deref().ok_or("name its package first")?;
                let tests = if kind == "--test" { "tests" } else { "benches" };
                let file = format!("{folder}/{tests}/{}", value());
                there(&format!("{file}.rs")).or_else(|_| there(&format!("{file}/main.rs")))?;
            }
            "--features" => {
                let (folder, name) = (folder.as_deref().unwrap_or_default(), value());
                let text = text_of(&format!("{folder}/Cargo.toml"));
                if !text.contains(&format!("\n{name} = [")) {
                    return Err(format!("{folder} has no feature {name}"));
                }
            }
            "--profile" => {
                let name = value();
                if !text_of("Cargo.toml").contains(&format!("\n[profile.{name}]")) {
                    return Err(format!("there is no profile {name}"));
                }
            }
            "--re" => {
                value();
            }
            // What is filtered by is a name inside the tests or benches.
            word if !word.starts_with('-') && verb != "build" => {}
            word if CARGO.contains(&word) => {}
            word => return Err(format!("no rule knows {word}")),
        }
    }
    Ok(())
}

/// What a recipe of the justfile starts with these words.
pub fn expanded(recipe: &str, given: &[&str]) -> Result<String, String> {
    let text = text_of("justfile");
    let mut lines = text.lines();
    let head = lines.by_ref().find(|line| {
        let name = line.split([' ', ':']).next().unwrap_or_default();
        name == recipe && line.ends_with(':')
    });
    let head = head.ok_or(format!("there is no recipe {recipe}"))?;
    let body = lines.next().unwrap_or_default().trim();
    let mut line = body.trim_start_matches('@').to_owned();
    let parameters = head.trim_end_matches(':').split(' ').skip(1);
    let mut given = given.iter();
    for parameter in parameters {
        let (name, default) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = match name.strip_prefix('*') {
            Some(_) => given.by_ref().copied().collect::<Vec<_>>().join(" "),
            None => given
                .next()
                .copied()
                .unwrap_or(default.trim_matches('"'))
                .to_owned(),
        };
        line = line.replace(&format!("{{{{{}}}}}", name.trim_start_matches('*')), &value);
    }
    match given.next() {
        None => Ok(line.trim().to_owned()),
        Some(more) => Err(format!("{recipe} takes no {more}")),
    }
}

/// A script of ours that has such an action among its own words.
fn is_script(script: &str, words: &[&str]) -> Result<(), String> {
    there(script)?;
    // Prose names folders and files as well.
    let text = std::fs::read_to_string(at(script)).unwrap_or_default();
    let chooses = ["case ${1", "case \"${1"]
        .iter()
        .any(|begin| text.contains(begin));
    match words
        .first()
        .filter(|word| chooses && !text.contains(**word))
    {
        Some(word) => Err(format!("{script} knows no {word}")),
        None => Ok(()),
    }
}

/// A file that is named is in the repository, a package in the version that the pipeline has.
fn there(word: &str) -> Result<(), String> {
    let is_package = word.contains('@');
    let is_path = word.contains('/') && !word.contains("://") && !word.contains('=');
    if is_package && !text_of(".ci/run").contains(word) {
        return Err(format!("the pipeline installs no {word}"));
    }
    let is_ours = is_path && !is_package && !word.starts_with("target/") && !word.starts_with('/');
    if is_ours && !at(word).exists() {
        return Err(format!("there is no {word}"));
    }
    Ok(())
}

#[test]
fn what_cannot_be_run_is_refused_for_a_wrong_word_recipe_package_or_file() {
    let good = [
        "cargo verify soak --duration 4h   # V.7",
        "cargo test -p exai-server --test operating rollback -- --nocapture",
        "just release target/shipped/exai target/dist",
        "cargo build --profile shipped -p exai-server   # target/shipped/exai",
        "just up",
        "KEY=… verify attest sign RUN --signing-key KEY",
        "helm install exai deploy/helm/exai --values mine.yaml",
        "exai token --sub me --role user",
        "npm install --prefix target/clients/node node@22",
    ];
    for text in good {
        assert_eq!(hold(text, false), Ok(()), "{text}");
    }
    let bad = [
        "cargo verify soak --durations 4h",
        "cargo verify run --profile huge",
        "verify attests",
        "verify attest",
        "cargo test -p exai-serve",
        "cargo test -p exai-server --test operations",
        "cargo bench -p exai-server --bench processes",
        "cargo build --profile small -p exai-server",
        "cargo build --bins",
        "just upp",
        "just up now",
        "deploy/topologies.sh up",
        "deploy/topology.sh sideways",
        "helm install exai deploy/helm/exais",
        "exai tokens",
        "exai token --subject me",
        "npm install node@21",
        "make install",
        "",
    ];
    for text in bad {
        assert!(hold(text, false).is_err(), "{text} is taken");
    }
}
