//! V.4 over two instances on one store: answers kept by each, a rolling restart, a long outage.

use exai_judge::Verdict;
use exai_judge::fault::FaultKind;
use exai_judge::observation::{Event, HealthSeen};
use exai_judge::operation::{Outcome, Planted, ProofKind, ThreadUse};

use super::{ask, good, hits, judged};
use crate::verdicts::{assert_pass, check, failed};
use crate::world::{INSTANCE, MS, PID, S, SECOND, World, proven};

/// When the instances are restarted, and when the store is away.
const ROLLING: u64 = 80 * S;
const OUTAGE: u64 = 100 * S;
/// The ids of the second lives.
const ANEW: [&str; 2] = ["instance-3", "instance-4"];

/// Two instances in turn, each restarted while people talk, and ready while the store is away.
fn two() -> World {
    let mut world = good();
    world.two();
    for op in world.ops("V.4").into_iter().step_by(2) {
        let call = world.call(op);
        if call.phase != "repeats" {
            call.instance = Some(SECOND.to_owned());
        }
    }
    world.phase("V.4", "rolling", ROLLING, ROLLING + 10 * S);
    for (place, id) in (1..).zip(ANEW) {
        let at = ROLLING + u64::from(place) * 2 * S;
        world.identify_at(place, at, id, PID + 1 + place);
    }
    for number in 0..8 {
        let at = ROLLING + 5 * S + number * 100 * MS;
        let op = world.append(&ask("rolling", at, 30 * MS), "rolled");
        world.call(op).instance = Some(ANEW[number as usize % 2].to_owned());
    }
    world.read(&ask("settle", ROLLING + 9 * S, 8 * MS), "rolled");
    world.phase("V.4", "outage", OUTAGE, OUTAGE + 12 * S);
    let steps = proven(OUTAGE + S, OUTAGE + 11 * S);
    world.fault("store.refuse.9", "store", FaultKind::Refuse, &steps);
    let timed = Event::Figure {
        name: "reconnect after refuse".to_owned(),
        value: 0.3,
        unit: "s".to_owned(),
    };
    world.push(OUTAGE + 11 * S, timed);
    for look in 0..100 {
        let at = OUTAGE + look * 110 * MS;
        seen(&mut world, at, 1, true);
        seen(&mut world, at, 2, look != 50);
    }
    world
}

fn seen(world: &mut World, at: u64, place: u32, ready: bool) {
    let seen = HealthSeen {
        place: Some(place),
        status: 200,
        ready,
        components: [("store_kind".to_owned(), "sqlite".to_owned())].into(),
        instance: None,
    };
    world.push(at, Event::Health(seen));
}

/// The calls of the rolling restart.
fn rolled(world: &mut World) -> Vec<u64> {
    let mut ops = world.ops("V.4");
    ops.retain(|op| world.call(*op).phase == "rolling");
    ops
}

/// A first try of a call, which nobody answered.
fn try_before(world: &mut World, op: u64, key: &str) -> u64 {
    let at = world.call(op).sent_at - 50 * MS;
    let part = world.call(op).thread.clone().unwrap();
    let mut first = world.plain(&ask("rolling", at, 20 * MS));
    first.proof = world.call(op).proof.clone();
    first.thread = Some(ThreadUse {
        key: Some(key.to_owned()),
        ..part
    });
    (first.outcome, first.replies, first.instance) = (Outcome::Unknown, 0, None);
    (first.status, first.belongs) = (None, None);
    world.record(first)
}

#[test]
fn two_instances_that_keep_every_turn_pass() {
    let finding = judged(&two());
    assert_pass(&finding);
    let row = check(&finding, "ready");
    assert!(row.measured.contains("s without it"), "{row:?}");
}

#[test]
fn what_an_instance_was_never_asked_it_need_not_have_kept() {
    let mut world = two();
    let is_of = |at: u64| (40 * S - 1..49 * S).contains(&at);
    world.out.retain(|observation| !is_of(observation.at));
    hits::repeats(&mut world, |_, number| number == 3);
    let mut asked = world.ops("V.4");
    asked.retain(|op| {
        let call = world.call(*op);
        call.phase == "repeats" && call.repeat.is_some() && (call.sent_at / (100 * MS)) % 20 == 3
    });
    assert_eq!(asked.len(), 4);
    for op in &asked {
        world.call(*op).instance = Some(SECOND.to_owned());
    }
    assert_pass(&judged(&world));
    for op in &asked {
        world.call(*op).instance = Some(INSTANCE.to_owned());
    }
    let finding = judged(&world);
    assert_ne!(check(&finding, "hit_rate").verdict, Verdict::Pass);
}

#[test]
fn a_call_that_was_turned_away_counts_once_somebody_answered_it_and_fails_when_nobody_did() {
    let mut world = two();
    let op = rolled(&mut world)[3];
    let key = world.call(op).thread.clone().unwrap().key.unwrap();
    try_before(&mut world, op, &key);
    assert_pass(&judged(&world));
    let mut world = two();
    let op = rolled(&mut world)[3];
    let first = try_before(&mut world, op, "a key that nobody answers");
    let unseen = Planted {
        slot: "prompt".to_owned(),
        text: world.tracer("prompt"),
    };
    world.call(first).proof = ProofKind::Keyed {
        tracers: vec![unseen],
        sets: 1,
    };
    assert_eq!(failed(&judged(&world)), ["rolling"]);
}

