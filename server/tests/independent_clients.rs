//! Two MCP clients that share no code with the server list and call its tools, over standard
//! input and output and over HTTP, on both wire revisions.

#![expect(clippy::expect_used, reason = "a test without its ground has failed")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

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
        // The server takes an EXAI_ variable that is no key of its own for a mistake.
        .env_remove("EXAI_PYTHON")
        .env_remove("EXAI_NODE_CLIENT")
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

/// The program named by `variable`, or None with the line that counts what was not run.
fn program(variable: &str, requirement: &str, package: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.exists());
    if found.is_none() {
        eprintln!("not run: {requirement} client ({package}; set {variable})");
        let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|name| name == requirement);
        assert!(
            !is_required,
            "EXAI_REQUIRE names {requirement}, and {variable} is not set"
        );
    }
    found
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
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

fn assert_the_tools_answer(results: &Value, is_demo: bool) {
    let results = results.as_array().expect("one entry a revision");
    assert_eq!(results.len(), 2, "both revisions are tried: {results:?}");
    for result in results {
        let tools = result["tools"].as_array().expect("a list of tools");
        for name in [
            "analyze",
            "chat",
            "consensus",
            "listmodels",
            "status",
            "version",
        ] {
            assert!(
                tools.iter().any(|tool| tool == name),
                "{name} is not listed: {result}"
            );
        }
        assert_eq!(result["version_is_error"], false, "{result}");
        assert_eq!(result["chat_is_error"], !is_demo, "{result}");
        let text = result["chat"].as_str().unwrap_or_default();
        let wanted = if is_demo { "DEMO" } else { "exai doctor" };
        assert!(
            text.contains(wanted),
            "the reply lacks {wanted:?}: {result}"
        );
        assert_eq!(result["bad_argument_is_error"], true, "{result}");
        let error = &result["bad_argument"]["error"];
        assert_eq!(error["category"], "validation_error", "{result}");
        assert!(error["message"].to_string().contains("colour"), "{result}");
    }
}

fn over_both_transports(client: impl Fn() -> Command) {
    let state = tempfile::tempdir().expect("a folder");
    let server = serve(state.path());
    let mut http = client();
    http.args(["http", &server.url]);
    assert_the_tools_answer(&run(http), true);
    drop(server);
    for is_demo in [false, true] {
        let mut stdio = client();
        stdio.args(["stdio", env!("CARGO_BIN_EXE_exai"), "stdio", "--set"]);
        stdio.arg(format!("server.state_dir={}", state.path().display()));
        stdio.args(is_demo.then_some("--demo"));
        assert_the_tools_answer(&run(stdio), is_demo);
    }
}

#[test]
fn the_python_client_lists_and_calls_the_tools() {
    let Some(python) = program("EXAI_PYTHON", "python", "mcp 2.3.0 from PyPI") else {
        return;
    };
    over_both_transports(|| {
        let mut command = Command::new(&python);
        command.arg(script("client.py"));
        command
    });
}

#[test]
fn the_typescript_client_lists_and_calls_the_tools() {
    let package = "@modelcontextprotocol/client 2.4.0 from npm";
    let Some(folder) = program("EXAI_NODE_CLIENT", "node", package) else {
        return;
    };
    over_both_transports(|| {
        let mut command = Command::new("node");
        command
            .env("EXAI_NODE_CLIENT", &folder)
            .arg(script("client.mjs"));
        command
    });
}
