use super::*;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::edge::Slow;
use super::embedded::{Holder, Pattern};
use crate::clock::RunClock;
use crate::history::History;
use crate::link::Link;
use crate::process::{Process, Spec};
use crate::redis::{PACKAGE, RedisStore, Setup, which};
use crate::supervisor::{Supervisor, Watch};
use futures::FutureExt;
use tokio::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_secs(10);

/// A history in a folder of its own, and what was said in it.
struct Told {
    folder: tempfile::TempDir,
    clock: RunClock,
    recorder: Recorder,
}

impl Told {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("history")).unwrap();
        let clock = RunClock::start();
        let history = folder.path().join("history");
        let recorder = Recorder::open(&history, clock.as_now()).unwrap();
        Self {
            folder,
            clock,
            recorder,
        }
    }

    /// The steps of each fault in order of their time, as `id: step`.
    async fn steps(self) -> Vec<String> {
        self.recorder.close().await.unwrap();
        let history = History::in_folder(&self.folder.path().join("history"));
        let mut seen: Vec<_> = history.observations().collect();
        seen.sort_by_key(|seen| seen.at);
        let step = |event: &Event| match event {
            Event::Fault { fault, step } => {
                let word = match step {
                    Step::Injected => "injected",
                    Step::Cause { .. } => "cause",
                    Step::Effect { .. } => "effect",
                    Step::Healed => "healed",
                    Step::NotLanded { .. } => "not landed",
                };
                Some(format!("{}: {word}", fault.id))
            }
            _ => None,
        };
        seen.iter().filter_map(|seen| step(&seen.event)).collect()
    }
}

fn all_of(id: &str) -> Vec<String> {
    let steps = ["injected", "cause", "effect", "healed"];
    steps.iter().map(|step| format!("{id}: {step}")).collect()
}

fn sleeper(recorder: &Recorder) -> Supervisor {
    let watch = Watch {
        name: "server".to_owned(),
        role: Role::Judged,
        delay: Duration::from_millis(200),
        recorder: recorder.clone(),
    };
    let starter = Box::new(|_life| {
        let mut spec = Spec::new("server", Path::new("/bin/sleep"), Path::new("/"));
        spec.args = vec!["600".into()];
        Process::spawn(spec)
    });
    Supervisor::start(watch, starter).unwrap()
}

fn is_running(supervisor: &Supervisor) -> Probe {
    let lives = supervisor.lives();
    Arc::new(move || {
        let is_up = lives.borrow().process.is_some();
        async move { is_up.then_some(()).ok_or_else(|| "down".to_owned()) }.boxed()
    })
}

#[tokio::test]
async fn a_kill_is_proven_by_another_process_in_place_of_the_one_that_is_gone() {
    let told = Told::new();
    let server = sleeper(&told.recorder);
    let nemesis = Nemesis::new(told.recorder.clone());
    let probe = is_running(&server);
    for _ in 0..2 {
        let landed = nemesis.kill("server", &server, Role::Judged, &probe).await;
        assert_eq!(landed.unwrap(), Landed::Yes);
    }
    let wanted = [all_of("server.kill.1"), all_of("server.kill.2")].concat();
    assert_eq!(told.steps().await, wanted);
}

#[tokio::test]
async fn a_kill_that_kills_nothing_does_not_land() {
    let told = Told::new();
    let server = sleeper(&told.recorder);
    let before = server.process().unwrap().pair();
    let nemesis = Nemesis::new(told.recorder.clone()).toothless();
    let probe = is_running(&server);
    let landed = nemesis.kill("server", &server, Role::Judged, &probe);
    assert_eq!(landed.await.unwrap(), Landed::No);
    assert!(before.is_alive());
    let steps = told.steps().await;
    assert_eq!(
        steps,
        ["server.kill.1: injected", "server.kill.1: not landed"]
    );
}

#[tokio::test]
async fn a_killed_server_that_never_comes_back_is_no_trouble_of_the_rig() {
    let told = Told::new();
    let server = sleeper(&told.recorder);
    let nemesis = Nemesis::new(told.recorder.clone()).waiting(Duration::from_millis(100));
    let down: Probe = Arc::new(|| async { Err("no answer".to_owned()) }.boxed());
    let landed = nemesis.kill("server", &server, Role::Judged, &down).await;
    assert_eq!(landed.unwrap(), Landed::NeverBack);
    told.recorder.close().await.unwrap();
    let history = History::in_folder(&told.folder.path().join("history"));
    let seen: Vec<_> = history.observations().map(|seen| seen.event).collect();
    let steps = seen.iter().filter_map(|event| match event {
        Event::Fault { step, .. } => Some(step),
        _ => None,
    });
    let (causes, heals): (Vec<_>, Vec<_>) = steps
        .filter(|step| matches!(step, Step::Cause { .. } | Step::Healed))
        .partition(|step| matches!(step, Step::Cause { .. }));
    assert_eq!((causes.len(), heals.len()), (1, 0), "{seen:?}");
    let is_rig = |event: &Event| matches!(event, Event::Rig { .. });
    assert!(!seen.iter().any(is_rig), "{seen:?}");
}

