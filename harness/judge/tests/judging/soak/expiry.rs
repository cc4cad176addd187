//! A thread lives for its time to live, give or take what clocks may differ by, and not a moment
//! more or less.

use exai_judge::operation::{Outcome, ThreadAction, ThreadUse};
use exai_judge::{Call, Verdict};

use super::worlds::{MIB, judged, watched};
use crate::verdicts::check;
use crate::world::{Ask, MS, S, World};

/// The catalogue's time to live and what clocks may differ by.
const TTL: u64 = 10_800 * S;
const CLOCK: u64 = S;
const WRITTEN: u64 = 100 * S;
const TAKES: u64 = 40 * MS;

fn on_thread(mut call: Call, action: ThreadAction) -> Call {
    call.thread = Some(ThreadUse {
        thread: "one".to_owned(),
        action,
        key: None,
        user_sha256: None,
    });
    call
}

/// A thread written once and read once: what the critical errors say, and how many expired.
fn read(at: u64, outcome: Outcome, code: &str) -> (Verdict, u64) {
    let mut world = watched(3, |_| 100 * MIB);
    for action in [ThreadAction::Create, ThreadAction::Append] {
        let call = world.plain(&Ask::new("V.7", WRITTEN));
        world.record(on_thread(call, action));
    }
    let ask = Ask::new("V.7", at);
    let mut call = world.refused(&ask, "validation_error");
    call.outcome = outcome;
    if let Some(failure) = &mut call.failure {
        failure.code = code.to_owned();
    }
    world.record(on_thread(call, ThreadAction::Read));
    seen(&world)
}

fn seen(world: &World) -> (Verdict, u64) {
    let finding = judged(world, "full", "V.7");
    let floor = finding.floors.iter().find(|floor| floor.id == "expired");
    (check(&finding, "critical").verdict, floor.unwrap().seen)
}

#[test]
fn a_thread_may_be_gone_once_its_time_is_up_by_the_clock_that_is_ahead() {
    let due = WRITTEN + TTL - CLOCK - TAKES;
    let gone = |at| read(at, Outcome::Refused, "thread_not_found");
    assert_eq!(gone(due - 1), (Verdict::Fail, 0));
    assert_eq!(gone(due), (Verdict::Pass, 1));
    // Another refusal says nothing of the thread's age.
    let busy = read(due - 1, Outcome::Refused, "overloaded");
    assert_eq!(busy, (Verdict::Pass, 0));
    let lost = read(due - 1, Outcome::Unknown, "thread_not_found");
    assert_eq!(lost, (Verdict::Pass, 0));
}

#[test]
fn a_thread_may_be_there_until_its_time_is_up_by_the_clock_that_is_behind() {
    let last = WRITTEN + TAKES + TTL + CLOCK;
    let there = |at| read(at, Outcome::Ok, "");
    assert_eq!(there(last), (Verdict::Pass, 0));
    assert_eq!(there(last + 1), (Verdict::Fail, 0));
}

#[test]
fn a_thread_nobody_wrote_neither_expires_nor_lives_too_long() {
    let mut world = watched(3, |_| 100 * MIB);
    let mut call = world.refused(&Ask::new("V.7", S), "validation_error");
    if let Some(failure) = &mut call.failure {
        failure.code = "not_found".to_owned();
    }
    world.record(on_thread(call, ThreadAction::Read));
    assert_eq!(seen(&world), (Verdict::Pass, 0));
}

#[test]
fn a_thread_that_expired_once_expires_once() {
    let mut world = watched(3, |_| 100 * MIB);
    let write = world.plain(&Ask::new("V.7", WRITTEN));
    world.record(on_thread(write, ThreadAction::Create));
    for turn in 0..2 {
        let ask = Ask::new("V.7", WRITTEN + TTL + turn * S);
        let mut call = world.refused(&ask, "validation_error");
        if let Some(failure) = &mut call.failure {
            failure.code = "not_found".to_owned();
        }
        world.record(on_thread(call, ThreadAction::Read));
    }
    assert_eq!(seen(&world), (Verdict::Pass, 1));
}
