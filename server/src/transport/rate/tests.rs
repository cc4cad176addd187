use proptest::prelude::*;

use super::*;

fn rates(global: u32, address: u32, principal: u32, table: usize) -> Rates {
    Rates::new(&Rate {
        global,
        address,
        principal,
        burst: Duration::from_secs(1),
        table,
        idle: Duration::from_secs(3600),
    })
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// The law of every window: accepted ≤ rate · T + burst + 1.
    #[test]
    fn no_window_holds_more_than_its_rate_and_one_burst(
        rate in 1_u32..2000,
        burst_ms in 1_u64..3000,
        gaps in prop::collection::vec(0_u64..20_000_000, 1..120),
    ) {
        let pace = Pace::new(rate, Duration::from_millis(burst_ms));
        let (mut bucket, mut now, mut accepted) = (Bucket::default(), 5 * SECOND, Vec::new());
        for gap in gaps {
            now += gap;
            if pace.wait(bucket, now) == 0 {
                bucket = pace.take(bucket, now);
                accepted.push(now);
            }
        }
        let burst = (f64::from(rate) * burst_ms as f64 / 1000.0).max(1.0);
        for (i, from) in accepted.iter().enumerate() {
            for (j, to) in accepted.iter().enumerate().skip(i) {
                let seconds = (to - from) as f64 / SECOND as f64;
                let most = f64::from(rate) * seconds * 1.000_01 + burst + 1.0;
                prop_assert!((j - i + 1) as f64 <= most, "{} in {seconds} s", j - i + 1);
            }
        }
    }

    /// Under pressure nearly the whole rate is granted, and a request sent after the wait is.
    #[test]
    fn pressure_is_granted_the_rate_and_the_wait_is_kept(rate in 1_u32..500) {
        let pace = Pace::new(rate, Duration::from_secs(1));
        let (mut bucket, mut accepted) = (Bucket::default(), 0_u64);
        let (start, step) = (SECOND, SECOND / (u64::from(rate) * 4));
        let mut now = start;
        while now < start + 5 * SECOND {
            let wait = pace.wait(bucket, now);
            if wait == 0 {
                bucket = pace.take(bucket, now);
                accepted += 1;
            } else {
                prop_assert_eq!(pace.wait(bucket, now + wait), 0);
                prop_assert!(pace.wait(bucket, now + wait - 1) > 0);
            }
            now += step;
        }
        prop_assert!(accepted as f64 >= 0.97 * f64::from(rate) * 5.0, "{accepted}");
    }
}

#[test]
fn a_refused_principal_costs_its_address_and_the_others_nothing() {
    let rates = rates(1000, 4, 2, 10);
    let now = SECOND;
    for _ in 0..2 {
        assert_eq!(rates.take(now, ip(1), Some("hot")), Ok(()));
    }
    for _ in 0..100 {
        assert_eq!(
            rates.take(now, ip(1), Some("hot")).unwrap_err().scope,
            Scope::Principal
        );
    }
    for _ in 0..2 {
        assert_eq!(rates.take(now, ip(1), Some("calm")), Ok(()));
    }
    assert_eq!(
        rates.take(now, ip(1), Some("third")).unwrap_err().scope,
        Scope::Address
    );
    assert_eq!(rates.take(now, ip(2), Some("third")), Ok(()));
}

#[test]
fn the_table_is_bounded_and_forgets_only_what_is_full_again() {
    let rates = rates(1_000_000, 1_000_000, 1, 3);
    for name in ["a", "b", "c"] {
        assert_eq!(rates.take(SECOND, ip(1), Some(name)), Ok(()));
    }
    assert!(rates.take(SECOND, ip(1), Some("d")).is_err());
    assert!(rates.take(SECOND, ip(1), Some("a")).is_err());
    assert_eq!(rates.take(2 * SECOND, ip(1), Some("d")), Ok(()));
}

#[test]
fn an_ipv6_network_counts_as_one_address() {
    let rates = rates(1000, 1, 1000, 10);
    assert_eq!(
        rates.take(SECOND, "2001:db8::1".parse().unwrap(), None),
        Ok(())
    );
    assert!(
        rates
            .take(SECOND, "2001:db8::2".parse().unwrap(), None)
            .is_err()
    );
    assert_eq!(
        rates.take(SECOND, "2001:db8:0:1::2".parse().unwrap(), None),
        Ok(())
    );
}
