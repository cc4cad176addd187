//! V.7 and V.7m against good, bad and empty histories.

use exai_judge::fault::FaultKind;
use exai_judge::observation::{Event, Sample};
use exai_judge::operation::Outcome;
use exai_judge::{Finding, Reason, Verdict};

use crate::catalogue;
use crate::verdicts::{assert_inconclusive, assert_pass, check, failed};
use crate::world::{Ask, MS, PID, S, World, proven};

const MIB: u64 = 1 << 20;

fn sample(world: &mut World, second: u64, pid: u32, resident: u64) {
    let sample = Sample {
        process: "server".to_owned(),
        pid,
        resident_bytes: resident,
        descriptors: 64,
        threads: 8,
        cpu_ms: second,
    };
    world.push(second * S, Event::Sample(sample));
}

/// A short run that nobody planned as a soak: samples alone.
fn watched(seconds: u64, resident: impl Fn(u64) -> u64) -> World {
    let mut world = World::new();
    for second in 0..seconds {
        sample(&mut world, second, PID, resident(second));
    }
    world
}

/// Half an hour with a stream, faults of each class, quiet points and a proven detector.
fn half_hour() -> World {
    let seconds = 1_810;
    let mut world = watched(seconds, |second| 100 * MIB + second * 7_919 % 97 * 1_000);
    world.phase("V.7", "stream", S, (seconds - 1) * S);
    for (from, until) in [(310, 320), (1_795, 1_805)] {
        world.phase("V.7m", "quiet", from * S, until * S);
    }
    for second in 2..seconds - 2 {
        for slot in 0..2 {
            let at = second * S + slot * 500 * MS;
            let call = world.plain(&Ask {
                takes: 20 * MS + second % 5 * MS,
                ..Ask::new("V.7", at)
            });
            world.record(call);
        }
    }
    for (index, component) in ["server-store", "store", "kimi"].iter().enumerate() {
        for turn in 0..2 {
            let at = (400 + 100 * index as u64 + 40 * turn) * S;
            let id = format!("{component}.reset.{turn}");
            world.fault(&id, component, FaultKind::Reset, &proven(at, at + 2 * S));
        }
    }
    let control = Event::Critical {
        what: "panic".to_owned(),
        detail: "on the second instance".to_owned(),
        control: true,
    };
    world.push(100 * S, control);
    world
}

fn judged(world: &World, profile: &str, criterion: &str) -> Finding {
    world.finding(&catalogue::criteria(), profile, criterion)
}

#[test]
fn half_an_hour_without_a_critical_error_passes() {
    assert_pass(&judged(&half_hour(), "full", "V.7m"));
}

#[test]
fn a_short_run_is_recorded_as_short_and_never_passes() {
    for criterion in ["V.7", "V.7m"] {
        let finding = judged(&watched(60, |_| 100 * MIB), "quick", criterion);
        assert_inconclusive(&finding, Reason::DurationShort);
    }
    assert_inconclusive(
        &judged(&World::new(), "quick", "V.7"),
        Reason::DurationShort,
    );
    assert_inconclusive(&judged(&half_hour(), "full", "V.7"), Reason::DurationShort);
}

#[test]
fn one_critical_error_fails_at_once_and_the_detectors_proof_does_not() {
    for (control, verdict) in [(false, Verdict::Fail), (true, Verdict::Inconclusive)] {
        let mut world = watched(60, |_| 100 * MIB);
        let detail = "thread 'main' panicked".to_owned();
        world.push(
            30 * S,
            Event::Critical {
                what: "panic".to_owned(),
                detail,
                control,
            },
        );
        assert_eq!(judged(&world, "quick", "V.7").verdict, verdict);
    }
}

#[test]
fn a_leak_is_a_fail_in_the_self_test_and_a_start_up_is_not() {
    let leaking = judged(
        &watched(20, |second| 50 * MIB + second * 32 * MIB),
        "selftest",
        "V.7",
    );
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
        for observation in &mut world.out {
            let at = observation.at;
            if let Event::Sample(sample) = &mut observation.event
                && at > 1_790 * S
            {
                sample.resident_bytes = 100 * MIB + by;
            }
        }
        judged(&world, "full", "V.7m")
    };
    assert_eq!(check(&grown(4 * MIB), "memory").verdict, Verdict::Pass);
    assert_eq!(failed(&grown(6 * MIB)), ["memory"]);
}

#[test]
fn a_descriptor_left_open_fails() {
    let mut world = half_hour();
    for observation in &mut world.out {
        let at = observation.at;
        if let Event::Sample(sample) = &mut observation.event
            && at > 1_000 * S
        {
            sample.descriptors += 1;
        }
    }
    assert_eq!(failed(&judged(&world, "full", "V.7m")), ["descriptors"]);
}

#[test]
fn a_gap_or_another_process_ends_the_piece() {
    let mut gap = half_hour();
    gap.out.retain(|seen| {
        !matches!(seen.event, Event::Sample(_)) || !(900 * S..907 * S).contains(&seen.at)
    });
    assert_inconclusive(&judged(&gap, "full", "V.7m"), Reason::DurationShort);
    let mut other = half_hour();
    for observation in &mut other.out {
        let at = observation.at;
        if let Event::Sample(sample) = &mut observation.event
            && at > 900 * S
        {
            sample.pid += 1;
        }
    }
    assert_inconclusive(&judged(&other, "full", "V.7m"), Reason::DurationShort);
}

#[test]
fn errors_of_the_stream_and_slowing_down_fail() {
    let spoiled = |every: usize, spoil: &dyn Fn(&mut exai_judge::Call)| {
        let mut world = half_hour();
        for observation in world
            .out
            .iter_mut()
            .filter(|seen| matches!(seen.event, Event::Call(_)))
            .step_by(every)
        {
            if let Event::Call(call) = &mut observation.event {
                spoil(call);
            }
        }
        judged(&world, "full", "V.7m")
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
