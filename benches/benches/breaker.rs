//! The circuit breaker's step function, which every attempt at a provider takes twice.

use std::hint::black_box;
use std::time::Instant;

use criterion::Criterion;
use exai_server::router::breaker::{
    Breaker, BreakerSettings, Decision, Event, Position, Verdict, step,
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    closed(&mut criterion);
    open(&mut criterion);
    circle(&mut criterion);
    criterion.final_summary();
}

/// Asks and, where admitted, reports how the call ended.
fn call(state: Breaker, verdict: Verdict, now: Instant, settings: &BreakerSettings) -> Breaker {
    let asked = step(state, Event::Ask, now, settings);
    match asked.decision {
        Decision::Admit(ticket) => step(asked.state, Event::Done(ticket, verdict), now, settings),
        Decision::Refuse(_) | Decision::Noted => asked,
    }
    .state
}

fn opened(now: Instant, settings: &BreakerSettings) -> Breaker {
    (0..settings.failures).fold(Breaker::default(), |state, _| {
        call(state, Verdict::Failure, now, settings)
    })
}

fn closed(criterion: &mut Criterion) {
    let (settings, now) = (BreakerSettings::default(), Instant::now());
    let mut state = Breaker::default();
    criterion.bench_function("breaker/closed_call", |bencher| {
        bencher.iter(|| {
            state = call(
                black_box(state),
                Verdict::Success,
                black_box(now),
                &settings,
            );
        });
    });
    assert_eq!(state.position(), Position::Closed);
}

fn open(criterion: &mut Criterion) {
    let (settings, now) = (BreakerSettings::default(), Instant::now());
    let state = opened(now, &settings);
    let refused = step(state, Event::Ask, now, &settings).decision;
    assert_eq!(refused, Decision::Refuse(settings.first_open));
    criterion.bench_function("breaker/open_refusal", |bencher| {
        bencher.iter(|| step(black_box(state), Event::Ask, black_box(now), &settings));
    });
}

fn circle(criterion: &mut Criterion) {
    let (settings, now) = (BreakerSettings::default(), Instant::now());
    let later = now + settings.first_open;
    let circle = |now| {
        let open = opened(now, &settings);
        (
            open,
            call(black_box(open), Verdict::Success, later, &settings),
        )
    };
    let (open, healed) = circle(now);
    assert_eq!(
        (open.position(), healed.position()),
        (Position::Open, Position::Closed)
    );
    criterion.bench_function("breaker/opens_and_heals", |bencher| {
        bencher.iter(|| circle(black_box(now)));
    });
}
