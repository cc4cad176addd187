//! Several instances of the server behind one proxy, judged as one.

use exai_judge::Verdict;
use exai_judge::observation::{Event, Sample};

use crate::concurrency::{good, judged};
use crate::verdicts::{assert_pass, failed};
use crate::world::{INSTANCE, PID, S, SECOND, World};

/// The same load, every second call answered by another instance in a process of its own.
fn load_on_two() -> World {
    let mut world = good();
    world.two();
    for op in world.ops("V.3").into_iter().step_by(2) {
        world.call(op).instance = Some(SECOND.to_owned());
    }
    (1..12).for_each(|second| sampled(&mut world, PID + 1, second));
    world
}

#[test]
fn two_instances_are_two_processes_and_no_more() {
    let mut world = load_on_two();
    assert_pass(&judged(&world));
    sampled(&mut world, PID + 2, 5);
    assert_eq!(failed(&judged(&world)), ["pid"]);
}

#[test]
fn one_of_two_instances_that_answered_nothing_leaves_a_floor_unmet() {
    let mut world = load_on_two();
    for op in world.ops("V.3") {
        world.call(op).instance = Some(INSTANCE.to_owned());
    }
    let finding = judged(&world);
    assert_eq!(finding.verdict, Verdict::Inconclusive);
    let floor = finding.floors.iter().find(|floor| floor.id == "instances");
    assert_eq!(floor.map(|floor| (floor.needed, floor.seen)), Some((2, 1)));
    let alone = judged(&good());
    assert!(alone.floors.iter().all(|floor| floor.id != "instances"));
}

fn sampled(world: &mut World, pid: u32, second: u64) {
    let sample = Sample {
        process: "server".to_owned(),
        pid,
        resident_bytes: 200 << 20,
        descriptors: 90,
        threads: 12,
        cpu_ms: second * 300,
        wait_ms: 0,
        connections: None,
    };
    world.push(second * S, Event::Sample(sample));
}