#[test]
fn a_call_that_was_accepted_and_not_answered_fails() {
    let mut world = two();
    let op = rolled(&mut world)[3];
    let call = world.call(op);
    (call.outcome, call.replies) = (Outcome::Unknown, 0);
    call.answers.clear();
    assert_eq!(failed(&judged(&world)), ["rolling"]);
}

#[test]
fn an_instance_that_was_not_restarted_or_never_answered_again_leaves_a_floor_unmet() {
    let mut world = two();
    for op in rolled(&mut world) {
        world.call(op).instance = Some(ANEW[0].to_owned());
    }
    let finding = judged(&world);
    assert_eq!(finding.verdict, Verdict::Inconclusive);
    let floor = finding.floors.iter().find(|floor| floor.id == "restarted");
    assert_eq!(floor.map(|floor| (floor.needed, floor.seen)), Some((2, 1)));
}

#[test]
fn a_moment_without_a_ready_instance_fails_and_nobody_asked_is_open() {
    let mut world = two();
    seen(&mut world, OUTAGE + 5 * S, 1, false);
    seen(&mut world, OUTAGE + 5 * S + MS, 2, false);
    assert_eq!(failed(&judged(&world)), ["ready"]);
    let mut world = two();
    world
        .out
        .retain(|one| !matches!(&one.event, Event::Health(seen) if seen.place.is_some()));
    assert_eq!(judged(&world).verdict, Verdict::Inconclusive);
}

#[test]
fn the_long_absence_is_the_fault_of_its_phase_and_every_look_meanwhile_counts() {
    let finding = judged(&two());
    let floor = finding.floors.iter().find(|floor| floor.id == "outage");
    assert_eq!(floor.map(|floor| floor.seen), Some(1));
    // From one second and a bit to eleven, every 110 ms, at both.
    let row = check(&finding, "ready");
    assert_eq!(row.n, 180);
    assert!(row.measured.ends_with("10.0 s without it"), "{row:?}");
}

#[test]
fn only_a_try_that_no_instance_took_may_be_made_again() {
    let tried = |change: &dyn Fn(&mut World, u64)| {
        let mut world = two();
        let op = rolled(&mut world)[3];
        let key = world.call(op).thread.clone().unwrap().key.unwrap();
        let first = try_before(&mut world, op, &key);
        change(&mut world, first);
        failed(&judged(&world)).contains(&"rolling")
    };
    assert!(!tried(&|_, _| {}));
    assert!(tried(&|world, op| world.call(op).replies = 1));
    let refused = |code: &'static str| {
        move |world: &mut World, op: u64| {
            let ask = ask("rolling", ROLLING, MS);
            let mut failure = world.refused(&ask, "server_error").failure.unwrap();
            failure.code = code.to_owned();
            let call = world.call(op);
            (call.outcome, call.failure, call.replies) = (Outcome::Refused, Some(failure), 1);
        }
    };
    assert!(!tried(&refused("draining")));
    assert!(tried(&refused("overloaded")));
    // Asked at the begin and at the end of the try, and after it.
    for (at_end, after, is_taken) in [(false, 0, true), (true, 0, true), (true, 1, false)] {
        let asked = |world: &mut World, op: u64| {
            let call = world.call(op).clone();
            let at = if at_end { call.done_at } else { call.sent_at };
            let ProofKind::Keyed { tracers, .. } = &call.proof else {
                panic!("keyed")
            };
            let texts: Vec<String> = tracers.iter().map(|one| one.text.clone()).collect();
            world.serve(&ask("rolling", at, MS), at + after, &texts);
        };
        assert_eq!(tried(&asked), is_taken, "{at_end} {after}");
    }
}

#[test]
fn an_answer_that_proves_nothing_fails_the_restart() {
    let mut world = two();
    let op = rolled(&mut world)[3];
    world.call(op).answers.clear();
    assert!(failed(&judged(&world)).contains(&"rolling"));
}

#[test]
fn an_instance_identified_outside_the_restart_was_not_restarted_in_it() {
    let restarted = |at: [u64; 2]| {
        let mut world = two();
        let is_anew = |id: &Option<String>| ANEW.iter().any(|anew| id.as_deref() == Some(anew));
        world
            .out
            .retain(|seen| !matches!(&seen.event, Event::Identity(one) if is_anew(&one.instance)));
        for ((place, id), at) in (1..).zip(ANEW).zip(at) {
            world.identify_at(place, at, id, PID + 1 + place);
        }
        let finding = judged(&world);
        let floor = finding.floors.iter().find(|floor| floor.id == "restarted");
        floor.unwrap().seen
    };
    assert_eq!(restarted([ROLLING, ROLLING + 10 * S]), 2);
    assert_eq!(restarted([ROLLING - 1, ROLLING + 10 * S]), 1);
    assert_eq!(restarted([ROLLING, ROLLING + 10 * S + 1]), 1);
}
