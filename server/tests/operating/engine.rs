//! The topology on a real engine, where one answers: `deploy/topology.sh rebuild` from nothing,
//! then what the engine itself says of every container.

use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::compose::topology;
use super::place::at;

/// Images are made and taken away under the names that everybody uses, so by one test at a time.
static ENGINE: Mutex<()> = Mutex::new(());

fn docker(words: &[&str]) -> Output {
    Command::new("docker").args(words).output().unwrap()
}

pub fn said(words: &[&str]) -> String {
    let output = docker(words);
    assert!(output.status.success(), "docker {words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The engine, if one answers, until this is dropped; absence fails when required.
pub fn engine() -> Option<MutexGuard<'static, ()>> {
    let answers = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .output();
    let is_there = answers.is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("not run: no container engine answers (package docker.io)");
        let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name == "engine"),
            "an engine is required"
        );
    }
    is_there.then(|| ENGINE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Takes the topology down with the test.
struct Up;

impl Drop for Up {
    fn drop(&mut self) {
        let _ = Command::new(at("deploy/topology.sh")).arg("down").output();
    }
}

fn inspected(name: &str) -> Value {
    let all: Value = serde_json::from_str(&said(&["inspect", name])).unwrap();
    all[0].clone()
}

fn bytes(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    number.parse::<u64>().unwrap() << if unit == "G" { 30 } else { 20 }
}

#[test]
fn a_clean_rebuild_ends_in_a_right_answer_and_the_engine_confirms_the_specification() {
    let Some(_engine) = engine() else { return };
    let _up = Up;
    said(&["volume", "create", "exai-redis-data"]);
    let begun = std::time::Instant::now();
    let rebuilt = Command::new(at("deploy/topology.sh"))
        .arg("rebuild")
        .env("EXAI_PROGRAM", env!("CARGO_BIN_EXE_exai"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&rebuilt.stdout).into_owned();
    assert!(
        rebuilt.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&rebuilt.stderr)
    );
    assert!(
        begun.elapsed() < Duration::from_secs(300),
        "{:?}",
        begun.elapsed()
    );
    eprintln!("{text}");
    for stage in ["S.1", "S.2", "S.3", "S.4", "S.5"] {
        assert!(text.contains(stage), "{stage} is not told:\n{text}");
    }
    for (name, service) in topology()["services"].as_object().unwrap() {
        confirm(name, service);
    }
    redis_keeps_to_itself();
    a_killed_server_is_started_again();
}

fn confirm(name: &str, service: &Value) {
    let found = inspected(name);
    let host = &found["HostConfig"];
    let limits = &service["deploy"]["resources"]["limits"];
    if let Some(memory) = limits["memory"].as_str() {
        assert_eq!(host["Memory"], bytes(memory), "{name}");
        let cpus: f64 = limits["cpus"].as_str().unwrap().parse().unwrap();
        assert_eq!(host["NanoCpus"].as_f64().unwrap(), cpus * 1e9, "{name}");
    }
    assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped", "{name}");
    assert_eq!(host["ReadonlyRootfs"], true, "{name}");
    assert_eq!(host["CapDrop"][0], "ALL", "{name}");
    assert_eq!(found["Config"]["User"], "65532:65532", "{name}");
    assert_eq!(found["State"]["Health"]["Status"], "healthy", "{name}");
    let wanted = service["healthcheck"]["test"].clone();
    assert_eq!(found["Config"]["Healthcheck"]["Test"], wanted, "{name}");
    let pid = found["State"]["Pid"].to_string();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = |key: &str| {
        status
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_default()
    };
    assert!(
        line("Uid:").contains("65532"),
        "{name} runs as {}",
        line("Uid:")
    );
    assert!(
        line("CapEff:").ends_with("0000000000000000"),
        "{name} may {}",
        line("CapEff:")
    );
    let root = Command::new("docker")
        .args(["exec", name, "sh", "-c", "true"])
        .output()
        .unwrap();
    assert!(!root.status.success(), "{name} has a shell");
}

fn redis_keeps_to_itself() {
    let ports = inspected("exai-redis")["NetworkSettings"]["Ports"].to_string();
    assert!(!ports.contains("HostPort"), "{ports}");
    for (key, value) in [
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("no-appendfsync-on-rewrite", "no"),
        ("maxmemory-policy", "noeviction"),
        ("maxmemory", "3221225472"),
    ] {
        let told = said(&["exec", "exai-redis", "redis-cli", "config", "get", key]);
        assert_eq!(told.lines().nth(1), Some(value), "{key}");
    }
    let refused = said(&[
        "exec",
        "--env",
        "REDISCLI_AUTH=",
        "exai-redis",
        "redis-cli",
        "ping",
    ]);
    assert!(refused.contains("NOAUTH"), "{refused}");
}

fn a_killed_server_is_started_again() {
    let before = inspected("exai-mcp-server")["State"]["Pid"]
        .as_i64()
        .unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(before).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let state = inspected("exai-mcp-server")["State"].clone();
        let is_new = state["Pid"]
            .as_i64()
            .is_some_and(|pid| pid != before && pid != 0);
        let asks = [
            "exec",
            "exai-mcp-server",
            "/usr/local/bin/exai",
            "probe",
            "ready",
        ];
        if is_new && docker(&asks).status.success() {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{state}");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}
