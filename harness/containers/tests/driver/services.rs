//! The driver's services against `docker-compose.test.yml`: as planned, and as the engine has them.

use exai_harness::topology::services::Service;
use serde_json::Value;

use super::{root, yaml};

const GIB: u64 = 1 << 30;
/// Where the run puts what compose keeps in volumes and the environment.
const COMPOSED: [Service; 3] = [Service::Server, Service::Stdio, Service::Redis];

fn composed() -> Value {
    let text = std::fs::read_to_string(root().join("docker-compose.test.yml"));
    yaml::read(&text.expect("the file is there")).expect("it is YAML")
}

fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(word).collect()
}

/// `2G` in bytes.
fn bytes(text: &str) -> u64 {
    let number = text.strip_suffix('G').expect("whole gibibytes");
    number.parse::<u64>().expect("a number") * GIB
}

/// `10s` in milliseconds; nothing is none.
fn millis(value: &Value) -> u64 {
    let text = word(value);
    text.strip_suffix('s')
        .and_then(|text| text.parse::<u64>().ok())
        .map_or(0, |seconds| seconds * 1_000)
}

#[test]
fn the_driver_s_services_are_those_of_the_compose_file() {
    let composed = composed();
    for service in COMPOSED {
        let name = service.name();
        let wanted = &composed["services"][name];
        let plan = service.plan("image", "/etc/exai.toml");
        let bounds = &plan.bounds;
        assert_eq!(bounds.restart, word(&wanted["restart"]), "{name}");
        assert_eq!(
            bounds.read_only.to_string(),
            word(&wanted["read_only"]),
            "{name}"
        );
        assert_eq!(
            bounds.no_capabilities,
            words(&wanted["cap_drop"]) == ["ALL"],
            "{name}"
        );
        let options = words(&wanted["security_opt"]);
        assert_eq!(
            bounds.no_new_privileges,
            options == ["no-new-privileges:true"],
            "{name}"
        );
        let limits = &wanted["deploy"]["resources"]["limits"];
        assert_eq!(bounds.memory, bytes(&word(&limits["memory"])), "{name}");
        let processors = bounds.nano_cpus / 1_000_000_000;
        assert_eq!(processors.to_string(), word(&limits["cpus"]), "{name}");
        let files = &wanted["ulimits"]["nofile"];
        let (soft, hard) = bounds.descriptors;
        assert_eq!(
            [soft.to_string(), hard.to_string()],
            [word(&files["soft"]), word(&files["hard"])]
        );
        assert_eq!(plan.tmpfs, words(&wanted["tmpfs"]), "{name}");
        let health = plan.health.expect("it has one");
        let check = &wanted["healthcheck"];
        let mut asked = words(&check["test"]).into_iter();
        assert_eq!(asked.next().as_deref(), Some("CMD"), "{name}");
        // The driver's configuration is a file, which the command has to be told.
        for (wanted, found) in asked.zip(&health.command) {
            assert!(found.ends_with(&wanted), "{name}: {found} for {wanted}");
        }
        let times = [health.interval_ms, health.timeout_ms, health.start_ms];
        let named = ["interval", "timeout", "start_period"];
        assert_eq!(times, named.map(|name| millis(&check[name])), "{name}");
        assert_eq!(
            health.retries.to_string(),
            word(&check["retries"]),
            "{name}"
        );
    }
}

/// What an engine says of a container of the run: limits, rights and restart policy as planned, not
/// root, nothing published.
pub(super) fn stands_as_composed(seen: &Value) {
    let name = seen["Name"].as_str().unwrap_or_default();
    let host = &seen["HostConfig"];
    assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped", "{name}");
    assert_eq!(host["ReadonlyRootfs"], true, "{name}");
    assert_eq!(words(&host["CapDrop"]), ["ALL"], "{name}");
    assert_eq!(host["Privileged"], false, "{name}");
    assert!(
        host["Memory"].as_u64().is_some_and(|bytes| bytes >= GIB),
        "{name}"
    );
    let user = seen["Config"]["User"].as_str().unwrap_or_default();
    assert!(
        !user.is_empty() && !user.starts_with("0:"),
        "{name} runs as {user:?}"
    );
    let published = host["PortBindings"]
        .as_object()
        .map_or(0, |ports| ports.len());
    assert_eq!(published, 0, "{name} publishes ports");
}
