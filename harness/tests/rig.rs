//! The whole rig on this machine, against the real server: assembled, used, broken, taken down.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test without its ground has failed"
)]

#[path = "rig/traced.rs"]
mod traced;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use exai_harness::client::{
    Client, Http, HttpTarget, Identity, Request, Revision, Stdio, WebSocket, WebSocketTarget,
};
use exai_harness::clock::RunClock;
use exai_harness::history::{History, Recorder};
use exai_harness::nemesis::Landed;
use exai_harness::redis::which;
use exai_harness::runkey::{self, Tracers};
use exai_harness::server::Settings;
use exai_harness::token::Signature;
use exai_harness::topology::{
    Binaries, Launcher, RestartPolicy, Setup, Spoil, StoreKind, Topology,
};
use exai_judge::fault::Step;
use exai_judge::{Event, RunKey};
use exai_mocks::plan::Plan;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// A store or a simulator is away for so long.
const DELAY: Duration = Duration::from_millis(200);

/// Builds what the rig starts, in the profile of this test, and says where it is.
fn binaries() -> Binaries {
    let mut folder = std::env::current_exe().expect("this test has a path");
    folder.pop();
    folder.pop();
    let built = Command::new(env!("CARGO"))
        .args("build --quiet --bin exai --bin mock-provider --bin impostor".split(' '))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the server or the simulators do not build");
    let named = |name: &str| -> PathBuf { folder.join(name) };
    Binaries {
        exai: named("exai"),
        mock_provider: named("mock-provider"),
        impostor: named("impostor"),
        lock_holder: PathBuf::from("/bin/false"),
        containers: None,
    }
}

struct Run {
    folder: tempfile::TempDir,
    clock: RunClock,
    recorder: Recorder,
    key: RunKey,
}

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = RunClock::start();
        let recorder = Recorder::open(folder.path(), clock.as_now()).expect("a history");
        let key = runkey::draw().expect("random bytes");
        Self {
            folder,
            clock,
            recorder,
            key,
        }
    }

    fn setup(&self, store: StoreKind) -> Setup {
        Setup {
            binaries: binaries(),
            store,
            instances: 1,
            key: self.key.clone(),
            plan: Plan::default(),
            spoil: None,
            launcher: Launcher::Honest,
            settings: Settings::default(),
            restart: RestartPolicy {
                store: DELAY,
                vendor: DELAY,
                ..RestartPolicy::default()
            },
            log: None,
            clock: self.clock,
            recorder: self.recorder.clone(),
            stop: CancellationToken::new(),
        }
    }

    /// With an impostor on `edge` that changes nothing.
    fn behind_an_impostor(&self, edge: &str) -> Setup {
        let spoil = Spoil {
            name: "none".to_owned(),
            edge: edge.to_owned(),
            every: 1,
            offset: 0,
        };
        Setup {
            spoil: Some(spoil),
            ..self.setup(StoreKind::Embedded)
        }
    }

    async fn start(&self, setup: Setup) -> Topology {
        let started = Topology::start(setup).await;
        started.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn events(self) -> Vec<Event> {
        self.recorder.close().await.expect("nothing was lost");
        let history = History::in_folder(self.folder.path());
        history.observations().map(|seen| seen.event).collect()
    }
}

fn chat(prompt: &str) -> Request {
    Request::tool("chat", &json!({"prompt": prompt}))
}

/// One chat over HTTP as a user; the text of the whole result.
async fn ask_over_http(run: &Run, topology: &Topology, prompt: &str) -> String {
    let token = topology
        .credentials()
        .token("ada", &["user"], Signature::EdDsa);
    let identity = Identity::numbered("ada", 3).with_bearer(token);
    let target = HttpTarget {
        address: topology.public(),
        host: topology.public().to_string(),
        path: "/mcp".to_owned(),
        revision: Revision::V2026,
        connections: 1,
        redial: false,
    };
    let client = Http::new(target, identity, run.clock.as_now());
    let until = run.clock.now() + 20_000_000_000;
    let exchange = client.exchange(&chat(prompt), until).await;
    format!("{:?} {:?}", exchange.reply, exchange.trouble)
}

/// One chat over WebSocket; the process that shook hands is the one that answers.
async fn ask_over_websocket(run: &Run, topology: &Topology, prompt: &str) -> String {
    let credentials = topology.credentials();
    let token = credentials.token("eve", &["user"], Signature::Hs256);
    let identity = Identity::numbered("eve", 5).with_bearer(token);
    let target = WebSocketTarget {
        address: topology.public(),
        host: topology.public().to_string(),
        path: "/ws".to_owned(),
    };
    let client = WebSocket::new(target, identity, run.clock.as_now());
    let greeted = client.reconnect(Duration::from_secs(10)).await;
    greeted.expect("a greeting");
    let until = run.clock.now() + 20_000_000_000;
    let exchange = client.exchange(&chat(prompt), until).await;
    let result = exchange.result().expect("a result");
    let answered_by = result["_meta"]["dev.exai/reply"]["instance"].as_str();
    assert!(answered_by.is_some() && answered_by == exchange.instance.as_deref());
    assert_eq!((exchange.replies, exchange.belongs), (1, Some(true)));
    result.to_string()
}

