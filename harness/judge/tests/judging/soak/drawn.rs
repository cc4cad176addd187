//! What a soak draws and tells, and the rows that a profile leaves out.

use exai_judge::Verdict;

use super::worlds::{MIB, half_hour, judged, sample, watched};
use crate::verdicts::check;
use crate::world::{Ask, MS, PID, S, World};

#[test]
fn memory_is_drawn_in_mib_by_the_second_and_by_the_block() {
    let resident = |second: u64| (100 + second / 3_600) * MIB;
    let finding = judged(&watched(14_401, resident), "full", "V.7");
    let drawn = &finding.series["resident_mib"];
    assert_eq!((drawn[0], drawn[7_200]), ((0.0, 100.0), (7_200.0, 102.0)));
    let blocks: Vec<f64> = finding.series["memory_blocks_mib"]
        .iter()
        .map(|(_, level)| *level)
        .collect();
    assert_eq!(blocks, [100.0, 101.0, 101.0, 102.0, 102.0, 103.0, 103.0]);
}

#[test]
fn a_profile_without_lines_for_them_has_no_rows_of_availability_or_descriptors() {
    let with = |profile: &str, criterion: &str| {
        let finding = judged(&half_hour(), profile, criterion);
        let ids = ["availability", "seconds", "descriptors"];
        ids.map(|id| finding.checks.iter().any(|row| row.id == id))
    };
    assert_eq!(with("full", "V.7"), [true, true, true]);
    assert_eq!(with("full", "V.7m"), [true, false, true]);
    assert_eq!(with("selftest", "V.7"), [false, false, false]);
    let nothing = judged(&watched(60, |_| MIB), "full", "V.7m");
    assert!(nothing.checks.iter().all(|row| row.id != "availability"));
}

#[test]
fn a_floor_of_faults_says_whether_it_is_of_the_fewest_hour() {
    let event = |criterion: &str| {
        let finding = judged(&half_hour(), "full", criterion);
        let floor = finding.floors.into_iter().find(|it| it.id == "landed.link");
        floor.unwrap().event
    };
    assert_eq!(event("V.7m"), "landed faults of class link");
    let fewest = "landed faults of class link in the hour with the fewest";
    assert_eq!(event("V.7"), fewest);
}

#[test]
fn seconds_are_judged_from_the_first_sample_to_the_last_wherever_they_lie() {
    let mut world = World::new();
    world.phase("V.7", "stream", S, 70 * S);
    for second in 50..60 {
        sample(&mut world, "server", second, (PID, MIB));
        let call = world.plain(&Ask::new("V.7", second * S + MS));
        world.record(call);
    }
    let finding = judged(&world, "full", "V.7");
    let row = check(&finding, "seconds");
    assert_eq!((row.n, row.measured.as_str()), (8, "0 of 8: < 32 %"));
    assert_eq!(row.verdict, Verdict::Inconclusive);
}

#[test]
fn a_minute_counts_when_each_kind_was_answered_rightly_in_it() {
    let minutes = |spoil: &dyn Fn(&mut World)| {
        let mut world = half_hour();
        spoil(&mut world);
        let finding = judged(&world, "full", "V.7m");
        let floor = finding.floors.into_iter().find(|it| it.id == "minutes");
        let floor = floor.unwrap();
        (floor.needed, floor.seen)
    };
    assert_eq!(minutes(&|_| {}), (30, 30));
    let one_kind_less = |world: &mut World| {
        for op in world.ops("V.7") {
            let call = world.call(op);
            let minute = 60 * S..120 * S;
            if call.tool == "status" && minute.contains(&call.intended_at) {
                call.outcome = exai_judge::Outcome::Unknown;
            }
        }
    };
    assert_eq!(minutes(&one_kind_less), (30, 29));
}

#[test]
fn a_piece_too_short_for_its_blocks_or_without_quiet_points_says_so_of_its_memory() {
    for (criterion, why) in [("V.7", "too few blocks"), ("V.7m", "no quiet points")] {
        let finding = judged(&watched(60, |_| 100 * MIB), "full", criterion);
        let row = check(&finding, "memory");
        assert_eq!(
            (row.verdict, row.measured.as_str()),
            (Verdict::Inconclusive, why)
        );
    }
}
