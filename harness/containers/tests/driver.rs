//! The whole rig in containers of a real engine: it stands as `docker-compose.test.yml` has it,
//! what is broken is proven by the engine, and nothing outlives its owner.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test without its ground has failed, and says what it left out"
)]

#[path = "driver/orphan.rs"]
mod orphan;
#[path = "driver/services.rs"]
mod services;
#[path = "../../../server/tests/operating/yaml.rs"]
mod yaml;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use exai_harness::client::{Client, Identity, Revision, Stdio};
use exai_harness::clock::RunClock;
use exai_harness::engine;
use exai_harness::history::{History, Recorder};
use exai_harness::nemesis::Landed;
use exai_harness::redis::which;
use exai_harness::runkey;
use exai_harness::server::Settings;
use exai_harness::token::Signature;
use exai_harness::topology::{Binaries, Launcher, RestartPolicy, Setup, StoreKind, Topology};
use exai_judge::Event;
use exai_judge::fault::{FaultKind, Step};
use exai_judge::observation::ContainerSeen;
use exai_mocks::plan::Plan;
use tokio_util::sync::CancellationToken;

const GREETING: Duration = Duration::from_secs(10);

/// Whether the ground is missing; fails when `EXAI_REQUIRE` demands it.
fn is_absent() -> bool {
    let missing = match (engine::ping(), which("redis-server")) {
        (Err(error), _) => error.to_string(),
        (Ok(_), None) => "redis-server (package redis-server)".to_owned(),
        (Ok(_), Some(_)) => return false,
    };
    println!("not run: the rig in containers: {missing}");
    let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name.trim() == "engine");
    assert!(!is_required, "engine is required and absent: {missing}");
    true
}

