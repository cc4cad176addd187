//! What is critical in a soak and what a fault excuses; which faults count for which class; and a
//! second that nobody watched.

use exai_judge::fault::FaultKind;
use exai_judge::observation::Event;
use exai_judge::{Finding, Verdict};

use super::worlds::{MIB, half_hour, judged, soak, watched};
use crate::verdicts::{check, failed};
use crate::world::{Ask, MS, S, World, proven};

/// The kill of kimi from 400 s, healed at 402 s; its window has a tail of 5 s.
fn server_error(at: u64, category: &str) -> Verdict {
    let mut world = watched(20, |_| 100 * MIB);
    world.phase("V.7", "stream", S, 600 * S);
    let steps = proven(400 * S, 402 * S);
    world.fault("kimi.kill.1", "kimi", FaultKind::Kill, &steps);
    let call = world.refused(&Ask::new("V.7", at), category);
    world.record(call);
    check(&judged(&world, "full", "V.7"), "critical").verdict
}

#[test]
fn a_server_error_is_critical_outside_the_windows_of_faults_alone() {
    let takes = Ask::new("V.7", 0).takes;
    let cases = [
        (400 * S - takes - 1, Verdict::Fail),
        (400 * S - takes, Verdict::Pass),
        (407 * S, Verdict::Pass),
        (407 * S + 1, Verdict::Fail),
    ];
    for (at, wanted) in cases {
        assert_eq!(server_error(at, "server_error"), wanted, "{at}");
    }
    assert_eq!(server_error(500 * S, "provider_error"), Verdict::Pass);
}

/// How many faults landed of links, of the store and of providers.
fn landed(component: &str) -> [u64; 3] {
    let mut world = watched(1_801, |_| 100 * MIB);
    world.phase("V.7", "stream", S, 1_800 * S);
    let steps = proven(400 * S, 402 * S);
    world.fault("one", component, FaultKind::Kill, &steps);
    let finding = judged(&world, "full", "V.7m");
    ["link", "store", "provider"].map(|class| seen(&finding, &format!("landed.{class}")))
}

fn seen(finding: &Finding, id: &str) -> u64 {
    let floor = finding.floors.iter().find(|floor| floor.id == id);
    floor.unwrap_or_else(|| panic!("no floor {id}")).seen
}

#[test]
fn a_fault_counts_for_the_class_of_what_it_broke_and_for_no_other() {
    assert_eq!(landed("server-kimi"), [1, 0, 0]);
    assert_eq!(landed("store"), [0, 1, 0]);
    assert_eq!(landed("glm"), [0, 0, 1]);
    assert_eq!(landed("server"), [0, 0, 0]);
}

#[test]
fn in_half_an_hour_half_as_many_faults_are_needed_and_they_must_be_proven() {
    let floor = |world: &World| {
        let finding = judged(world, "full", "V.7m");
        let floor = finding
            .floors
            .into_iter()
            .find(|it| it.id == "landed.store");
        let floor = floor.unwrap();
        (floor.needed, floor.seen)
    };
    let mut world = half_hour();
    assert_eq!(floor(&world), (2, 2));
    let is_effect = |event: &Event| {
        matches!(event, Event::Fault { step, .. }
            if matches!(step, exai_judge::fault::Step::Effect { .. }))
    };
    world
        .out
        .retain(|seen| seen.at > 800 * S || !is_effect(&seen.event));
    assert_eq!(floor(&world), (2, 1));
}

/// A soak of a few minutes judged by seconds, as V.7 is.
fn minutes(change: impl Fn(&mut World)) -> Finding {
    let mut world = soak(200, std::iter::empty(), &[]);
    change(&mut world);
    judged(&world, "full", "V.7")
}

#[test]
fn a_second_is_bad_without_a_sample_without_an_operation_and_with_a_wrong_one() {
    let whole = minutes(|_| {});
    assert!(failed(&whole).is_empty(), "{:?}", failed(&whole));
    let seconds = |finding: &Finding| check(finding, "seconds").measured.clone();
    let n = check(&whole, "seconds").n;
    assert_eq!(n, 198, "between the first sample and the last");
    assert!(seconds(&whole).starts_with("0 of 198"));
    let lost = minutes(|world| {
        world.out.retain(|seen| {
            !matches!(seen.event, Event::Sample(_)) || !(100..103).contains(&(seen.at / S))
        });
    });
    assert!(seconds(&lost).starts_with("3 of 198"), "{}", seconds(&lost));
    let idle = minutes(|world| {
        world.out.retain(|seen| match &seen.event {
            Event::Call(call) => !(100 * S..102 * S).contains(&call.intended_at),
            _ => true,
        });
    });
    assert!(seconds(&idle).starts_with("2 of 198"), "{}", seconds(&idle));
    let late = minutes(|world| {
        let op = world.ops("V.7")[100];
        let call = world.call(op);
        call.deadline = call.done_at - call.intended_at - 1;
    });
    assert!(seconds(&late).starts_with("1 of 198"), "{}", seconds(&late));
    assert!(check(&late, "availability").measured.starts_with("1 of"));
    let due = minutes(|world| {
        let op = world.ops("V.7")[100];
        let call = world.call(op);
        call.deadline = call.done_at - call.intended_at;
    });
    assert!(seconds(&due).starts_with("0 of 198"), "at its deadline");
}

#[test]
fn a_second_under_a_fault_of_the_rig_is_neither_good_nor_bad() {
    let tainted = minutes(|world| {
        let rig = Event::Rig {
            what: "cpu".to_owned(),
            until: 102 * S + MS,
            detail: String::new(),
        };
        world.push(100 * S + MS, rig);
        for op in world.ops("V.7") {
            if world.call(op).intended_at / S == 101 {
                world.call(op).outcome = exai_judge::Outcome::Unknown;
            }
        }
    });
    assert!(failed(&tainted).is_empty(), "{:?}", failed(&tainted));
    let seconds = check(&tainted, "seconds");
    assert!(seconds.measured.starts_with("0 of 195"), "{seconds:?}");
}
