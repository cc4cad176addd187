//! A process of ours that speaks JSON-RPC over its pipes, for a test.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::process::{Server, exai, initialize};

/// A running bridge and the client's ends of its pipes.
pub struct Bridge {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bridge {
    pub fn start(url: &str, state: &Path, more: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = exai(env);
        let dir = format!("server.state_dir={}", state.display());
        command.args(["bridge", "--url", url, "--set", &dir]);
        for setting in more {
            command.args(["--set", setting]);
        }
        Self::spawn(&mut command)
    }

    pub fn spawn(command: &mut Command) -> Self {
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        Self {
            stdin: child.stdin.take(),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    /// At a server on this machine, with its state folder.
    pub fn to(server: &Server, env: &[(&str, &str)]) -> Self {
        let url = format!("ws://{}/ws", server.public);
        Self::start(&url, server.state.path(), &[], env)
    }

    pub fn say(&mut self, message: &Value) {
        writeln!(self.stdin.as_mut().unwrap(), "{message}").unwrap();
    }

    pub fn hear(&mut self) -> Value {
        let line = self.lines.next().unwrap().unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON-RPC: {line}"))
    }

    pub fn ask(&mut self, request: &Value) -> Value {
        self.say(request);
        loop {
            let said = self.hear();
            if said["id"] == request["id"] {
                return said;
            }
        }
    }

    pub fn begin(&mut self) {
        let begun = self.ask(&initialize());
        assert_eq!(begun["result"]["serverInfo"]["name"], "exai", "{begun}");
        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    }
}