/// Builds what the rig starts, in the profile of this test, and says where it is.
fn binaries() -> Binaries {
    let leaf = PathBuf::from(env!("CARGO_BIN_EXE_containers"));
    let built = Command::new(env!("CARGO"))
        .args("build --quiet --bin exai --bin mock-provider --bin impostor".split(' '))
        .current_dir(root())
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the server or the simulators do not build");
    Binaries {
        exai: leaf.with_file_name("exai"),
        mock_provider: leaf.with_file_name("mock-provider"),
        impostor: leaf.with_file_name("impostor"),
        lock_holder: PathBuf::from("/bin/false"),
        containers: Some(leaf),
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn setup(clock: RunClock, recorder: &Recorder) -> Setup {
    Setup {
        binaries: binaries(),
        store: StoreKind::Redis,
        instances: 1,
        key: runkey::draw().expect("random bytes"),
        plan: Plan::default(),
        spoil: None,
        launcher: Launcher::Honest,
        settings: Settings::default(),
        restart: RestartPolicy {
            vendor: Duration::from_millis(200),
            ..RestartPolicy::default()
        },
        log: None,
        clock,
        recorder: recorder.clone(),
        stop: CancellationToken::new(),
    }
}

/// A container as its engine describes it; None when it knows none of that id.
fn inspected(id: &str) -> Option<serde_json::Value> {
    let output = Command::new("docker").args(["inspect", id]).output();
    let output = output.expect("docker's client runs");
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    all.get(0).cloned()
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    const LOOK_EVERY: Duration = Duration::from_millis(50);
    let until = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < until, "{what} did not come about");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The id of a component's container.
fn id_of(topology: &Topology, component: &str) -> String {
    let supervisor = match component {
        "server" => topology.server().supervisor(),
        "store" => topology.store().supervisor().expect("it is Redis"),
        provider => topology.vendor(provider).unwrap().simulator().supervisor(),
    };
    let process = supervisor.process().expect("it runs");
    process.contained().expect("in a container").id.clone()
}

async fn greet_on_pipes(topology: &Topology, recorder: &Recorder) {
    let (token, seen) = (
        topology
            .credentials()
            .token("ada", &["user"], Signature::Hs256),
        recorder.clone(),
    );
    let identity = Identity::numbered("ada", 3).with_bearer(token);
    let process = topology.on_pipes().expect("it starts");
    let now = std::sync::Arc::new(move || seen.now());
    let client = Stdio::of(process, Revision::V2025, identity, now).expect("it has pipes");
    client.greet(GREETING).await.expect("it is greeted");
    let client = Client::Stdio(client);
    topology.identify_on_pipes(&client).await.expect("it runs");
}

/// The proofs of cause, by fault.
fn causes(events: &[Event]) -> Vec<(String, String)> {
    let cause = |event: &Event| match event {
        Event::Fault {
            fault,
            step: Step::Cause { proof },
        } => Some((fault.id.clone(), proof.clone())),
        _ => None,
    };
    events.iter().filter_map(cause).collect()
}

/// That each kill, the pause and the partitions were proven by the engine.
fn are_proven<'a>(
    causes: &[(String, String)],
    killed: impl Iterator<Item = (&'a &'a str, &'a String)>,
) {
    for (fault, id) in killed {
        let (_, proof) = causes.iter().find(|(one, _)| one == fault).expect(fault);
        assert!(proof.contains(&id[..12]), "{proof}");
        assert!(proof.contains("restart 1 by its policy"), "{proof}");
    }
    let (_, proof) = causes
        .iter()
        .find(|(one, _)| one == "store.pause.1")
        .expect("a pause");
    assert!(proof.ends_with("paused"), "{proof}");
    let cut = causes
        .iter()
        .filter(|(_, proof)| proof.contains("off its network"));
    assert_eq!(cut.count(), 3, "{causes:?}");
}

/// Each container was looked at when it stood and at the end, and is what was ordered.
fn are_as_ordered(events: &[Event]) {
    let seen = events.iter().filter_map(|event| match event {
        Event::Container(seen) => Some(seen),
        _ => None,
    });
    let seen: Vec<_> = seen.collect();
    for moment in [ContainerSeen::START, ContainerSeen::END] {
        let servers = ["exai-mcp-server", "exai-mcp-stdio", "exai-redis"];
        for name in servers.into_iter().chain(["kimi", "glm", "minimax"]) {
            let is_it = |seen: &&&ContainerSeen| seen.name == name && seen.moment == moment;
            assert_eq!(seen.iter().filter(is_it).count(), 1, "{name} at {moment}");
        }
    }
    for seen in seen {
        assert_eq!(seen.differences(), Vec::<String>::new(), "{}", seen.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rig_stands_in_containers_and_what_breaks_there_is_proven_by_the_engine() {
    if is_absent() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let clock = RunClock::start();
    let recorder = Recorder::open(folder.path(), clock.as_now()).expect("a history");
    let topology = Topology::start(setup(clock, &recorder)).await;
    let topology = topology.unwrap_or_else(|error| panic!("{error}"));
    let ids = ["server", "store", "kimi"].map(|component| id_of(&topology, component));
    for id in &ids {
        services::stands_as_composed(&inspected(id).expect("it is there"));
    }
    greet_on_pipes(&topology, &recorder).await;
    for component in ["server", "store", "kimi"] {
        let landed = topology.kill(component).await.expect("no trouble of ours");
        assert_eq!(landed, Landed::Yes, "{component}");
        assert!(ids.contains(&id_of(&topology, component)), "{component}");
    }
    let paused = topology.break_store(FaultKind::Pause).await;
    assert_eq!(paused.expect("no trouble of ours"), Landed::Yes);
    for component in ["store", "kimi", "server"] {
        let cut = topology.partition(component).await;
        assert_eq!(cut.expect("no trouble of ours"), Landed::Yes, "{component}");
    }
    let ended = topology.restart_with(&Settings::default()).await;
    assert!(ended.expect("it comes back").status.unwrap().success());
    topology.stop().await.expect("it drains");
    for id in &ids {
        assert!(inspected(id).is_none(), "{id} outlives the run");
    }
    recorder.close().await.expect("nothing was lost");
    let history = History::in_folder(folder.path());
    let events: Vec<Event> = history.observations().map(|seen| seen.event).collect();
    let killed = ["server.kill.1", "store.kill.1", "kimi.kill.1"];
    are_proven(&causes(&events), killed.iter().zip(&ids));
    let mut identities = 0;
    for event in &events {
        if let Event::Identity(seen) = event {
            assert_eq!(seen.running_sha256, seen.expected_sha256, "{}", seen.moment);
            assert!(seen.owns_listeners, "{}", seen.moment);
            identities += 1;
        }
    }
    assert!(
        identities >= 4,
        "start, pipe, two restarts and the end: {identities}"
    );
    are_as_ordered(&events);
    let told = |event: &&Event| matches!(event, Event::Critical { .. } | Event::Rig { .. });
    let told: Vec<_> = events.iter().filter(told).collect();
    assert!(told.is_empty(), "{told:?}");
}
