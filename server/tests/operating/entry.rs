//! The entry for the MCP registry, `server.json`: it fits the registry's format, it is of this
//! version, and what it names starts as it says and lists the tools.

use std::process::Command;

use serde_json::{Value, json};

use super::archive::listed;
use super::engine::{engine, said};
use super::place::{at, text_of};

/// How the registry knows that an image belongs to an entry.
const LABEL: &str = "io.modelcontextprotocol.server.name";

/// The fewest tools of the lean profile.
const LEAN: usize = 8;

fn entry() -> Value {
    serde_json::from_str(&text_of("server.json")).unwrap()
}

/// The one package form that there is.
fn package() -> Value {
    let packages = entry()["packages"].clone();
    assert_eq!(
        packages.as_array().unwrap().len(),
        1,
        "start the others here"
    );
    packages[0].clone()
}

#[test]
fn the_entry_fits_the_registry_s_format_and_each_planted_fault_is_refused() {
    let schema = serde_json::from_str(include_str!("entry.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let good = entry();
    let faults: Vec<String> = schema
        .iter_errors(&good)
        .map(|one| one.to_string())
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
    let long = "x".repeat(101);
    let planted = [
        (
            "",
            "$schema",
            json!("https://example.com/server.schema.json"),
        ),
        ("", "name", json!("exai")),
        ("", "description", json!(long)),
        ("", "title", json!("")),
        ("", "version", Value::Null),
        ("", "licence", json!("MIT")),
        ("", "repository", json!({"url": "https://example.com"})),
        (
            "",
            "remotes",
            json!([{"type": "streamable-http", "url": "example.com"}]),
        ),
        ("/packages/0", "identifier", Value::Null),
        ("/packages/0", "version", json!("latest")),
        ("/packages/0", "runtimeHints", json!("docker")),
        ("/packages/0", "transport", json!({"type": "websocket"})),
        (
            "/packages/0",
            "transport",
            json!({"type": "streamable-http"}),
        ),
        ("/packages/0/runtimeArguments/1", "name", Value::Null),
        ("/packages/0/packageArguments/0", "value", Value::Null),
        ("/packages/0/packageArguments/0", "type", json!("flag")),
        ("/packages/0/environmentVariables/0", "name", Value::Null),
        (
            "/packages/0/environmentVariables/0",
            "isSecret",
            json!("yes"),
        ),
    ];
    for (place, key, value) in planted {
        let mut bad = good.clone();
        let object = bad.pointer_mut(place).unwrap().as_object_mut().unwrap();
        match value {
            Value::Null => object.remove(key),
            value => object.insert(key.to_owned(), value),
        };
        assert!(!schema.is_valid(&bad), "{place}/{key} is taken: {bad}");
    }
}

#[test]
fn the_entry_is_of_this_version_and_its_variables_are_some_that_the_server_reads() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(entry()["version"], version);
    let package = package();
    assert_eq!(package["identifier"], format!("exai:{version}"));
    let label = format!("LABEL {LABEL}=\"{}\"", entry()["name"].as_str().unwrap());
    assert!(text_of("Dockerfile").contains(&label), "{label}");
    let state = tempfile::tempdir().unwrap();
    let mut command = super::process::exai(&[]);
    command
        .env("EXAI_STATE_DIR", state.path())
        .args(["probe", "tools", "--within", "20"]);
    for variable in package["environmentVariables"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        let is_key = text_of("server/default.toml").contains(&format!("\"{name}\""));
        let default = variable["default"].as_str();
        assert!(
            is_key || default.is_some(),
            "{name} is nothing the server reads"
        );
        command.envs(default.map(|value| (name, value)));
    }
    let output = command.output().unwrap();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("tools in"),
        "{output:?}"
    );
}

/// The words of an argument on a command line.
fn words(argument: &Value) -> impl Iterator<Item = String> {
    let word = |key: &str| argument[key].as_str().map(str::to_owned);
    [word("name"), word("value")].into_iter().flatten()
}

/// What a client starts for a package of this kind: the runtime and its arguments, the variables
/// that have a value, the image, and the arguments of what is in it.
fn start(package: &Value) -> Command {
    assert_eq!(
        (&package["registryType"], &package["transport"]),
        (&json!("oci"), &json!({"type": "stdio"}))
    );
    let mut command = Command::new(package["runtimeHint"].as_str().unwrap());
    let all = |key: &str| package[key].as_array().cloned().unwrap_or_default();
    command.args(all("runtimeArguments").iter().flat_map(words));
    for variable in all("environmentVariables") {
        if let Some(value) = variable["default"].as_str() {
            let name = variable["name"].as_str().unwrap();
            command.args(["--env", &format!("{name}={value}")]);
        }
    }
    command.arg(package["identifier"].as_str().unwrap());
    command.args(all("packageArguments").iter().flat_map(words));
    command
}

/// The image of this build under a name of the entry's, taken away with the test.
struct Image<'a>(&'a str);

impl<'a> Image<'a> {
    fn of_this_build(name: &'a str) -> Self {
        let built = Command::new(at("deploy/image/build.sh"))
            .args(["exai", env!("CARGO_BIN_EXE_exai")])
            .output()
            .unwrap();
        assert!(built.status.success(), "{built:?}");
        said(&["tag", "exai:local", name]);
        Self(name)
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", self.0]).output();
    }
}

#[test]
fn the_image_that_the_entry_names_starts_as_it_says_and_lists_the_tools() {
    let Some(_engine) = engine() else { return };
    let package = package();
    let image = Image::of_this_build(package["identifier"].as_str().unwrap());
    let label = format!("{{{{index .Config.Labels \"{LABEL}\"}}}}");
    let owner = said(&["inspect", "--format", &label, image.0]);
    assert_eq!(owner, entry()["name"].as_str().unwrap());
    let answer = listed(&mut start(&package)).expect("an answer to tools/list");
    let tools = answer["result"]["tools"].as_array().unwrap();
    assert!(tools.len() >= LEAN, "{} tools", tools.len());
    // Without the words of the entry there is nobody to talk to.
    let mut silent = package.clone();
    silent["packageArguments"] = json!([{"type": "positional", "value": "version"}]);
    assert_eq!(listed(&mut start(&silent)), None);
}
