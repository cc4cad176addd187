//! The slowest calls of V.8, which a 95th percentile lets take a minute.

use super::*;

const MOST: u64 = 10 * S;

/// Changes so many calls of a tier's second repetition, evenly spread over it.
fn slowed(tier: &str, rate: u64, calls: usize, spoil: impl Fn(&mut exai_judge::Call)) -> World {
    let mut world = good(tier, rate);
    let mut ops = world.ops("V.8");
    ops.retain(|op| world.call(*op).phase == format!("{tier}.2"));
    let every = ops.len() / calls;
    for op in ops.into_iter().step_by(every) {
        spoil(world.call(op));
    }
    world
}

fn takes(nanos: u64) -> impl Fn(&mut exai_judge::Call) {
    move |call| call.done_at = call.intended_at + nanos
}

#[test]
fn one_call_beyond_the_longest_time_fails_either_tier_though_its_percentiles_hold() {
    let criteria = catalogue::criteria();
    for (tier, rate, row) in [("gate", 200, "V.8g"), ("target", 1_000, "V.8t")] {
        let finding = |took: u64| {
            let world = slowed(tier, rate, 1, takes(took));
            world.finding(&criteria, PROFILE, row)
        };
        assert_pass(&finding(MOST));
        let slow = finding(MOST + 1);
        assert_eq!(failed(&slow), ["maximum.2"], "{row}");
        let maximum = check(&slow, "maximum.2");
        assert_eq!(
            maximum.measured,
            format!("1 of {}", bounds::grouped(rate * 5 + 50))
        );
        assert!(slow.violations[0].says.ends_with("10 000 ms at most"));
    }
}

#[test]
fn the_longest_time_is_the_smaller_of_deadline_and_planned_time_with_their_grace() {
    let at = |deadline: u64, planned: u64, took: u64| {
        let world = slowed("gate", 200, 1, |call| {
            (call.deadline, call.planned_provider) = (deadline, planned);
            takes(took)(call);
        });
        failed(&gate(&world)).contains(&"maximum.2")
    };
    assert!(!at(4 * S, 0, 5 * S) && at(4 * S, 0, 5 * S + 1));
    assert!(!at(30 * S, 3 * S, 13 * S) && at(30 * S, 3 * S, 13 * S + 1));
}

#[test]
fn two_in_a_hundred_beyond_the_line_fail_the_99th_percentile_alone() {
    let slow = |took: u64| {
        let world = slowed("gate", 200, 30, |call| {
            call.planned_provider = MOST;
            takes(took)(call);
        });
        gate(&world)
    };
    assert_eq!(failed(&slow(MOST)), ["p99.2"], "the line is not below it");
    assert_pass(&slow(MOST - 1));
    let target = slowed("target", 1_000, 150, |call| {
        call.planned_provider = MOST;
        takes(MOST)(call);
    });
    let target = target.finding(&catalogue::criteria(), PROFILE, "V.8t");
    assert!(failed(&target).contains(&"p99.2"));
}

/// How many calls, of the fewest each profile asks for, leave the 99th percentile open.
#[test]
fn the_fewest_calls_a_profile_asks_for_are_enough_for_a_word_on_the_99th_percentile() {
    let criteria = catalogue::criteria();
    for profile in ["smoke", "quick", "full", "selftest"] {
        for id in ["V.8g", "V.8t"] {
            let row = criteria.find(id, profile).unwrap().unwrap();
            let (calls, least) = (row.floor("operations").unwrap(), row.count("p99_least"));
            let (_, upper) = bounds::ranks(least.clone().unwrap(), bounds::P99);
            assert!(upper.is_some(), "{id} in {profile}");
            // The self-test's target tier is too short for any word of its own.
            let is_enough = calls >= least.unwrap();
            assert!(
                is_enough || (id, profile) == ("V.8t", "selftest"),
                "{id} in {profile}"
            );
        }
    }
    let few = good("gate", 180);
    let check = |profile| check(&few.finding(&criteria, profile, "V.8g"), "p99.1").verdict;
    assert_eq!(check("quick"), Verdict::Inconclusive);
    assert_eq!(check("smoke"), Verdict::Pass);
}

#[test]
fn a_slow_tail_is_left_open_only_while_others_had_the_processors() {
    let slow = |call: &mut exai_judge::Call| call.done_at += 12 * S;
    let times = ["p95.2", "p99.2", "maximum.2"];
    let beside = spoiled_beside((640, 1_340, Some(2)), slow);
    assert_inconclusive(&beside, Reason::RigLimit);
    for id in times {
        let row = check(&beside, id);
        assert_eq!(row.verdict, Verdict::Inconclusive, "{id}");
        assert!(row.measured.contains("waited 1.34 s"), "{}", row.measured);
    }
    let alone = spoiled_beside((640, 640, Some(2)), slow);
    assert_eq!(failed(&alone), times);
}

#[test]
fn what_our_generator_was_late_by_is_taken_off_the_tail() {
    let late = |lag: u64| {
        let mut world = slowed("gate", 200, 30, |call| {
            call.sent_at += 5 * S;
            takes(12 * S)(call);
        });
        for seen in &mut world.out {
            if let Event::Load(load) = &mut seen.event {
                load.lag_p99 = lag;
            }
        }
        gate(&world)
    };
    assert_eq!(failed(&late(MS)), ["p99.2", "maximum.2"]);
    let excused = late(5 * S);
    assert!(failed(&excused).is_empty());
    assert_eq!(check(&excused, "p99.2").reason, Some(Reason::RigLimit));
    assert_eq!(check(&excused, "maximum.2").n, 1_020);
}