#[tokio::test]
async fn an_edge_without_a_flow_cannot_be_reset_or_refused() {
    let told = Told::new();
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let link = Link::start("server-kimi", nobody).await.unwrap();
    let nemesis = Nemesis::new(told.recorder.clone());
    let whole: Probe = Arc::new(|| async { Ok(()) }.boxed());
    let reset = nemesis.reset("kimi", &link, &whole).await.unwrap();
    let window = Duration::from_millis(50);
    let refuse = nemesis.refuse("kimi", &link, window, &whole).await.unwrap();
    assert_eq!((reset, refuse), (Landed::No, Landed::No));
}

/// What waits for something that never comes, without the wait.
async fn hurried<T>(waiting: impl Future<Output = T>) -> T {
    let mut waiting = std::pin::pin!(waiting);
    tokio::time::pause();
    let waited = loop {
        tokio::select! {
            waited = &mut waiting => break waited,
            () = tokio::time::advance(Duration::from_millis(100)) => {}
        }
    };
    tokio::time::resume();
    waited
}

#[tokio::test]
async fn what_is_broken_and_felt_by_nobody_does_not_land() {
    let told = Told::new();
    let server = sleeper(&told.recorder);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = Link::start("server-kimi", silent.local_addr().unwrap());
    let link = link.await.unwrap();
    let nemesis = Nemesis::new(told.recorder.clone());
    let whole: Probe = Arc::new(|| async { Ok(()) }.boxed());
    let window = Duration::from_millis(50);
    let _first = TcpStream::connect(link.address()).await.unwrap();
    wait_for_flow(&link).await;
    let refuse = nemesis.refuse("kimi", &link, window, &whole).await;
    let pause = nemesis.pause("server", &server, window, &whole).await;
    let _second = TcpStream::connect(link.address()).await.unwrap();
    wait_for_flow(&link).await;
    let reset = hurried(nemesis.reset("kimi", &link, &whole)).await;
    for landed in [refuse, pause, reset] {
        assert_eq!(landed.unwrap(), Landed::No);
    }
    let unfelt = |id: &str| {
        let steps = ["injected", "cause", "not landed", "healed"];
        steps.map(|step| format!("{id}: {step}"))
    };
    let ids = ["kimi.refuse.1", "server.pause.1", "kimi.reset.1"];
    assert_eq!(told.steps().await, ids.map(unfelt).concat());
}

#[tokio::test]
async fn a_thing_that_stays_broken_taints_what_follows() {
    let told = Told::new();
    let mut nemesis = Nemesis::new(told.recorder.clone());
    nemesis.patience.rig = Duration::from_millis(100);
    let broken: Probe = Arc::new(|| async { Err("broken".to_owned()) }.boxed());
    let deed = nemesis.deed("store", FaultKind::Slow);
    let healed = deed.heal(&broken, Role::Rig);
    assert!(matches!(healed.await, Err(NemesisError::NotHealed { .. })));
    told.recorder.close().await.unwrap();
    let history = History::in_folder(&told.folder.path().join("history"));
    let seen: Vec<_> = history.observations().collect();
    assert!(
        matches!(
            &seen[0].event,
            Event::Rig {
                until: u64::MAX,
                ..
            }
        ),
        "{seen:?}"
    );
}

fn store_file(folder: &Path) -> PathBuf {
    let file = folder.join("exai.sqlite");
    let store = rusqlite::Connection::open(&file).unwrap();
    store
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (n)")
        .unwrap();
    file
}

fn holder(told: &Told, script: &str) -> Holder {
    let program = told.folder.path().join("holder");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    Holder {
        program,
        file: store_file(told.folder.path()),
        clock: told.clock,
    }
}

