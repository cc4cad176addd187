//! Clients that share no code with the server run one script of calls (`clients/script.json`) over
//! every transport they speak, on both wire revisions, and must agree: the Python and TypeScript
//! clients and the command line of MCP Inspector over standard input and output and over HTTP, and
//! a plain WebSocket.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::clients::program;

/// A server that ends with the test.
struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(state: &Path) -> Server {
    let mut child = Command::new(env!("CARGO_BIN_EXE_exai"))
        .args([
            "serve",
            "--demo",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--set",
        ])
        .arg(format!("server.state_dir={}", state.display()))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let log = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut lines = log.lines().map_while(Result::ok);
    let listening = lines
        .find_map(|line| public_address(&line))
        .expect("a line that says where");
    std::thread::spawn(move || lines.for_each(drop));
    Server {
        child,
        url: format!("http://{listening}/mcp"),
    }
}

/// The public address in the log line that announces the listeners.
fn public_address(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = if line["fields"].is_object() {
        &line["fields"]
    } else {
        &line
    };
    (fields["message"] == "listening")
        .then(|| fields["public"].as_str().map(str::to_owned))
        .flatten()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

/// The steps of a script and what is expected of each.
fn steps(script: &str) -> Vec<Value> {
    let text = std::fs::read(file(script)).expect("a script");
    serde_json::from_slice(&text).expect("a script is a list of steps")
}

fn run(mut command: Command) -> Value {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the client starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the client failed:\n{errors}");
    serde_json::from_slice(&output.stdout).expect("the client prints JSON")
}

/// A client and how it is started.
struct Independent {
    name: &'static str,
    program: PathBuf,
    node_folder: Option<PathBuf>,
    file: &'static str,
}

impl Independent {
    fn command(&self, script: &str, rest: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(folder) = &self.node_folder {
            command.env("CLIENTS_NODE", folder);
        }
        command.arg(file(self.file)).arg(file(script)).args(rest);
        command
    }

    /// Every revision's outcomes over HTTP.
    fn over_http(&self, server: &Server) -> Vec<Heard> {
        let heard = run(self.command("script.json", &["http", &server.url]));
        Heard::all(&format!("{} over HTTP", self.name), &heard)
    }

    /// Every revision's outcomes of a script over the pipes of a process of its own.
    fn over_pipes(&self, script: &str, state: &Path, flags: &[&str]) -> Vec<Heard> {
        let words = ["stdio", env!("CARGO_BIN_EXE_exai"), "stdio", "--set"];
        let mut command = self.command(script, &words);
        command.arg(format!("server.state_dir={}", state.display()));
        command.args(flags);
        Heard::all(&format!("{} over stdio", self.name), &run(command))
    }
}

/// What one client heard over one transport in one revision.
struct Heard {
    who: String,
    outcomes: Vec<Value>,
}

impl Heard {
    fn all(who: &str, results: &Value) -> Vec<Self> {
        let results = results.as_array().expect("one entry a revision");
        assert_eq!(results.len(), 2, "{who}: both revisions are tried");
        let one = |result: &Value| Self {
            who: format!("{who}, {}", result["mode"]),
            outcomes: result["outcomes"].as_array().expect("outcomes").clone(),
        };
        results.iter().map(one).collect()
    }

    /// What the script expects of each step.
    fn check(&self, steps: &[Value]) {
        assert_eq!(self.outcomes.len(), steps.len(), "{}", self.who);
        for (step, outcome) in steps.iter().zip(&self.outcomes) {
            let at = format!("{}, {}: {outcome}", self.who, step["step"]);
            let expected = step["expect"].as_object().expect("something expected");
            assert_eq!(
                expected.contains_key("error"),
                outcome["error"].is_string(),
                "{at}"
            );
            for (field, wanted) in expected {
                let got = &outcome[field];
                match (field.as_str(), wanted) {
                    ("text", Value::String(part)) => {
                        assert!(got.as_str().is_some_and(|text| text.contains(part)), "{at}");
                    }
                    ("names", Value::Array(names)) => {
                        let got = got.as_array().expect("names");
                        assert!(names.iter().all(|name| got.contains(name)), "{at}");
                    }
                    // Not every client shows its user the code.
                    ("code", _) => assert!(got.is_null() || got == wanted, "{at}"),
                    _ => assert_eq!(got, wanted, "{at}"),
                }
            }
        }
    }

    /// The outcome of a step without what differs from call to call.
    fn lasting(&self, step: usize, steps: &[Value]) -> Value {
        let mut outcome = self.outcomes[step].clone();
        if let Some(fields) = outcome.as_object_mut() {
            fields.retain(|name, value| name != "code" && !value.is_null());
        }
        if let Some(kept) = steps[step]["keep"].as_array() {
            let kept = kept.iter().filter_map(Value::as_str);
            let part = |name: &str| (name.to_owned(), outcome["structured"][name].clone());
            return kept.map(part).collect();
        }
        forget_ids(&mut outcome);
        outcome
    }
}

/// Ids are drawn at random for each call.
fn forget_ids(value: &mut Value) {
    match value {
        Value::String(text) => *text = without_ids(text),
        Value::Array(items) => items.iter_mut().for_each(forget_ids),
        Value::Object(fields) => fields.values_mut().for_each(forget_ids),
        _ => {}
    }
}

/// The text with every run of 32 and more hexadecimal digits and dashes replaced.
fn without_ids(text: &str) -> String {
    let is_id = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut whole = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest
            .find(|c| is_id(c) != is_id(first))
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        whole.push_str(if is_id(first) && run.len() >= 32 {
            "ID"
        } else {
            run
        });
        rest = after;
    }
    whole
}

