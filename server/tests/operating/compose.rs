//! `docker-compose.test.yml` against the specification, and `deploy/without-compose.sh` against it.

use serde_json::{Value, json};

use super::place::{drawn, text_of};
use super::yaml;

/// The services in the order in which they can start.
const ORDER: [&str; 4] = [
    "exai-redis",
    "exai-mcp-server",
    "exai-mcp-stdio",
    "exai-redis-commander",
];

pub fn topology() -> Value {
    yaml::read(&text_of("docker-compose.test.yml")).unwrap()
}

/// What the specification says of one container.
struct Wanted {
    name: &'static str,
    ports: &'static [&'static str],
    /// Processors and memory: limit, then reservation.
    bounds: Option<[&'static str; 4]>,
    command: &'static str,
    /// Words of the health check, then interval, timeout, retries, start.
    health: (&'static str, [&'static str; 4]),
    logs: [&'static str; 2],
}

const WANTED: [Wanted; 4] = [
    Wanted {
        name: "exai-mcp-server",
        ports: &[
            "127.0.0.1:3010:8079",
            "127.0.0.1:3001:8080",
            "127.0.0.1:3002:8080",
            "127.0.0.1:3003:8080",
        ],
        bounds: Some(["2", "2G", "0.5", "512M"]),
        command: "serve",
        health: (
            "CMD /usr/local/bin/exai probe ready",
            ["10s", "5s", "3", "30s"],
        ),
        logs: ["10m", "3"],
    },
    Wanted {
        name: "exai-mcp-stdio",
        ports: &[],
        bounds: Some(["1", "1G", "0.25", "256M"]),
        command: "stdio",
        health: (
            "CMD /usr/local/bin/exai probe tools",
            ["10s", "5s", "3", "30s"],
        ),
        logs: ["10m", "3"],
    },
    Wanted {
        name: "exai-redis",
        ports: &[],
        bounds: Some(["1", "4G", "0.25", "512M"]),
        command: "redis-server",
        health: ("CMD redis-cli -e ping", ["10s", "3s", "3", ""]),
        logs: ["10m", "3"],
    },
    Wanted {
        name: "exai-redis-commander",
        ports: &["127.0.0.1:8081:8081"],
        bounds: None,
        command: "--nosave",
        health: ("CMD node -e", ["10s", "5s", "3", ""]),
        logs: ["5m", "2"],
    },
];

fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(word).collect()
}

/// Each way in which a topology is not the specification's, as a sentence.
fn faults(topology: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let services = topology["services"].as_object().unwrap();
    let names: Vec<&str> = services.keys().map(String::as_str).collect();
    let wanted: Vec<&str> = WANTED.iter().map(|one| one.name).collect();
    if names != wanted {
        faults.push(format!("services are {names:?}, not {wanted:?}"));
    }
    for one in &WANTED {
        let found = &topology["services"][one.name];
        for (what, wanted, found) in rows(one, found) {
            if wanted != found {
                faults.push(format!("{}: {what} is {found:?}, not {wanted:?}", one.name));
            }
        }
    }
    let redis = words(&topology["services"]["exai-redis"]["command"]);
    for (flag, value) in [
        ("--appendonly", "yes"),
        ("--appendfsync", "always"),
        ("--no-appendfsync-on-rewrite", "no"),
        ("--maxmemory-policy", "noeviction"),
        ("--maxmemory", "3gb"),
    ] {
        let given = redis
            .iter()
            .position(|word| word == flag)
            .map(|at| redis[at + 1].as_str());
        if given != Some(value) {
            faults.push(format!("exai-redis: {flag} is {given:?}, not {value:?}"));
        }
    }
    faults
}

