//! V.4 and what a thread has to refuse, or to answer as it did before: what breaks it fails by its
//! name, and what nothing tried is not told as proven.

use super::*;
use exai_judge::operation::ReplyMeta;

/// Threads that are pressed: others than those the tests spoil.
const PRESSED: std::ops::Range<u64> = 20..26;

/// Full threads: their fifth key again, that key with other words, and one turn more.
pub fn press(world: &mut World, at: u64) {
    for (number, thread) in PRESSED.enumerate() {
        let at = at + number as u64 * 100 * MS;
        let name = format!("thread {thread}");
        let fifth = ops_of(world, &name, ThreadAction::Append)[3];
        world.again(&ask("load", at, 5 * MS), fifth);
        world.reused(&ask("load", at + 20 * MS, 5 * MS), fifth);
        world.overfilled(&ask("load", at + 40 * MS, 5 * MS), &name);
    }
}

/// The last keys of the same threads after a restart.
pub fn keys_again(world: &mut World, at: u64) {
    for (number, thread) in PRESSED.enumerate() {
        let name = format!("thread {thread}");
        let last = ops_of(world, &name, ThreadAction::Append)[8];
        let at = at + number as u64 * 100 * MS;
        world.again(&ask("restart", at, 5 * MS), last);
    }
}

/// The calls of a phase that press a thread, by how they are told from turns.
fn pressing(world: &mut World, phase: &str, is_it: impl Fn(&exai_judge::Call) -> bool) -> Vec<u64> {
    let mut ops = world.ops("V.4");
    ops.retain(|op| {
        let call = world.call(*op);
        call.phase == phase && call.thread.is_some() && is_it(call)
    });
    ops
}

fn is_again(call: &exai_judge::Call) -> bool {
    call.repeat.is_some()
}

fn is_refused_with(code: &'static str) -> impl Fn(&exai_judge::Call) -> bool {
    move |call| {
        call.failure
            .as_ref()
            .is_some_and(|failure| failure.code == code)
    }
}

fn spoiled(spoil: impl Fn(&mut World)) -> Vec<String> {
    let mut world = good();
    spoil(&mut world);
    let finding = judged(&world);
    failed(&finding).into_iter().map(str::to_owned).collect()
}

#[test]
fn every_row_tells_its_own_trials() {
    let finding = judged(&good());
    let pressed = PRESSED.end - PRESSED.start;
    let n = |id: &str| check(&finding, id).n;
    assert_eq!((n("cap"), n("reused_key")), (pressed, pressed));
    assert_eq!(n("doubled_by_key"), 2 * pressed);
    assert_eq!(n("refused_done"), 2 * pressed);
    assert_eq!(n("lost"), THREADS * TURNS);
    assert_eq!(n("doubled"), THREADS * TURNS);
    let untried = "not tried: threads that answer after their end; threads gone before their time";
    assert!(
        finding.not_tested.iter().any(|what| what == untried),
        "{:?}",
        finding.not_tested
    );
    let told = finding.checks.iter().map(|check| check.id.as_str());
    let told: Vec<_> = told
        .filter(|id| ["resurrected", "early_expiry"].contains(id))
        .collect();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn what_was_not_tried_often_enough_is_inconclusive() {
    type Spoil = fn(&mut World) -> Vec<u64>;
    let cases: [(&str, &str, Spoil); 4] = [
        ("past_cap", "cap", |world| {
            pressing(world, "load", is_refused_with("thread_full"))
        }),
        ("repeated_keys", "doubled_by_key", |world| {
            let mut ops = pressing(world, "load", is_again);
            ops.extend(pressing(world, "restart", is_again));
            ops
        }),
        ("reused_keys", "reused_key", |world| {
            pressing(world, "load", is_refused_with("idempotency_key_reused"))
        }),
        ("restart_keys", "", |world| {
            pressing(world, "restart", is_again)
        }),
    ];
    for (floor, row, of) in cases {
        let mut world = good();
        let ops = of(&mut world);
        assert!(!ops.is_empty(), "{floor}");
        world
            .out
            .retain(|one| !matches!(&one.event, Event::Call(call) if ops.contains(&call.op)));
        let finding = judged(&world);
        assert_inconclusive(&finding, Reason::BelowFloor);
        let unmet: Vec<_> = finding
            .floors
            .iter()
            .filter(|floor| !floor.is_met())
            .collect();
        assert!(
            unmet.iter().any(|unmet| unmet.id == floor),
            "{floor}: {unmet:?}"
        );
        let is_told = finding.checks.iter().any(|check| check.id == row);
        assert!(!is_told, "{row} was not tried");
    }
}

#[test]
fn a_turn_taken_past_the_cap_fails_whether_or_not_a_read_shows_it() {
    let taken = spoiled(|world| {
        let name = format!("thread {}", PRESSED.start);
        world.append(&ask("load", 22 * S, 5 * MS), &name);
    });
    assert!(taken.contains(&"cap".to_owned()), "{taken:?}");
}

#[test]
fn a_key_again_must_be_answered_as_it_was_and_without_a_provider() {
    let with = |change: &dyn Fn(&mut World, u64)| {
        spoiled(|world| {
            let op = pressing(world, "restart", is_again)[2];
            change(world, op);
        })
    };
    assert_eq!(with(&|_, _| {}), Vec::<String>::new());
    let meta = |change: fn(&mut ReplyMeta)| {
        with(&|world, op| change(world.call(op).meta.as_mut().unwrap()))
    };
    assert_eq!(meta(|meta| meta.replayed = false), ["doubled_by_key"]);
    assert_eq!(meta(|meta| meta.turn = Some(9)), ["doubled_by_key"]);
    let asked = with(&|world, op| {
        let call = world.call(op).clone();
        let exai_judge::operation::ProofKind::Keyed { tracers, .. } = &call.proof else {
            panic!("an append is keyed")
        };
        let tracers: Vec<String> = tracers.iter().map(|one| one.text.clone()).collect();
        world.serve(
            &ask("restart", call.sent_at, MS),
            call.sent_at + MS,
            &tracers,
        );
    });
    assert!(asked.contains(&"doubled_by_key".to_owned()), "{asked:?}");
    let refused = with(&|world, op| {
        let failure = world.refused(&ask("", 0, MS), "tool_error").failure;
        let call = world.call(op);
        (call.outcome, call.failure) = (Outcome::Refused, failure);
        call.failure.as_mut().unwrap().code = "thread_full".to_owned();
        call.answers.clear();
        call.meta = None;
    });
    assert_eq!(
        refused,
        ["doubled_by_key"],
        "full is no answer to a kept key"
    );
}

#[test]
fn a_key_taken_for_other_words_fails() {
    let taken = spoiled(|world| {
        let op = pressing(world, "load", is_refused_with("idempotency_key_reused"))[0];
        let call = world.call(op);
        (call.outcome, call.failure) = (Outcome::Ok, None);
    });
    assert!(taken.contains(&"reused_key".to_owned()), "{taken:?}");
}
