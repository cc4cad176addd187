//! The way from the store's queue to the archive.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::archive::keeper::{Pace, Stopped};
use crate::store::{self, Append, Store, Target, ThreadLimits};

const LIMITS: ThreadLimits = ThreadLimits {
    exchanges: 100,
    ttl_ms: 3_600_000,
    queue: 1_000,
};

async fn store(bench: &Bench) -> Store {
    let home = store::Home::Embedded {
        path: bench.folder().join("exai.sqlite"),
        busy_timeout: Duration::from_secs(3),
    };
    Store::open(home, LIMITS, Arc::new(|_| {})).await.unwrap()
}

fn keeper(bench: &Bench, store: &Store) -> Keeper {
    Keeper::new(
        bench.archive.clone(),
        store.clone(),
        Arc::new(Notify::new()),
    )
}

async fn append(store: &Store, thread: ThreadId, turn: usize) {
    let target = match turn {
        1 => Target::New {
            title: "titled".into(),
        },
        _ => Target::Existing { expected: None },
    };
    let append = Append {
        owner: "ada".into(),
        thread,
        target,
        exchange: exchange(&format!("message {turn}")),
        state: None,
        claim: None,
    };
    store.append(&append).await.unwrap();
}

/// The same archive, which is not waited for as long.
fn hasty(bench: &Bench) -> Home {
    match bench.home.clone() {
        Home::Postgres { url, .. } => Home::Postgres {
            url,
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_millis(200),
        },
        home @ Home::Sqlite { .. } => home,
    }
}

pub async fn refused(bench: Bench) {
    let mut guarding = Guarding::of("archive");
    let hour = Duration::from_secs(3600);
    guarding.settings.failures = 2;
    (guarding.settings.first_open, guarding.settings.max_open) = (hour, hour);
    let moves = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&moves);
    guarding.moved = Arc::new(move |_, to| seen.lock().unwrap().push(to.name()));
    let archive = Archive::new(hasty(&bench), guarding, Migrate::Start).unwrap();
    archive.probe().await.unwrap();
    let lock = bench.lock().await;
    let forget = || archive.purge("ada", 0);
    for _ in 0..2 {
        assert!(matches!(forget().await, Err(Fault::Unavailable(_))));
    }
    let begun = Instant::now();
    let refused = forget().await.unwrap_err().to_string();
    assert!(begun.elapsed() < Duration::from_millis(100), "{refused}");
    assert!(
        refused.contains("archive failed again and again"),
        "{refused}"
    );
    drop(lock);
    // The open interval would last an hour; the health probe finds the archive sooner.
    assert!(forget().await.is_err());
    archive.probe().await.unwrap();
    forget().await.unwrap();
    assert_eq!(*moves.lock().unwrap(), ["open", "half_open", "closed"]);
}

pub async fn outage(bench: Bench) {
    bench.archive.probe().await.unwrap();
    let (store, thread) = (store(&bench).await, ThreadId::fresh());
    let hasty = Archive::new(hasty(&bench), Guarding::of("archive"), Migrate::Start).unwrap();
    let held = Keeper::new(hasty, store.clone(), Arc::new(Notify::new()));
    let lock = bench.lock().await;
    for turn in 1..=5 {
        append(&store, thread, turn).await;
    }
    let stopped = held.drain().await;
    assert!(
        matches!(stopped, Err(Stopped::Archive(Fault::Unavailable(_)))),
        "{stopped:?}"
    );
    assert_eq!(store.backlog().await, Ok(5));
    drop(lock);
    // The running keeper finds out by itself that the archive is back.
    let (stop, pace) = (
        CancellationToken::new(),
        Pace {
            idle: Duration::from_millis(50),
            retry: Duration::from_millis(50),
            retention: Duration::MAX,
        },
    );
    let running = tokio::spawn(keeper(&bench, &store).run(pace, stop.clone()));
    let deadline = Instant::now() + Duration::from_secs(10);
    while store.backlog().await != Ok(0) {
        assert!(Instant::now() < deadline, "the queue is never drained");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    running.await.unwrap();
    let wanted: Vec<String> = (1..=5).map(|turn| format!("message {turn}")).collect();
    assert_eq!(said(&bench.archive, "ada", thread).await, wanted);
    let copy = bench.archive.read("ada", thread).await.unwrap().unwrap();
    assert_eq!(copy.title, "titled");
}

pub async fn buried(bench: Bench) {
    let (store, thread) = (store(&bench).await, ThreadId::fresh());
    for turn in 1..=2 {
        append(&store, thread, turn).await;
    }
    // A copy that no program can read, between two good ones.
    let spoiled = rusqlite::Connection::open(bench.folder().join("exai.sqlite")).unwrap();
    let text = "INSERT INTO waiting (owner, thread, turn, title, body)
        VALUES ('ada', ?1, 3, '', 'not an exchange')";
    spoiled.execute(text, [thread.to_string()]).unwrap();
    append(&store, thread, 3).await;
    let keeper = keeper(&bench, &store);
    assert_eq!(keeper.drain().await.unwrap(), 4);
    assert_eq!(store.backlog().await, Ok(0));
    assert_eq!(
        said(&bench.archive, "ada", thread).await,
        ["message 1", "message 2", "message 3"]
    );
    keeper.look().await.unwrap();
    assert_eq!((keeper.waiting(), keeper.buried()), (0, 1));
    let kept = bench.column("SELECT body FROM dead_letters").await;
    assert_eq!(kept, ["not an exchange"]);
}
