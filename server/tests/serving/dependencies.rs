//! Health follows each dependency: one that goes takes its own component along, and nothing else;
//! one that comes back brings it back. Readiness is red for what makes an instance useless alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::archiving::chat;
use super::postgres::Postgres;
use super::process::{PATIENCE, Server, call, call_headers, serve, wait_for};
use super::provider::{KEY, Provider, serve_asking};
use super::providers::said;
use super::redis::Redis;
use super::relay::Relay;
use super::upstream::Upstream;

/// What a server with two providers, Redis and PostgreSQL is made of.
const PARTS: [&str; 8] = [
    "archive",
    "audit",
    "disk",
    "glm",
    "in_flight",
    "kimi",
    "memory",
    "store",
];

/// What health says: each component's status, a provider's under the provider's name, the one word
/// for all, and the word that a probe is told.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    parts: BTreeMap<String, String>,
    status: String,
    ready: String,
}

fn told(server: &Server) -> Told {
    let detail = server.admin("/health", &[]).json();
    let parts = detail["components"].as_object().unwrap();
    let providers = parts["providers"].as_object().unwrap();
    let own = parts.iter().filter(|(name, _)| *name != "providers");
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    Told {
        parts: own
            .chain(providers)
            .map(|(name, part)| (name.clone(), word(&part["status"])))
            .collect(),
        status: word(&detail["status"]),
        ready: server.admin("/health/ready", &[]).body,
    }
}

/// All of these are well.
fn healthy(names: &[&str]) -> Told {
    let well = || "healthy".to_owned();
    let parts = names.iter().map(|name| ((*name).to_owned(), well()));
    Told {
        parts: parts.collect(),
        status: well(),
        ready: "ready".to_owned(),
    }
}

