//! What several instances hold together, against a Redis.

use super::*;
use crate::store::shared::Shared;

const IDLE: Duration = Duration::from_secs(60);

/// What two instances on the bench's store share, each by its own connection.
async fn two_instances(bench: &Bench) -> (Shared, Shared) {
    let other = Store::open(bench.home.clone(), LIMITS, silent()).await;
    (
        bench.store.shared().unwrap(),
        other.unwrap().shared().unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_embedded_home_shares_nothing() {
    let bench = super::embedded(LIMITS).await;
    assert!(bench.store.shared().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_its_owners_at_every_instance_until_it_ends_at_one() {
    let Some(bench) = super::redis(LIMITS).await else {
        return;
    };
    let (one, two) = two_instances(&bench).await;
    one.keep_session("ada", "s1", "{}", IDLE).await.unwrap();
    assert_eq!(two.has_session("ada", "s1", IDLE).await, Ok(true));
    assert_eq!(
        two.handshake("ada", "s1").await.unwrap().as_deref(),
        Some("{}")
    );
    assert_eq!(two.has_session("eve", "s1", IDLE).await, Ok(false));
    assert_eq!(two.handshake("eve", "s1").await, Ok(None));
    // Of somebody else, so nothing happens.
    two.end_session("eve", "s1").await.unwrap();
    assert_eq!(one.has_session("ada", "s1", IDLE).await, Ok(true));
    two.end_session("ada", "s1").await.unwrap();
    assert_eq!(one.has_session("ada", "s1", IDLE).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_when_idle_and_a_request_prolongs_it() {
    let Some(bench) = super::redis(LIMITS).await else {
        return;
    };
    let shared = bench.store.shared().unwrap();
    let idle = Duration::from_millis(600);
    for id in ["used", "idle"] {
        shared.keep_session("ada", id, "{}", idle).await.unwrap();
    }
    let began = Instant::now();
    until("the idle one has ended", async || {
        assert_eq!(shared.has_session("ada", "used", idle).await, Ok(true));
        shared.handshake("ada", "idle").await == Ok(None)
    })
    .await;
    assert!(began.elapsed() >= idle, "{:?}", began.elapsed());
    assert_eq!(shared.has_session("ada", "idle", idle).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_instances_take_from_a_bucket_adds_up_and_drains() {
    let Some(bench) = super::redis(LIMITS).await else {
        return;
    };
    let (one, two) = two_instances(&bench).await;
    let take = |micros: u64| vec![("hot".to_owned(), micros), ("calm".to_owned(), 0)];
    assert_eq!(one.take_rates(&take(500_000)).await, Ok(vec![500_000, 0]));
    let left = two.take_rates(&take(400_000)).await.unwrap();
    assert!((600_000..=900_000).contains(&left[0]), "{left:?}");
    assert_eq!(left[1], 0);
    until("the bucket is full again", async || {
        one.take_rates(&take(0)).await == Ok(vec![0, 0])
    })
    .await;
}
