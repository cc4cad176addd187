//! V.8g, V.8t and V.8 against good, bad and empty histories.

mod tail;

use std::collections::BTreeMap;

use exai_judge::observation::{Event, LoadAccount, Sample};
use exai_judge::operation::Outcome;
use exai_judge::{Finding, Reason, Verdict, bounds};

use crate::catalogue;
use crate::verdicts::{assert_inconclusive, assert_pass, check, failed};
use crate::world::{Ask, MS, S, World};

const PROFILE: &str = "quick";

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

/// Three repetitions of the tier at that many calls a second for five seconds.
pub fn good(tier: &str, rate: u64) -> World {
    let mut world = World::new();
    world.phase("V.8", "main", S, 40 * S);
    scrape(&mut world, S, "before V.8", 5);
    let name = "null server, operations a second".to_owned();
    world.push(
        S,
        Event::Figure {
            name,
            value: 20_000.0,
            unit: "req/s".to_owned(),
        },
    );
    for repetition in 1..=3_u32 {
        let from = 2 * S + u64::from(repetition) * 6 * S;
        for index in 0..rate * 5 {
            let ask = Ask {
                phase: format!("{tier}.{repetition}"),
                takes: 20 * MS + index % 7 * MS,
                ..Ask::new("V.8", from + index * S / rate)
            };
            let call = world.plain(&ask);
            world.record(call);
        }
        for index in 0..50 {
            let phase = format!("{tier}.{repetition}");
            let ask = Ask {
                phase,
                takes: 30 * MS,
                ..Ask::new("V.8", from + 5 * S - MS - index)
            };
            let call = world.plain(&ask);
            world.record(call);
        }
        let load = LoadAccount {
            criterion: "V.8".to_owned(),
            phase: format!("{tier}.{repetition}"),
            repetition,
            planned: rate * 5,
            sent: rate * 5,
            dropped: 0,
            lag_p99: MS,
            rate: rate as f64,
            ceiling: Some(20_000.0),
            from,
            until: from + 5 * S,
            cores: None,
        };
        world.push(from + 5 * S, Event::Load(load));
    }
    scrape(&mut world, 40 * S, "after V.8", 5 + 3 * (rate * 5 + 50));
    world
}

fn gate(world: &World) -> Finding {
    world.finding(&catalogue::criteria(), PROFILE, "V.8g")
}

/// Changes every k-th call of the second repetition.
fn spoiled(every: usize, spoil: impl Fn(&mut exai_judge::Call)) -> Finding {
    let mut world = good("gate", 200);
    let mut ops = world.ops("V.8");
    ops.retain(|op| world.call(*op).phase == "gate.2");
    for op in ops.into_iter().step_by(every) {
        spoil(world.call(op));
    }
    gate(&world)
}

#[test]
fn a_quick_enough_server_passes_and_says_it_is_indicative() {
    let finding = gate(&good("gate", 200));
    assert_pass(&finding);
    assert!(finding.headline.contains("indicative"));
}

#[test]
fn the_target_tier_passes_at_its_rate_and_misses_its_floor_below() {
    let criteria = catalogue::criteria();
    assert_pass(&good("target", 1_000).finding(&criteria, PROFILE, "V.8t"));
    let slow = good("target", 600).finding(&criteria, PROFILE, "V.8t");
    assert_inconclusive(&slow, Reason::BelowFloor);
}

#[test]
fn nothing_run_has_nothing_to_say() {
    let mut idle = World::new();
    idle.phase("V.8", "main", S, 2 * S);
    assert_inconclusive(&gate(&idle), Reason::BelowFloor);
}

#[test]
fn one_slow_repetition_fails_although_the_others_are_fast() {
    let finding = spoiled(10, |call| call.done_at += 6 * S);
    assert_eq!(failed(&finding), ["p95.2"]);
    assert_eq!(check(&finding, "p95.1").verdict, Verdict::Pass);
}

