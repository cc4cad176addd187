//! What a thread may show, one anomaly at a time.

use exai_judge::journal::Journal;
use exai_judge::observation::Event;
use exai_judge::operation::{Outcome, ThreadAction, ThreadUse, TurnSeen};
use exai_judge::thread_model::{Anomaly, ThreadModel, ThreadRules};
use exai_judge::{Call, Observation};

use crate::world::{Ask, S, World};

const RULES: ThreadRules = ThreadRules {
    exchanges: 3,
    ttl: 100 * S,
    epsilon: S,
};

/// Two turns on a thread and a read; a turn on another thread and a read of it.
fn good() -> World {
    let mut world = World::new();
    for (at, thread) in [(2, "one"), (3, "one"), (4, "two")] {
        world.append(&Ask::new("V.4", at * S), thread);
    }
    for (at, thread) in [(6, "one"), (7, "two")] {
        world.read(&Ask::new("V.4", at * S), thread);
    }
    world
}

fn anomalies(world: &World) -> Vec<(&'static str, String)> {
    let found = found(world, None).into_iter();
    found.map(|one| (one.name, one.says)).collect()
}

/// What is wrong where that operation overlapped a fault of the rig.
fn found(world: &World, tainted: Option<u64>) -> Vec<Anomaly> {
    let (mut model, mut journal) = (ThreadModel::default(), Journal::default());
    for Observation { at, event } in &world.out {
        match event {
            Event::Served(served) => journal.serve(*at, served),
            Event::Delivered(end) => journal.deliver(*at, end),
            _ => {}
        }
    }
    for seen in &world.out {
        if let Event::Call(call) = &seen.event {
            model.call(call, &journal, tainted == Some(call.op));
        }
    }
    model.finish(RULES).anomalies
}

fn names(world: &World) -> Vec<&'static str> {
    anomalies(world).into_iter().map(|(name, _)| name).collect()
}

fn spoiled(change: impl Fn(&mut World, &[u64])) -> Vec<&'static str> {
    let mut world = good();
    let ops = world.ops("V.4");
    change(&mut world, &ops);
    names(&world)
}

#[test]
fn threads_as_they_should_be_show_nothing() {
    assert_eq!(spoiled(|_, _| {}), Vec::<&str>::new());
}

#[test]
fn one_key_has_one_number_and_one_answer() {
    let again = |world: &mut World, op: u64, change: &dyn Fn(&mut Call)| {
        let mut call = world.call(op).clone();
        call.op += 100;
        change(&mut call);
        world.record(call);
    };
    let same = spoiled(|world, ops| again(world, ops[1], &|_| {}));
    assert_eq!(same, Vec::<&str>::new(), "a replay");
    let number = spoiled(|world, ops| {
        again(world, ops[1], &|call| {
            call.meta.as_mut().unwrap().turn = Some(3)
        });
    });
    assert_eq!(number, ["doubled_by_key"]);
    let answer = spoiled(|world, ops| {
        again(world, ops[1], &|call| call.answers[0].text_sha256.push('2'));
    });
    assert_eq!(answer, ["doubled_by_key"]);
}

#[test]
fn a_turn_told_another_number_than_its_place_is_wrong() {
    let told = |number| {
        spoiled(move |world, ops| {
            world.call(ops[1]).meta.as_mut().unwrap().turn = Some(number);
        })
    };
    assert_eq!(told(1), ["wrong_number"]);
    assert_eq!(told(2), Vec::<&str>::new());
    assert_eq!(told(3), ["wrong_number"]);
}

#[test]
fn a_turn_nobody_sent_is_told_from_one_of_another_thread() {
    let shown = |of: &dyn Fn(&mut World) -> TurnSeen| {
        let mut world = good();
        let turn = of(&mut world);
        let read = world.ops("V.4")[3];
        world.call(read).turns.as_mut().unwrap().push(turn);
        anomalies(&world)
    };
    let turn = |answer: String| TurnSeen {
        turn: 3,
        user_sha256: "user".to_owned(),
        answer_sha256: Some(answer),
    };
    let invented = shown(&|_| turn("invented".to_owned()));
    assert_eq!(invented[0].0, "phantom");
    assert!(invented[0].1.contains("nobody sent turn 3"), "{invented:?}");
    let foreign = shown(&|world| {
        let op = world.ops("V.4")[2];
        turn(world.call(op).answers[0].text_sha256.clone())
    });
    assert!(
        foreign[0].1.contains("turn 3 belongs to two"),
        "{foreign:?}"
    );
}

fn on(mut call: Call, action: ThreadAction) -> Call {
    call.thread = Some(ThreadUse {
        thread: "one".to_owned(),
        action,
        key: Some("late".to_owned()),
        user_sha256: None,
    });
    call
}

/// A refusal of thread one at that moment, with that code.
fn refused(world: &mut World, at: u64, action: ThreadAction, code: &str) {
    let mut call = world.refused(&Ask::new("V.4", at), "validation_error");
    call.failure.as_mut().unwrap().code = code.to_owned();
    world.record(on(call, action));
}

#[test]
fn a_thread_is_full_at_the_cap_and_unknown_after_its_time_or_its_end() {
    let late = |at, action, code: &str| spoiled(|world, _| refused(world, at, action, code));
    let takes = Ask::new("V.4", 0).takes;
    let expires = 3 * S + 99 * S;
    let full = late(8 * S, ThreadAction::Append, "thread_full");
    assert_eq!(full, ["cap"], "two of three");
    let early = late(expires - takes - 1, ThreadAction::Read, "not_found");
    assert_eq!(early, ["early_expiry"]);
    let due = late(expires - takes, ThreadAction::Read, "not_found");
    assert_eq!(due, Vec::<&str>::new());
    let busy = late(8 * S, ThreadAction::Read, "overloaded");
    assert_eq!(busy, Vec::<&str>::new());
    let deleted = spoiled(|world, _| {
        let call = world.plain(&Ask::new("V.4", 8 * S));
        world.record(on(call, ThreadAction::Delete));
        refused(world, 9 * S, ThreadAction::Read, "not_found");
    });
    assert_eq!(deleted, Vec::<&str>::new());
}

