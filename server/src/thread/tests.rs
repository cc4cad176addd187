//! Conversations on a real embedded store.

use super::*;
use crate::config::Migrate;
use crate::store::{Home, Store};
use std::sync::Arc;

async fn threads(folder: &tempfile::TempDir) -> Threads {
    let home = Home::Embedded {
        path: folder.path().join("exai.sqlite"),
        busy_timeout: Duration::from_secs(3),
    };
    let limits = ThreadLimits {
        exchanges: 3,
        ttl_ms: 60_000,
        queue: 0,
    };
    Threads::new(
        Store::open(home, limits, Arc::new(|_| {})).await.unwrap(),
        limits,
    )
}

fn turn(user: &str) -> Turn {
    Turn {
        tool: "chat",
        user: user.into(),
        attached: String::new(),
        assistant: format!("re {user}"),
        thoughts: Vec::new(),
        model: "m".into(),
        provider: "p".into(),
        state: None,
        is_strict: false,
        reply: format!("stored {user}"),
        correlation_id: String::new(),
    }
}

fn stored(committed: Committed) -> Receipt {
    match committed {
        Committed::Stored(receipt) => receipt,
        Committed::Replayed(..) => panic!("replayed: {committed:?}"),
    }
}

#[tokio::test]
async fn the_next_call_sees_every_earlier_exchange_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let threads = threads(&folder).await;
    let begun = threads.open("ada", None).await.unwrap();
    assert!(begun.history().is_empty());
    let mut first = turn("one");
    first.attached = "\nfile".into();
    let receipt = stored(threads.commit(&begun, first, None).await.unwrap());
    assert_eq!(
        (receipt.turn, receipt.turns_left, receipt.ttl_seconds),
        (1, 2, 60)
    );
    let handle = receipt.thread.to_string();
    let second = threads.open("ada", Some(&handle)).await.unwrap();
    stored(threads.commit(&second, turn("two"), None).await.unwrap());
    let third = threads.open("ada", Some("latest")).await.unwrap();
    let texts: Vec<String> = third
        .history()
        .into_iter()
        .map(|message| message.text)
        .collect();
    assert_eq!(texts, ["one\nfile", "re one", "two", "re two"]);
}

#[tokio::test]
async fn two_calls_at_once_on_one_thread_are_both_kept() {
    let folder = tempfile::tempdir().unwrap();
    let threads = threads(&folder).await;
    let begun = threads.open("ada", None).await.unwrap();
    let handle = stored(threads.commit(&begun, turn("one"), None).await.unwrap())
        .thread
        .to_string();
    let left = threads.open("ada", Some(&handle)).await.unwrap();
    let right = threads.open("ada", Some(&handle)).await.unwrap();
    assert_eq!(
        stored(threads.commit(&right, turn("right"), None).await.unwrap()).turn,
        2
    );
    assert_eq!(
        stored(threads.commit(&left, turn("left"), None).await.unwrap()).turn,
        3
    );
    let full = threads.open("ada", Some(&handle)).await.unwrap_err();
    assert_eq!(full.code, "thread_full");
}

#[tokio::test]
async fn a_strict_turn_is_refused_when_another_came_first() {
    let folder = tempfile::tempdir().unwrap();
    let threads = threads(&folder).await;
    let begun = threads.open("ada", None).await.unwrap();
    let handle = stored(threads.commit(&begun, turn("one"), None).await.unwrap())
        .thread
        .to_string();
    let late = threads.open("ada", Some(&handle)).await.unwrap();
    stored(threads.commit(&late, turn("two"), None).await.unwrap());
    let strict = Turn {
        is_strict: true,
        ..turn("late")
    };
    let refused = threads.commit(&late, strict, None).await.unwrap_err();
    assert_eq!(refused.code, "thread_moved");
}

#[tokio::test]
async fn unknown_malformed_and_foreign_handles_look_alike() {
    let folder = tempfile::tempdir().unwrap();
    let threads = threads(&folder).await;
    let begun = threads.open("ada", None).await.unwrap();
    let foreign = stored(threads.commit(&begun, turn("one"), None).await.unwrap()).thread;
    let unknown = ThreadId::fresh().to_string();
    let failures = [
        foreign.to_string(),
        unknown,
        "../../etc".into(),
        "latest".into(),
    ]
    .map(|handle| {
        let threads = threads.clone();
        async move { threads.open("eve", Some(&handle)).await.unwrap_err() }
    });
    let failures = futures::future::join_all(failures).await;
    assert!(
        failures.iter().all(|failure| *failure == failures[0]),
        "{failures:?}"
    );
}

#[tokio::test]
async fn a_used_key_is_recalled_and_refuses_other_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let threads = threads(&folder).await;
    let claim = Claim {
        key: "k".into(),
        digest: "d".into(),
    };
    assert_eq!(threads.recall("ada", &claim).await, Ok(None));
    let begun = threads.open("ada", None).await.unwrap();
    stored(
        threads
            .commit(&begun, turn("one"), Some(claim.clone()))
            .await
            .unwrap(),
    );
    let Ok(Some(Committed::Replayed(receipt, reply))) = threads.recall("ada", &claim).await else {
        panic!("not replayed");
    };
    assert_eq!((receipt.turn, reply.as_str()), (1, "stored one"));
    let other = Claim {
        digest: "e".into(),
        ..claim
    };
    assert_eq!(
        threads.recall("ada", &other).await.unwrap_err().code,
        "idempotency_key_reused"
    );
}

#[tokio::test]
async fn an_expired_thread_names_its_archived_copy_to_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::Embedded {
        path: folder.path().join("exai.sqlite"),
        busy_timeout: Duration::from_secs(3),
    };
    let limits = ThreadLimits {
        exchanges: 3,
        ttl_ms: 3 * 3_600_000,
        queue: 10,
    };
    let store = Store::open(home, limits, Arc::new(|_| {})).await.unwrap();
    let archive = crate::archive::Home::Sqlite {
        path: folder.path().join("archive.sqlite"),
        busy_timeout: Duration::from_secs(3),
    };
    let archive = Archive::new(
        archive,
        crate::guard::Guarding::of("archive"),
        Migrate::Start,
    )
    .unwrap();
    let keeper = crate::archive::Keeper::new(archive.clone(), store.clone(), Arc::default());
    let mut threads = Threads::new(store, limits).with_archive(Some(archive));
    let begun = threads.open("ada", None).await.unwrap();
    let handle = stored(threads.commit(&begun, turn("one"), None).await.unwrap())
        .thread
        .to_string();
    keeper.drain().await.unwrap();
    // A minute before the third hour is over it lives, a minute after it does not.
    assert!(threads.open("ada", Some(&handle)).await.is_ok());
    threads.clock = || jiff::Timestamp::now().as_millisecond() + 179 * 60_000;
    assert!(threads.open("ada", Some(&handle)).await.is_ok());
    threads.clock = || jiff::Timestamp::now().as_millisecond() + 181 * 60_000;
    let refused = threads.open("ada", Some(&handle)).await.unwrap_err();
    assert_eq!(refused.code, "thread_expired");
    let named = format!("exai://archive/{handle}");
    assert!(refused.message.contains(&named), "{}", refused.message);
    let copy = threads.archived("ada", &handle).await.unwrap().unwrap();
    assert_eq!(
        (copy.exchanges[0].user.as_str(), copy.title.as_str()),
        ("one", "one")
    );
    let foreign = threads.open("eve", Some(&handle)).await.unwrap_err();
    assert_eq!(foreign.code, "thread_not_found");
}