/// A slow second repetition in which, each second, the server had a processor for `had_ms` and
/// waited for one for `waited_ms`.
fn crowded(had_ms: u64, waited_ms: u64, cores: Option<u32>) -> Finding {
    spoiled_beside((had_ms, waited_ms, cores), |call| call.done_at += 6 * S)
}

/// The same with each call of that repetition spoiled in some way.
fn spoiled_beside(
    (had_ms, waited_ms, cores): (u64, u64, Option<u32>),
    spoil: impl Fn(&mut exai_judge::Call),
) -> Finding {
    let mut world = good("gate", 200);
    for op in world.ops("V.8") {
        let call = world.call(op);
        if call.phase == "gate.2" {
            spoil(call);
        }
    }
    let mut begun = 0;
    for seen in &mut world.out {
        if let Event::Load(load) = &mut seen.event
            && load.repetition == 2
        {
            begun = load.from;
            load.cores = cores;
        }
    }
    for (second, name) in (0..=9).flat_map(|second| [(second, "server"), (second, "kimi")]) {
        // Beyond the step, and in another process, it is the other way round.
        let is_ours = name == "server" && second <= 5;
        let (cpu, wait) = if is_ours {
            (had_ms, waited_ms)
        } else {
            (waited_ms, had_ms)
        };
        let sample = Sample {
            process: name.to_owned(),
            pid: 7,
            resident_bytes: 0,
            descriptors: 0,
            threads: 1,
            cpu_ms: cpu * second,
            wait_ms: wait * second,
            connections: None,
        };
        world.push(begun + second * S, Event::Sample(sample));
    }
    gate(&world)
}

#[test]
fn a_slow_server_that_others_keep_from_running_is_not_failed_and_any_other_is() {
    let beside = crowded(640, 1_340, Some(2));
    assert_inconclusive(&beside, Reason::RigLimit);
    let said = &check(&beside, "p95.2").measured;
    let words = "each second it waited 1.34 s for a processor and had one 0.64 s";
    assert!(said.ends_with(words), "{said}");
    // As long as it waited; half of the machine; nothing; nobody counted the cores.
    for (had, waited, cores) in [
        (640, 640, Some(2)),
        (1_000, 1_340, Some(2)),
        (0, 0, Some(2)),
        (640, 1_340, None),
    ] {
        let finding = crowded(had, waited, cores);
        assert_eq!(failed(&finding), ["p95.2"], "{had} {waited} {cores:?}");
    }
}

#[test]
fn calls_that_nobody_answered_are_not_held_against_a_server_that_others_keep_from_running() {
    let unanswered = |call: &mut exai_judge::Call| call.outcome = Outcome::Unknown;
    let beside = spoiled_beside((640, 1_340, Some(2)), unanswered);
    assert_inconclusive(&beside, Reason::RigLimit);
    let alone = spoiled_beside((640, 640, Some(2)), unanswered);
    assert!(failed(&alone).contains(&"errors.2"));
    let untyped = |call: &mut exai_judge::Call| call.outcome = Outcome::Refused;
    let wrong = spoiled_beside((640, 1_340, Some(2)), untyped);
    assert!(failed(&wrong).contains(&"errors.2"));
}

#[test]
fn errors_in_one_repetition_fail_it() {
    let finding = spoiled(25, |call| call.outcome = Outcome::Unknown);
    assert!(failed(&finding).contains(&"errors.2"));
}

#[test]
fn frozen_metrics_fail_both_tiers_and_their_fold() {
    let mut world = good("gate", 200);
    world
        .out
        .retain(|seen| !matches!(&seen.event, Event::Metrics { mark, .. } if mark == "after V.8"));
    scrape(&mut world, 40 * S, "after V.8", 5);
    assert_eq!(failed(&gate(&world)), ["conservation"]);
    let fold = world.finding(&catalogue::criteria(), PROFILE, "V.8");
    assert_eq!(fold.verdict, Verdict::Fail);
    assert!(failed(&fold).contains(&"V.8g"));
}

