//! The three rollbacks of `docs/guide/rollback.md`, carried out on a host of its own, each timed
//! from the moment the bad thing was put in until the first right answer.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::json;

use super::place::at;
use super::process::{call, call_headers, free_address, request, wait_for};

/// The longest time to a right answer; most of it is a restart.
const SOON: Duration = Duration::from_secs(60);

struct Host {
    base: tempfile::TempDir,
    public: SocketAddr,
    config: String,
}

impl Host {
    /// One that runs the build under test as `good`.
    fn start() -> Self {
        let base = tempfile::tempdir().unwrap();
        let (public, admin) = (free_address(), free_address());
        let config = format!(
            "[server]\nlisten = \"{public}\"\nadmin = \"{admin}\"\nstate_dir = \"{}\"\n",
            base.path().join("state").display()
        );
        let host = Self {
            base,
            public,
            config,
        };
        host.install("good", Path::new(env!("CARGO_BIN_EXE_exai")));
        let current = host.base.path().join("current");
        std::os::unix::fs::symlink(host.base.path().join("releases/good"), current).unwrap();
        assert!(host.configure("").status.success());
        assert!(host.answers().is_some());
        host
    }

    fn act(&self, words: &[&str]) -> Output {
        self.act_within(words, "20")
    }

    /// Acts, and waits this many seconds for a server to be ready.
    fn act_within(&self, words: &[&str], seconds: &str) -> Output {
        Command::new(at("deploy/host.sh"))
            .args(words)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("BASE", self.base.path())
            .env("SERVE_ARGS", "--demo")
            .env("READY_WITHIN", seconds)
            .output()
            .unwrap()
    }

    fn done(&self, words: &[&str]) -> String {
        let output = self.act(words);
        let log = std::fs::read_to_string(self.base.path().join("log")).unwrap_or_default();
        assert!(output.status.success(), "{words:?}: {output:?}\n{log}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn install(&self, name: &str, program: &Path) {
        self.done(&["install", name, program.to_str().unwrap()]);
    }

    fn configure(&self, more: &str) -> Output {
        let file = self.base.path().join("wanted.toml");
        std::fs::write(&file, format!("{}{more}", self.config)).unwrap();
        self.act(&["configure", file.to_str().unwrap()])
    }

    /// The answer to a question whose answer is known: how many words it has.
    fn answers(&self) -> Option<String> {
        std::net::TcpStream::connect(self.public).ok()?;
        let body = call("chat", json!({"prompt": "one two three four five"})).to_string();
        let headers = call_headers("chat");
        let reply = request(self.public, "POST", "/mcp", &headers, body.as_bytes());
        let text = reply.body;
        text.contains("the last of 5 word(s)").then_some(text)
    }

    /// Time since then until a right answer.
    fn right_since(&self, begun: Instant, what: &str) {
        wait_for("a right answer", || self.answers());
        let took = begun.elapsed();
        eprintln!("{what}: a right answer after {:.1} s", took.as_secs_f64());
        assert!(took < SOON, "{what}: {took:?}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.act(&["stop"]);
    }
}

fn program(folder: &Path, text: &str) -> std::path::PathBuf {
    let path = folder.join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    path
}

#[test]
fn a_build_that_is_never_ready_is_left_by_itself_and_one_that_is_no_good_on_command() {
    let host = Host::start();
    for bad in ["exit 1", "[ $1 = serve ] || exit 0; exec sleep 60"] {
        host.install("bad", &program(host.base.path(), bad));
        let begun = Instant::now();
        let used = host.act_within(&["use", "bad"], "5");
        assert_eq!(used.status.code(), Some(1), "{used:?}");
        host.right_since(begun, "bad build");
        assert!(host.done(&["status"]).contains("build good"));
    }
    // Ready, and no good all the same: somebody decides.
    host.install("unwanted", Path::new(env!("CARGO_BIN_EXE_exai")));
    host.done(&["use", "unwanted"]);
    let begun = Instant::now();
    host.done(&["back", "build"]);
    host.right_since(begun, "unwanted build");
    assert!(host.done(&["status"]).contains("build good"));
}

#[test]
fn a_configuration_that_is_wrong_is_refused_by_key_and_one_that_harms_is_taken_back() {
    let host = Host::start();
    let refused = host.configure("[limits]\nprompt_char = 5\n");
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("limits.prompt_char"), "{said}");
    assert!(host.answers().is_some(), "the old configuration was left");
    // Valid alone, ready, and harmful.
    let begun = Instant::now();
    assert!(
        host.configure("[tools]\ndeny = [\"chat\"]\n")
            .status
            .success()
    );
    assert!(
        host.answers().is_none(),
        "the harmful configuration does no harm"
    );
    host.done(&["back", "config"]);
    host.right_since(begun, "bad configuration");
}

#[test]
fn after_a_bad_migration_the_state_is_put_back_as_it_was_with_its_threads() {
    let host = Host::start();
    let kept = host.answers().unwrap();
    let file = host.base.path().join("state/exai.sqlite");
    let threads = |file: &Path| -> u32 {
        let opened = rusqlite::Connection::open(file).unwrap();
        opened
            .query_row("SELECT count(*) FROM threads", [], |row| row.get(0))
            .unwrap()
    };
    host.install("next", Path::new(env!("CARGO_BIN_EXE_exai")));
    host.done(&["use", "next"]);
    let before = threads(&host.base.path().join("backups/next/exai.sqlite"));
    assert!(before > 0, "{kept}");
    // The next build's migration: a version that the good build does not know, and a table lost.
    host.done(&["stop"]);
    let opened = rusqlite::Connection::open(&file).unwrap();
    opened
        .execute_batch("UPDATE schema_version SET version = 99; DELETE FROM threads;")
        .unwrap();
    drop(opened);
    let begun = Instant::now();
    let failed = host.act(&["back", "build"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    let log = std::fs::read_to_string(host.base.path().join("log")).unwrap();
    assert!(log.contains("99"), "{log}");
    host.done(&["restore", "next"]);
    host.right_since(begun, "bad migration");
    assert!(
        threads(&file) > before,
        "{} threads of {before}",
        threads(&file)
    );
    assert!(host.done(&["status"]).contains("build good"));
}
