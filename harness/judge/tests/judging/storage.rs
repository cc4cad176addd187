//! V.4 against good, bad and empty histories.

mod commands;
mod counts;
mod faults;
mod hits;
mod limits;
mod schema;
mod several;

use exai_judge::fault::{FaultKind, Step};
use exai_judge::observation::Event;
use exai_judge::operation::{Outcome, ThreadAction, TurnSeen};
use exai_judge::{Finding, Reason, Verdict, hex};

use crate::catalogue;
use crate::verdicts::{assert_inconclusive, assert_pass, check, failed};
use crate::world::{Ask, MS, S, World, proven};

const PROFILE: &str = "selftest";
const THREADS: u64 = 32;
const TURNS: u64 = 10;

fn ask(phase: &str, at: u64, takes: u64) -> Ask {
    Ask {
        phase: phase.to_owned(),
        takes,
        ..Ask::new("V.4", at)
    }
}

/// Threads filled turn by turn beside plain chats, two faults, a restart and final reads.
pub fn good() -> World {
    let mut world = World::new();
    world.phase("run", "store.embedded", 0, 60 * S);
    world.phase("V.4", "main", S, 60 * S);
    let mut at = 2 * S;
    for _ in 0..TURNS {
        for thread in 0..THREADS {
            world.append(
                &ask("with_thread", at, 30 * MS),
                &format!("thread {thread}"),
            );
            world.chat(&ask("without_thread", at + MS, 20 * MS));
            at += 60 * MS;
        }
    }
    limits::press(&mut world, at);
    let faulty = at + S;
    world.fault(
        "store.pause.1",
        "store",
        FaultKind::Pause,
        &proven(faulty, faulty + 2 * S),
    );
    world.fault(
        "store.slow.1",
        "store",
        FaultKind::Slow,
        &proven(faulty + 3 * S, faulty + 5 * S),
    );
    for index in 0..100 {
        let ask = ask("fault", faulty + index * 15 * MS, 900 * MS);
        world.read(&ask, &format!("thread {}", index % THREADS));
    }
    for seconds in [0.4, 0.2] {
        let name = "reconnect after a fault of the store".to_owned();
        world.push(
            faulty + 6 * S,
            Event::Figure {
                name,
                value: seconds,
                unit: "s".to_owned(),
            },
        );
    }
    let settle = faulty + 8 * S;
    for index in 0..320 {
        let phase = if index < THREADS {
            "settle.restart"
        } else {
            "settle"
        };
        let ask = ask(phase, settle + index * 10 * MS, 8 * MS);
        world.read(&ask, &format!("thread {}", index % THREADS));
    }
    store_of(&mut world, 2 * S, "sqlite");
    limits::keys_again(&mut world, settle - S);
    hits::repeats(&mut world, |_, _| false);
    schema::starts(&mut world, 0.0, 1.0);
    world
}

/// Health names the store in use.
fn store_of(world: &mut World, at: u64, kind: &str) {
    let health = exai_judge::observation::HealthSeen {
        place: None,
        status: 200,
        ready: true,
        components: [("store_kind".to_owned(), kind.to_owned())].into(),
        instance: None,
    };
    world.push(at, Event::Health(health));
}

fn judged(world: &World) -> Finding {
    world.finding(&catalogue::criteria(), PROFILE, "V.4")
}

/// The calls of a thread, in order.
fn ops_of(world: &mut World, thread: &str, action: ThreadAction) -> Vec<u64> {
    let mut ops = world.ops("V.4");
    ops.retain(|op| {
        let part = world.call(*op).thread.clone();
        part.is_some_and(|part| part.thread == thread && part.action == action)
    });
    ops
}

/// Changes what every later read of a thread shows, from the second read on.
fn reshow(world: &mut World, thread: &str, change: impl Fn(&mut Vec<TurnSeen>)) {
    for op in ops_of(world, thread, ThreadAction::Read)
        .into_iter()
        .skip(1)
    {
        let turns = world.call(op).turns.as_mut().expect("a read shows turns");
        change(turns);
    }
}

#[test]
fn a_store_that_keeps_every_turn_passes() {
    assert_pass(&judged(&good()));
}

#[test]
fn nothing_done_has_zero_samples() {
    let mut idle = World::new();
    idle.phase("V.4", "main", S, 2 * S);
    assert_inconclusive(&judged(&idle), Reason::ZeroSamples);
}