#[test]
fn the_fold_is_the_worse_of_its_tiers() {
    let fold = good("gate", 200).finding(&catalogue::criteria(), PROFILE, "V.8");
    assert_eq!(check(&fold, "V.8g").verdict, Verdict::Pass);
    assert_eq!(fold.verdict, check(&fold, "V.8t").verdict);
    assert_eq!(
        fold.verdict,
        Verdict::Inconclusive,
        "the target tier was not run"
    );
}

fn floor_of(finding: &Finding, id: &str) -> u64 {
    let floor = finding.floors.iter().find(|floor| floor.id == id);
    floor.unwrap().seen
}

/// Changes the account of the second repetition.
fn offered(change: impl Fn(&mut LoadAccount)) -> World {
    let mut world = good("gate", 200);
    for observation in &mut world.out {
        if let Event::Load(load) = &mut observation.event
            && load.repetition == 2
        {
            change(load);
        }
    }
    world
}

#[test]
fn the_shortest_repetition_must_last_as_long_as_asked_and_the_slowest_gives_the_rate() {
    let seconds = |took: u64| gate(&offered(|load| load.until = load.from + took));
    assert_pass(&seconds(5 * S));
    assert_pass(&seconds(9 * S));
    let short = seconds(5 * S - 1);
    assert_inconclusive(&short, Reason::DurationShort);
    assert_eq!(check(&short, "duration").verdict, Verdict::Inconclusive);
    assert_eq!(check(&short, "duration").n, 3);
    let slow = gate(&offered(|load| load.rate = 150.4));
    assert_eq!(floor_of(&slow, "rate"), 150);
    assert_eq!(floor_of(&gate(&good("gate", 200)), "rate"), 200);
}

#[test]
fn only_the_benchmarks_own_accounts_and_the_null_servers_figures_count() {
    let mut world = offered(|_| {});
    let foreign = offered(|load| {
        load.criterion = "V.3".to_owned();
        load.until = load.from + S;
        load.rate = 1.0;
    });
    let is_load = |event: &Event| matches!(event, Event::Load(load) if load.criterion == "V.3");
    let foreign = foreign.out.into_iter().filter(|seen| is_load(&seen.event));
    world.out.extend(foreign.map(|mut seen| {
        seen.at = 39 * S;
        seen
    }));
    let figure = Event::Figure {
        name: "another server, operations a second".to_owned(),
        value: 1.0,
        unit: "req/s".to_owned(),
    };
    world.push(2 * S, figure);
    let finding = gate(&world);
    assert_pass(&finding);
    assert_eq!(floor_of(&finding, "baseline"), 1);
    assert_eq!(floor_of(&finding, "rate"), 200);
}

#[test]
fn availability_is_judged_where_a_line_is_drawn_and_counts_what_came_after_its_deadline() {
    let criteria = catalogue::criteria();
    let late = |past: u64| {
        let mut world = good("target", 200);
        let mut ops = world.ops("V.8");
        ops.retain(|op| world.call(*op).phase == "target.2");
        for op in ops.into_iter().step_by(50) {
            let call = world.call(op);
            call.deadline = call.latency() - past;
        }
        world.finding(&criteria, PROFILE, "V.8t")
    };
    let in_time = late(0);
    assert_ne!(check(&in_time, "availability.2").verdict, Verdict::Fail);
    let after = late(1);
    assert_eq!(check(&after, "availability.2").verdict, Verdict::Fail);
    assert_ne!(check(&after, "availability.1").verdict, Verdict::Fail);
    assert_ne!(check(&after, "errors.2").verdict, Verdict::Fail);
    let gate = gate(&good("gate", 200));
    assert!(gate.checks.iter().all(|row| !row.id.starts_with("avail")));
}

#[test]
fn a_full_run_is_not_called_indicative() {
    let full = good("gate", 200).finding(&catalogue::criteria(), "full", "V.8g");
    let headline = "p95 26 ms in the worst repetition (< 5 000 ms)";
    assert_eq!(full.headline, headline);
}
