//! What every home must do, written once and run against both.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::*;

/// A store and what keeps it alive.
pub(super) struct Bench {
    pub(super) store: Store,
    pub(super) home: Home,
    // Dropped last, in this order: the server, then its folder.
    _server: Option<Server>,
    _folder: tempfile::TempDir,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) const LIMITS: ThreadLimits = ThreadLimits {
    exchanges: 10,
    ttl_ms: 3_600_000,
};

pub(super) fn silent() -> Watch {
    Arc::new(|_| {})
}

pub(super) async fn embedded(limits: ThreadLimits) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::Embedded {
        path: folder.path().join("state/exai.sqlite"),
        busy_timeout: Duration::from_secs(3),
    };
    let store = Store::open(home.clone(), limits, silent()).await.unwrap();
    Bench {
        store,
        home,
        _server: None,
        _folder: folder,
    }
}

/// `None` when there is no `redis-server`; an error when `EXAI_REQUIRE` demands one.
pub(super) async fn redis(limits: ThreadLimits) -> Option<Bench> {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let Some(server) = start_redis(folder.path(), port) else {
        println!("not run: redis-server (package redis-server)");
        let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name == "redis"),
            "redis-server is required"
        );
        return None;
    };
    let home = Home::Redis {
        url: format!("redis://127.0.0.1:{port}").into(),
        connect_timeout: Duration::from_secs(2),
        command_timeout: Duration::from_secs(3),
    };
    let store = Store::open(home.clone(), limits, silent()).await.unwrap();
    let bench = Bench {
        store,
        home,
        _server: Some(server),
        _folder: folder,
    };
    until("redis answers", async || bench.store.probe().await.is_ok()).await;
    Some(bench)
}

