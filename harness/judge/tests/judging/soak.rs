//! V.7 and V.7m against good, bad and empty histories.

mod critical;
mod drawn;
mod expiry;
mod four_hours;
mod memory;
pub mod quiet;
mod slowing;
pub mod worlds;

use exai_judge::observation::Event;
use exai_judge::operation::Outcome;
use exai_judge::{Finding, Reason, Verdict};

use crate::verdicts::{assert_inconclusive, assert_pass, check, failed};
use crate::world::{MS, S, World};
use worlds::{MIB, half_hour, judged, resample, spoil, watched};

fn v7m(world: &World) -> Finding {
    judged(world, "full", "V.7m")
}

/// What the violations of a check say; each was seen by the sampler.
fn told_of<'a>(finding: &'a Finding, check: &str) -> Vec<&'a str> {
    let mine = finding.violations.iter().filter(|one| one.check == check);
    let told = mine.inspect(|one| assert_eq!(one.witnesses[0].actor, "sampler"));
    told.map(|one| one.says.as_str()).collect()
}

/// Whether the floor is met.
fn is_met(finding: &Finding, id: &str) -> bool {
    let floor = finding.floors.iter().find(|floor| floor.id == id);
    floor
        .unwrap_or_else(|| panic!("no floor {id}: {finding:#?}"))
        .is_met()
}

#[test]
fn half_an_hour_without_a_critical_error_passes() {
    assert_pass(&v7m(&half_hour()));
}

#[test]
fn a_short_run_is_recorded_as_short_and_never_passes() {
    for criterion in ["V.7", "V.7m"] {
        let finding = judged(&watched(60, |_| 100 * MIB), "quick", criterion);
        assert_inconclusive(&finding, Reason::DurationShort);
    }
    let empty = judged(&World::new(), "quick", "V.7");
    assert_inconclusive(&empty, Reason::DurationShort);
}

#[test]
fn one_critical_error_fails_at_once_and_the_detectors_proof_does_not() {
    for (control, verdict) in [(false, Verdict::Fail), (true, Verdict::Inconclusive)] {
        let mut world = watched(60, |_| 100 * MIB);
        let event = Event::Critical {
            what: "panic".to_owned(),
            detail: "thread 'main' panicked".to_owned(),
            control,
        };
        world.push(30 * S, event);
        assert_eq!(judged(&world, "quick", "V.7").verdict, verdict);
    }
}

#[test]
fn a_leak_is_a_fail_in_the_self_test_and_a_start_up_is_not() {
    let leaking = |second| 50 * MIB + second * 32 * MIB;
    let leaking = judged(&watched(20, leaking), "selftest", "V.7");
    assert_eq!(failed(&leaking), ["memory"]);
    let starting = |second: u64| {
        if second < 2 {
            20 * MIB
        } else {
            90 * MIB + second * MIB
        }
    };
    let honest = judged(&watched(20, starting), "selftest", "V.7");
    assert_eq!(check(&honest, "memory").verdict, Verdict::Pass);
    assert_ne!(honest.verdict, Verdict::Fail);
}

#[test]
fn memory_that_grew_between_quiet_points_fails_half_an_hour() {
    let grown = |by: u64| {
        let mut world = half_hour();
        resample(&mut world, 1_790, |_, sample| {
            sample.resident_bytes = 100 * MIB + by;
        });
        v7m(&world)
    };
    assert_eq!(check(&grown(4 * MIB), "memory").verdict, Verdict::Pass);
    let leaking = grown(6 * MIB);
    assert_eq!(failed(&leaking), ["memory"]);
    let told = "resident memory rose by +5.95 MiB between quiet points, allowed ≤ 5.00 MiB";
    assert_eq!(told_of(&leaking, "memory"), [told]);
}

#[test]
fn a_descriptor_left_open_fails() {
    let mut world = half_hour();
    resample(&mut world, 1_000, |_, sample| sample.descriptors += 1);
    let finding = v7m(&world);
    assert_eq!(failed(&finding), ["descriptors"]);
    let told = "descriptors were left open: [64, 65] open at quiet points, equal within 0 is asked";
    assert_eq!(told_of(&finding, "descriptors"), [told]);
}

