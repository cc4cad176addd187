//! What a store says while it is broken, and that it works again afterwards.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::contract::{LIMITS, embedded, next, now_ms, opening, redis, silent, until};
use super::*;

fn configure(bench: &super::contract::Bench, words: &[&str]) {
    let mut connection = client(bench).get_connection().unwrap();
    let (name, arguments) = words.split_first().unwrap();
    let _: ::redis::Value = ::redis::cmd(name)
        .arg(arguments)
        .query(&mut connection)
        .unwrap();
}

fn client(bench: &super::contract::Bench) -> ::redis::Client {
    ::redis::Client::open(address(bench)).unwrap()
}

fn address(bench: &super::contract::Bench) -> String {
    use secrecy::ExposeSecret;
    match &bench.home {
        Home::Redis { url, .. } => url.expose_secret().to_owned(),
        Home::Embedded { .. } => unreachable!("asked of a redis bench only"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_or_read_only_redis_refuses_by_name_and_recovers() {
    let Some(bench) = redis(LIMITS).await else {
        return;
    };
    let first = opening("ada", "one");
    bench.store.append(&first).await.unwrap();
    let cases: [(&[&str], &[&str], Refusal); 3] = [
        (
            &["CONFIG", "SET", "maxmemory", "1"],
            &["CONFIG", "SET", "maxmemory", "0"],
            Refusal::Full,
        ),
        (
            &["REPLICAOF", "192.0.2.1", "6379"],
            &["REPLICAOF", "NO", "ONE"],
            Refusal::ReadOnly,
        ),
        (
            &["CONFIG", "SET", "min-replicas-to-write", "1"],
            &["CONFIG", "SET", "min-replicas-to-write", "0"],
            Refusal::NoReplicas,
        ),
    ];
    for (breaking, healing, expected) in cases {
        configure(&bench, breaking);
        let append = next("ada", first.thread, "refused");
        match bench.store.append(&append).await {
            Err(StoreError::Refused { reason, .. }) => assert_eq!(reason, expected),
            other => panic!("{breaking:?}: {other:?}"),
        }
        assert!(bench.store.probe().await.is_err(), "{breaking:?}");
        configure(&bench, healing);
        until("writes are accepted again", async || {
            bench.store.probe().await.is_ok()
        })
        .await;
    }
    let thread = bench
        .store
        .read("ada", first.thread, now_ms())
        .await
        .unwrap();
    assert_eq!(
        thread.exchanges.len(),
        1,
        "a refused append left something behind"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_of_a_newer_program_keeps_the_store_from_opening() {
    let Some(bench) = redis(LIMITS).await else {
        return;
    };
    configure(&bench, &["SET", "exai:schema_version", "99"]);
    let opened = Store::open(bench.home.clone(), LIMITS, silent()).await;
    assert_eq!(
        opened.err(),
        Some(StoreError::NewerSchema {
            found: 99,
            known: 1
        })
    );
}

/// A door before Redis that can answer garbage to whoever knocks.
struct Door {
    url: String,
    is_spoiled: Arc<AtomicBool>,
    is_shut: Arc<AtomicBool>,
}

fn door(target: String) -> Door {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let (is_spoiled, is_shut) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let (spoiled, shut) = (is_spoiled.clone(), is_shut.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if spoiled.load(Ordering::SeqCst) {
                // A reply that is no reply: the handshake fails, and not by I/O.
                let _ = (&stream).write_all(b"?what\r\n?what\r\n?what\r\n");
                let _ = stream.shutdown(std::net::Shutdown::Write);
                continue;
            }
            let Ok(inner) = TcpStream::connect(target.trim_start_matches("redis://")) else {
                continue;
            };
            pump(
                stream.try_clone().unwrap(),
                inner.try_clone().unwrap(),
                shut.clone(),
            );
            pump(inner, stream, shut.clone());
        }
    });
    Door {
        url,
        is_spoiled,
        is_shut,
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, shut: Arc<AtomicBool>) {
    from.set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while !shut.load(Ordering::SeqCst) {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => to.write_all(&buffer[..n]).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
        let _ = from.shutdown(std::net::Shutdown::Both);
    });
}

/// Longer than the test takes.
const PATIENT: Duration = Duration::from_secs(20);

/// A breaker that by itself would let nothing try for long.
fn patient() -> Guarding {
    let mut guarding = Guarding::of("redis");
    guarding.settings.first_open = PATIENT;
    guarding.settings.max_open = PATIENT;
    guarding
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_link_to_redis_recovers_after_a_spoiled_handshake() {
    let Some(bench) = redis(LIMITS).await else {
        return;
    };
    let door = door(address(&bench));
    let home = Home::Redis {
        url: door.url.clone().into(),
        connect_timeout: Duration::from_secs(1),
        command_timeout: Duration::from_secs(1),
        guarding: patient(),
    };
    let store = Store::open(home, LIMITS, silent()).await.unwrap();
    let first = opening("ada", "one");
    store.append(&first).await.unwrap();
    door.is_spoiled.store(true, Ordering::SeqCst);
    door.is_shut.store(true, Ordering::SeqCst);
    until("the link is seen to be broken", async || {
        store.probe().await.is_err()
    })
    .await;
    for _ in 0..20 {
        assert!(matches!(
            store.probe().await,
            Err(StoreError::Unavailable(_))
        ));
    }
    door.is_shut.store(false, Ordering::SeqCst);
    door.is_spoiled.store(false, Ordering::SeqCst);
    let healed = Instant::now();
    until("the link works again", async || store.probe().await.is_ok()).await;
    let took = healed.elapsed();
    assert!(
        took < PATIENT / 2,
        "not by the breaker's interval: {took:?}"
    );
    assert_eq!(
        store
            .read("ada", first.thread, now_ms())
            .await
            .unwrap()
            .exchanges
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_not_there_is_an_outage_at_once_and_never_another_store() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let home = Home::Redis {
        url: format!("redis://127.0.0.1:{port}").into(),
        connect_timeout: Duration::from_secs(1),
        command_timeout: Duration::from_secs(1),
        guarding: Guarding::of("redis"),
    };
    let store = Store::open(home, LIMITS, silent()).await.unwrap();
    assert_eq!(store.kind(), "redis");
    let append = opening("ada", "one");
    assert!(matches!(
        store.append(&append).await,
        Err(StoreError::Unavailable(_))
    ));
    let read = store.read("ada", append.thread, now_ms()).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_file_is_an_outage_past_the_budget_and_reads_go_on() {
    let bench = embedded(LIMITS).await;
    let Home::Embedded { path, .. } = &bench.home else {
        unreachable!("an embedded bench")
    };
    let hasty = Home::Embedded {
        path: path.clone(),
        busy_timeout: Duration::from_millis(100),
    };
    let hasty = Store::open(hasty, LIMITS, silent()).await.unwrap();
    let first = opening("ada", "one");
    bench.store.append(&first).await.unwrap();
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let second = next("ada", first.thread, "two");
    assert!(matches!(
        hasty.append(&second).await,
        Err(StoreError::Unavailable(_))
    ));
    assert_eq!(
        hasty
            .read("ada", first.thread, now_ms())
            .await
            .unwrap()
            .exchanges
            .len(),
        1
    );
    // The patient store waits for the lock within its own budget, three times as long already.
    let mut patient = {
        let (store, second) = (bench.store.clone(), second.clone());
        tokio::spawn(async move { store.append(&second).await })
    };
    let early = tokio::time::timeout(Duration::from_millis(300), &mut patient).await;
    assert!(early.is_err(), "{early:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(patient.await.unwrap(), Ok(Appended::Stored { turn: 2 }));
}
