//! V.3 against good, bad and empty histories, at the edges of its thresholds.

mod crowded;
mod edges;
mod laws;

use std::collections::BTreeMap;

use exai_judge::observation::{Event, LoadAccount, Sample};
use exai_judge::operation::{Outcome, Transport};
use exai_judge::{Reason, Verdict};

use crate::catalogue;
use crate::verdicts::{assert_inconclusive, assert_pass, check, failed};
use crate::world::{Ask, MS, PID, S, World, all_built};

const PROFILE: &str = "selftest";
const CALLS: u64 = 1_600;
/// Calls that the scraped server counts: one in four goes to a process of its own on a pipe.
const COUNTED: u64 = CALLS / 4 * 3;

fn scrape(at: u64, mark: &str, chats: u64) -> (u64, Event) {
    let series = r#"exai_requests_total{tool="chat",transport="http",status="ok"}"#;
    let values = BTreeMap::from([(series.to_owned(), chats as f64)]);
    (
        at,
        Event::Metrics {
            mark: mark.to_owned(),
            values,
        },
    )
}

fn load(sent: u64) -> LoadAccount {
    LoadAccount {
        criterion: "V.3".to_owned(),
        phase: "peak".to_owned(),
        repetition: 1,
        planned: CALLS,
        sent,
        dropped: CALLS - sent,
        lag_p99: MS,
        rate: 200.0,
        ceiling: Some(5_000.0),
        from: 2 * S,
        until: 10 * S,
        cores: None,
    }
}

/// 200 calls a second of 400 ms each over four transports, then a hot identity.
pub fn good() -> World {
    let mut world = World::new();
    world.phase("V.3", "peak", S, 12 * S);
    let (at, before) = scrape(S, "before V.3", 17);
    world.push(at, before);
    for index in 0..CALLS {
        let ask = Ask {
            phase: "peak".to_owned(),
            transport: Transport::ALL[index as usize % 4],
            provider: ["kimi", "glm", "minimax"][index as usize % 3],
            identity: format!("user {}", index % 40),
            takes: 400 * MS,
            ..Ask::new("V.3", 2 * S + index * 5 * MS)
        };
        world.chat(&ask);
    }
    for index in 0..10 {
        let ask = Ask {
            phase: "hot".to_owned(),
            ..Ask::new("V.3", 11 * S + index * MS)
        };
        world.chat(&ask);
        let hot = Ask {
            identity: "hot".to_owned(),
            ..ask
        };
        let call = world.refused(&hot, "rate_limit_error");
        world.record(call);
    }
    let (at, after) = scrape(12 * S, "after V.3", 17 + COUNTED + 10);
    world.push(at, after);
    for second in 1..12 {
        let sample = Sample {
            process: "server".to_owned(),
            pid: PID,
            resident_bytes: 200 << 20,
            descriptors: 90,
            threads: 12,
            cpu_ms: second * 300,
            wait_ms: 0,
            connections: None,
        };
        world.push(second * S, Event::Sample(sample));
    }
    world.push(12 * S, Event::Load(load(CALLS)));
    world
}

pub fn judged(world: &World) -> exai_judge::Finding {
    world.finding(&all_built(), PROFILE, "V.3")
}

#[test]
fn a_server_that_carries_the_load_passes() {
    let finding = judged(&good());
    assert_pass(&finding);
    let held = finding
        .floors
        .iter()
        .find(|floor| floor.id == "in_flight")
        .unwrap();
    assert!((79..=81).contains(&held.seen), "{held:?}");
}

#[test]
fn an_unbuilt_transport_keeps_it_inconclusive() {
    let mut world = good();
    for op in world.ops("V.3") {
        let call = world.call(op);
        if call.transport == Transport::WebSocket {
            call.transport = Transport::Http2025;
        }
    }
    let mut criteria = catalogue::criteria();
    criteria.transports.get_mut("websocket").unwrap().built = false;
    let finding = world.finding(&criteria, PROFILE, "V.3");
    assert_inconclusive(&finding, Reason::NotTestable);
}

#[test]
fn nothing_done_has_zero_samples() {
    let mut idle = World::new();
    idle.phase("V.3", "peak", S, 2 * S);
    assert_inconclusive(&judged(&idle), Reason::ZeroSamples);
}

