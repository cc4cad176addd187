//! Checks of the queue for the archive, and of what an owner takes along.

use super::*;

pub(super) async fn queued(bench: Bench) {
    let first = opening("ada", "one");
    let other = opening("eve", "hers");
    for append in [&first, &other, &next("ada", first.thread, "two")] {
        bench.store.append(append).await.unwrap();
    }
    // Sent again, it is the same exchange and no second copy.
    bench.store.append(&first).await.unwrap();
    assert_eq!(bench.store.backlog().await, Ok(3));
    let waiting = bench.store.waiting(10).await.unwrap();
    let own: Vec<_> = waiting.iter().filter(|one| one.owner == "ada").collect();
    let turns: Vec<(u32, &str)> = own
        .iter()
        .map(|one| (one.turn, one.title.as_str()))
        .collect();
    assert_eq!(turns, [(1, "one"), (2, "one")]);
    let read: Exchange = serde_json::from_str(&own[0].body).unwrap();
    assert_eq!(
        (read, own[0].thread.clone()),
        (first.exchange, first.thread.to_string())
    );
    // What is settled leaves, what is not stays, and a deletion comes behind it.
    bench.store.copied(&[own[0].ticket.clone()]).await.unwrap();
    bench
        .store
        .delete("ada", first.thread, now_ms())
        .await
        .unwrap();
    let waiting = bench.store.waiting(10).await.unwrap();
    let own = waiting.iter().filter(|one| one.owner == "ada");
    assert_eq!(own.map(|one| one.turn).collect::<Vec<_>>(), [2, 0]);
    assert_eq!(bench.store.waiting(1).await.unwrap().len(), 1);
    let tickets: Vec<Ticket> = waiting.into_iter().map(|one| one.ticket).collect();
    bench.store.copied(&tickets).await.unwrap();
    assert_eq!(bench.store.waiting(10).await, Ok(Vec::new()));
    assert_eq!(bench.store.backlog().await, Ok(0));
}

pub(super) async fn bounded(bench: Bench) {
    let first = opening("ada", "one");
    bench.store.append(&first).await.unwrap();
    for text in ["two", "three", "four"] {
        let append = next("ada", first.thread, text);
        assert!(bench.store.append(&append).await.is_ok(), "{text}");
    }
    assert_eq!(bench.store.backlog().await, Ok(2));
    let thread = bench
        .store
        .read("ada", first.thread, now_ms())
        .await
        .unwrap();
    assert_eq!(thread.exchanges.len(), 4);
}

pub(super) async fn purged(bench: Bench) {
    let (own, hers) = (
        claimed(opening("ada", "canary"), "k", "d"),
        opening("eve", "kept"),
    );
    bench.store.append(&own).await.unwrap();
    bench.store.append(&hers).await.unwrap();
    let call = CallChange {
        owner: "ada".into(),
        id: CallId::fresh(),
        now_ms: now_ms(),
        step: CallStep::Begin {
            facts: "canary".into(),
        },
    };
    bench.store.change_call(&call).await.unwrap();
    let belongings = bench.store.belongings("ada", now_ms()).await.unwrap();
    assert_eq!(belongings.threads, [own.thread]);
    assert_eq!(belongings.calls, [("canary".to_owned(), None)]);
    let gone = Purged {
        threads: 1,
        calls: 1,
        waiting: 1,
    };
    assert_eq!(bench.store.purge("ada").await, Ok(gone));
    assert_eq!(bench.store.purge("ada").await, Ok(Purged::default()));
    let read = bench.store.read("ada", own.thread, now_ms()).await;
    assert_eq!(read, Err(StoreError::NotFound));
    assert_eq!(bench.store.recall("ada", "k", now_ms()).await, Ok(None));
    assert!(bench.store.read("eve", hers.thread, now_ms()).await.is_ok());
    assert_eq!(bench.store.backlog().await, Ok(1));
    // Nor is it left in the home's own files.
    until("no file holds what was purged", async || {
        let files = files_below(bench._folder.path());
        let text = |path: &std::path::PathBuf| std::fs::read(path).unwrap_or_default();
        let held = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).contains("canary");
        !files.iter().any(|path| held(text(path)))
    })
    .await;
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => files_below(&path),
            path => vec![path],
        })
        .collect()
}