#[test]
fn a_cap_is_reached_by_what_was_not_refused_and_began_no_later() {
    let filled = |outcome| {
        spoiled(move |world, _| {
            let at = 5 * S;
            let op = world.append(&Ask::new("V.4", at), "one");
            world.call(op).outcome = outcome;
            let read = world.ops("V.4")[3];
            world.call(read).turns.as_mut().unwrap().truncate(2);
            if outcome == Outcome::Ok {
                world.read(&Ask::new("V.4", 7 * S), "one");
                world.call(read).sent_at = 4 * S;
                world.call(read).done_at = 4 * S + 1;
            }
            refused(world, 8 * S, ThreadAction::Append, "thread_full");
        })
    };
    assert_eq!(filled(Outcome::Ok), Vec::<&str>::new());
    assert_eq!(filled(Outcome::Unknown), Vec::<&str>::new());
    assert_eq!(filled(Outcome::Refused), ["cap"]);
}

#[test]
fn a_thread_that_answers_after_its_end_is_resurrected() {
    let last = 3 * S + Ask::new("V.4", 0).takes + 101 * S;
    let read = |at| {
        spoiled(move |world, _| {
            world.read(&Ask::new("V.4", at), "one");
        })
    };
    assert_eq!(read(last), Vec::<&str>::new());
    assert_eq!(read(last + 1), ["resurrected"]);
    let continued = spoiled(|world, _| {
        let call = world.plain(&Ask::new("V.4", 8 * S));
        world.record(on(call, ThreadAction::Delete));
        world.append(&Ask::new("V.4", 9 * S), "one");
    });
    assert!(continued.contains(&"resurrected"), "{continued:?}");
}

#[test]
fn an_anomaly_is_tainted_where_any_attempt_at_its_turn_was() {
    let mut world = good();
    let op = world.ops("V.4")[1];
    let mut again = world.call(op).clone();
    again.op += 100;
    again.meta.as_mut().unwrap().turn = Some(3);
    let again = world.record(again);
    let tainted = |op| {
        let found = found(&world, op);
        found.iter().map(|one| one.is_tainted).collect::<Vec<_>>()
    };
    assert_eq!(tainted(None), [false]);
    assert_eq!(tainted(Some(op)), [true]);
    assert_eq!(tainted(Some(again)), [true]);
    assert_eq!(tainted(Some(world.ops("V.4")[0])), [false]);
}

#[test]
fn a_read_may_lack_what_was_acknowledged_as_it_began_and_not_a_moment_before() {
    let lacking = |after: u64| {
        let mut world = good();
        let ops = world.ops("V.4");
        let done = world.call(ops[1]).done_at;
        let read = world.read(&Ask::new("V.4", done + after), "one");
        world.call(read).turns.as_mut().unwrap().truncate(1);
        found(&world, None)
    };
    assert_eq!(lacking(0), []);
    let stale = lacking(1);
    let names: Vec<_> = stale.iter().map(|one| one.name).collect();
    assert_eq!(names, ["stale"]);
}

#[test]
fn a_contradiction_is_the_rigs_where_either_side_was_tainted() {
    let mut world = good();
    let ops = world.ops("V.4");
    let read = world.read(&Ask::new("V.4", 5 * S), "one");
    world.call(read).turns.as_mut().unwrap().truncate(1);
    let tainted = |op| {
        let found = found(&world, op);
        found.iter().map(|one| one.is_tainted).collect::<Vec<_>>()
    };
    assert_eq!(tainted(None), [false]);
    assert_eq!(tainted(Some(read)), [true]);
    assert_eq!(tainted(Some(ops[1])), [true]);
}

#[test]
fn an_append_that_began_as_the_refusal_did_may_have_filled_the_thread() {
    let full = |third: u64| {
        spoiled(move |world, _| {
            world.append(&Ask::new("V.4", third), "one");
            refused(world, 8 * S, ThreadAction::Append, "thread_full");
            world.read(&Ask::new("V.4", 9 * S), "one");
        })
    };
    assert_eq!(full(8 * S), Vec::<&str>::new());
    assert_eq!(full(8 * S + 1), ["cap"]);
}

#[test]
fn only_what_was_acknowledged_before_a_refusal_keeps_the_thread_alive() {
    let late = 3 * S + 100 * S;
    let takes = Ask::new("V.4", 0).takes;
    let gone = |done: u64| {
        spoiled(move |world, _| {
            world.append(&Ask::new("V.4", done - takes), "one");
            refused(world, late, ThreadAction::Read, "not_found");
        })
    };
    assert_eq!(gone(late), Vec::<&str>::new());
    assert_eq!(gone(late - 1), ["early_expiry"]);
}

#[test]
fn a_turn_that_began_as_the_thread_was_deleted_does_not_continue_it() {
    let deleted = 8 * S + Ask::new("V.4", 0).takes;
    let continued = |at: u64| {
        let names = spoiled(move |world, _| {
            let call = world.plain(&Ask::new("V.4", 8 * S));
            world.record(on(call, ThreadAction::Delete));
            world.append(&Ask::new("V.4", at), "one");
        });
        names.contains(&"resurrected")
    };
    assert!(!continued(deleted));
    assert!(continued(deleted + 1));
}
