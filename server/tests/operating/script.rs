//! `deploy/without-compose.sh`, drawn from `docker-compose.test.yml`.

use serde_json::{Value, json};

use super::compose::{ORDER, topology, word, words};
use super::place::drawn;

/// `docker run` for one service, as compose would start it; each word in double quotes, so that the
/// shell puts in the same variables as compose.
fn run(topology: &Value, name: &str) -> String {
    let service = &topology["services"][name];
    let mut words_of: Vec<String> = vec!["--detach".into(), "--name".into(), name.into()];
    let mut add = |flag: &str, value: String| words_of.extend([flag.to_owned(), value]);
    add("--network", "exai-network".to_owned());
    add("--restart", word(&service["restart"]));
    add("--user", word(&service["user"]));
    for (flag, key) in [
        ("--cap-drop", "cap_drop"),
        ("--security-opt", "security_opt"),
        ("--publish", "ports"),
        ("--volume", "volumes"),
        ("--tmpfs", "tmpfs"),
    ] {
        for value in words(&service[key]) {
            add(flag, value);
        }
    }
    for (variable, value) in service["environment"].as_object().into_iter().flatten() {
        add("--env", format!("{variable}={}", word(value)));
    }
    let files = &service["ulimits"]["nofile"];
    add(
        "--ulimit",
        format!("nofile={}:{}", word(&files["soft"]), word(&files["hard"])),
    );
    add("--log-driver", word(&service["logging"]["driver"]));
    for (option, value) in service["logging"]["options"].as_object().unwrap() {
        add("--log-opt", format!("{option}={}", word(value)));
    }
    let resources = &service["deploy"]["resources"];
    for (flag, place) in [
        ("--cpus", "/limits/cpus"),
        ("--memory", "/limits/memory"),
        ("--memory-reservation", "/reservations/memory"),
    ] {
        if let Some(value) = resources.pointer(place) {
            add(flag, word(value));
        }
    }
    if let Some(grace) = service["stop_grace_period"].as_str() {
        add("--stop-timeout", grace.trim_end_matches('s').to_owned());
    }
    for (flag, key) in [
        ("--read-only", "read_only"),
        ("--interactive", "stdin_open"),
        ("--tty", "tty"),
    ] {
        if service[key] == true {
            words_of.push(flag.to_owned());
        }
    }
    words_of.push(format!("{name}:checked"));
    words_of.extend(words(&service["command"]));
    words_of
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>()
        .join(" \\\n    ")
}

fn quoted(word: &str) -> String {
    let plain = |one: char| one.is_ascii_alphanumeric() || "-_./=:".contains(one);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    format!(
        "\"{}\"",
        word.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('`', "\\`")
    )
}

/// The image of one service with its health check, which `docker run` would give to a shell that
/// these images do not have.
fn checked(topology: &Value, name: &str) -> String {
    let service = &topology["services"][name];
    let check = &service["healthcheck"];
    let mut line = "HEALTHCHECK".to_owned();
    for (flag, key) in [
        ("interval", "interval"),
        ("timeout", "timeout"),
        ("retries", "retries"),
        ("start-period", "start_period"),
    ] {
        if !check[key].is_null() {
            line.push_str(&format!(" --{flag}={}", word(&check[key])));
        }
    }
    let test = words(&check["test"]);
    assert_eq!(test[0], "CMD", "{name} needs no shell");
    let image = word(&service["image"]);
    let test = json!(test[1..]);
    format!(
        "  docker build --quiet --tag {name}:checked - >/dev/null <<'IMAGE'\nFROM {image}\n\
         {line} CMD {test}\nIMAGE\n"
    )
}

const HEAD: &str = "#!/bin/sh
# Drawn from docker-compose.test.yml by EXAI_WRITE_DOCS=1 cargo test -p exai-server --test operating
# what_runs_without_compose: the same containers for an engine without the compose plugin.
# Sourced by topology.sh, which builds the images first and brings the variables.
";

fn without_compose() -> String {
    let topology = topology();
    let net = &topology["networks"]["exai-network"]["ipam"]["config"][0];
    let (subnet, gateway) = (word(&net["subnet"]), word(&net["gateway"]));
    let mut text = format!(
        "{HEAD}\nservices=\"{}\"\nvolumes=\"{}\"\n\nprepare() {{\n  docker network create --subnet \
         {subnet} --gateway {gateway} exai-network >/dev/null\n",
        ORDER.join(" "),
        topology["volumes"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(" "),
    );
    for name in ORDER {
        text.push_str(&checked(&topology, name));
    }
    text.push_str("}\n\nstart() {\n  case $1 in\n");
    for name in ORDER {
        text.push_str(&format!(
            "  {name})\n  docker run {}\n    ;;\n",
            run(&topology, name)
        ));
    }
    text.push_str("  esac >/dev/null\n}\n");
    text
}

#[test]
fn what_runs_without_compose_is_what_compose_would_run() {
    drawn("deploy/without-compose.sh", &without_compose());
}