async fn ask_on_pipes(run: &Run, topology: &Topology, prompt: &str) -> String {
    let process = topology.on_pipes().expect("a server on pipes");
    let identity = Identity::numbered("bob", 4);
    let client = Stdio::of(process, Revision::V2025, identity, run.clock.as_now());
    let client = Client::Stdio(client.expect("its pipes"));
    let greeted = client.greet(Duration::from_secs(10)).await;
    greeted.expect("a greeting");
    let identified = topology.identify_on_pipes(&client).await;
    identified.expect("a process on the pipes");
    let until = run.clock.now() + 20_000_000_000;
    let exchange = client.exchange(&chat(prompt), until).await;
    format!("{:?} {:?}", exchange.reply, exchange.trouble)
}

async fn works(store: StoreKind) {
    let run = Run::new();
    let topology = run.start(run.setup(store)).await;
    let tracers = Tracers::new(run.key.clone()).expect("random bytes");
    let issued: [String; 4] = std::array::from_fn(|_| tracers.issue());
    let [first, second, third, fourth] = &issued;
    let answer = ask_over_http(&run, &topology, first).await;
    assert!(answer.contains("seal "), "{answer}");
    let answer = ask_on_pipes(&run, &topology, second).await;
    assert!(answer.contains("seal "), "{answer}");
    let answer = ask_over_websocket(&run, &topology, fourth).await;
    assert!(answer.contains("seal "), "{answer}");

    let before = topology
        .server()
        .supervisor()
        .process()
        .expect("it runs")
        .pair();
    assert_eq!(topology.kill("server").await.expect("a kill"), Landed::Yes);
    assert_eq!(topology.kill("glm").await.expect("a kill"), Landed::Yes);
    assert!(!before.is_alive());
    let raised = Settings::default().with("limits.rate.principal", 500);
    topology.restart_with(&raised).await.expect("a restart");
    let answer = ask_over_http(&run, &topology, third).await;
    assert!(answer.contains("seal "), "{answer}");
    topology.scraper().metrics("after").await.expect("metrics");
    shows_no_secret(&topology).await;

    let folder = topology.folder().to_path_buf();
    let ended = topology.stop().await.expect("an orderly end");
    assert_eq!(ended.status.and_then(|status| status.code()), Some(0));
    assert!(!folder.exists(), "the run's folder is left behind");
    let events = run.events().await;
    judge(&events, &issued);
}

async fn shows_no_secret(topology: &Topology) {
    let shown = topology.shown().await;
    let places: Vec<&str> = shown.iter().map(|(place, _)| *place).collect();
    let audit = "the audit log";
    let log = "the last log lines";
    assert_eq!(places, ["/metrics", "/manifest", "/health", audit, log]);
    let secrets = topology.secrets();
    assert!(secrets.len() >= 5, "three keys and two tokens' secrets");
    for (place, text) in &shown {
        // Nothing was denied in this run.
        assert_eq!(text.is_empty(), *place == audit, "{place}: {text}");
        let found = secrets.iter().any(|secret| text.contains(secret));
        assert!(!found, "{place} shows a secret");
    }
}