#[tokio::test]
async fn a_held_lock_is_felt_by_another_process_and_free_again_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let file = store_file(folder.path());
    let probe = embedded::is_free(&file);
    assert_eq!(probe().await, Ok(()));
    let over = Arc::new(AtomicBool::new(false));
    let (is_over, held_file) = (Arc::clone(&over), file.clone());
    let holding = std::thread::spawn(move || {
        let time = Duration::from_millis(600);
        let holds = embedded::hold(&held_file, time, time, std::time::Instant::now() + time);
        is_over.store(true, Ordering::SeqCst);
        holds.unwrap()
    });
    let mut felt = false;
    while !over.load(Ordering::SeqCst) {
        felt |= probe().await.is_err();
    }
    assert!(felt);
    assert_eq!(holding.join().unwrap(), 1);
    assert_eq!(probe().await, Ok(()));
}

/// Holds the lock of `file` for a second, from before it comes back.
async fn hold(file: &Path) -> std::thread::JoinHandle<u64> {
    let held = file.to_owned();
    let holding = std::thread::spawn(move || {
        let time = Duration::from_secs(1);
        let until = std::time::Instant::now() + time;
        embedded::hold(&held, time, Duration::ZERO, until).unwrap()
    });
    while embedded::is_free(file)().await.is_ok() {}
    holding
}

#[tokio::test]
async fn a_lock_lands_only_with_the_holders_word_and_where_it_is_felt() {
    for (script, is_held, wanted) in [
        ("echo held 1", true, Landed::Yes),
        ("echo held 1", false, Landed::No),
        ("exit 3", true, Landed::No),
    ] {
        let told = Told::new();
        let holder = holder(&told, script);
        let held = match is_held {
            true => Some(hold(&holder.file).await),
            false => None,
        };
        let nemesis = Nemesis::new(told.recorder.clone());
        let landed = nemesis.lock(&holder, Pattern::SLOW).await.unwrap();
        assert_eq!(landed, wanted, "{script}, held: {is_held}");
        assert!(held.is_none_or(|held| held.join().unwrap() > 0));
    }
}

async fn redis(told: &Told) -> Option<RedisStore> {
    if which("redis-server").is_none() {
        println!("not run: redis-server (package {PACKAGE})");
        let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name.trim() == "redis"));
        return None;
    }
    let setup = Setup {
        folder: &told.folder.path().join("store"),
        user: None,
        restart_delay: Duration::from_millis(100),
        berth: None,
        syncs_late: false,
        recorder: told.recorder.clone(),
    };
    Some(RedisStore::start(setup).await.unwrap())
}

#[tokio::test]
async fn each_fault_of_a_redis_store_is_injected_proven_felt_and_healed() {
    let told = Told::new();
    let Some(store) = redis(&told).await else {
        return;
    };
    let link = Link::start("server-store", store.address()).await.unwrap();
    let nemesis = Nemesis::new(told.recorder.clone());
    let probe = pong(link.address(), store.password());
    let user = tokio::spawn(use_it(link.address(), store.password().to_owned()));
    let window = Duration::from_millis(1_200);
    let slow = Slow {
        each_way: Duration::from_millis(40),
        window: Duration::from_millis(300),
    };
    let kill = nemesis
        .kill("store", store.supervisor(), Role::Rig, &probe)
        .await;
    let pause = nemesis
        .pause("store", store.supervisor(), window, &probe)
        .await;
    let slow = nemesis.slow("store", &link, slow, &probe).await;
    let full = nemesis.fill(&store, Duration::from_millis(300)).await;
    let read_only = nemesis
        .make_read_only(&store, Duration::from_millis(300))
        .await;
    wait_for_flow(&link).await;
    let reset = nemesis.reset("store", &link, &probe).await;
    wait_for_flow(&link).await;
    let refuse = nemesis
        .refuse("store", &link, Duration::from_millis(200), &probe)
        .await;
    for landed in [kill, pause, slow, full, read_only, reset, refuse] {
        assert_eq!(landed.unwrap(), Landed::Yes);
    }
    user.abort();
    drop(store);
    let names = [
        "kill",
        "pause",
        "slow",
        "full",
        "read_only",
        "reset",
        "refuse",
    ];
    let wanted: Vec<String> = names
        .iter()
        .flat_map(|name| all_of(&format!("store.{name}.1")))
        .collect();
    assert_eq!(told.steps().await, wanted);
}

/// Somebody who uses the store all the time and reconnects, as a server would.
async fn use_it(edge: std::net::SocketAddr, password: String) {
    loop {
        if let Ok(mut wire) = crate::redis::Wire::open(edge, &password, LIMIT).await {
            loop {
                match wire.ask(&["SET", "used", "1"]).await {
                    Ok(_) | Err(crate::redis::WireError::Refused { .. }) => {}
                    Err(_broken) => break,
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn wait_for_flow(link: &Link) {
    tokio::time::timeout(LIMIT, async {
        while link.counters().open == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
}
