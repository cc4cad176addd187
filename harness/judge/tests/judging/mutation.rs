//! Operators on one good history: each flips exactly its criterion; and good never heals bad.

use std::collections::BTreeMap;

use exai_judge::fault::{FaultKind, Step};
use exai_judge::judge::Judgement;
use exai_judge::observation::Event;
use exai_judge::operation::{Outcome, ThreadAction, Transport, TurnSeen};
use exai_judge::{Criteria, Verdict};
use proptest::prelude::*;

use crate::world::{Ask, MS, S, World, all_built, proven};

const PROFILE: &str = "selftest";

fn scrape(world: &mut World, at: u64, mark: &str, count: u64) {
    let series = r#"exai_requests_total{tool="chat",transport="stdio",status="ok"}"#;
    let values = BTreeMap::from([(series.to_owned(), count as f64)]);
    world.push(
        at,
        Event::Metrics {
            mark: mark.to_owned(),
            values,
        },
    );
}

/// A little of V.1, V.3, V.4 and V.5, all good. Not every floor is met; none of it is wrong.
fn good() -> World {
    let mut world = World::new();
    for (criterion, from, until) in [
        ("V.1", 1, 4),
        ("V.3", 5, 14),
        ("V.4", 15, 30),
        ("V.5", 31, 60),
    ] {
        world.phase(criterion, "main", from * S, until * S);
    }
    for index in 0..20 {
        let transport = Transport::ALL[index as usize % 4];
        world.chat(&Ask {
            transport,
            ..Ask::new("V.1", 2 * S + index * 50 * MS)
        });
    }
    scrape(&mut world, 5 * S, "before V.3", 20);
    for index in 0..1_000 {
        let ask = Ask {
            phase: "peak".to_owned(),
            takes: 400 * MS,
            ..Ask::new("V.3", 6 * S + index * 7 * MS)
        };
        world.chat(&ask);
    }
    scrape(&mut world, 14 * S, "after V.3", 1_020);
    for index in 0..40 {
        world.append(
            &Ask::new("V.4", 16 * S + index * 50 * MS),
            &format!("thread {}", index % 4),
        );
    }
    for index in 0..20 {
        world.read(
            &Ask::new("V.4", 20 * S + index * 20 * MS),
            &format!("thread {}", index % 4),
        );
    }
    kill(&mut world);
    world
}

/// A kill of kimi with an outage of three seconds, under probes.
fn kill(world: &mut World) {
    world.fault(
        "kimi.kill.1",
        "kimi",
        FaultKind::Kill,
        &proven(33 * S, 37 * S),
    );
    for index in 0..200 {
        let at = 32 * S + index * 100 * MS;
        let is_down = (33 * S..36 * S).contains(&at);
        let ask = Ask {
            phase: "probe.kimi".to_owned(),
            provider: if is_down { "glm" } else { "kimi" },
            ..Ask::new("V.5", at)
        };
        world.chat(&ask);
        let word = if is_down { "unhealthy" } else { "healthy" };
        let health = exai_judge::observation::HealthSeen {
            place: None,
            status: 200,
            ready: true,
            components: [("kimi".to_owned(), word.to_owned())].into(),
            instance: None,
        };
        world.push(at, Event::Health(health));
    }
}

fn verdicts(judgement: &Judgement) -> BTreeMap<String, Verdict> {
    let pairs = judgement
        .findings
        .iter()
        .map(|finding| (finding.criterion.clone(), finding.verdict));
    pairs.collect()
}

/// The criteria a mutation turned to Fail, and every check that failed in them.
fn flipped(criteria: &Criteria, mutate: impl Fn(&mut World)) -> Vec<String> {
    let mut world = good();
    let before = verdicts(&world.judge(criteria, PROFILE));
    assert!(
        before.values().all(|verdict| *verdict != Verdict::Fail),
        "{before:?}"
    );
    mutate(&mut world);
    let after = world.judge(criteria, PROFILE);
    let changed = after
        .findings
        .iter()
        .filter(|finding| before[&finding.criterion] != finding.verdict);
    changed.map(|finding| finding.criterion.clone()).collect()
}

fn reads_of<'a>(world: &'a mut World, thread: &'a str) -> Vec<u64> {
    let mut ops = world.ops("V.4");
    ops.retain(|op| {
        let part = world.call(*op).thread.clone();
        part.is_some_and(|part| part.thread == thread && part.action == ThreadAction::Read)
    });
    ops
}

/// Changes every read of one thread.
fn reshow(world: &mut World, change: impl Fn(&mut Vec<TurnSeen>)) {
    for op in reads_of(world, "thread 1") {
        change(world.call(op).turns.as_mut().unwrap());
    }
}

