//! V.7's own path: four hours as they cannot be waited for in a test.

use exai_judge::observation::Event;
use exai_judge::{Reason, Verdict};

use super::worlds::{MIB, expire, four_hours, half_hour, judged, resample, spoil, watched};
use crate::verdicts::{assert_inconclusive, assert_pass, check, failed};
use crate::world::{MS, S, World};

fn v7(world: &World) -> exai_judge::Finding {
    judged(world, "full", "V.7")
}

#[test]
fn four_good_hours_pass_and_half_of_one_says_how_much_it_was() {
    let finding = v7(&four_hours());
    assert_pass(&finding);
    assert_eq!(
        finding.headline,
        "0 critical errors, 4 h of 4 h in one piece"
    );
    let short = v7(&half_hour());
    assert_inconclusive(&short, Reason::DurationShort);
    assert_eq!(
        short.headline,
        "0 critical errors, 30 min of 4 h in one piece"
    );
}

#[test]
fn four_hours_less_one_second_are_not_four_hours() {
    let verdict = |seconds: u64| {
        let finding = v7(&watched(seconds + 1, |_| 100 * MIB));
        check(&finding, "duration").verdict
    };
    assert_eq!(verdict(14_400), Verdict::Pass);
    assert_eq!(verdict(14_399), Verdict::Inconclusive);
}

#[test]
fn a_leak_of_two_percent_an_hour_fails_and_a_level_that_steps_at_the_end_does_not_pass() {
    let mut leaking = four_hours();
    resample(&mut leaking, 0, |second, sample| {
        sample.resident_bytes += 2 * MIB * second / 3_600;
    });
    assert_eq!(failed(&v7(&leaking)), ["memory"]);
    let mut stepping = four_hours();
    resample(&mut stepping, 13_000, |_, sample| {
        sample.resident_bytes += 8 * MIB;
    });
    assert_eq!(
        check(&v7(&stepping), "memory").verdict,
        Verdict::Inconclusive
    );
}

#[test]
fn a_gap_leaves_the_longest_piece_and_is_told() {
    let mut gap = four_hours();
    let lost = 7_200 * S..7_210 * S;
    gap.out
        .retain(|seen| !matches!(seen.event, Event::Sample(_)) || !lost.contains(&seen.at));
    let finding = v7(&gap);
    assert_inconclusive(&finding, Reason::DurationShort);
    assert_eq!(
        check(&finding, "duration").measured,
        "119 min, the longest of 119 min, gap of 11 s, 119 min; \
         7 199 of 7 199 seconds sampled, widest step 1.0 s"
    );
}

#[test]
fn eight_seconds_of_four_hours_without_a_right_operation_are_too_many() {
    let bad = |seconds: u64| {
        let mut world = four_hours();
        spoil(&mut world, 1, |call| {
            if (5_000 * S..(5_000 + seconds) * S).contains(&call.intended_at) {
                call.outcome = exai_judge::operation::Outcome::Unknown;
            }
        });
        check(&v7(&world), "seconds").verdict
    };
    assert_eq!(bad(7), Verdict::Pass);
    assert_eq!(bad(8), Verdict::Inconclusive);
    assert_eq!(bad(30), Verdict::Fail);
}

#[test]
fn an_hour_without_faults_of_a_class_unmeets_its_floor_though_the_sum_is_there() {
    let mut world = four_hours();
    for observation in &mut world.out {
        let is_kimi = matches!(&observation.event,
            Event::Fault { fault, .. } if fault.component == "kimi");
        if is_kimi && (3_600 * S..7_200 * S).contains(&observation.at) {
            observation.at += 3_600 * S;
        }
    }
    let finding = v7(&world);
    let floor = finding
        .floors
        .iter()
        .find(|floor| floor.id == "landed.provider");
    assert_eq!(floor.map(|floor| (floor.needed, floor.seen)), Some((4, 0)));
    assert_inconclusive(&finding, Reason::DurationShort);
}

#[test]
fn the_last_hour_slower_than_the_first_by_more_than_the_limit_fails() {
    let mut slow = four_hours();
    spoil(&mut slow, 1, |call| {
        if call.intended_at > 10_000 * S {
            call.done_at += 60 * MS;
        }
    });
    assert_eq!(failed(&v7(&slow)), ["slowing"]);
}

#[test]
fn a_thread_gone_before_its_time_is_a_critical_error_and_counts_as_none_expired() {
    let mut early = four_hours();
    expire(&mut early, "hasty", 200, 9_000);
    let finding = v7(&early);
    assert_eq!(failed(&finding), ["critical"]);
    let floor = finding.floors.iter().find(|floor| floor.id == "expired");
    assert_eq!(floor.map(|floor| floor.seen), Some(20));
}
