//! The generator keeps its plan. Numbers are ratios with wide margins: the machine is shared.

use std::sync::atomic::{AtomicU64, Ordering};

use exai_judge::operation::ProofKind;
use exai_judge::{Event, Outcome};
use serde_json::json;

use super::*;
use crate::clock::RunClock;
use crate::history::History;
use crate::load::ceiling::{Ceiling, measure, null_client};
use crate::load::null_server::NullServer;
use crate::operation::Ask;

fn version(op: u64) -> OperationPlan {
    let ask = Ask::Tool {
        name: "version".to_owned(),
        arguments: json!({}),
    };
    OperationPlan::new(op, ask, ProofKind::None, 5_000_000_000)
}

fn clock() -> Now {
    let clock = RunClock::start();
    Arc::new(move || clock.now())
}

#[test]
fn arrivals_are_due_when_the_plan_says() {
    let mut plan = LoadPlan::steady("V.8", "gate", 1_000.0, 2);
    let even: Vec<u64> = plan.offsets().collect();
    assert_eq!(
        (even.len(), even[1], even[1_999]),
        (2_000, 1_000_000, 1_999_000_000)
    );
    plan.arrivals = Arrivals::Poisson { seed: 7 };
    let drawn: Vec<u64> = plan.offsets().collect();
    assert_eq!(drawn, plan.offsets().collect::<Vec<_>>());
    assert!(drawn.is_sorted());
    let ratio = drawn[1_999] as f64 / even[1_999] as f64;
    assert!((0.8..1.25).contains(&ratio), "{ratio}");
}

#[test]
fn the_lag_percentile_is_never_below_the_true_one() {
    let mut tally = Tally::default();
    (1..=10_000_u64).for_each(|lag| tally.sent(lag * 1_000));
    let p99 = tally.lag_p99();
    assert!((9_900_000..=10_600_000).contains(&p99), "{p99}");
    assert_eq!(Tally::default().lag_p99(), 0);
}

