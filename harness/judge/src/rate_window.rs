//! A rate limit must hold in every window, and must let through what it promises (judging.md §4.6).

/// One accepted operation: when it was sent and when its reply was received, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Accepted {
    /// Sent.
    pub sent: u64,
    /// Received.
    pub received: u64,
}

/// The limit: operations a second, and how many may come at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Operations a second.
    pub rate: f64,
    /// Operations at once.
    pub burst: f64,
}

const SECOND: f64 = 1e9;

/// By how many operations the fullest window exceeds what rate alone allows: the most of
/// count − rate · length over all windows, counting only operations wholly inside.
///
/// Lawful while at most burst + 1. Sent opens a window and received closes it, so that network time
/// never makes a violation.
#[must_use]
pub fn excess(accepted: &[Accepted], rate: f64) -> f64 {
    let mut sorted = accepted.to_vec();
    sorted.sort_unstable();
    let mut least = f64::INFINITY;
    let mut latest = 0;
    let mut most = 0.0_f64;
    for (index, one) in sorted.iter().enumerate() {
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts and run times are far below 2^53"
        )]
        let (count, sent) = (index as f64, one.sent as f64);
        latest = latest.max(one.received);
        least = least.min(count - rate * sent / SECOND);
        #[expect(clippy::cast_precision_loss, reason = "run times are far below 2^53")]
        let reached = count + 1.0 - rate * latest as f64 / SECOND;
        most = most.max(reached - least);
    }
    most
}

/// A stretch in which the limit was always reached, and how many were accepted meanwhile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Begin, ns.
    pub from: u64,
    /// Length in seconds.
    pub seconds: f64,
    /// Accepted inside.
    pub accepted: u64,
}

/// Maximal stretches of refusals that follow one another within `pause`, at least `least` long.
#[must_use]
pub fn stretches(
    accepted: &[Accepted],
    refused: &[u64],
    (pause, least): (u64, u64),
) -> Vec<Stretch> {
    let mut refused = refused.to_vec();
    refused.sort_unstable();
    let mut found = Vec::new();
    let mut begin = None;
    for (index, at) in refused.iter().enumerate() {
        let from = *begin.get_or_insert(*at);
        let next = refused.get(index + 1);
        if next.is_some_and(|next| next - at <= pause) {
            continue;
        }
        begin = None;
        if at - from < least.max(1) {
            continue;
        }
        let inside = accepted
            .iter()
            .filter(|one| from <= one.received && one.received <= *at);
        #[expect(clippy::cast_precision_loss, reason = "run times are far below 2^53")]
        let seconds = (at - from) as f64 / SECOND;
        let accepted = u64::try_from(inside.count()).unwrap_or(u64::MAX);
        found.push(Stretch {
            from,
            seconds,
            accepted,
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    /// The same law by looking at every window.
    fn by_every_window(accepted: &[Accepted], rate: f64) -> f64 {
        let mut most = 0.0_f64;
        for from in accepted {
            for until in accepted.iter().filter(|until| until.received >= from.sent) {
                let inside = accepted
                    .iter()
                    .filter(|one| from.sent <= one.sent && one.received <= until.received);
                let length = (until.received - from.sent) as f64 / SECOND;
                most = most.max(inside.count() as f64 - rate * length);
            }
        }
        most
    }

    fn bucket(rate: u64, burst: u64, seconds: u64) -> Vec<Accepted> {
        let at_once = (0..burst).map(|_| Accepted {
            sent: 0,
            received: MS,
        });
        let paced = (1..rate * seconds).map(|index| {
            let sent = index * 1_000 * MS / rate;
            Accepted {
                sent,
                received: sent + MS,
            }
        });
        at_once.chain(paced).collect()
    }

    #[test]
    fn a_token_bucket_is_lawful_and_a_limit_twelve_percent_high_is_not() {
        assert!(excess(&bucket(50, 50, 5), 50.0) <= 51.0);
        assert!(excess(&bucket(56, 50, 10), 50.0) > 51.0);
    }

    #[test]
    fn a_fixed_window_breaks_the_law_at_its_boundary() {
        let at = |second: u64, late: u64| {
            (0..50).map(move |_| Accepted {
                sent: second * 1_000 * MS + late,
                received: second * 1_000 * MS + late + MS,
            })
        };
        let fixed: Vec<_> = at(0, 990 * MS).chain(at(1, 0)).collect();
        assert!(excess(&fixed, 50.0) > 51.0);
    }

    #[test]
    fn a_stretch_counts_what_was_let_through_under_refusals() {
        let accepted = bucket(50, 1, 4);
        let refused: Vec<u64> = (0..400).map(|index| index * 10 * MS).collect();
        let found = stretches(&accepted, &refused, (100 * MS, 2_000 * MS));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].accepted as f64 >= 0.97 * 50.0 * found[0].seconds,
            "{found:?}"
        );
        let broken: Vec<u64> = refused
            .iter()
            .copied()
            .filter(|at| at / MS % 1_000 < 500)
            .collect();
        assert_eq!(stretches(&accepted, &broken, (100 * MS, 2_000 * MS)), []);
    }

    proptest! {
        #[test]
        fn the_fast_law_never_exceeds_the_slow_one_and_agrees_without_overlap(
            drawn in proptest::collection::vec((0_u64..2_000, 0_u64..40), 1..40),
            rate in 1_u32..200,
        ) {
            let rate = f64::from(rate);
            let overlapping: Vec<_> = drawn
                .iter()
                .map(|(sent, took)| Accepted { sent: sent * MS, received: (sent + took) * MS })
                .collect();
            let slow = by_every_window(&overlapping, rate);
            prop_assert!(excess(&overlapping, rate) <= slow + 1e-6);
            let instant: Vec<_> = overlapping
                .iter()
                .map(|one| Accepted { received: one.sent, ..*one })
                .collect();
            let gap = excess(&instant, rate) - by_every_window(&instant, rate);
            prop_assert!(gap.abs() < 1e-6);
        }
    }
}