fn rows(one: &Wanted, found: &Value) -> Vec<(&'static str, String, String)> {
    let (test, times) = one.health;
    let check = &found["healthcheck"];
    let is_store = one.name == "exai-redis";
    let waits = &found["depends_on"]["exai-redis"]["condition"];
    let mut rows = vec![
        (
            "container_name",
            one.name.to_owned(),
            word(&found["container_name"]),
        ),
        (
            "ports",
            one.ports.join(" "),
            words(&found["ports"]).join(" "),
        ),
        (
            "restart",
            "unless-stopped".to_owned(),
            word(&found["restart"]),
        ),
        ("user", "65532:65532".to_owned(), word(&found["user"])),
        ("read_only", "true".to_owned(), word(&found["read_only"])),
        (
            "cap_drop",
            "ALL".to_owned(),
            words(&found["cap_drop"]).join(" "),
        ),
        (
            "networks",
            "exai-network".to_owned(),
            words(&found["networks"]).join(" "),
        ),
        (
            "waits for",
            if is_store { "" } else { "service_healthy" }.to_owned(),
            word(waits),
        ),
        (
            "health interval",
            times[0].to_owned(),
            word(&check["interval"]),
        ),
        (
            "health timeout",
            times[1].to_owned(),
            word(&check["timeout"]),
        ),
        (
            "health retries",
            times[2].to_owned(),
            word(&check["retries"]),
        ),
        (
            "health start",
            times[3].to_owned(),
            word(&check["start_period"]),
        ),
        (
            "log size",
            one.logs[0].to_owned(),
            word(&found["logging"]["options"]["max-size"]),
        ),
        (
            "log files",
            one.logs[1].to_owned(),
            word(&found["logging"]["options"]["max-file"]),
        ),
    ];
    let begins = |wanted: &str, found: String| match found.starts_with(wanted) {
        true => wanted.to_owned(),
        false => found,
    };
    rows.push((
        "health",
        test.to_owned(),
        begins(test, words(&check["test"]).join(" ")),
    ));
    let command = words(&found["command"]).join(" ");
    rows.push((
        "command",
        one.command.to_owned(),
        begins(one.command, command),
    ));
    let resources = &found["deploy"]["resources"];
    let bounds = [
        "limits/cpus",
        "limits/memory",
        "reservations/cpus",
        "reservations/memory",
    ];
    for (at, what) in bounds.into_iter().enumerate() {
        let wanted = one.bounds.map_or("", |bounds| bounds[at]);
        let found = resources
            .pointer(&format!("/{what}"))
            .unwrap_or(&Value::Null);
        rows.push((what, wanted.to_owned(), word(found)));
    }
    rows
}

#[test]
fn the_topology_is_the_specification_s() {
    assert_eq!(faults(&topology()), Vec::<String>::new());
}

#[test]
fn each_planted_departure_from_the_specification_is_named() {
    let planted: [(&str, Value, &str); 9] = [
        (
            "/services/exai-redis/ports",
            json!(["6379:6379"]),
            "exai-redis: ports",
        ),
        ("/services/exai-redis/user", json!("0"), "exai-redis: user"),
        (
            "/services/exai-redis/command/6",
            json!("everysec"),
            "--appendfsync",
        ),
        (
            "/services/exai-mcp-server/read_only",
            json!(false),
            "read_only",
        ),
        (
            "/services/exai-mcp-server/restart",
            json!("on-failure"),
            "restart",
        ),
        (
            "/services/exai-mcp-server/ports/0",
            json!("3010:8079"),
            "ports",
        ),
        (
            "/services/exai-mcp-stdio/healthcheck/test/2",
            json!("version"),
            "health",
        ),
        (
            "/services/exai-mcp-stdio/deploy/resources/limits/memory",
            json!("2G"),
            "limits/memory",
        ),
        (
            "/services/exai-redis-commander/depends_on",
            json!({}),
            "waits for",
        ),
    ];
    for (at, value, says) in planted {
        let mut spoiled = topology();
        match spoiled.pointer_mut(at) {
            Some(place) => *place = value,
            None => {
                let (table, key) = at.rsplit_once('/').unwrap();
                spoiled.pointer_mut(table).unwrap()[key] = value;
            }
        }
        let found = faults(&spoiled);
        assert!(
            found.iter().any(|fault| fault.contains(says)),
            "{at}: {found:?}"
        );
    }
}

#[test]
fn no_secret_has_a_value_in_the_file_and_every_variable_is_one_that_env_sh_writes() {
    let (text, writes) = (text_of("docker-compose.test.yml"), text_of("deploy/env.sh"));
    let used: Vec<&str> = text
        .split("${")
        .skip(1)
        .map(|rest| rest.split(':').next().unwrap())
        .collect();
    assert!(used.len() >= 6, "{used:?}");
    for name in used {
        assert!(writes.contains(name), "deploy/env.sh does not write {name}");
    }
    for service in topology()["services"].as_object().unwrap().values() {
        for (name, value) in service["environment"].as_object().into_iter().flatten() {
            let is_secret = ["SECRET", "PASSWORD", "TOKEN", "AUTH", "KEY", "URL"];
            let is_secret = is_secret.iter().any(|part| name.ends_with(part));
            assert!(
                !is_secret || word(value).contains("${"),
                "{name} stands in the file"
            );
        }
    }
}

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
