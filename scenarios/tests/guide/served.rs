//! A server process of a test, on free ports, ended with it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

pub struct Served {
    child: Child,
    pub public: String,
    pub admin: String,
    pub state: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An executable of this build.
pub fn built(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_verify")).with_file_name(name)
}

/// Builds what is started here, in the profile of this test.
pub fn build() {
    let status = Command::new(env!("CARGO"))
        .args("build --quiet --bin exai --bin mock-provider --bin impostor".split(' '))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .expect("cargo runs");
    assert!(
        status.success(),
        "the server or the simulators do not build"
    );
}

pub fn find<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    let members = value.as_object()?;
    let own = members.get(name).and_then(Value::as_str);
    own.or_else(|| members.values().find_map(|inner| find(inner, name)))
}

impl Served {
    /// Starts `exai serve` with these variables and words, and waits until it listens.
    pub fn start(variables: &[(&str, String)], words: &[&str], set: &[String]) -> Self {
        let state = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(built("exai"));
        command
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(words)
            .arg("--set")
            .arg(format!("server.state_dir={}", state.path().display()));
        for pair in set {
            command.args(["--set", pair]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut lines = log.lines().map_while(Result::ok);
        let listening = lines.by_ref().find_map(|line| {
            let line: Value = serde_json::from_str(&line).ok()?;
            let address = |name| find(&line, name).map(str::to_owned);
            Some((address("public")?, address("admin")?))
        });
        std::thread::spawn(move || lines.for_each(drop));
        let (public, admin) = listening.expect("a line that says where");
        Self {
            child,
            public,
            admin,
            state,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}
