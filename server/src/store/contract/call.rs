//! The checks of kept calls, each for a fresh store.

use super::*;

async fn change(bench: &Bench, owner: &str, id: CallId, step: CallStep) -> Result<(), StoreError> {
    let change = CallChange {
        owner: owner.into(),
        id,
        now_ms: now_ms(),
        step,
    };
    bench.store.change_call(&change).await
}

fn begin() -> CallStep {
    CallStep::Begin {
        facts: "{\"tool\":\"chat\"}".into(),
    }
}

fn settle(outcome: &str) -> CallStep {
    CallStep::Settle {
        outcome: outcome.into(),
    }
}

pub(super) async fn kept(bench: Bench) {
    let id = CallId::fresh();
    let read = async |owner: &str| bench.store.read_call(owner, id, now_ms()).await;
    assert_eq!(read("ada").await, Err(StoreError::NotFound));
    for step in [CallStep::Beat, CallStep::AskCancel, settle("x")] {
        let refused = change(&bench, "ada", id, step.clone()).await;
        assert_eq!(refused, Err(StoreError::NotFound), "{step:?}");
    }
    let before = now_ms();
    change(&bench, "ada", id, begin()).await.unwrap();
    let call = read("ada").await.unwrap();
    assert_eq!(
        (call.outcome.as_deref(), call.is_cancel_asked),
        (None, false)
    );
    assert!(call.is_alive && call.created_ms >= before, "{call:?}");
    assert!(
        call.ttl_ms > 3_500_000 && call.ttl_ms <= 3_600_000,
        "{call:?}"
    );

    assert_eq!(read("eve").await, Err(StoreError::NotFound));
    for step in [CallStep::Beat, CallStep::AskCancel, settle("x")] {
        let refused = change(&bench, "eve", id, step.clone()).await;
        assert_eq!(refused, Err(StoreError::NotFound), "{step:?}");
    }
    change(&bench, "ada", id, CallStep::Beat).await.unwrap();
    change(&bench, "ada", id, CallStep::AskCancel)
        .await
        .unwrap();
    let asked = read("ada").await.unwrap();
    assert!(asked.is_cancel_asked && asked.outcome.is_none());
    assert_eq!(asked.facts, "{\"tool\":\"chat\"}");

    // Another instance on the same home answers for it.
    let other = Store::open(bench.home.clone(), LIMITS, silent()).await;
    let other = other.unwrap().read_call("ada", id, now_ms()).await.unwrap();
    assert!(other.is_alive && other.is_cancel_asked);
}

pub(super) async fn settled(bench: Bench) {
    let id = CallId::fresh();
    change(&bench, "ada", id, begin()).await.unwrap();
    for outcome in ["first", "second"] {
        change(&bench, "ada", id, settle(outcome)).await.unwrap();
    }
    let call = bench.store.read_call("ada", id, now_ms()).await.unwrap();
    assert_eq!(call.outcome.as_deref(), Some("first"));
    assert!(call.updated_ms >= call.created_ms);
}

pub(super) async fn forgotten(bench: Bench) {
    let id = CallId::fresh();
    change(&bench, "ada", id, begin()).await.unwrap();
    until("the call expires", async || {
        bench.store.read_call("ada", id, now_ms()).await == Err(StoreError::NotFound)
    })
    .await;
    for step in [CallStep::Beat, CallStep::AskCancel, settle("late")] {
        let refused = change(&bench, "ada", id, step.clone()).await;
        assert_eq!(refused, Err(StoreError::NotFound), "{step:?}");
    }
    change(&bench, "ada", CallId::fresh(), begin())
        .await
        .unwrap();
}
