//! What memory may do: the slope's limits from both sides, quiet points, and what ends a piece.

use exai_judge::observation::Event;
use exai_judge::{Finding, Reason, Verdict};

use super::worlds::{MIB, half_hour, judged, resample, watched};
use crate::verdicts::check;
use crate::world::{S, World};

const KIB: u64 = 1 << 10;

/// Four hours that begin at a level and grow evenly by so many KiB an hour.
fn grown(level: u64, kib_an_hour: u64) -> Verdict {
    let resident = |second: u64| level * MIB + kib_an_hour * KIB * second / 3_600;
    let finding = judged(&watched(14_401, resident), "full", "V.7");
    check(&finding, "memory").verdict
}

#[test]
fn growth_is_borne_up_to_a_share_of_the_level_and_never_held_below_the_floor() {
    use Verdict::{Fail, Inconclusive, Pass};
    // One in a hundred of about 200 MiB an hour is 2 MiB; of 10 MiB the floor of 512 KiB stands.
    let cases = [
        ((200, 2_040), Pass),
        ((200, 2_120), Fail),
        ((10, 505), Pass),
        ((10, 520), Fail),
        // 168 hours more must stay below 1638.4 MiB.
        ((1_500, 819), Pass),
        ((1_500, 860), Inconclusive),
        ((1_640, 0), Inconclusive),
        ((1_630, 0), Pass),
    ];
    for ((level, kib), wanted) in cases {
        assert_eq!(grown(level, kib), wanted, "{level} MiB, {kib} KiB an hour");
    }
}

#[test]
fn a_level_that_steps_once_is_no_leak_though_its_slope_is_steep() {
    let resident = |second: u64| (200 + 10 * u64::from(second >= 10_800)) * MIB;
    let finding = judged(&watched(14_401, resident), "full", "V.7");
    let memory = check(&finding, "memory");
    assert_eq!(memory.verdict, Verdict::Inconclusive, "{memory:?}");
    assert_eq!(memory.reason, Some(Reason::SlopeUndecided));
    assert!(finding.violations.iter().all(|one| one.check != "memory"));
}

#[test]
fn growth_beyond_the_limit_that_one_fall_hides_from_the_slope_is_left_open() {
    // By tenths of a MiB in each half hour, where ten are borne: growth by eleven, and one fall.
    let level = |half: u64| [0, 11, 22, 33, 10, 10, 10][usize::try_from(half).unwrap().min(6)];
    let resident = |second: u64| {
        let half = second.saturating_sub(1_800) / 1_800;
        200 * MIB + level(half) * MIB / 10
    };
    let finding = judged(&watched(14_401, resident), "full", "V.7");
    let memory = check(&finding, "memory");
    assert_eq!(memory.verdict, Verdict::Inconclusive, "{memory:?}");
    assert_eq!(memory.reason, Some(Reason::SlopeUndecided));
}

/// Half an hour at a level, and another from the last quiet point on.
fn quiet(level: u64, then: u64) -> Finding {
    let mut world = half_hour();
    resample(&mut world, 0, |second, sample| {
        sample.resident_bytes = if second < 1_790 { level } else { then };
    });
    judged(&world, "full", "V.7m")
}

#[test]
fn between_quiet_points_a_twentieth_or_two_mib_may_be_added_and_not_a_byte_more() {
    let verdict = |level, then| check(&quiet(level, then), "memory").verdict;
    let (large, small) = (100 * MIB, 10 * MIB);
    assert_eq!(verdict(large, 105 * MIB), Verdict::Pass);
    assert_eq!(verdict(large, 105 * MIB + 1), Verdict::Fail);
    assert_eq!(verdict(large, 5 * MIB), Verdict::Pass, "a fall");
    assert_eq!(verdict(small, 12 * MIB), Verdict::Pass);
    assert_eq!(verdict(small, 12 * MIB + 1), Verdict::Fail);
    let text = quiet(large, 103 * MIB);
    assert_eq!(
        check(&text, "memory").measured,
        "+3.00 MiB between quiet points"
    );
    assert_eq!(check(&text, "memory").limit, "≤ 5.00 MiB");
}