/// Waits until health says this and nothing else. A probe that a busy machine delays may say
/// something else for a moment.
fn settles(server: &Server, wanted: &Told) {
    let begun = Instant::now();
    loop {
        let now = told(server);
        if now == *wanted {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{now:?} is not {wanted:?}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Takes a dependency away and gives it back; `as_told` is what the whole says meanwhile.
fn goes_and_returns(
    server: &Server,
    (name, (status, ready)): (&str, (&str, &str)),
    go: impl FnOnce(),
    back: impl FnOnce(),
) {
    let before = told(server);
    go();
    let mut without = before.clone();
    without
        .parts
        .insert(name.to_owned(), "unhealthy".to_owned());
    (without.status, without.ready) = (status.to_owned(), ready.to_owned());
    settles(server, &without);
    back();
    settles(server, &before);
}

/// A dependency behind a door that the test shuts.
struct Door {
    relay: Relay,
    behind: SocketAddr,
}

impl Door {
    fn before(behind: &str) -> Self {
        let behind = behind.parse().unwrap();
        let relay = Relay::start();
        relay.lead(Some(behind));
        Self { relay, behind }
    }

    fn shut(&self) {
        self.relay.lead(None);
    }

    fn open(&self) {
        self.relay.lead(Some(self.behind));
    }
}

#[test]
fn each_dependency_that_goes_changes_its_own_component_and_comes_back() {
    let (Some(postgres), Some(redis)) = (Postgres::shared(), Redis::start()) else {
        return;
    };
    let upstream = Upstream::start(|_| said("fine"));
    let home = upstream.url.trim_start_matches("http://");
    let home = home.trim_end_matches("/v1");
    let (kimi, glm) = (Door::before(home), Door::before(home));
    let store = Door::before(redis.url.trim_start_matches("redis://"));
    let direct = format!("127.0.0.1:{}", postgres.port);
    let archive = Door::before(&direct);
    let through = archive.relay.address.to_string();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("state");
    std::fs::create_dir(&folder).unwrap();
    let settings = [
        format!("server.state_dir={}", folder.display()),
        format!("provider.kimi.base_url=http://{}/v1", kimi.relay.address),
        format!("provider.glm.base_url=http://{}/v1", glm.relay.address),
        format!("store.url=redis://{}", store.relay.address),
        format!(
            "archive.url={}",
            postgres.database().replace(&direct, &through)
        ),
        "provider.kimi.allow_private=true".to_owned(),
        "provider.glm.allow_private=true".to_owned(),
        "store.kind=redis".to_owned(),
        "archive.kind=postgres".to_owned(),
        "health.interval=500ms".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = serve(&settings, &[KEY, ("ZAI_API_KEY", "sk-fedcba9876543210")]);
    settles(&server, &healthy(&PARTS));
    let degraded = ("degraded", "ready");
    for (name, door) in [("store", &store), ("archive", &archive)] {
        goes_and_returns(&server, (name, degraded), || door.shut(), || door.open());
    }
    for (name, model, door) in [("kimi", "kimi-k2.6", &kimi), ("glm", "glm-5-turbo", &glm)] {
        let go = || {
            door.shut();
            let arguments = json!({"prompt": "anyone?", "model": model});
            server.post(&call("chat", arguments), &call_headers("chat"));
        };
        goes_and_returns(&server, (name, degraded), go, || door.open());
    }
    // A disk is this instance's own, so no other call of it can be trusted either.
    let aside = place.path().join("aside");
    goes_and_returns(
        &server,
        ("disk", ("unhealthy", "not_ready")),
        || std::fs::rename(&folder, &aside).unwrap(),
        || std::fs::rename(&aside, &folder).unwrap(),
    );
    let after = chat(&server, "still there?", None);
    assert_eq!(after["content"][0]["text"], "fine", "{after}");
}

#[test]
fn a_drain_turns_readiness_red_and_blames_no_component() {
    let (mut server, provider) = serve_asking(&["server.drain=15s"]);
    wait_for("readiness", || {
        (told(&server).ready == "ready").then_some(())
    });
    let public = server.public;
    let asking = std::thread::spawn(move || {
        let body = call("chat", json!({"prompt": "slow one"})).to_string();
        let headers = call_headers("chat");
        super::process::request(public, "POST", "/mcp", &headers, body.as_bytes())
    });
    provider.wait_for_questions(1);
    server.signal(Signal::SIGTERM);
    wait_for("red", || (told(&server).ready == "not_ready").then_some(()));
    let detail = server.admin("/health", &[]).json();
    assert_eq!(
        (&detail["status"], &detail["not_ready"]),
        (&json!("unhealthy"), &json!("draining"))
    );
    let parts = told(&server).parts;
    assert!(parts.values().all(|one| one == "healthy"), "{parts:?}");
    assert_eq!(server.admin("/health/live", &[]).body, "live");
    provider.open();
    assert_eq!(asking.join().unwrap().status, 200);
    wait_for("the exit", || server.child.try_wait().unwrap());
}

#[test]
fn readiness_is_red_without_any_provider_and_green_again_with_one() {
    let state = tempfile::tempdir().unwrap();
    let state = format!("server.state_dir={}", state.path().display());
    let provider = Provider::start();
    let own = provider.settings();
    let settings = [own[0].as_str(), own[1].as_str(), state.as_str()];
    let why = |server: &Server| {
        wait_for("the first probes", || {
            let why = server.admin("/health", &[]).json()["not_ready"].clone();
            (why != "starting").then_some(why)
        })
    };
    let without = serve(&settings, &[]);
    let said = why(&without);
    assert!(said.as_str().unwrap().contains("no provider"), "{said}");
    let told_then = told(&without);
    assert_eq!(
        (&*told_then.status, &*told_then.ready),
        ("unhealthy", "not_ready")
    );
    drop(without);
    let with = serve(&settings, &[KEY]);
    assert_eq!(why(&with), Value::Null);
    let told_now = told(&with);
    assert_eq!((&*told_now.status, &*told_now.ready), ("healthy", "ready"));
}
