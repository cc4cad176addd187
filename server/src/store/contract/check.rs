//! The checks, each for a fresh store.

use super::*;

pub(super) async fn in_order(bench: Bench) {
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

pub(super) async fn full(bench: Bench) {
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

pub(super) async fn foreign(bench: Bench) {
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

pub(super) async fn deleted(bench: Bench) {
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

pub(super) async fn keys(bench: Bench) {
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

pub(super) async fn repeated(bench: Bench) {
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

pub(super) async fn moved(bench: Bench) {
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

pub(super) async fn concurrent(bench: Bench) {
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

pub(super) async fn expiry(bench: Bench) {
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

pub(super) async fn prolonged(bench: Bench) {
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

pub(super) async fn listed(bench: Bench) {
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

pub(super) async fn state(bench: Bench) {
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

pub(super) async fn reopened(bench: Bench) {
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