const NODE_PACKAGES: &str = "@modelcontextprotocol/client 2.4.0 and inspector 2.12.0 from npm";

fn python() -> Option<Independent> {
    Some(Independent {
        name: "the Python client",
        program: program("CLIENTS_PYTHON", "python", "mcp 2.3.0 from PyPI")?,
        node_folder: None,
        file: "client.py",
    })
}

fn node(name: &'static str, file: &'static str) -> Option<Independent> {
    Some(Independent {
        name,
        program: "node".into(),
        node_folder: Some(program("CLIENTS_NODE", "node", NODE_PACKAGES)?),
        file,
    })
}

/// Each of `all` says what the script expects and what the first of them says.
fn assert_they_agree(all: &[Heard]) {
    let steps = steps("script.json");
    all.iter().for_each(|heard| heard.check(&steps));
    let (first, others) = all.split_first().expect("at least one client ran");
    for other in others {
        for step in 0..steps.len() {
            let (one, two) = (first.lasting(step, &steps), other.lasting(step, &steps));
            let what = &steps[step]["step"];
            assert_eq!(one, two, "{} and {} differ at {what}", first.who, other.who);
        }
    }
}

#[test]
fn every_client_over_every_transport_says_the_same() {
    let state = tempfile::tempdir().expect("a folder");
    let server = serve(state.path());
    let typescript = || node("the TypeScript client", "client.mjs");
    let inspector = || node("the Inspector's command line", "inspector.mjs");
    let clients: Vec<Independent> = [python(), typescript(), inspector()]
        .into_iter()
        .flatten()
        .collect();
    let mut heard: Vec<Heard> = clients
        .iter()
        .flat_map(|client| client.over_http(&server))
        .collect();
    if let Some(socket) = node("a plain WebSocket", "socket.mjs") {
        let url = server
            .url
            .replace("http://", "ws://")
            .replace("/mcp", "/ws");
        let said = run(socket.command("script.json", &["websocket", &url]));
        heard.extend(Heard::all(socket.name, &said));
    }
    drop(server);
    for client in &clients {
        heard.extend(client.over_pipes("script.json", state.path(), &["--demo"]));
    }
    if !heard.is_empty() {
        assert_they_agree(&heard);
    }
}

#[test]
fn without_a_key_every_client_is_told_what_to_do() {
    let state = tempfile::tempdir().expect("a folder");
    let script = "unkeyed.json";
    let inspector = node("the Inspector's command line", "inspector.mjs");
    let clients = [
        python(),
        node("the TypeScript client", "client.mjs"),
        inspector,
    ];
    for client in clients.into_iter().flatten() {
        for heard in client.over_pipes(script, state.path(), &[]) {
            heard.check(&steps(script));
        }
    }
}

#[test]
fn two_clients_over_pipes_list_every_tool_and_call_each() {
    let state = tempfile::tempdir().expect("a folder");
    let script = "every_tool.json";
    let steps = steps(script);
    let called = steps.iter().filter_map(|step| step["name"].as_str());
    let mut called: Vec<&str> = called.collect();
    called.sort_unstable();
    let clients = [python(), node("the TypeScript client", "client.mjs")];
    for client in clients.into_iter().flatten() {
        let flags = ["--demo", "--set", "tools.profile=full"];
        for heard in client.over_pipes(script, state.path(), &flags) {
            heard.check(&steps);
            let listed = &heard.outcomes[0]["names"];
            assert_eq!(*listed, Value::from(called.clone()), "{}", heard.who);
        }
    }
}

#[test]
fn ids_are_forgotten_and_words_are_not() {
    let id = "49e13473-031d-466c-90f0-792d6bd3aef2";
    let cases = [
        (
            format!("continuation_id {id} (turn 1)"),
            "continuation_id ID (turn 1)",
        ),
        ("cbf699e2dc4c47458bd5654cb7f78c41".to_owned(), "ID"),
        (
            "a face, decade - bed 12".to_owned(),
            "a face, decade - bed 12",
        ),
        (String::new(), ""),
    ];
    for (text, wanted) in cases {
        assert_eq!(without_ids(&text), wanted);
    }
}
