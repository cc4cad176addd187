//! The whole rig on this machine, against the real server: assembled, used, broken, taken down.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test without its ground has failed"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use exai_harness::client::{Http, HttpTarget, Identity, Request, Revision, Stdio};
use exai_harness::clock::RunClock;
use exai_harness::history::{History, Recorder};
use exai_harness::nemesis::Landed;
use exai_harness::redis::which;
use exai_harness::runkey::{self, Tracers};
use exai_harness::server::Settings;
use exai_harness::token::Signature;
use exai_harness::topology::{Binaries, Launcher, Setup, StoreKind, Topology};
use exai_judge::{Event, RunKey};
use exai_mocks::plan::Plan;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Builds what the rig starts, in the profile of this test, and says where it is.
fn binaries() -> Binaries {
    let mut folder = std::env::current_exe().expect("this test has a path");
    folder.pop();
    folder.pop();
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "-p",
            "exai-server",
            "-p",
            "exai-mocks",
            "--bins",
        ])
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the server or the simulators do not build");
    let named = |name: &str| -> PathBuf { folder.join(name) };
    Binaries {
        exai: named("exai"),
        mock_provider: named("mock-provider"),
        impostor: named("impostor"),
        lock_holder: PathBuf::from("/bin/false"),
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

    async fn start(&self, store: StoreKind, launcher: Launcher) -> Topology {
        let setup = Setup {
            binaries: binaries(),
            store,
            key: self.key.clone(),
            plan: Plan::default(),
            spoil: None,
            launcher,
            settings: Settings::default(),
            restart_delay: Duration::from_millis(200),
            log: None,
            clock: self.clock,
            recorder: self.recorder.clone(),
            stop: CancellationToken::new(),
        };
        match Topology::start(setup).await {
            Ok(topology) => topology,
            Err(error) => panic!("{error}"),
        }
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

async fn ask_on_pipes(run: &Run, topology: &Topology, prompt: &str) -> String {
    let process = topology.on_pipes().expect("a server on pipes");
    let input = process.take_stdin().expect("its input");
    let output = process.take_stdout().expect("its output");
    let identity = Identity::numbered("bob", 4);
    let client = Stdio::over(input, output, Revision::V2025, identity, run.clock.as_now());
    client
        .greet(Duration::from_secs(10))
        .await
        .expect("a greeting");
    let until = run.clock.now() + 20_000_000_000;
    let exchange = client.exchange(&chat(prompt), until).await;
    format!("{:?} {:?}", exchange.reply, exchange.trouble)
}

async fn works(store: StoreKind) {
    let run = Run::new();
    let topology = run.start(store, Launcher::Honest).await;
    let tracers = Tracers::new(run.key.clone()).expect("random bytes");
    let (first, second, third) = (tracers.issue(), tracers.issue(), tracers.issue());
    let answer = ask_over_http(&run, &topology, &first).await;
    assert!(answer.contains("seal "), "{answer}");
    let answer = ask_on_pipes(&run, &topology, &second).await;
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
    let answer = ask_over_http(&run, &topology, &third).await;
    assert!(answer.contains("seal "), "{answer}");
    topology.scraper().metrics("after").await.expect("metrics");

    let folder = topology.folder().to_path_buf();
    let ended = topology.stop().await.expect("an orderly end");
    assert_eq!(ended.status.and_then(|status| status.code()), Some(0));
    assert!(!folder.exists(), "the run's folder is left behind");
    let events = run.events().await;
    judge(&events, &[first, second, third]);
}

fn judge(events: &[Event], tracers: &[String]) {
    let mut identities = 0;
    let mut served = Vec::new();
    for event in events {
        match event {
            Event::Identity(seen) => {
                assert_eq!(seen.running_sha256, seen.expected_sha256, "{}", seen.moment);
                assert_eq!(seen.reported_sha256.as_ref(), Some(&seen.expected_sha256));
                assert!(seen.owns_listeners, "{seen:?}");
                identities += 1;
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
    assert_eq!(identities, 4, "start, kill, restart, end");
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
    let topology = run.start(StoreKind::Embedded, Launcher::ForeignBuild).await;
    let seen = topology.server().identify("now").await.expect("it runs");
    assert_ne!(seen.running_sha256, seen.expected_sha256);
    assert_eq!(seen.reported_sha256.as_ref(), Some(&seen.running_sha256));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_start_is_reported_with_its_last_lines() {
    let run = Run::new();
    let setup = Setup {
        binaries: Binaries {
            exai: not_a_server(run.folder.path()),
            ..binaries()
        },
        store: StoreKind::Embedded,
        key: run.key.clone(),
        plan: Plan::default(),
        spoil: None,
        launcher: Launcher::Honest,
        settings: Settings::default(),
        restart_delay: Duration::from_secs(600),
        log: Some(Arc::new(|_line: &str| {})),
        clock: run.clock,
        recorder: run.recorder.clone(),
        stop: CancellationToken::new(),
    };
    let Err(error) = Topology::start(setup).await else {
        panic!("it started");
    };
    assert!(error.to_string().contains("no listener for me"), "{error}");
}

fn not_a_server(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("exai");
    std::fs::write(&path, "#!/bin/sh\necho no listener for me >&2\nexit 3\n").expect("a file");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("its mode");
    path
}
