//! The rate limiter, which every request takes once: a bucket alone, then three scopes together.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use criterion::Criterion;
use exai_benches::setup::Trouble;
use exai_server::config::{Config, Rate};
use exai_server::transport::rate::{Bucket, Nanos, Pace, Rates};

/// Requests a second; one arrives each interval, so every bucket stays in use and none refuses.
const RATE: u32 = 1_000_000;
/// Time between two requests at that rate.
const INTERVAL: Nanos = 1_000;
/// Different callers; half of what the default tables hold.
const CALLERS: u32 = 10_000;

fn main() -> Result<(), Trouble> {
    let mut criterion = Criterion::default().configure_from_args();
    let rate = Config::from_toml("")?.limits.rate;
    bucket(&mut criterion);
    one_caller(&mut criterion, &rate);
    many_callers(&mut criterion, &rate);
    refusal(&mut criterion, &rate);
    criterion.final_summary();
    Ok(())
}

fn rates(defaults: &Rate, a_second: u32) -> Rates {
    Rates::new(&Rate {
        global: a_second,
        address: a_second,
        principal: a_second,
        ..defaults.clone()
    })
}

fn bucket(criterion: &mut Criterion) {
    let pace = Pace::new(RATE, Duration::from_secs(1));
    let (mut bucket, mut now) = (Bucket::default(), 0);
    criterion.bench_function("rate_limiter/bucket", |bencher| {
        bencher.iter(|| {
            now += INTERVAL;
            let wait = pace.wait(black_box(bucket), now);
            bucket = pace.take(bucket, now);
            wait
        });
    });
    assert_eq!(pace.wait(bucket, now), 0);
}

fn one_caller(criterion: &mut Criterion, defaults: &Rate) {
    let rates = rates(defaults, RATE);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut now = 0;
    criterion.bench_function("rate_limiter/one_caller", |bencher| {
        bencher.iter(|| {
            now += INTERVAL;
            let taken = rates.take(now, black_box(address), Some("caller"));
            assert!(taken.is_ok(), "refused: {taken:?}");
        });
    });
}

fn many_callers(criterion: &mut Criterion, defaults: &Rate) {
    let rates = rates(defaults, RATE);
    let callers: Vec<(IpAddr, String)> = (0..CALLERS)
        .map(|number| {
            let address = Ipv4Addr::from(0x0a00_0000 + number);
            (address.into(), format!("caller-{number}"))
        })
        .collect();
    let mut now = 0;
    let mut turns = callers.iter().cycle();
    criterion.bench_function("rate_limiter/ten_thousand_callers", |bencher| {
        bencher.iter(|| {
            now += INTERVAL;
            let Some((address, name)) = turns.next() else {
                return;
            };
            let taken = rates.take(now, *address, Some(name));
            assert!(taken.is_ok(), "refused: {taken:?}");
        });
    });
}

fn refusal(criterion: &mut Criterion, defaults: &Rate) {
    let rates = rates(defaults, 1);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let first = rates.take(0, address, Some("caller"));
    assert!(first.is_ok(), "the first request: {first:?}");
    criterion.bench_function("rate_limiter/refusal", |bencher| {
        bencher.iter(|| {
            let taken = rates.take(black_box(0), address, Some("caller"));
            assert!(taken.is_err(), "accepted over the rate");
        });
    });
}
