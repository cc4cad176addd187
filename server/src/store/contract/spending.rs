//! The checks of accounts and usage, each for a fresh store.

use super::*;
use crate::store::spending::{Amount, Bounds};

fn amount(nano_usd: u64, tokens: u64) -> Amount {
    Amount { nano_usd, tokens }
}

fn periods(day: &str) -> Periods {
    Periods {
        day: day.to_owned(),
        month: day[..7].to_owned(),
    }
}

fn hold_of(account: &str, nano_usd: u64, bound: u64) -> Hold {
    Hold {
        account: account.to_owned(),
        id: Uuid::new_v4(),
        amount: amount(nano_usd, 10),
        bounds: Bounds {
            day: amount(bound, 0),
            month: Amount::default(),
        },
        periods: periods("2026-11-21"),
        now_ms: now_ms(),
        expires_ms: now_ms() + 60_000,
    }
}

fn settling(hold: &Hold, spent: Amount, line: Option<UsageLine>) -> Settlement {
    Settlement {
        id: hold.id,
        accounts: vec![hold.account.clone()],
        amount: spent,
        periods: hold.periods.clone(),
        now_ms: now_ms(),
        line,
    }
}

fn line(day: &str, principal: &str, model: &str) -> UsageLine {
    UsageLine {
        day: day.to_owned(),
        principal: principal.to_owned(),
        team: "core".to_owned(),
        tool: "chat".to_owned(),
        provider: "kimi".to_owned(),
        model: model.to_owned(),
        calls: 1,
        input: 5,
        output: 7,
        cached: 2,
        nano_usd: 40,
    }
}

pub(super) async fn held(bench: Bench) {
    let store = &bench.store;
    let first = hold_of("user:ann", 60, 100);
    assert_eq!(store.hold(&first).await, Ok(Held::Taken));
    // Taken again by a caller that heard nothing, it is the same hold.
    assert_eq!(store.hold(&first).await, Ok(Held::Taken));
    let second = hold_of("user:ann", 60, 100);
    assert_eq!(store.hold(&second).await, Ok(Held::Taken));
    let Ok(Held::Refused(full)) = store.hold(&hold_of("user:ann", 1, 100)).await else {
        panic!("a third hold was taken");
    };
    assert_eq!((full.day, full.held), (amount(0, 0), amount(120, 20)));
    assert_eq!(
        store.hold(&hold_of("user:eve", 60, 100)).await,
        Ok(Held::Taken)
    );
    // What costs nothing counts against no bound of money.
    assert_eq!(
        store.hold(&hold_of("user:ann", 0, 100)).await,
        Ok(Held::Taken)
    );
    let after = store
        .settle(&settling(&first, amount(30, 8), None))
        .await
        .unwrap();
    assert_eq!(
        (after[0].day, after[0].month),
        (amount(30, 8), amount(30, 8))
    );
    store
        .settle(&settling(&second, Amount::default(), None))
        .await
        .unwrap();
    assert_eq!(
        store.hold(&hold_of("user:ann", 90, 100)).await,
        Ok(Held::Taken)
    );
    let tomorrow = periods("2026-11-22");
    let spent = store.spent("user:ann", &tomorrow, now_ms()).await.unwrap();
    assert_eq!((spent.day, spent.month), (amount(0, 0), amount(30, 8)));
}

pub(super) async fn settled_once(bench: Bench) {
    let store = &bench.store;
    let hold = hold_of("user:ann", 60, 100);
    store.hold(&hold).await.unwrap();
    let day = "2026-11-21";
    let settlement = settling(&hold, amount(40, 12), Some(line(day, "ann", "m")));
    for _ in 0..3 {
        let after = store.settle(&settlement).await.unwrap();
        assert_eq!(after[0].day, amount(40, 12));
        assert_eq!(after[0].held, Amount::default());
    }
    let other = hold_of("user:ann", 1, 0);
    let more = settling(&other, amount(1, 1), Some(line(day, "ann", "m")));
    store.settle(&more).await.unwrap();
    let third = hold_of("user:bob", 1, 0);
    let apart = settling(&third, amount(1, 1), Some(line(day, "bob", "m")));
    store.settle(&apart).await.unwrap();
    let (today, days) = (periods(day), [day.to_owned(), "2026-11-22".to_owned()]);
    let mut lines = store.usage(&days).await.unwrap();
    lines.sort_by(|a, b| a.principal.cmp(&b.principal));
    let twice = UsageLine {
        calls: 2,
        input: 10,
        output: 14,
        cached: 4,
        nano_usd: 80,
        ..line(day, "ann", "m")
    };
    assert_eq!(lines, [twice, line(day, "bob", "m")]);
    // A purge takes a caller's own sums and lines along, and nobody else's.
    store.purge("ann").await.unwrap();
    let lines = store.usage(&days).await.unwrap();
    assert_eq!(lines, [line(day, "bob", "m")]);
    let spent = |account: &'static str| store.spent(account, &today, now_ms());
    assert_eq!(spent("user:ann").await.unwrap().day, Amount::default());
    assert_eq!(spent("user:bob").await.unwrap().day, amount(1, 1));
}

pub(super) async fn expired_hold(bench: Bench) {
    let mut dead = hold_of("user:ann", 100, 100);
    dead.expires_ms = now_ms() + 50;
    assert_eq!(bench.store.hold(&dead).await, Ok(Held::Taken));
    until("the hold of a dead process ends", async || {
        bench.store.hold(&hold_of("user:ann", 1, 100)).await == Ok(Held::Taken)
    })
    .await;
}

/// Two instances at one home, each with many calls at once.
pub(super) async fn two_instances(bench: Bench) {
    let other = Store::open(bench.home.clone(), LIMITS, silent())
        .await
        .unwrap();
    let holds = (0..40).map(|n| {
        let store = if n % 2 == 0 { &bench.store } else { &other };
        async move { store.hold(&hold_of("team:core", 30, 100)).await.unwrap() }
    });
    let taken = futures::future::join_all(holds).await;
    let taken = taken.iter().filter(|one| **one == Held::Taken).count();
    // Three leave the bound unreached, the fourth reaches it: one hold over at most.
    assert_eq!(taken, 4);
}