#[test]
fn one_quiet_point_says_nothing_of_memory_or_of_descriptors() {
    for (kept, wanted) in [(1, Verdict::Inconclusive), (2, Verdict::Pass)] {
        let mut world = half_hour();
        let mut quiet = 0;
        world.out.retain(|seen| {
            let is_quiet = matches!(&seen.event, Event::Phase(mark) if mark.phase == "quiet");
            quiet += usize::from(is_quiet);
            !is_quiet || quiet <= 2 * kept
        });
        let finding = judged(&world, "full", "V.7m");
        for id in ["memory", "descriptors"] {
            assert_eq!(check(&finding, id).verdict, wanted, "{id} of {kept}");
        }
    }
}

#[test]
fn a_quiet_point_in_the_warm_up_is_none() {
    let mut world = half_hour();
    // 299 s and 300 s after the first sample.
    world.phase("V.7", "quiet", 299 * S, 299 * S + 1);
    resample(&mut world, 299, |second, sample| {
        sample.descriptors += u64::from(second == 299);
    });
    let judge = |world: &World| check(&judged(world, "full", "V.7m"), "descriptors").verdict;
    assert_eq!(judge(&world), Verdict::Pass);
    world.phase("V.7", "quiet", 300 * S, 300 * S + 1);
    resample(&mut world, 300, |second, sample| {
        sample.descriptors += u64::from(second == 300);
    });
    assert_eq!(judge(&world), Verdict::Fail);
}

/// What is told of twenty seconds of which some were not sampled.
fn pieces(change: impl Fn(&mut World)) -> (String, String) {
    let mut world = watched(20, |_| 100 * MIB);
    change(&mut world);
    let finding = judged(&world, "full", "V.7m");
    assert_eq!(
        check(&finding, "duration").limit,
        "≥ 30 min, no gap over 5 s"
    );
    let measured = &check(&finding, "duration").measured;
    let (duration, covered) = measured.split_once("; ").unwrap();
    (duration.to_owned(), covered.to_owned())
}

fn lose(world: &mut World, seconds: std::ops::Range<u64>) {
    let is_lost = |at: u64| seconds.contains(&(at / S));
    world
        .out
        .retain(|seen| !matches!(seen.event, Event::Sample(_)) || !is_lost(seen.at));
}

#[test]
fn a_gap_as_long_as_allowed_leaves_one_piece_and_one_longer_two() {
    let (whole, covered) = pieces(|_| {});
    assert_eq!(
        (whole.as_str(), covered.as_str()),
        ("19 s", "19 of 19 seconds sampled, widest step 1.0 s")
    );
    let (five, covered) = pieces(|world| lose(world, 8..12));
    assert_eq!(five, "19 s");
    assert_eq!(covered, "15 of 19 seconds sampled, widest step 5.0 s");
    let (six, covered) = pieces(|world| lose(world, 8..13));
    assert_eq!(six, "7 s, the longest of 7 s, gap of 6 s, 6 s");
    assert_eq!(covered, "7 of 7 seconds sampled, widest step 1.0 s");
    let (equal, _) = pieces(|world| {
        lose(world, 8..12);
        lose(world, 12..13);
        lose(world, 0..1);
    });
    assert_eq!(equal, "6 s, the longest of 6 s, gap of 6 s, 6 s");
}

#[test]
fn a_sample_that_came_late_covers_the_second_it_is_nearest_to() {
    let late = |by: u64| {
        pieces(move |world| {
            for seen in &mut world.out {
                if matches!(seen.event, Event::Sample(_)) && seen.at >= 10 * S {
                    seen.at += by;
                }
            }
        })
        .1
    };
    assert_eq!(
        late(S / 2 - 1),
        "19 of 19 seconds sampled, widest step 1.5 s"
    );
    assert_eq!(late(S / 2), "18 of 19 seconds sampled, widest step 1.5 s");
}