#[test]
fn what_closes_while_a_quiet_point_settles_is_no_leak() {
    let mut world = half_hour();
    resample(&mut world, 310, |second, sample| {
        sample.descriptors -= u64::from(second == 310);
    });
    assert_eq!(check(&v7m(&world), "descriptors").verdict, Verdict::Pass);
}

#[test]
fn a_gap_or_another_process_ends_the_piece_and_is_told() {
    let mut gap = half_hour();
    gap.out.retain(|seen| {
        !matches!(seen.event, Event::Sample(_)) || !(900 * S..907 * S).contains(&seen.at)
    });
    let gap = v7m(&gap);
    assert_inconclusive(&gap, Reason::DurationShort);
    let told = "15 min, the longest of 14 min, gap of 8 s, 15 min; ";
    assert!(check(&gap, "duration").measured.starts_with(told));
    let mut other = half_hour();
    resample(&mut other, 901, |_, sample| sample.pid += 1);
    let other = v7m(&other);
    assert_inconclusive(&other, Reason::DurationShort);
    let told = "15 min, the longest of 15 min, another process after 1 s, 15 min; ";
    assert!(check(&other, "duration").measured.starts_with(told));
}

#[test]
fn a_resumed_run_counts_its_own_piece_and_states_the_gap() {
    let mut world = half_hour();
    let event = Event::Resumed {
        run: "20261121T044336Z-4f1c9ae-7".to_owned(),
        seconds: 1_500,
        gap_s: 41,
    };
    world.push(0, event);
    world.out.retain(|seen| seen.at < 1_000 * S);
    let finding = v7m(&world);
    assert_inconclusive(&finding, Reason::DurationShort);
    assert_eq!(
        check(&finding, "duration").measured,
        "16 min; resumed after a gap of 41 s from 20261121T044336Z-4f1c9ae-7, which measured \
         25 min; 999 of 999 seconds sampled, widest step 1.0 s"
    );
}

#[test]
fn errors_of_the_stream_and_slowing_down_fail() {
    let spoiled = |every: usize, change: &dyn Fn(&mut exai_judge::Call)| {
        let mut world = half_hour();
        spoil(&mut world, every, change);
        v7m(&world)
    };
    let failing = spoiled(100, &|call| call.outcome = Outcome::Unknown);
    assert_eq!(failed(&failing), ["availability"]);
    let slowing = spoiled(1, &|call| {
        if call.intended_at > 1_200 * S {
            call.done_at += 60 * MS;
        }
    });
    assert_eq!(failed(&slowing), ["slowing"]);
}

#[test]
fn a_minute_without_one_kind_of_operation_unmeets_its_floor() {
    let mut world = half_hour();
    assert!(is_met(&v7m(&world), "minutes"));
    world.out.retain(|seen| match &seen.event {
        Event::Call(call) => {
            call.tool != "status" || !(600 * S..720 * S).contains(&call.intended_at)
        }
        _ => true,
    });
    let finding = v7m(&world);
    assert!(!is_met(&finding, "minutes"));
    assert_inconclusive(&finding, Reason::EventNotSeen);
}

#[test]
fn each_way_of_breaking_the_second_instance_must_show_on_its_own() {
    for way in ["aborted", "starved", "corrupt"] {
        let mut world = half_hour();
        let from = match way {
            "aborted" => 40,
            "starved" => 60,
            _ => 80,
        };
        world.out.retain(|seen| {
            let is_during = (from * S..(from + 10) * S).contains(&seen.at);
            !(is_during && matches!(seen.event, Event::Critical { control: true, .. }))
        });
        let finding = v7m(&world);
        assert!(!is_met(&finding, &format!("detector.{way}")), "{way}");
        assert_inconclusive(&finding, Reason::ControlNotFired);
    }
}

#[test]
fn an_honest_second_instance_proves_no_detector_of_leaks() {
    let mut world = half_hour();
    assert!(is_met(&v7m(&world), "detector.leak"));
    for observation in &mut world.out {
        if let Event::Sample(sample) = &mut observation.event
            && sample.process == "control"
        {
            sample.resident_bytes = 100 * MIB + observation.at / S % 3 * 1_000;
        }
    }
    let finding = v7m(&world);
    assert!(!is_met(&finding, "detector.leak"));
    assert_inconclusive(&finding, Reason::ControlNotFired);
}
