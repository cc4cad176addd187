//! The server with three simulated providers, on free ports, ended with the test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::served::{Served, build, built, find};

/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Ground {
    server: Served,
    providers: Vec<Child>,
}

impl Drop for Ground {
    fn drop(&mut self) {
        for child in &mut self.providers {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A key of the form that the provider hands out.
fn key(provider: &str) -> String {
    match provider {
        "glm" => format!("{}.{}", "0123456789abcdef".repeat(2), "PlantedPlanted16"),
        "kimi" => format!("sk-{}", "plantedKey0123456789".repeat(2)),
        _ => format!("sk-api-{}", "plantedKey0123456789".repeat(2)),
    }
}

/// A simulator, and where it listens.
fn simulator(provider: &str) -> (Child, String) {
    let mut child = Command::new(built("mock-provider"))
        .args(["--provider", provider])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the simulator starts");
    let key = json!({"key": key(provider), "id": "guide", "tier": "unlimited", "state": "valid"});
    // The run key is fixed, so that equal questions get equal answers from run to run.
    let settings =
        json!({"run_key": "ab".repeat(32), "epoch": 1, "keys": [key], "plan": {"seed": 7}});
    let input = child.stdin.as_mut().expect("a pipe");
    writeln!(input, "{settings}").expect("the simulator listens");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    output.read_line(&mut first).expect("a line");
    let ready: Value = serde_json::from_str(&first).expect("JSON");
    let url = find(&ready, "url").expect("its address").to_owned();
    // Its journal is of no use here, but a full pipe would stop it.
    std::thread::spawn(move || output.lines().for_each(drop));
    (child, url)
}

impl Ground {
    pub fn start() -> Self {
        build();
        let mut set = vec![
            "tools.profile=full".to_owned(),
            // A choice by the state of the providers would not be the same each time.
            "models.default=kimi-k2.6".to_owned(),
        ];
        let mut variables = Vec::new();
        let mut providers = Vec::new();
        let rows = [
            ("kimi", "KIMI_API_KEY"),
            ("glm", "ZAI_API_KEY"),
            ("minimax", "MINIMAX_API_KEY"),
        ];
        for (provider, variable) in rows {
            let (child, url) = simulator(provider);
            providers.push(child);
            set.push(format!("provider.{provider}.base_url={url}"));
            set.push(format!("provider.{provider}.allow_private=true"));
            variables.push((variable, key(provider)));
        }
        let server = Served::start(&variables, &[], &set);
        Self { server, providers }
    }

    /// One request of 2026-07-28 over HTTP: its result.
    pub fn ask(&self, method: &str, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "guide", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {}});
        let name = params["name"]
            .as_str()
            .map(|name| format!("mcp-name: {name}\r\n"));
        let name = name.unwrap_or_default();
        let body =
            json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let mut stream = TcpStream::connect(&self.server.public).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        write!(
            stream,
            "POST /mcp HTTP/1.1\r\nhost: {}\r\naccept: application/json, text/event-stream\r\n\
             content-type: application/json\r\nconnection: close\r\nmcp-method: {method}\r\n{name}\
             mcp-protocol-version: 2026-07-28\r\ncontent-length: {}\r\n\r\n{body}",
            self.server.public,
            body.len()
        )
        .expect("the request is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        // A chunk may end inside a line; its size stands on a line of its own.
        let answer = unchunked(&answer);
        let read = answer.lines().rev().find_map(|line| {
            let line = line.trim().trim_start_matches("data:").trim();
            serde_json::from_str::<Value>(line)
                .ok()
                .filter(Value::is_object)
        });
        let read = read.unwrap_or_else(|| panic!("{method}: {answer}"));
        assert!(read["result"].is_object(), "{method}: {read}");
        read["result"].clone()
    }
}

fn unchunked(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    if !head.to_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = after.get(..size).filter(|_| size > 0) else {
            break;
        };
        whole.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or("");
    }
    whole
}
