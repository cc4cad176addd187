//! What counts as a trial of an anomaly of threads.

use exai_judge::Observation;
use exai_judge::journal::Journal;
use exai_judge::observation::Event;
use exai_judge::operation::{Outcome, ThreadAction, ThreadUse};
use exai_judge::thread_model::{ANOMALIES, ThreadModel, ThreadReport, ThreadRules};

use crate::world::{Ask, S, World};

const RULES: ThreadRules = ThreadRules {
    exchanges: 3,
    ttl: 100 * S,
    epsilon: S,
};

fn report(world: &World, tainted: &[u64]) -> ThreadReport {
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
            model.call(call, &journal, tainted.contains(&call.op));
        }
    }
    model.finish(RULES)
}

/// The kinds that were tried, each with how often.
fn tried(world: &World) -> Vec<(&'static str, u64)> {
    let trials = report(world, &[]).trials;
    let all = ANOMALIES.into_iter().map(|(id, _)| (id, trials.of(id)));
    all.filter(|(_, count)| *count > 0).collect()
}

fn at(seconds: u64) -> Ask {
    Ask::new("V.4", seconds * S)
}

/// A thread of that many turns, one a second from second 2 on, whose providers were sent nothing of
/// what came before.
fn appended(turns: u64) -> (World, Vec<u64>) {
    let mut world = World::new();
    let ops = (0..turns).map(|turn| {
        world.append(
            &Ask {
                tool: "analyze".to_owned(),
                ..at(2 + turn)
            },
            "one",
        )
    });
    let ops = ops.collect();
    (world, ops)
}

#[test]
fn nothing_done_tried_nothing_and_turns_nobody_read_prove_nothing_either() {
    assert_eq!(tried(&World::new()), []);
    assert_eq!(tried(&appended(3).0), []);
}

#[test]
fn a_read_tries_what_it_could_have_shown() {
    let (mut world, _) = appended(2);
    world.read(&at(6), "one");
    let wanted = [
        ("lost", 2),
        ("doubled", 2),
        ("reordered", 1),
        ("stale", 1),
        ("phantom", 2),
        ("wrong_number", 2),
        ("torn", 2),
    ];
    assert_eq!(tried(&world), wanted);
    world.read(&at(7), "one");
    world.append(&at(8), "one");
    let all = tried(&world);
    for more in [
        ("stale", 3),
        ("future", 2),
        ("backwards", 2),
        ("diverged", 2),
    ] {
        assert!(all.contains(&more), "{more:?} {all:?}");
    }
}

#[test]
fn a_cap_is_tried_by_an_answer_past_it() {
    let (mut world, _) = appended(3);
    world.overfilled(&at(8), "one");
    assert_eq!(tried(&world), [("cap", 1)]);
    world.read(&at(9), "one");
    assert!(tried(&world).contains(&("refused_done", 1)));
    let (mut world, _) = appended(4);
    assert_eq!(tried(&world), [("cap", 1)], "taken");
    let found = report(&world, &[]).anomalies;
    assert_eq!(
        found.iter().map(|one| one.name).collect::<Vec<_>>(),
        ["cap"]
    );
    let last = world.ops("V.4")[3];
    world.call(last).outcome = Outcome::Unknown;
    assert_eq!(tried(&world), [], "nobody knows");
}

#[test]
fn a_key_is_tried_by_an_answer_after_a_try_that_may_have_been_kept() {
    let (mut world, ops) = appended(1);
    let again = world.again(&at(4), ops[0]);
    let reused = world.reused(&at(5), ops[0]);
    assert_eq!(tried(&world), [("doubled_by_key", 1), ("reused_key", 1)]);
    for op in [again, reused] {
        let trials = report(&world, &[op]).trials;
        let left = trials.of("doubled_by_key") + trials.of("reused_key");
        assert_eq!(left, 1, "the rig was unwell");
    }
    for op in [again, reused] {
        world.call(op).outcome = Outcome::Unknown;
    }
    assert_eq!(tried(&world), [], "nobody answered");
    world.call(again).outcome = Outcome::Ok;
    world.call(ops[0]).outcome = Outcome::Refused;
    assert_eq!(tried(&world), [], "the first try was not kept for sure");
    world.call(ops[0]).outcome = Outcome::Unknown;
    assert_eq!(tried(&world), [("doubled_by_key", 1)]);
    let retried = report(&world, &[]).retried;
    assert_eq!(retried, [(2 * S, 4 * S)]);
}

/// Thread one is asked for and is not there.
fn unknown(world: &mut World, ask: &Ask, code: &str) {
    let mut call = world.refused(ask, "validation_error");
    code.clone_into(&mut call.failure.as_mut().unwrap().code);
    call.thread = Some(ThreadUse {
        thread: "one".to_owned(),
        action: ThreadAction::Read,
        key: None,
        user_sha256: None,
    });
    world.record(call);
}

#[test]
fn an_end_is_tried_by_whoever_asks_after_it_and_a_life_by_who_asked_before_as_well() {
    let (mut world, _) = appended(1);
    unknown(&mut world, &at(110), "thread_not_found");
    assert_eq!(tried(&world), [("resurrected", 1)]);
    world.read(&at(90), "one");
    let all = tried(&world);
    for one in [("resurrected", 1), ("early_expiry", 1)] {
        assert!(all.contains(&one), "{all:?}");
    }
    let (mut world, _) = appended(1);
    unknown(&mut world, &at(50), "thread_expired");
    let found = report(&world, &[]).anomalies;
    assert_eq!(found[0].name, "early_expiry");
    let (mut world, _) = appended(1);
    unknown(&mut world, &at(50), "session_not_found");
    assert_eq!(report(&world, &[]).anomalies, [], "no word of a thread");
    let (mut world, _) = appended(1);
    let mut delete = world.plain(&at(10));
    delete.thread = Some(ThreadUse {
        thread: "one".to_owned(),
        action: ThreadAction::Delete,
        key: None,
        user_sha256: None,
    });
    world.record(delete);
    unknown(&mut world, &at(12), "thread_not_found");
    assert_eq!(tried(&world), [("resurrected", 1)]);
}

#[test]
fn a_turn_taken_after_its_threads_time_is_a_resurrection() {
    let (mut world, _) = appended(1);
    world.append(&at(110), "one");
    let found = report(&world, &[]).anomalies;
    assert_eq!(
        found.iter().map(|one| one.name).collect::<Vec<_>>(),
        ["resurrected"]
    );
}