#[test]
fn a_quantile_of_service_times_is_the_call_at_its_rank() {
    let times: Vec<u64> = (1..=100).rev().map(|ms| ms * 1_000_000).collect();
    let seen = Ceiling::of([(times, 3)], Duration::from_secs(2));
    assert_eq!((seen.rate, seen.failed), (50.0, 3));
    assert_eq!((seen.service_ms(0.5), seen.service_ms(0.99)), (50.0, 99.0));
    let none = Ceiling::of([], Duration::ZERO);
    assert_eq!((none.rate, none.service_ms(0.5)), (0.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn an_arrival_above_the_cap_is_dropped_and_counted() {
    let mut plan = LoadPlan::steady("V.3", "peak", 10.0, 2);
    plan.in_flight = 5;
    let begun = tokio::time::Instant::now();
    let now: Now = Arc::new(move || u64::try_from(begun.elapsed().as_nanos()).unwrap());
    let account = run(&plan, &now, &CancellationToken::new(), |_, _| async {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
    })
    .await;
    assert_eq!(
        (account.planned, account.sent, account.dropped),
        (20, 5, 15)
    );
}

#[tokio::test(start_paused = true)]
async fn a_stopped_step_accounts_for_the_arrivals_that_were_due() {
    let plan = LoadPlan::steady("V.3", "peak", 10.0, 60);
    let begun = tokio::time::Instant::now();
    let now: Now = Arc::new(move || u64::try_from(begun.elapsed().as_nanos()).unwrap());
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    let account = run(&plan, &now, &stop, move |k, _| {
        if k == 30 {
            stopper.cancel();
        }
        async {}
    })
    .await;
    assert_eq!(
        (account.planned, account.sent, account.dropped),
        (30, 30, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_are_spread_over_the_clients_and_all_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let now = clock();
    let recorder = Recorder::open(folder.path(), Arc::clone(&now)).unwrap();
    let server = NullServer::start(&json!({"content": []})).await.unwrap();
    let clients: Vec<_> = (0..4)
        .map(|number| null_client(&server, number, &now))
        .collect();
    let plan = LoadPlan::steady("V.8", "gate", 400.0, 1);
    let stop = CancellationToken::new();
    run_calls(&plan, &clients, &recorder, &stop, |k| version(k + 1)).await;
    recorder.close().await.unwrap();
    let seen = History::in_folder(folder.path()).observations();
    let loads: Vec<_> = seen
        .filter_map(|seen| match seen.event {
            Event::Load(account) => Some(account),
            _ => None,
        })
        .collect();
    let [account] = loads.as_slice() else {
        panic!("one load has one account: {loads:?}");
    };
    assert_eq!(
        (account.planned, account.sent + account.dropped),
        (400, 400)
    );
    let span = (account.until - account.from) as f64 / SECOND;
    assert!(
        (0.9..2.0).contains(&span),
        "a one-second step took {span} s"
    );
    let mut identities = std::collections::BTreeSet::new();
    let mut right = 0;
    for seen in History::in_folder(folder.path()).observations() {
        if let Event::Call(call) = seen.event {
            right += u64::from(call.outcome == Outcome::Ok && call.belongs == Some(true));
            assert!(call.sent_at >= call.intended_at, "sent before it was due");
            identities.insert(call.identity);
        }
    }
    assert_eq!((right, identities.len()), (account.sent, 4));
}

// By Little's law busy callers and their time in service multiply to the number of callers, however
// fast the machine is; what is missing is the client's own work between two calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ceiling_keeps_its_callers_busy_and_loses_no_call() {
    let result = json!({"content": [{"type": "text", "text": "x".repeat(400)}]});
    let now = clock();
    let wait = Duration::from_millis(400);
    let ceiling = measure(&version(1), &result, 16, wait, &now).await.unwrap();
    assert_eq!(ceiling.failed, 0);
    let count = ceiling.service_times.len() as f64;
    let mean = ceiling.service_times.iter().sum::<u64>() as f64 / count / SECOND;
    let busy = ceiling.rate * mean;
    assert!(
        (4.0..=16.1).contains(&busy),
        "{busy} of 16 callers busy at {}/s",
        ceiling.rate
    );
}

#[tokio::test]
async fn a_due_time_is_handed_to_the_operation_before_it_begins() {
    let begun = std::time::Instant::now();
    let now: Now = Arc::new(move || u64::try_from(begun.elapsed().as_nanos()).unwrap());
    let plan = LoadPlan {
        count: 20,
        ..LoadPlan::steady("V.8", "gate", 1_000.0, 1)
    };
    let early = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&early);
    let inner = Arc::clone(&now);
    run(&plan, &now, &CancellationToken::new(), move |_, due| {
        let (seen, inner) = (Arc::clone(&seen), Arc::clone(&inner));
        async move {
            seen.fetch_add(u64::from(inner() < due), Ordering::Relaxed);
        }
    })
    .await;
    assert_eq!(early.load(Ordering::Relaxed), 0);
}

/// Ten seconds at 150 a second against something that stands still for one of them. A closed loop
/// would send nothing meanwhile: a few slow calls among thousands, and nothing in its p99.
#[tokio::test(start_paused = true)]
async fn a_stall_of_a_second_shows_in_p99_and_holds_150_calls_at_once() {
    let begun = tokio::time::Instant::now();
    let now: Now = Arc::new(move || u64::try_from(begun.elapsed().as_nanos()).unwrap());
    let plan = LoadPlan::steady("V.3", "peak", 150.0, 10);
    let (from, until) = (Duration::from_secs(4), Duration::from_secs(5));
    let flying = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let latencies: Arc<std::sync::Mutex<Vec<u64>>> = Arc::default();
    let (most, kept, inner) = (
        Arc::clone(&flying),
        Arc::clone(&latencies),
        Arc::clone(&now),
    );
    let account = run(&plan, &now, &CancellationToken::new(), move |_, due| {
        let (most, kept, inner) = (Arc::clone(&most), Arc::clone(&kept), Arc::clone(&inner));
        async move {
            let open = most.0.fetch_add(1, Ordering::Relaxed) + 1;
            most.1.fetch_max(open, Ordering::Relaxed);
            if (from..until).contains(&begun.elapsed()) {
                tokio::time::sleep_until(begun + until).await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            most.0.fetch_sub(1, Ordering::Relaxed);
            kept.lock().unwrap().push(inner() - due);
        }
    })
    .await;
    let latencies = latencies.lock().unwrap();
    let p99 = exai_judge::bounds::quantile(&sorted(&latencies), 0.99)
        .unwrap()
        .value;
    assert!(p99 > 850_000_000, "p99 {p99} ns");
    assert!(flying.1.load(Ordering::Relaxed) >= 150);
    assert_eq!((account.sent, account.dropped), (1_500, 0));
}

fn sorted(values: &[u64]) -> Vec<u64> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values
}