#[test]
fn operators_on_turns_flip_v4_alone() {
    let criteria = all_built();
    let dropped = flipped(&criteria, |world| reshow(world, |turns| drop(turns.pop())));
    assert_eq!(dropped, ["V.4"], "drop an acknowledged turn");
    let double = |turns: &mut Vec<TurnSeen>| turns.extend(turns.last().cloned());
    let doubled = flipped(&criteria, |world| reshow(world, double));
    assert_eq!(doubled, ["V.4"], "double a turn");
    let swapped = flipped(&criteria, |world| reshow(world, |turns| turns.swap(8, 9)));
    assert_eq!(swapped, ["V.4"], "swap neighbouring turns");
}

#[test]
fn operators_on_calls_under_load_flip_v3_alone() {
    let criteria = all_built();
    let swap_answers = |world: &mut World| {
        let ops = world.ops("V.3");
        let (one, two) = (
            world.call(ops[7]).answers.clone(),
            world.call(ops[8]).answers.clone(),
        );
        world.call(ops[7]).answers = two;
        world.call(ops[8]).answers = one;
    };
    assert_eq!(
        flipped(&criteria, swap_answers),
        ["V.3"],
        "swap two answers"
    );
    let shift = |world: &mut World| {
        let op = world.ops("V.3")[500];
        let call = world.call(op);
        call.done_at = call.intended_at + 11 * S;
    };
    assert_eq!(
        flipped(&criteria, shift),
        ["V.3"],
        "delay one in a thousand beyond the maximum"
    );
    let freeze = |world: &mut World| {
        world.out.retain(
            |seen| !matches!(&seen.event, Event::Metrics { mark, .. } if mark == "after V.3"),
        );
        scrape(world, 14 * S, "after V.3", 20);
    };
    assert_eq!(flipped(&criteria, freeze), ["V.3"], "freeze a counter");
}

#[test]
fn a_recovery_that_never_comes_and_an_answer_cut_flip_their_own_criterion() {
    let criteria = all_built();
    let never = |world: &mut World| {
        for op in world.ops("V.5") {
            if world.call(op).sent_at > 34 * S {
                world.call(op).outcome = Outcome::Unknown;
            }
        }
    };
    assert_eq!(flipped(&criteria, never), ["V.5"], "never recover");
    let cut = |world: &mut World| {
        let op = world.ops("V.1")[3];
        world.call(op).answers[0].above_sha256 = "cut".to_owned();
    };
    assert_eq!(flipped(&criteria, cut), ["V.1"], "cut an answer");
}

#[test]
fn deleting_a_kills_proof_unmeets_its_floor_and_flips_nothing_to_fail() {
    let criteria = all_built();
    let floor = |world: &World| {
        let finding = world.finding(&criteria, PROFILE, "V.5");
        finding
            .floors
            .iter()
            .find(|floor| floor.id == "kill.kimi")
            .unwrap()
            .seen
    };
    let mut world = good();
    assert_eq!(floor(&world), 1);
    world.out.retain(|seen| {
        !matches!(
            &seen.event,
            Event::Fault {
                step: Step::Cause { .. },
                ..
            }
        )
    });
    assert_eq!(floor(&world), 0);
    assert_ne!(
        world.finding(&criteria, PROFILE, "V.5").verdict,
        Verdict::Fail
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_good_observation_never_heals_a_failing_history(
        spoiled in 0_usize..20,
        kind in 0_u8..5,
        extra in proptest::collection::vec((0_u64..3_000, 0_usize..4), 1..30),
    ) {
        let criteria = all_built();
        let mut world = World::new();
        world.phase("V.1", "main", S, 10 * S);
        for index in 0..20 {
            world.chat(&Ask::new("V.1", 2 * S + index * 50 * MS));
        }
        let op = world.ops("V.1")[spoiled];
        let call = world.call(op);
        match kind {
            0 => call.answers.clear(),
            1 => call.belongs = Some(false),
            2 => call.replies = 2,
            3 => call.answers[0].text_sha256 = "another".to_owned(),
            _ => call.outcome = Outcome::Unknown,
        }
        let before = world.finding(&criteria, PROFILE, "V.1").verdict;
        prop_assert_eq!(before, Verdict::Fail);
        for (at, transport) in extra {
            let transport = Transport::ALL[transport];
            world.chat(&Ask { transport, ..Ask::new("V.1", 3 * S + at * MS) });
        }
        prop_assert_eq!(world.finding(&criteria, PROFILE, "V.1").verdict, Verdict::Fail);
    }
}