fn judge(events: &[Event], tracers: &[String]) {
    let mut moments = Vec::new();
    let mut served = Vec::new();
    for event in events {
        match event {
            Event::Identity(seen) => {
                assert_eq!(seen.running_sha256, seen.expected_sha256, "{}", seen.moment);
                assert_eq!(seen.reported_sha256.as_ref(), Some(&seen.expected_sha256));
                assert!(seen.owns_listeners, "{seen:?}");
                moments.push(seen.moment.as_str());
            }
            Event::Served(seen) => served.extend(seen.tracers.clone()),
            Event::Critical { .. } => panic!("{event:?}"),
            Event::Rig { what, .. } => {
                let ours = ["cpu", "steal"].contains(&what.as_str());
                assert!(ours, "{event:?}");
            }
            _ => {}
        }
    }
    assert_eq!(moments, ["start", "pipe", "restart", "restart", "end"]);
    for tracer in tracers {
        assert!(served.contains(tracer), "{tracer} reached no simulator");
    }
    let has = |wanted: fn(&Event) -> bool| events.iter().any(wanted);
    assert!(has(
        |event| matches!(event, Event::Health(seen) if seen.ready)
    ));
    assert!(has(
        |event| matches!(event, Event::Sample(one) if one.process == "server")
    ));
    assert!(has(
        |event| matches!(event, Event::Metrics { values, .. } if !values.is_empty())
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rig_on_the_embedded_store_works_breaks_heals_and_leaves_nothing_behind() {
    works(StoreKind::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rig_on_redis_works_breaks_heals_and_leaves_nothing_behind() {
    if which("redis-server").is_none() {
        println!("not run: redis-server (package redis-server)");
        let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name.trim() == "redis"));
        return;
    }
    works(StoreKind::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_build_is_seen_by_the_kernels_word_and_its_own() {
    let run = Run::new();
    let setup = Setup {
        launcher: Launcher::ForeignBuild,
        ..run.setup(StoreKind::Embedded)
    };
    let topology = run.start(setup).await;
    let seen = topology.server().identify("now").await.expect("it runs");
    assert_ne!(seen.running_sha256, seen.expected_sha256);
    assert_eq!(seen.reported_sha256.as_ref(), Some(&seen.running_sha256));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_start_is_reported_with_its_last_lines() {
    let run = Run::new();
    let exai = script(run.folder.path(), "echo no listener for me >&2\nexit 3\n");
    let setup = Setup {
        binaries: Binaries { exai, ..binaries() },
        restart: RestartPolicy {
            server: Duration::from_secs(600),
            ..RestartPolicy::default()
        },
        log: Some(Arc::new(|_line: &str| {})),
        ..run.setup(StoreKind::Embedded)
    };
    let error = Topology::start(setup).await.err().expect("it fails");
    assert!(error.to_string().contains("no listener for me"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_for_good_is_its_own_failure_and_the_rig_goes_on() {
    let run = Run::new();
    // Readable to the user the server runs as, wherever this checkout lies.
    let open = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(open.path(), executable()).expect("its mode");
    let real = open.path().join("real");
    std::fs::copy(binaries().exai, &real).expect("a copy");
    // Its first life is the server's; each later one does nothing and never ends.
    let real = real.display();
    let once = format!("test -e lived && exec sleep 600\ntouch lived\nexec {real} \"$@\"\n");
    let setup = Setup {
        binaries: Binaries {
            exai: script(run.folder.path(), &once),
            ..binaries()
        },
        restart: RestartPolicy {
            patience: Duration::from_secs(1),
            ..RestartPolicy::default()
        },
        ..run.setup(StoreKind::Embedded)
    };
    let topology = run.start(setup).await;
    let landed = topology.kill("server").await.expect("no trouble of ours");
    assert_eq!(landed, Landed::NeverBack);
    assert_eq!(topology.kill("glm").await.expect("a kill"), Landed::Yes);
    let _ended = topology.stop().await;
    for event in run.events().await {
        let is_healed = matches!(&event, Event::Fault { fault, step: Step::Healed }
            if fault.component == "server");
        assert!(!is_healed, "{event:?}");
        let is_ours = matches!(&event, Event::Rig { what, .. } if what == "not_healed");
        assert!(!is_ours, "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_passes_through_the_honest_impostor_before_the_server() {
    let run = Run::new();
    let topology = run.start(run.behind_an_impostor("client")).await;
    let tracers = Tracers::new(run.key.clone()).expect("random bytes");
    let answer = ask_over_websocket(&run, &topology, &tracers.issue()).await;
    assert!(answer.contains("seal "), "{answer}");
    topology.stop().await.expect("an orderly end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_an_impostor_on_the_pipes_the_server_itself_is_identified() {
    let run = Run::new();
    let topology = run.start(run.behind_an_impostor("stdio")).await;
    let tracers = Tracers::new(run.key.clone()).expect("random bytes");
    let answer = ask_on_pipes(&run, &topology, &tracers.issue()).await;
    assert!(answer.contains("seal "), "{answer}");
    topology.stop().await.expect("an orderly end");
    let events = run.events().await;
    let on_pipes = events.iter().find_map(|event| match event {
        Event::Identity(seen) if seen.moment == "pipe" => Some(seen),
        _ => None,
    });
    let seen = on_pipes.expect("an identity on the pipes");
    assert_eq!(seen.running_sha256, seen.expected_sha256);
    assert_eq!(seen.reported_sha256.as_ref(), Some(&seen.expected_sha256));
}

/// A shell script in the server's place.
fn script(folder: &Path, lines: &str) -> PathBuf {
    let path = folder.join("exai");
    std::fs::write(&path, format!("#!/bin/sh\n{lines}")).expect("a file");
    std::fs::set_permissions(&path, executable()).expect("its mode");
    path
}

fn executable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o755)
}
