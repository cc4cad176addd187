//! The end of a soak beside its beginning: how many operations each edge needs, and which belong.

use exai_judge::observation::Event;
use exai_judge::{Reason, Verdict};

use super::worlds::{half_hour, judged};
use crate::verdicts::check;
use crate::world::{MS, S, World};

/// Half an hour whose first edge, the ten minutes after the warm-up, keeps so many operations.
fn thinned(kept: u64) -> World {
    let mut world = half_hour();
    let mut early = 0;
    world.out.retain(|seen| match &seen.event {
        Event::Call(call) if (300 * S..900 * S).contains(&call.intended_at) => {
            early += 1;
            early <= kept
        }
        _ => true,
    });
    world
}

#[test]
fn an_edge_with_one_operation_too_few_says_nothing_of_slowing() {
    for (kept, wanted) in [
        (1_001, Verdict::Pass),
        (1_000, Verdict::Pass),
        (999, Verdict::Inconclusive),
    ] {
        let finding = judged(&thinned(kept), "full", "V.7m");
        let slowing = check(&finding, "slowing");
        assert_eq!((slowing.verdict, slowing.n), (wanted, kept));
        let reason = (wanted == Verdict::Inconclusive).then_some(Reason::BelowFloor);
        assert_eq!(slowing.reason, reason);
    }
}

#[test]
fn an_edge_begins_with_its_first_moment_and_ends_before_its_last() {
    let n = |at: u64| {
        let mut world = thinned(999);
        let op = world.ops("V.7")[0];
        let mut call = world.call(op).clone();
        let took = call.done_at - call.intended_at;
        (call.intended_at, call.sent_at) = (at, at);
        call.done_at = at + took;
        world.record(call);
        check(&judged(&world, "full", "V.7m"), "slowing").n
    };
    assert_eq!(n(300 * S - 1), 999);
    assert_eq!(n(300 * S), 1_000);
    assert_eq!(n(900 * S - 1), 1_000);
    assert_eq!(n(900 * S), 999);
}

#[test]
fn growth_by_a_share_or_by_a_few_milliseconds_alone_is_borne() {
    let slowed = |change: &dyn Fn(u64) -> u64| {
        let mut world = half_hour();
        for op in world.ops("V.7") {
            let call = world.call(op);
            let took = change(call.done_at - call.intended_at);
            let is_late = call.intended_at > 1_100 * S;
            call.done_at = call.intended_at + took + u64::from(is_late) * took / 2;
        }
        check(&judged(&world, "full", "V.7m"), "slowing").verdict
    };
    // Half as slow again: by 9 ms of 18, which a few milliseconds excuse, and by 50 of 100.
    assert_eq!(slowed(&|_| 18 * MS), Verdict::Pass);
    assert_eq!(slowed(&|_| 100 * MS), Verdict::Fail);
}

#[test]
fn only_what_lies_wholly_beyond_both_limits_fails() {
    // Operations take so long at first, then so long, and in 30 of the last seconds longer still:
    // one in twenty, so that the 95th percentile may be either.
    let slowed = |[first, then, burst]: [u64; 3]| {
        let mut world = half_hour();
        for op in world.ops("V.7") {
            let call = world.call(op);
            let second = call.intended_at / S;
            let took = match second {
                0..1_100 => first,
                1_400..1_430 => burst,
                _ => then,
            };
            call.done_at = call.intended_at + took * MS;
        }
        let finding = judged(&world, "full", "V.7m");
        let slowing = check(&finding, "slowing");
        (slowing.verdict, slowing.measured.clone())
    };
    use Verdict::{Fail, Inconclusive};
    for (times, wanted, told) in [
        ([100, 120, 130], Inconclusive, "× 1.20 to 1.30"),
        ([100, 121, 130], Fail, "× 1.21 to 1.30"),
        ([20, 30, 40], Inconclusive, "× 1.50 to 2.00"),
        ([20, 31, 40], Fail, "× 1.55 to 2.00"),
    ] {
        assert_eq!(slowed(times), (wanted, told.to_owned()), "{times:?}");
    }
}