#[test]
fn one_lock_leaves_the_floor_unmet_and_never_fails_for_it() {
    let mut world = World::new();
    world.phase("V.3", "peak", S, 12 * S);
    for index in 0..400 {
        let ask = Ask {
            phase: "peak".to_owned(),
            takes: 20 * MS,
            ..Ask::new("V.3", S + index * 20 * MS)
        };
        world.chat(&ask);
    }
    let finding = judged(&world);
    assert_inconclusive(&finding, Reason::BelowFloor);
    let held = finding
        .floors
        .iter()
        .find(|floor| floor.id == "in_flight")
        .unwrap();
    assert!(held.seen <= 1 && !held.is_met());
}

/// Spoils every k-th peak call and says which checks fail.
fn spoiled(every: usize, spoil: impl Fn(&mut exai_judge::Call)) -> Vec<String> {
    let mut world = good();
    let ops: Vec<u64> = world.ops("V.3").into_iter().take(CALLS as usize).collect();
    for op in ops.iter().skip(every / 2).step_by(every) {
        spoil(world.call(*op));
    }
    failed(&judged(&world))
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[test]
fn one_in_ten_of_six_seconds_fails_p95_and_one_in_two_hundred_of_thirty_the_maximum() {
    let slower = |call: &mut exai_judge::Call, takes: u64| call.done_at = call.intended_at + takes;
    assert_eq!(spoiled(10, |call| slower(call, 6 * S)), ["p95"]);
    assert_eq!(spoiled(200, |call| slower(call, 30 * S)), ["maximum"]);
    assert!(
        spoiled(200, |call| slower(call, 10 * S)).is_empty(),
        "exactly the provider's grace"
    );
    assert_eq!(spoiled(200, |call| slower(call, 10 * S + 1)), ["maximum"]);
}

#[test]
fn refusals_at_two_percent_fail_and_at_one_in_four_hundred_pass() {
    let refuse = |call: &mut exai_judge::Call| {
        call.outcome = Outcome::Refused;
        call.answers.clear();
    };
    assert!(spoiled(25, refuse).contains(&"errors".to_owned()));
    assert!(!spoiled(400, refuse).contains(&"errors".to_owned()));
}

#[test]
fn crossed_doubled_and_unanswered_calls_fail_at_the_first() {
    let mut world = good();
    let ops = world.ops("V.3");
    let (one, two) = (
        world.call(ops[3]).answers.clone(),
        world.call(ops[4]).answers.clone(),
    );
    world.call(ops[3]).answers = two;
    world.call(ops[4]).answers = one;
    let finding = judged(&world);
    assert_eq!(finding.verdict, Verdict::Fail);
    assert_eq!(check(&finding, "leak").verdict, Verdict::Fail);
    assert_eq!(spoiled(1_600, |call| call.replies = 2), ["doubled"]);
    assert_eq!(
        spoiled(1_600, |call| call.belongs = Some(false)),
        ["belongs"]
    );
    let silent = spoiled(1_600, |call| {
        call.outcome = Outcome::Unknown;
        call.replies = 0;
        call.belongs = None;
    });
    // The server counted a call it never answered, so its counter is within bounds.
    assert_eq!(silent, ["unanswered"]);
}

#[test]
fn a_frozen_counter_and_one_that_loses_a_percent_break_the_law() {
    for counted in [17, 17 + COUNTED + 10 - 16] {
        let mut world = good();
        world.out.retain(|observation| {
            !matches!(&observation.event, Event::Metrics { mark, .. } if mark == "after V.3")
        });
        let (at, after) = scrape(12 * S, "after V.3", counted);
        world.push(at, after);
        assert_eq!(failed(&judged(&world)), ["conservation"], "{counted}");
    }
}

#[test]
fn an_error_of_a_neighbour_in_the_hot_phase_fails() {
    let mut world = good();
    let op = world.ops("V.3")[CALLS as usize];
    assert_eq!(world.call(op).phase, "hot");
    world.call(op).outcome = Outcome::Unknown;
    assert!(failed(&judged(&world)).contains(&"hot_healthy"));
}

#[test]
fn a_rig_that_drops_lags_or_saturates_is_inconclusive_and_never_a_fail() {
    let replaced = |change: &dyn Fn(&mut LoadAccount)| {
        let mut world = good();
        for observation in &mut world.out {
            if let Event::Load(load) = &mut observation.event {
                change(load);
            }
        }
        judged(&world)
    };
    let dropped = replaced(&|load| *load = self::load(CALLS - 1));
    assert_inconclusive(&dropped, Reason::DroppedArrivals);
    let row = all_built().find("V.3", PROFILE).unwrap().unwrap();
    let most = row.nanos("lag_p99_ms").unwrap();
    assert_inconclusive(&replaced(&|load| load.lag_p99 = most + 1), Reason::RigLimit);
    assert_pass(&replaced(&|load| load.lag_p99 = most));
    assert_inconclusive(
        &replaced(&|load| load.ceiling = Some(250.0)),
        Reason::RigLimit,
    );
}

/// A generator two seconds late; the first call was sent `late` and took `takes` from then on, with
/// a limit of ten seconds.
fn late_by(late: u64, takes: u64) -> exai_judge::Finding {
    let mut world = good();
    for observation in &mut world.out {
        if let Event::Load(load) = &mut observation.event {
            load.lag_p99 = 2 * S;
        }
    }
    let first = world.ops("V.3")[0];
    let call = world.call(first);
    call.sent_at += late;
    call.done_at = call.sent_at + takes;
    judged(&world)
}

#[test]
fn an_answer_beyond_the_maximum_counts_only_if_it_was_the_servers_doing() {
    let failed_at = |late: u64, takes: u64| failed(&late_by(late, takes)).contains(&"maximum");
    assert!(!failed_at(2 * S, 10 * S));
    assert!(failed_at(2 * S, 10 * S + 1));
    assert!(failed_at(3 * S, 10 * S), "the generator was late by two");
    assert!(failed_at(0, 10 * S + 1));
}

#[test]
fn a_restart_or_too_much_memory_fails() {
    for (pid, resident, demanded) in [(PID + 1, 1, "pid"), (PID, 1_639 << 20, "memory")] {
        let mut world = good();
        let sample = Sample {
            process: "server".to_owned(),
            pid,
            resident_bytes: resident,
            descriptors: 1,
            threads: 1,
            cpu_ms: 1,
            wait_ms: 0,
            connections: None,
        };
        world.push(5 * S, Event::Sample(sample));
        assert_eq!(failed(&judged(&world)), [demanded]);
    }
}

fn sampled(world: &mut World, process: &str, second: u64) {
    let sample = Sample {
        process: process.to_owned(),
        pid: PID,
        resident_bytes: 1_639 << 20,
        descriptors: 1,
        threads: 1,
        cpu_ms: 1,
        wait_ms: 0,
        connections: None,
    };
    world.push(second * S, Event::Sample(sample));
}

#[test]
fn what_was_seen_while_the_sampler_was_stopped_carries_no_fail() {
    // The phase ends at 12 s and another's answer comes at 10 s.
    for (last, verdict) in [
        (11, Verdict::Fail),
        (7, Verdict::Fail),
        (6, Verdict::HarnessError),
    ] {
        let mut world = good();
        for second in 0..=last {
            sampled(&mut world, "rig", second);
        }
        let ops = world.ops("V.3");
        let other = world.call(ops[CALLS as usize - 4]).answers.clone();
        world.call(ops[CALLS as usize - 1]).answers = other;
        let judged = judged(&world);
        let worst = judged.checks.iter().map(|check| check.verdict).max();
        assert_eq!(worst, Some(verdict), "last sample at {last} s");
    }
}

#[test]
fn a_sample_of_a_troubled_rig_neither_fails_nor_counts() {
    let mut world = good();
    sampled(&mut world, "server", 5);
    assert_eq!(failed(&judged(&world)), ["memory"]);
    let rig = Event::Rig {
        what: "cpu".to_owned(),
        until: 5 * S + MS,
        detail: String::new(),
    };
    world.push(5 * S - MS, rig);
    assert_eq!(failed(&judged(&world)), Vec::<&str>::new());
}

#[test]
fn half_of_the_journal_leaves_the_floors_that_rest_on_it_unmet() {
    let mut world = good();
    let mut index = 0;
    world.out.retain(|observation| {
        let is_journal = matches!(observation.event, Event::Served(_) | Event::Delivered(_));
        index += u64::from(matches!(observation.event, Event::Served(_)));
        !is_journal || index % 2 == 0
    });
    let finding = judged(&world);
    let held = finding
        .floors
        .iter()
        .find(|floor| floor.id == "in_flight")
        .unwrap();
    assert!(!held.is_met(), "{held:?}");
}
