//! A breaker's life at its edges: the shortest silence, the longest, and failures in a row.

use exai_judge::breaker_life::{Arrival, Arrived, BreakerRules, live};

const RULES: BreakerRules = BreakerRules {
    failures: 3,
    excess: 1,
    open: 40,
    stuck: 400,
};

/// Three failures that end at 30, and what comes after them.
fn after_failures(more: &[(u64, Arrived)]) -> Vec<Arrival> {
    let failures = [(9, Arrived::Bad), (19, Arrived::Bad), (29, Arrived::Bad)];
    let all = failures.iter().chain(more);
    all.map(|(at, result)| Arrival {
        began: *at,
        ended: at + 1,
        result: *result,
    })
    .collect()
}

#[test]
fn a_breaker_is_open_from_the_shortest_silence_in_spite_of_demand_inside_it() {
    let cycles = |at, wanted: &[u64]| {
        let arrivals = after_failures(&[(at, Arrived::Good)]);
        live(&arrivals, wanted, RULES).cycles
    };
    assert_eq!(cycles(70, &[50]), 1);
    assert_eq!(cycles(69, &[50]), 0, "a moment too short");
    assert_eq!(cycles(70, &[31]), 1);
    assert_eq!(cycles(70, &[30]), 0, "demand as the last one ended");
    assert_eq!(cycles(70, &[69]), 1);
    assert_eq!(cycles(70, &[70]), 0, "the demand that came through");
    let two = after_failures(&[(70, Arrived::Good), (130, Arrived::Good)]);
    assert_eq!(live(&two, &[50, 100], RULES).cycles, 1, "it was closed");
    let neither = after_failures(&[(70, Arrived::Neither), (72, Arrived::Good)]);
    assert_eq!(live(&neither, &[50], RULES).cycles, 1);
}

#[test]
fn a_breaker_is_stuck_beyond_the_longest_silence_and_only_while_it_is_open() {
    let stuck =
        |more: &[(u64, Arrived)], wanted: &[u64]| live(&after_failures(more), wanted, RULES).stuck;
    assert_eq!(stuck(&[], &[100, 430]), None);
    assert_eq!(stuck(&[], &[100, 431]), Some((30, 401)));
    assert_eq!(stuck(&[(500, Arrived::Good)], &[431]), Some((30, 401)));
    assert_eq!(stuck(&[(432, Arrived::Good)], &[431]), Some((30, 401)));
    assert_eq!(stuck(&[(431, Arrived::Good)], &[431]), None);
    assert_eq!(stuck(&[(40, Arrived::Good)], &[900]), None, "closed again");
    let twice = [(500, Arrived::Bad)];
    assert_eq!(stuck(&twice, &[431, 990]), Some((30, 401)), "the first");
}

#[test]
fn failures_in_a_row_are_told_from_the_first_beyond_the_excess() {
    let bad = |count: u64| -> Vec<(u64, Arrived)> {
        (0..count).map(|index| (31 + index, Arrived::Bad)).collect()
    };
    let never = |count| live(&after_failures(&bad(count)), &[], RULES).never_opened;
    assert_eq!(never(1), None, "three and one in flight");
    assert_eq!(never(2), Some((32, 5)));
    assert_eq!(never(9), Some((32, 5)));
}
