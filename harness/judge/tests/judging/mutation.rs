//! Operators on one good history: each turns exactly its rows; and good never heals bad.

use std::collections::{BTreeMap, BTreeSet};

use exai_judge::fault::{FaultKind, Step};
use exai_judge::judge::Judgement;
use exai_judge::observation::{Event, IdentitySeen, Sample};
use exai_judge::operation::{Outcome, ThreadAction, Transport, TurnSeen};
use exai_judge::{Reason, Verdict};
use proptest::prelude::*;

use crate::verdicts::assert_inconclusive;
use crate::world::{Ask, MS, PID, S, World, all_built, proven};

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
    for index in 0..1_300 {
        let ask = Ask {
            phase: "peak".to_owned(),
            takes: 400 * MS,
            ..Ask::new("V.3", 6 * S + index * 5 * MS)
        };
        world.chat(&ask);
    }
    scrape(&mut world, 14 * S, "after V.3", 1_320);
    for index in 0..36 {
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
    for second in 60..=70 {
        sampled(&mut world, second);
    }
    world
}

/// The server's process, watched as long as V.7 asks of the self-test and no second longer.
fn sampled(world: &mut World, second: u64) {
    let sample = Sample {
        process: "server".to_owned(),
        pid: PID,
        resident_bytes: 100 << 20,
        descriptors: 64,
        threads: 8,
        cpu_ms: second,
        wait_ms: 0,
        connections: None,
    };
    world.push(second * S, Event::Sample(sample));
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

/// Every row that is not good, by its criterion: `V.4 lost`, `V.3 in_flight`.
fn bad_rows(judgement: &Judgement) -> BTreeSet<String> {
    let findings = judgement.findings.iter();
    let rows = findings.flat_map(|finding| {
        let floors = finding.floors.iter().filter(|row| !row.is_met());
        let checks = finding.checks.iter();
        let checks = checks.filter(|row| row.verdict != Verdict::Pass);
        let ids = floors.map(|row| &row.id).chain(checks.map(|row| &row.id));
        ids.map(|id| format!("{} {id}", finding.criterion))
            .collect::<Vec<_>>()
    });
    rows.collect()
}

/// The rows that were good and are not any more. None may become good by it.
fn turned(mutate: impl Fn(&mut World)) -> Vec<String> {
    let criteria = all_built();
    let mut world = good();
    let before = bad_rows(&world.judge(&criteria, PROFILE));
    mutate(&mut world);
    let after = bad_rows(&world.judge(&criteria, PROFILE));
    let healed: Vec<_> = before.difference(&after).collect();
    assert!(healed.is_empty(), "became good: {healed:?}");
    after.difference(&before).cloned().collect()
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

/// Every second of what one witness saw is gone.
fn halve(world: &mut World, is_its: impl Fn(&Event) -> bool) {
    let mut count = 0;
    world.out.retain(|seen| {
        count += u64::from(is_its(&seen.event));
        !is_its(&seen.event) || count % 2 == 0
    });
}

#[test]
fn the_history_before_any_operator_fails_nowhere() {
    let judgement = good().judge(&all_built(), PROFILE);
    let findings = judgement.findings.iter();
    let failing: Vec<_> = findings
        .filter(|finding| finding.verdict == Verdict::Fail)
        .collect();
    assert!(failing.is_empty(), "{failing:#?}");
}

#[test]
fn operators_on_turns_turn_their_row_of_v4_alone() {
    let dropped = turned(|world| reshow(world, |turns| drop(turns.pop())));
    assert_eq!(dropped, ["V.4 lost"], "drop an acknowledged turn");
    let double = |turns: &mut Vec<TurnSeen>| turns.extend(turns.last().cloned());
    let doubled = turned(|world| reshow(world, double));
    assert_eq!(doubled, ["V.4 doubled"], "double a turn");
    let swapped = turned(|world| reshow(world, |turns| turns.swap(7, 8)));
    // Providers were sent the other order, and each turn was told its number.
    let rows = ["V.4 diverged", "V.4 reordered", "V.4 wrong_number"];
    assert_eq!(swapped, rows, "swap neighbouring turns");
}

#[test]
fn operators_on_calls_under_load_turn_their_row_of_v3_alone() {
    let swap_answers = |world: &mut World| {
        let ops = world.ops("V.3");
        let (one, two) = (
            world.call(ops[7]).answers.clone(),
            world.call(ops[8]).answers.clone(),
        );
        world.call(ops[7]).answers = two;
        world.call(ops[8]).answers = one;
    };
    let swapped = turned(swap_answers);
    assert_eq!(swapped, ["V.3 leak", "V.3 lost_input"], "swap two answers");
    let delay = |world: &mut World| {
        let row = all_built().find("V.3", PROFILE).unwrap().unwrap();
        let most = row.nanos("provider_grace_s").unwrap();
        let op = world.ops("V.3")[500];
        let call = world.call(op);
        call.done_at = call.intended_at + call.planned_provider + most + S;
    };
    let delayed = turned(delay);
    assert_eq!(delayed, ["V.3 maximum"], "delay 1 in 1 000");
    let freeze = |world: &mut World| {
        world.out.retain(
            |seen| !matches!(&seen.event, Event::Metrics { mark, .. } if mark == "after V.3"),
        );
        scrape(world, 14 * S, "after V.3", 20);
    };
    assert_eq!(turned(freeze), ["V.3 conservation"], "freeze a counter");
}

#[test]
fn a_recovery_that_never_comes_and_an_answer_cut_turn_their_own_criterion() {
    let never = |world: &mut World| {
        for op in world.ops("V.5") {
            if world.call(op).sent_at > 34 * S {
                world.call(op).outcome = Outcome::Unknown;
            }
        }
    };
    assert_eq!(turned(never), ["V.5 ttsr.kimi"], "never recover");
    let cut = |world: &mut World| {
        let op = world.ops("V.1")[3];
        world.call(op).answers[0].above_sha256 = "cut".to_owned();
    };
    assert_eq!(turned(cut), ["V.1 text"], "cut an answer");
}

#[test]
fn a_kill_without_its_proof_unmeets_its_floor() {
    let unproven = |world: &mut World| {
        let is_cause = |event: &Event| {
            matches!(
                event,
                Event::Fault {
                    step: Step::Cause { .. },
                    ..
                }
            )
        };
        world.out.retain(|seen| !is_cause(&seen.event));
    };
    let rows = turned(unproven);
    assert_eq!(rows, ["V.5 health.kimi", "V.5 kill.kimi", "V.5 ttsr.kimi"]);
}

#[test]
fn a_piece_without_its_last_second_is_too_short() {
    let cut = |world: &mut World| {
        let last = world.out.iter().map(|seen| seen.at).max().unwrap();
        world.out.retain(|seen| seen.at + S <= last);
    };
    // Memory is judged in blocks of the same piece, of which one is now too short.
    assert_eq!(turned(cut), ["V.7 duration", "V.7 memory"]);
}

#[test]
fn one_digest_of_the_executable_rewritten_voids_every_criterion() {
    let digests: [fn(&mut IdentitySeen); 3] = [
        |seen| seen.running_sha256.replace_range(..1, "x"),
        |seen| seen.expected_sha256.replace_range(..1, "x"),
        |seen| seen.reported_sha256 = Some("another".to_owned()),
    ];
    for rewrite in digests {
        let mut world = good();
        for seen in &mut world.out {
            if let Event::Identity(seen) = &mut seen.event {
                rewrite(seen);
            }
        }
        for finding in world.judge(&all_built(), PROFILE).findings {
            assert_inconclusive(&finding, Reason::ForeignIdentity);
        }
    }
}

#[test]
fn half_of_one_witness_unmeets_the_floors_that_rest_on_it() {
    let journal = turned(|world| {
        let ops = world.ops("V.3");
        let half: BTreeSet<String> = ops
            .into_iter()
            .step_by(2)
            .map(|op| world.entry(op).seq.clone())
            .collect();
        world.out.retain(|seen| match &seen.event {
            Event::Served(served) => !half.contains(&served.seq),
            Event::Delivered(delivered) => !half.contains(&delivered.seq),
            _ => true,
        });
    });
    // An answer without its request is proven by nothing.
    assert_eq!(
        journal,
        ["V.3 errors", "V.3 in_flight", "V.3 operations"],
        "the simulators' journal"
    );
    let client = turned(|world| {
        let is_its = |event: &Event| matches!(event, Event::Call(call) if call.criterion == "V.3");
        halve(world, is_its);
    });
    assert_eq!(
        client,
        [
            "V.3 conservation",
            "V.3 in_flight",
            "V.3 operations",
            "V.3 p99",
            "V.3 unasked"
        ],
        "replies at the clients"
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