fn start_redis(folder: &Path, port: u16) -> Option<Server> {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(folder)
        .args([
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--save",
            "",
        ])
        .args(["--maxmemory-policy", "noeviction"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
        .map(Server)
}

/// Waits for a condition, ten seconds at most.
pub(super) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

pub(super) fn exchange(user: &str) -> Exchange {
    Exchange {
        id: Uuid::new_v4(),
        tool: "chat".into(),
        user: user.into(),
        attached: String::new(),
        assistant: format!("answer to {user}"),
        model: "m".into(),
        provider: "p".into(),
        created_ms: now_ms(),
    }
}

pub(super) fn opening(owner: &str, user: &str) -> Append {
    Append {
        owner: owner.into(),
        thread: ThreadId::fresh(),
        target: Target::New { title: user.into() },
        exchange: exchange(user),
        state: None,
        claim: None,
    }
}

pub(super) fn next(owner: &str, thread: ThreadId, user: &str) -> Append {
    let target = Target::Existing { expected: None };
    Append {
        thread,
        target,
        ..opening(owner, user)
    }
}

fn claimed(mut append: Append, key: &str, digest: &str) -> Append {
    let claim = Claim {
        key: key.into(),
        digest: digest.into(),
    };
    append.claim = Some((claim, format!("reply to {}", append.exchange.user)));
    append
}

fn stored(turn: u32) -> Result<Appended, StoreError> {
    Ok(Appended::Stored { turn })
}

/// Runs a check against both homes.
macro_rules! both {
    ($($name:ident($limits:expr) => $check:ident;)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                $check(super::embedded($limits).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn redis() {
                if let Some(bench) = super::redis($limits).await {
                    $check(bench).await;
                }
            }
        })*
    };
}

both! {
    exchanges_are_read_back_in_order(LIMITS) => in_order;
    a_full_thread_refuses_and_keeps_what_it_has(LIMITS) => full;
    another_owner_finds_nothing(LIMITS) => foreign;
    a_deleted_thread_is_gone_with_its_keys(LIMITS) => deleted;
    a_key_replays_its_answer_and_refuses_other_arguments(LIMITS) => keys;
    the_same_exchange_sent_twice_is_stored_once(LIMITS) => repeated;
    an_expected_length_that_moved_is_refused(LIMITS) => moved;
    concurrent_appends_get_distinct_numbers(LIMITS) => concurrent;
    a_thread_expires_with_its_keys_and_reads_do_not_prolong_it(SHORT) => expiry;
    an_append_prolongs_a_thread_and_its_keys(SHORT) => prolonged;
    the_newest_thread_is_listed_first(LIMITS) => listed;
    workflow_state_is_kept_until_replaced(LIMITS) => state;
    another_instance_reads_what_was_acknowledged(LIMITS) => reopened;
}

const SHORT: ThreadLimits = ThreadLimits {
    exchanges: 10,
    ttl_ms: 1_200,
};

async fn in_order(bench: Bench) {
    let first = opening("ada", "one");
    assert_eq!(bench.store.append(&first).await, stored(1));
    let second = next("ada", first.thread, "two");
    assert_eq!(bench.store.append(&second).await, stored(2));
    let thread = bench
        .store
        .read("ada", first.thread, now_ms())
        .await
        .unwrap();
    assert_eq!(thread.exchanges, vec![first.exchange, second.exchange]);
    assert_eq!(thread.title, "one");
    assert!(
        thread.ttl_ms > 3_500_000 && thread.ttl_ms <= 3_600_000,
        "{}",
        thread.ttl_ms
    );
}

async fn full(bench: Bench) {
    let first = opening("ada", "1");
    bench.store.append(&first).await.unwrap();
    for turn in 2..=10 {
        let append = next("ada", first.thread, &turn.to_string());
        assert_eq!(bench.store.append(&append).await, stored(turn));
    }
    let eleventh = next("ada", first.thread, "11");
    assert_eq!(
        bench.store.append(&eleventh).await,
        Err(StoreError::Full { cap: 10 })
    );
    let thread = bench
        .store
        .read("ada", first.thread, now_ms())
        .await
        .unwrap();
    assert_eq!(thread.exchanges.len(), 10);
}

async fn foreign(bench: Bench) {
    let first = claimed(opening("ada", "mine"), "key", "digest");
    bench.store.append(&first).await.unwrap();
    let (id, now) = (first.thread, now_ms());
    assert_eq!(
        bench.store.read("eve", id, now).await,
        Err(StoreError::NotFound)
    );
    assert_eq!(
        bench.store.delete("eve", id, now).await,
        Err(StoreError::NotFound)
    );
    assert_eq!(
        bench.store.append(&next("eve", id, "x")).await,
        Err(StoreError::NotFound)
    );
    assert_eq!(bench.store.recall("eve", "key", now).await, Ok(None));
    assert_eq!(bench.store.list("eve", 10, now).await, Ok(vec![]));
    assert_eq!(
        bench
            .store
            .read("ada", id, now)
            .await
            .unwrap()
            .exchanges
            .len(),
        1
    );
}

async fn deleted(bench: Bench) {
    let first = claimed(opening("ada", "one"), "key", "digest");
    bench.store.append(&first).await.unwrap();
    let id = first.thread;
    assert_eq!(bench.store.delete("ada", id, now_ms()).await, Ok(()));
    assert_eq!(
        bench.store.delete("ada", id, now_ms()).await,
        Err(StoreError::NotFound)
    );
    assert_eq!(
        bench.store.read("ada", id, now_ms()).await,
        Err(StoreError::NotFound)
    );
    assert_eq!(
        bench.store.append(&next("ada", id, "x")).await,
        Err(StoreError::NotFound)
    );
    assert_eq!(bench.store.recall("ada", "key", now_ms()).await, Ok(None));
    assert_eq!(bench.store.list("ada", 10, now_ms()).await, Ok(vec![]));
}

async fn keys(bench: Bench) {
    let first = claimed(opening("ada", "one"), "key", "digest");
    assert_eq!(bench.store.append(&first).await, stored(1));
    let again = claimed(opening("ada", "other answer"), "key", "digest");
    let recalled = Recalled {
        digest: "digest".into(),
        thread: first.thread,
        turn: 1,
        reply: "reply to one".into(),
    };
    let replayed = Ok(Appended::Replayed(recalled.clone()));
    assert_eq!(bench.store.append(&again).await, replayed);
    assert_eq!(
        bench.store.recall("ada", "key", now_ms()).await,
        Ok(Some(recalled))
    );
    let other = claimed(opening("ada", "two"), "key", "other digest");
    assert_eq!(bench.store.append(&other).await, Err(StoreError::KeyReused));
    assert_eq!(
        bench.store.list("ada", 10, now_ms()).await.unwrap().len(),
        1
    );
}

async fn repeated(bench: Bench) {
    let first = claimed(opening("ada", "one"), "key", "digest");
    assert_eq!(bench.store.append(&first).await, stored(1));
    assert_eq!(bench.store.append(&first).await, stored(1));
    let second = next("ada", first.thread, "two");
    assert_eq!(bench.store.append(&second).await, stored(2));
    assert_eq!(bench.store.append(&second).await, stored(2));
    let thread = bench
        .store
        .read("ada", first.thread, now_ms())
        .await
        .unwrap();
    assert_eq!(thread.exchanges.len(), 2);
}

async fn moved(bench: Bench) {
    let first = opening("ada", "one");
    bench.store.append(&first).await.unwrap();
    let mut second = next("ada", first.thread, "two");
    second.target = Target::Existing { expected: Some(1) };
    assert_eq!(bench.store.append(&second).await, stored(2));
    let mut late = next("ada", first.thread, "late");
    late.target = Target::Existing { expected: Some(1) };
    assert_eq!(
        bench.store.append(&late).await,
        Err(StoreError::Moved { turns: 2 })
    );
}

async fn concurrent(bench: Bench) {
    let first = opening("ada", "one");
    bench.store.append(&first).await.unwrap();
    let appends = (0..16).map(|n| {
        let (store, append) = (
            bench.store.clone(),
            next("ada", first.thread, &n.to_string()),
        );
        tokio::spawn(async move { store.append(&append).await })
    });
    let mut turns = Vec::new();
    let mut refused = 0;
    for append in appends.collect::<Vec<_>>() {
        match append.await.unwrap() {
            Ok(Appended::Stored { turn }) => turns.push(turn),
            Err(StoreError::Full { cap: 10 }) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    turns.sort_unstable();
    assert_eq!(turns, (2..=10).collect::<Vec<_>>());
    assert_eq!(refused, 7);
}

async fn expiry(bench: Bench) {
    let first = claimed(opening("ada", "one"), "key", "digest");
    let started = Instant::now();
    bench.store.append(&first).await.unwrap();
    until("the thread expires", async || {
        bench.store.read("ada", first.thread, now_ms()).await == Err(StoreError::NotFound)
    })
    .await;
    assert!(
        started.elapsed() >= Duration::from_millis(1_150),
        "{:?}",
        started.elapsed()
    );
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "reads prolong: {:?}",
        started.elapsed()
    );
    let late = next("ada", first.thread, "late");
    assert_eq!(bench.store.append(&late).await, Err(StoreError::NotFound));
    assert_eq!(bench.store.recall("ada", "key", now_ms()).await, Ok(None));
    assert_eq!(bench.store.list("ada", 10, now_ms()).await, Ok(vec![]));
}

async fn prolonged(bench: Bench) {
    let first = claimed(opening("ada", "one"), "key", "digest");
    bench.store.append(&first).await.unwrap();
    until("half of its life is over", async || {
        bench
            .store
            .read("ada", first.thread, now_ms())
            .await
            .unwrap()
            .ttl_ms
            < 600
    })
    .await;
    bench
        .store
        .append(&next("ada", first.thread, "two"))
        .await
        .unwrap();
    let thread = bench
        .store
        .read("ada", first.thread, now_ms())
        .await
        .unwrap();
    assert!(thread.ttl_ms > 900, "{}", thread.ttl_ms);
    let appended = Instant::now();
    // Past the first life and within the second.
    until("the first life is over", async || {
        appended.elapsed().as_millis() > 800
    })
    .await;
    assert!(
        bench
            .store
            .recall("ada", "key", now_ms())
            .await
            .unwrap()
            .is_some()
    );
}

async fn listed(bench: Bench) {
    let older = opening("ada", "older");
    let mut newer = opening("ada", "newer");
    newer.exchange.created_ms = older.exchange.created_ms + 5;
    bench.store.append(&older).await.unwrap();
    bench.store.append(&newer).await.unwrap();
    let list = bench.store.list("ada", 10, now_ms()).await.unwrap();
    let titles: Vec<&str> = list.iter().map(|line| line.title.as_str()).collect();
    assert_eq!(titles, ["newer", "older"]);
    assert_eq!(bench.store.list("ada", 1, now_ms()).await.unwrap().len(), 1);
    let mut again = next("ada", older.thread, "again");
    again.exchange.created_ms = older.exchange.created_ms + 9;
    bench.store.append(&again).await.unwrap();
    let list = bench.store.list("ada", 10, now_ms()).await.unwrap();
    assert_eq!((list[0].title.as_str(), list[0].turns), ("older", 2));
}

async fn state(bench: Bench) {
    let mut first = opening("ada", "one");
    first.state = Some("{\"step\":1}".into());
    bench.store.append(&first).await.unwrap();
    bench
        .store
        .append(&next("ada", first.thread, "chat"))
        .await
        .unwrap();
    let read = async || {
        bench
            .store
            .read("ada", first.thread, now_ms())
            .await
            .unwrap()
            .state
    };
    assert_eq!(read().await.as_deref(), Some("{\"step\":1}"));
    let mut third = next("ada", first.thread, "two");
    third.state = Some("{\"step\":2}".into());
    bench.store.append(&third).await.unwrap();
    assert_eq!(read().await.as_deref(), Some("{\"step\":2}"));
}

async fn reopened(bench: Bench) {
    let first = claimed(opening("ada", "one"), "key", "digest");
    bench.store.append(&first).await.unwrap();
    let other = Store::open(bench.home.clone(), LIMITS, silent())
        .await
        .unwrap();
    let thread = other.read("ada", first.thread, now_ms()).await.unwrap();
    assert_eq!(thread.exchanges, vec![first.exchange.clone()]);
    assert!(
        other
            .recall("ada", "key", now_ms())
            .await
            .unwrap()
            .is_some()
    );
    other
        .append(&next("ada", first.thread, "two"))
        .await
        .unwrap();
    let thread = bench
        .store
        .read("ada", first.thread, now_ms())
        .await
        .unwrap();
    assert_eq!(thread.exchanges.len(), 2);
}
