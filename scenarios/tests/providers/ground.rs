//! The server with simulated providers, on free ports, ended with the test, and a client that
//! hides nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::row::Row;
use super::simulator::run_key;

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub struct Server {
    child: Child,
    public: String,
    admin: String,
    _state: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a call came to.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The result's first text.
    pub text: String,
    /// `_meta["dev.exai/reply"]`.
    pub reply: Value,
    /// The error object, where the call failed.
    pub error: Option<Value>,
    /// From the request to the last byte.
    pub took: Duration,
}

impl Answer {
    /// The failure's code; empty for a success.
    pub fn code(&self) -> &str {
        let error = self.error.as_ref();
        error
            .and_then(|error| error["code"].as_str())
            .unwrap_or_default()
    }
}

/// An executable of this workspace, built in the profile of this test.
pub fn built(name: &str) -> PathBuf {
    static BUILD: Once = Once::new();
    BUILD.call_once(|| {
        let status = Command::new(env!("CARGO"))
            .args("build --quiet --bin exai --bin mock-provider --bin impostor".split(' '))
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .status()
            .expect("cargo runs");
        assert!(status.success(), "server and simulators do not build");
    });
    PathBuf::from(env!("CARGO_BIN_EXE_verify")).with_file_name(name)
}

/// Waits for something to be there, and prints what was waited for when it is not.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        // Slower than the operators' listener lets one address ask.
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// A tracer that no other call of this process has used.
pub fn tracer() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let words = format!("falcon {}", NEXT.fetch_add(1, Ordering::Relaxed));
    format!("{words} {}", run_key().code(&words))
}

impl Server {
    /// Starts it with providers at their roots; `more` is further configuration.
    pub fn start(providers: &[(Row, &str)], more: &str) -> Self {
        let keys = providers
            .iter()
            .map(|(row, _)| (row.variable.to_owned(), row.key()));
        Self::with_keys(providers, &keys.collect::<Vec<_>>(), more)
    }

    /// The same with these variables instead of good keys.
    pub fn with_keys(providers: &[(Row, &str)], keys: &[(String, String)], more: &str) -> Self {
        let state = tempfile::tempdir().expect("a folder");
        let file = state.path().join("exai.toml");
        let sections = providers.iter().map(|(row, root)| row.section(root));
        let sections: String = sections.collect();
        let text = format!(
            "[server]\nstate_dir = \"{}\"\n[tools]\nprofile = \"full\"\n{more}\n{sections}",
            state.path().display()
        );
        std::fs::write(&file, text).expect("a file");
        let mut child = Command::new(built("exai"))
            .env_clear()
            .envs(keys.iter().cloned())
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut lines = log.lines().map_while(Result::ok);
        let mut said = String::new();
        let listening = lines.by_ref().find_map(|line| {
            said.push_str(&line);
            let line: Value = serde_json::from_str(&line).ok()?;
            (line["message"] == "listening").then_some(line)
        });
        let listening = listening.unwrap_or_else(|| panic!("the server ended: {said}"));
        std::thread::spawn(move || lines.for_each(drop));
        let address = |name: &str| listening[name].as_str().expect("an address").to_owned();
        Self {
            public: address("public"),
            admin: address("admin"),
            child,
            _state: state,
        }
    }

    /// Every tool as revision 2026-07-28 over HTTP lists it, all pages followed.
    pub fn tools(&self) -> Vec<Value> {
        let mut tools = Vec::new();
        let mut params = json!({});
        loop {
            let mut said = self.ask("tools/list", None, params);
            let page = said["result"]["tools"].as_array_mut();
            tools.append(page.unwrap_or_else(|| panic!("no list of tools")));
            let Value::String(next) = said["result"]["nextCursor"].take() else {
                return tools;
            };
            params = json!({"cursor": next});
        }
    }

    /// One request of that revision and the message that answers it.
    fn ask(&self, method: &str, name: Option<&str>, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "providers", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {}});
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let mut headers = vec![
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
        ];
        headers.extend(name.map(|name| ("mcp-name", name)));
        let (_, said) = http(&self.public, "POST", "/mcp", &headers, &body.to_string());
        let read = said.lines().rev().find_map(|line| {
            let line = line.trim().trim_start_matches("data:").trim();
            serde_json::from_str::<Value>(line)
                .ok()
                .filter(|line| line["id"] == 7)
        });
        read.unwrap_or_else(|| panic!("no reply to {method}: {said}"))
    }

    /// Calls a tool as revision 2026-07-28 over HTTP does.
    pub fn call(&self, tool: &str, arguments: &Value) -> Answer {
        let began = Instant::now();
        let params = json!({"name": tool, "arguments": arguments});
        let read = self.ask("tools/call", Some(tool), params);
        let took = began.elapsed();
        let result = &read["result"];
        let error = match &result["isError"] {
            Value::Bool(true) => Some(result["structuredContent"]["error"].clone()),
            _ => read.get("error").map(|error| error["data"].clone()),
        };
        Answer {
            text: result["content"][0]["text"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            reply: result["_meta"]["dev.exai/reply"].clone(),
            error,
            took,
        }
    }

    /// A document of the admin listener.
    pub fn admin(&self, path: &str) -> String {
        let (status, said) = http(&self.admin, "GET", path, &[], "");
        assert_eq!(status, 200, "{path}: {said}");
        said
    }

    /// The sum of a metric's samples whose labels hold each of these texts.
    pub fn metric(&self, name: &str, labels: &[&str]) -> u64 {
        let page = self.admin("/metrics");
        let samples = page.lines().filter(|line| {
            let named = line.split(['{', ' ']).next() == Some(name);
            named && labels.iter().all(|label| line.contains(label))
        });
        let values = samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counters of a short test"
        )]
        let sum = values.sum::<f64>() as u64;
        sum
    }
}

/// One request on a connection of its own: status and body, chunks joined.
pub fn http(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let more: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: \
         application/json\r\naccept: application/json, text/event-stream\r\n{more}content-length: \
         {length}\r\n\r\n{body}"
    );
    stream
        .write_all(request.as_bytes())
        .expect("the request is taken");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    let (head, body) = apart(&bytes);
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    (
        status.unwrap_or(0),
        String::from_utf8_lossy(&body).into_owned(),
    )
}

/// Head and body of an HTTP message, chunks joined.
pub fn apart(bytes: &[u8]) -> (String, Vec<u8>) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = bytes.split_at(end.map_or(bytes.len(), |end| end + 4));
    let head = String::from_utf8_lossy(head).into_owned();
    if !head.to_lowercase().contains("transfer-encoding: chunked") {
        return (head, body.to_vec());
    }
    let (mut rest, mut whole) = (body, Vec::new());
    while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..at]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let Some(size) = size.filter(|size| *size > 0) else {
            break;
        };
        let from = at + 2;
        let upto = (from + size).min(rest.len());
        whole.extend_from_slice(&rest[from..upto]);
        rest = rest.get(upto + 2..).unwrap_or_default();
    }
    (head, whole)
}
