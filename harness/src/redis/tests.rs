use super::*;

use crate::clock::RunClock;

const LIMIT: Duration = Duration::from_secs(10);

/// Says what is missing; fails where it is required.
fn is_absent() -> bool {
    if which("redis-server").is_some() {
        return false;
    }
    println!("not run: redis-server (package {PACKAGE})");
    let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name.trim() == "redis");
    assert!(!is_required, "redis is required and absent");
    true
}

async fn store(folder: &Path) -> RedisStore {
    let history = folder.join("history");
    std::fs::create_dir(&history).unwrap();
    let setup = Setup {
        folder: &folder.join("store"),
        user: None,
        restart_delay: Duration::from_millis(5),
        berth: None,
        syncs_late: false,
        recorder: Recorder::open(&history, RunClock::start().as_now()).unwrap(),
    };
    RedisStore::start(setup).await.unwrap()
}

#[tokio::test]
async fn acknowledged_writes_survive_a_kill_and_the_settings_are_the_judged_ones() {
    if is_absent() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let wanted = [
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("maxmemory-policy", "noeviction"),
        ("save", ""),
    ];
    for (name, value) in wanted {
        let reply = store.command(&["CONFIG", "GET", name]).await.unwrap();
        let pair = [name, value].map(|word| Reply::Bulk(word.to_owned()));
        assert_eq!(reply, Reply::Array(pair.to_vec()));
    }
    store.command(&["SET", "kept", "yes"]).await.unwrap();
    let (old, _) = store.supervisor().kill(LIMIT).await.unwrap();
    store.supervisor().next_life(1, LIMIT).await.unwrap();
    store.wait_ready(LIMIT).await.unwrap();
    assert!(!old.is_alive());
    let kept = store.command(&["GET", "kept"]).await.unwrap();
    assert_eq!(kept, Reply::Bulk("yes".to_owned()));
}

#[tokio::test]
async fn a_full_store_refuses_writes_and_a_wrong_password_is_refused() {
    if is_absent() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let full = ["CONFIG", "SET", "maxmemory", "1"];
    store.command(&full).await.unwrap();
    let refused = store.command(&["SET", "more", "x"]).await.unwrap_err();
    assert!(refused.to_string().contains("OOM"), "{refused}");
    let stranger = Wire::open(store.address(), "guess", COMMAND).await;
    assert!(matches!(stranger, Err(WireError::Refused { .. })));
    assert!(
        store
            .info()
            .await
            .unwrap()
            .contains_key("total_error_replies")
    );
}
