//! `docker-compose.test.yml` against the specification.

use serde_json::{Value, json};

use super::place::text_of;
use super::yaml;

/// The services in the order in which they can start.
pub const ORDER: [&str; 4] = [
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
    bounds: [&'static str; 4],
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
        bounds: ["2", "2G", "0.5", "512M"],
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
        bounds: ["1", "1G", "0.25", "256M"],
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
        bounds: ["1", "4G", "0.25", "512M"],
        command: "redis-server",
        health: ("CMD redis-cli -e ping", ["10s", "3s", "3", ""]),
        logs: ["10m", "3"],
    },
    Wanted {
        name: "exai-redis-commander",
        ports: &["127.0.0.1:8081:8081"],
        bounds: ["0.5", "256M", "0.1", "64M"],
        command: "--nosave",
        health: ("CMD node -e", ["10s", "5s", "3", ""]),
        logs: ["5m", "2"],
    },
];

pub fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub fn words(value: &Value) -> Vec<String> {
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

/// Place, what stands there and what must; a list is its words, a command its first ones.
fn rows(one: &Wanted, found: &Value) -> Vec<(&'static str, String, String)> {
    let (test, times) = one.health;
    let waits = if one.name == "exai-redis" {
        ""
    } else {
        "service_healthy"
    };
    let [cpus, memory, least_cpus, least_memory] = one.bounds;
    let rows = [
        ("/container_name", one.name.to_owned()),
        ("/ports", one.ports.join(" ")),
        ("/restart", "unless-stopped".to_owned()),
        ("/user", "65532:65532".to_owned()),
        ("/read_only", "true".to_owned()),
        ("/cap_drop", "ALL".to_owned()),
        ("/networks", "exai-network".to_owned()),
        ("/depends_on/exai-redis/condition", waits.to_owned()),
        ("/command", one.command.to_owned()),
        ("/healthcheck/test", test.to_owned()),
        ("/healthcheck/interval", times[0].to_owned()),
        ("/healthcheck/timeout", times[1].to_owned()),
        ("/healthcheck/retries", times[2].to_owned()),
        ("/healthcheck/start_period", times[3].to_owned()),
        ("/logging/options/max-size", one.logs[0].to_owned()),
        ("/logging/options/max-file", one.logs[1].to_owned()),
        ("/deploy/resources/limits/cpus", cpus.to_owned()),
        ("/deploy/resources/limits/memory", memory.to_owned()),
        ("/deploy/resources/reservations/cpus", least_cpus.to_owned()),
        (
            "/deploy/resources/reservations/memory",
            least_memory.to_owned(),
        ),
    ];
    let is_command = |place: &str| ["/command", "/healthcheck/test"].contains(&place);
    let told = |(place, wanted): (&'static str, String)| {
        let value = found.pointer(place).unwrap_or(&Value::Null);
        let said = match value {
            Value::Array(_) => words(value).join(" "),
            other => word(other),
        };
        let is_met = is_command(place) && said.starts_with(&wanted);
        (place, wanted.clone(), if is_met { wanted } else { said })
    };
    rows.into_iter().map(told).collect()
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
            "exai-redis: /ports",
        ),
        ("/services/exai-redis/user", json!("0"), "exai-redis: /user"),
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
            "depends_on",
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
