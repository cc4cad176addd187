//! Copies and what removes them.

use uuid::Uuid;

use super::*;

pub fn exchange(user: &str) -> Exchange {
    Exchange {
        id: Uuid::new_v4(),
        tool: "chat".into(),
        user: user.into(),
        attached: String::new(),
        assistant: format!("answer to {user}"),
        thoughts: Vec::new(),
        model: "m".into(),
        provider: "p".into(),
        created_ms: 1_000,
        correlation_id: String::new(),
    }
}

pub fn entry(owner: &str, thread: ThreadId, turn: u32, user: &str) -> Entry {
    Entry {
        owner: owner.into(),
        thread,
        title: "a title".into(),
        deed: Deed::Appended {
            turn,
            exchange: Box::new(exchange(user)),
        },
    }
}

pub async fn said(archive: &Archive, owner: &str, thread: ThreadId) -> Vec<String> {
    let copy = archive.read(owner, thread).await.unwrap();
    let exchanges = copy.map(|copy| copy.exchanges).unwrap_or_default();
    exchanges.into_iter().map(|one| one.user).collect()
}

pub async fn empty(bench: Bench) {
    bench.archive.probe().await.unwrap();
    let text = "SELECT CAST(version AS TEXT) FROM schema_version ORDER BY version";
    let versions = bench.column(text).await;
    assert_eq!(versions.len() as i64, schema::KNOWN, "{versions:?}");
    assert_eq!(bench.archive.dead_letters().await, Ok(0));
    assert_eq!(bench.archive.read("ada", ThreadId::fresh()).await, Ok(None));
}

pub async fn twice(bench: Bench) {
    let thread = ThreadId::fresh();
    let entries = [
        entry("ada", thread, 1, "one"),
        entry("ada", thread, 2, "two"),
    ];
    bench.archive.copy(&entries, 5).await.unwrap();
    let other = bench.another(schema::KNOWN);
    let (left, right) = tokio::join!(bench.archive.copy(&entries, 6), other.copy(&entries, 6));
    assert_eq!((left, right), (Ok(()), Ok(())));
    // Both at once on a thread that neither has seen.
    let fresh = ThreadId::fresh();
    let entries = [entry("ada", fresh, 1, "three")];
    let (left, right) = tokio::join!(bench.archive.copy(&entries, 6), other.copy(&entries, 6));
    assert_eq!((left, right), (Ok(()), Ok(())));
    assert_eq!(said(&bench.archive, "ada", thread).await, ["one", "two"]);
    assert_eq!(said(&other, "ada", fresh).await, ["three"]);
}

pub async fn foreign(bench: Bench) {
    let thread = ThreadId::fresh();
    bench
        .archive
        .copy(&[entry("ada", thread, 1, "one")], 5)
        .await
        .unwrap();
    assert_eq!(bench.archive.read("eve", thread).await, Ok(None));
    assert_eq!(bench.archive.of_owner("eve").await, Ok(Vec::new()));
    // Nor can another owner write into it or delete it.
    let deletion = Entry {
        deed: Deed::Deleted,
        ..entry("eve", ThreadId::fresh(), 1, "x")
    };
    bench
        .archive
        .copy(&[entry("eve", thread, 2, "two"), deletion], 5)
        .await
        .unwrap();
    assert_eq!(said(&bench.archive, "ada", thread).await, ["one"]);
    let own = bench.archive.of_owner("ada").await.unwrap();
    assert_eq!((own.len(), own[0].title.as_str()), (1, "a title"));
}

pub async fn poison(bench: Bench) {
    let (thread, other) = (ThreadId::fresh(), ThreadId::fresh());
    bench
        .archive
        .copy(&[entry("ada", thread, 1, "one")], 5)
        .await
        .unwrap();
    let batch = [
        entry("ada", other, 1, "good"),
        entry("ada", thread, 1, "another first"),
    ];
    let refused = bench.archive.copy(&batch, 5).await;
    assert!(matches!(refused, Err(Fault::Poison(_))), "{refused:?}");
    assert_eq!(said(&bench.archive, "ada", thread).await, ["one"]);
    assert_eq!(bench.archive.read("ada", other).await, Ok(None));
}

pub async fn nul(bench: Bench) {
    let thread = ThreadId::fresh();
    let text = "before\0after \u{1f980}";
    let mut one = entry("ada", thread, 1, text);
    one.title = "a\0title".into();
    bench.archive.copy(&[one], 5).await.unwrap();
    assert_eq!(said(&bench.archive, "ada", thread).await, [text]);
}

pub async fn deleted(bench: Bench) {
    let thread = ThreadId::fresh();
    let first = entry("ada", thread, 1, "one");
    let deletion = Entry {
        deed: Deed::Deleted,
        ..first.clone()
    };
    bench
        .archive
        .copy(&[first.clone(), deletion], 5)
        .await
        .unwrap();
    assert_eq!(bench.archive.read("ada", thread).await, Ok(None));
    bench.archive.copy(&[first], 6).await.unwrap();
    assert_eq!(bench.archive.read("ada", thread).await, Ok(None));
}

pub async fn purged(bench: Bench) {
    let (own, other, late) = (ThreadId::fresh(), ThreadId::fresh(), ThreadId::fresh());
    let entries = [
        entry("ada", own, 1, "canary"),
        entry("eve", other, 1, "kept"),
    ];
    bench.archive.copy(&entries, 5).await.unwrap();
    for owner in ["ada", "eve"] {
        let letter = Letter {
            owner: owner.into(),
            thread: "?".into(),
            turn: 1,
            body: format!("unreadable text of {owner}"),
            reason: "test".into(),
        };
        bench.archive.bury(&letter, 5).await.unwrap();
    }
    assert_eq!(bench.archive.purge("ada", 2_000).await, Ok((1, 1)));
    // What was still on its way stays out; what comes after the purge is kept.
    bench
        .archive
        .copy(&[entry("ada", late, 1, "late canary")], 6)
        .await
        .unwrap();
    assert_eq!(bench.archive.of_owner("ada").await, Ok(Vec::new()));
    let mut fresh = entry("ada", ThreadId::fresh(), 1, "fresh");
    if let Deed::Appended { exchange, .. } = &mut fresh.deed {
        exchange.created_ms = 2_001;
    }
    bench.archive.copy(&[fresh], 6).await.unwrap();
    assert_eq!(bench.archive.of_owner("ada").await.unwrap().len(), 1);
    assert_eq!(said(&bench.archive, "eve", other).await, ["kept"]);
    assert_eq!(bench.archive.dead_letters().await, Ok(1));
    let Home::Sqlite { .. } = &bench.home else {
        return;
    };
    for file in std::fs::read_dir(bench.folder()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("canary") && !text.contains("text of ada"));
    }
}

pub async fn expired(bench: Bench) {
    let (old, young) = (ThreadId::fresh(), ThreadId::fresh());
    let mut second = entry("ada", young, 1, "young");
    if let Deed::Appended { exchange, .. } = &mut second.deed {
        exchange.created_ms = 9_000;
    }
    bench
        .archive
        .copy(&[entry("ada", old, 1, "old"), second], 5)
        .await
        .unwrap();
    assert_eq!(bench.archive.expire(5_000).await, Ok(1));
    assert_eq!(bench.archive.read("ada", old).await, Ok(None));
    assert_eq!(said(&bench.archive, "ada", young).await, ["young"]);
}