#[test]
fn each_anomaly_of_threads_fails_by_its_name() {
    let spoiled = |spoil: &dyn Fn(&mut World)| {
        let mut world = good();
        spoil(&mut world);
        let finding = judged(&world);
        assert_eq!(finding.verdict, Verdict::Fail);
        failed(&finding)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let lost = spoiled(&|world| {
        for op in ops_of(world, "thread 1", ThreadAction::Read) {
            world.call(op).turns.as_mut().unwrap().pop();
        }
    });
    assert_eq!(lost, ["lost"]);
    let shorter = spoiled(&|world| reshow(world, "thread 1", |turns| drop(turns.pop())));
    assert!(shorter.contains(&"stale".to_owned()) && shorter.contains(&"backwards".to_owned()));
    let doubled = spoiled(&|world| {
        for op in ops_of(world, "thread 1", ThreadAction::Read) {
            let turns = world.call(op).turns.as_mut().unwrap();
            let again = turns.last().cloned();
            turns.extend(again);
        }
    });
    assert!(doubled.contains(&"doubled".to_owned()), "{doubled:?}");
    let swapped = spoiled(&|world| {
        for op in ops_of(world, "thread 1", ThreadAction::Read) {
            world.call(op).turns.as_mut().unwrap().swap(3, 4);
        }
    });
    let is_order = |name: &str| swapped.contains(&name.to_owned());
    assert!(is_order("reordered") || is_order("diverged"), "{swapped:?}");
    let phantom = spoiled(&|world| {
        reshow(world, "thread 1", |turns| {
            turns[9].answer_sha256 = Some(hex::sha256(b"who?"))
        });
    });
    assert!(
        phantom
            .iter()
            .any(|name| name == "diverged" || name == "phantom"),
        "{phantom:?}"
    );
    let torn = spoiled(&|world| {
        for op in ops_of(world, "thread 1", ThreadAction::Read) {
            world.call(op).turns.as_mut().unwrap()[2].user_sha256 = hex::sha256(b"another");
        }
    });
    assert_eq!(torn, ["torn"]);
    let misnumbered = spoiled(&|world| {
        let op = ops_of(world, "thread 1", ThreadAction::Append)[3];
        world.call(op).meta.as_mut().unwrap().turn = Some(9);
    });
    assert_eq!(misnumbered, ["wrong_number"]);
}

#[test]
fn a_thread_called_full_before_it_is_fails_and_after_it_does_not() {
    let full = |thread: &str, turns: u64| {
        let mut world = good();
        let mut refused = world.refused(&ask("main", 50 * S, 5 * MS), "validation_error");
        refused.failure.as_mut().unwrap().code = "thread_full".to_owned();
        let first = ops_of(&mut world, thread, ThreadAction::Create)[0];
        let mut part = world.call(first).thread.clone().unwrap();
        part.action = ThreadAction::Append;
        part.key = Some("one more".to_owned());
        if turns < TURNS {
            part.thread = "a young thread".to_owned();
        }
        refused.thread = Some(part);
        world.record(refused);
        judged(&world)
    };
    assert_pass(&full("thread 1", TURNS));
    assert_eq!(failed(&full("thread 1", 0)), ["cap"]);
}

#[test]
fn an_answer_after_a_delete_is_a_resurrection() {
    let mut world = good();
    let first = ops_of(&mut world, "thread 1", ThreadAction::Create)[0];
    let third = ops_of(&mut world, "thread 1", ThreadAction::Read)[2];
    let at = world.call(third).sent_at - 2 * MS;
    let mut delete = world.plain(&ask("main", at, MS));
    let mut part = world.call(first).thread.clone().unwrap();
    part.action = ThreadAction::Delete;
    delete.thread = Some(part);
    world.record(delete);
    assert_eq!(failed(&judged(&world)), ["resurrected"]);
}

#[test]
fn a_store_slowed_by_150_ms_fails_and_one_just_under_the_line_passes() {
    let slowed = |by: u64| {
        let mut world = good();
        for op in world.ops("V.4") {
            let call = world.call(op);
            if call.phase == "with_thread" {
                call.done_at = call.sent_at + 20 * MS + by;
            }
        }
        judged(&world)
    };
    assert_eq!(failed(&slowed(150 * MS)), ["store_p95"]);
    assert_eq!(
        failed(&slowed(100 * MS)),
        ["store_p95"],
        "exactly the line is not under it"
    );
    assert_eq!(
        check(&slowed(100 * MS - 1), "store_p95").verdict,
        Verdict::Pass
    );
}

#[test]
fn a_fault_that_did_not_land_leaves_its_floor_unmet() {
    let mut world = good();
    world.out.retain(|observation| {
        !matches!(&observation.event, Event::Fault { fault, step: Step::Cause { .. } }
            if fault.kind == FaultKind::Pause)
    });
    assert_inconclusive(&judged(&world), Reason::FaultNotLanded);
}

#[test]
fn a_store_never_reached_again_fails() {
    let mut world = good();
    world.out.retain(|observation| {
        !matches!(&observation.event, Event::Fault { fault, step: Step::Healed }
            if fault.kind == FaultKind::Slow)
    });
    let broken = world
        .out
        .iter()
        .find_map(|observation| match &observation.event {
            Event::Fault {
                fault,
                step: Step::Cause { .. },
            } if fault.kind == FaultKind::Slow => Some(observation.at),
            _ => None,
        });
    for op in world.ops("V.4") {
        let call = world.call(op);
        if call.sent_at > broken.unwrap() {
            call.outcome = Outcome::Unknown;
        }
    }
    assert!(failed(&judged(&world)).contains(&"reconnect"));
}

#[test]
fn an_error_outside_every_window_fails_and_inside_one_does_not() {
    for (phase, demanded) in [("settle", vec!["calm"]), ("fault", Vec::new())] {
        let mut world = good();
        let mut ops = world.ops("V.4");
        ops.retain(|op| world.call(*op).phase == phase);
        world.call(ops[40]).outcome = Outcome::Unknown;
        assert_eq!(failed(&judged(&world)), demanded, "{phase}");
    }
}

#[test]
fn another_store_than_the_one_named_is_a_mismatch_and_not_a_fail() {
    let mut world = good();
    store_of(&mut world, S, "redis");
    assert_inconclusive(&judged(&world), Reason::StoreMismatch);
}

#[test]
fn a_store_that_health_never_named_is_not_taken_for_the_one_named() {
    let mut world = good();
    world
        .out
        .retain(|seen| !matches!(seen.event, Event::Health(_)));
    let finding = judged(&world);
    assert_inconclusive(&finding, Reason::EventNotSeen);
    let row = check(&finding, "store");
    assert_eq!((&*row.measured, row.n), ("not seen", 0));
    // A run that says nothing of its store has the embedded one.
    let mut silent = good();
    silent.out.retain(
        |seen| !matches!(&seen.event, Event::Phase(mark) if mark.phase.starts_with("store.")),
    );
    assert_eq!(check(&judged(&silent), "store").verdict, Verdict::Pass);
}
