//! V.6 against good, bad and empty histories.

pub mod audit;
mod controls;
mod counts;
mod lines;
pub mod retries;

use exai_judge::observation::{AuditSeen, Case, Event};
use exai_judge::{Finding, Reason};

use lines::{code_of, line, line_of, scrape};

use crate::catalogue;
use crate::verdicts::{assert_inconclusive, assert_pass, check, failed};
use crate::world::{Ask, MS, S, World};

const PROFILE: &str = "selftest";
const ROWS: [&str; 6] = ["J1", "J3", "J9", "J12", "J13", "H2"];
const EDGES: [&str; 2] = ["http-2025-11-25", "http-2026-07-28"];
/// Where the catalogue wants one row of tokens beside the edges.
const ENTRANCES: [&str; 3] = ["websocket", "daemon", "admin"];

fn case(id: &str, edge: &str, good: bool) -> Case {
    let refused = if id.starts_with('H') { "403" } else { "401" };
    let expected = if good { "accepted" } else { refused };
    Case {
        id: id.to_owned(),
        edge: edge.to_owned(),
        good,
        expected: expected.to_owned(),
        seen: expected.to_owned(),
        audited: !good,
        correlation_id: Some(format!("{id} {edge} {good}")),
        code: (!good).then(|| code_of(id).to_owned()),
        claimed: Some("ada".to_owned()),
    }
}

/// Each row on each edge with its good case and audit line; a rate kept; traffic beside it.
pub fn good() -> World {
    let mut world = World::new();
    world.phase("V.6", "main", S, 30 * S);
    let mut at = 2 * S;
    for id in ROWS {
        let others = if id == "J3" { &ENTRANCES[..] } else { &[] };
        for edge in EDGES.iter().chain(others) {
            world.push(at, Event::Case(case(id, edge, true)));
            let attack = case(id, edge, false);
            world.push(at + MS, Event::Audit(line(&attack)));
            world.push(at + 2 * MS, Event::Case(attack));
            at += 10 * MS;
        }
    }
    rate(&mut world, 10 * S, 50);
    for index in 0..600 {
        let (phase, start) = if index < 300 {
            ("calm", 15 * S)
        } else {
            ("hostile", 20 * S)
        };
        let jitter = index * 7 % 11 * MS / 10;
        let ask = Ask {
            phase: phase.to_owned(),
            takes: 20 * MS + jitter,
            ..Ask::new("V.6", start + index % 300 * 10 * MS)
        };
        world.chat(&ask);
    }
    let name = "canaries searched for in replies, logs and metrics".to_owned();
    world.push(
        29 * S,
        Event::Figure {
            name,
            value: 40.0,
            unit: "texts".to_owned(),
        },
    );
    world
}

/// Three seconds at 200 a second against a bucket of 50 and that refill.
fn rate(world: &mut World, start: u64, refill: u64) {
    let mut tokens = 50.0;
    let mut denied = 0.0;
    world.push(start, scrape("before V.6", 5.0));
    for index in 0..600 {
        let at = start + index * 5 * MS;
        let ask = Ask {
            phase: "rate.principal".to_owned(),
            identity: "hot".to_owned(),
            takes: MS,
            ..Ask::new("V.6", at)
        };
        tokens = f64::min(50.0, tokens + refill as f64 * 0.005);
        let call = if tokens >= 1.0 {
            tokens -= 1.0;
            world.plain(&ask)
        } else {
            let mut call = world.refused(&ask, "rate_limit_error");
            call.failure.as_mut().unwrap().code = "over_rate".to_owned();
            world.push(call.done_at, Event::Audit(line_of(&call)));
            denied += 1.0;
            call
        };
        world.record(call);
        if index % 20 == 0 {
            let calm = world.plain(&Ask {
                identity: "neighbour 1".to_owned(),
                ..ask
            });
            world.record(calm);
        }
    }
    world.push(start + 4 * S, scrape("after V.6", 5.0 + denied));
}

/// Takes out what pressed a rate, and the lines of it.
fn unpressed(world: &mut World) {
    world.out.retain(|seen| match &seen.event {
        Event::Call(call) => !call.phase.starts_with("rate."),
        Event::Audit(line) => !line.reason.starts_with("rate_"),
        Event::Metrics { .. } => false,
        _ => true,
    });
}

fn judged(world: &World) -> Finding {
    world.finding(&catalogue::criteria(), PROFILE, "V.6")
}

fn cases(world: &mut World) -> impl Iterator<Item = &mut Case> {
    world
        .out
        .iter_mut()
        .filter_map(|observation| match &mut observation.event {
            Event::Case(case) => Some(case),
            _ => None,
        })
}

#[test]
fn a_server_that_refuses_and_audits_everything_passes() {
    assert_pass(&judged(&good()));
}

#[test]
fn nothing_tried_has_zero_samples() {
    let mut idle = World::new();
    idle.phase("V.6", "main", S, 2 * S);
    assert_inconclusive(&judged(&idle), Reason::ZeroSamples);
}

#[test]
fn a_row_that_is_tried_and_has_no_good_case_of_its_own_never_passes() {
    let mut world = good();
    let open = case("J13.stale list", "elsewhere", false);
    let mut known = case("J13.stale list", "elsewhere", true);
    known.seen = "ends 181 days ago".to_owned();
    world.push(3 * S, Event::Audit(line(&open)));
    world.push(3 * S, Event::Case(open));
    world.push(3 * S, Event::Case(known));
    assert_inconclusive(&judged(&world), Reason::ControlNotFired);
}

#[test]
fn one_forged_token_accepted_on_one_wire_fails() {
    let mut world = good();
    let attack = cases(&mut world)
        .find(|case| case.id == "J3" && !case.good)
        .unwrap();
    attack.seen = "accepted".to_owned();
    let finding = judged(&world);
    assert_eq!(failed(&finding), ["denied"]);
    assert!(
        finding.violations[0]
            .says
            .contains("J3 over http-2025-11-25")
    );
}

#[test]
fn a_server_that_refuses_everything_proves_nothing() {
    let mut world = good();
    for case in cases(&mut world).filter(|case| case.good) {
        case.seen = "401".to_owned();
    }
    assert_inconclusive(&judged(&world), Reason::ControlNotFired);
}

#[test]
fn a_denial_without_its_line_or_with_two_or_invented_fails() {
    let mut silent = good();
    let first = silent
        .out
        .iter()
        .position(|seen| matches!(seen.event, Event::Audit(_)))
        .unwrap();
    let removed = silent.out.remove(first);
    assert_eq!(failed(&judged(&silent)), ["audit"]);
    let mut twice = good();
    twice.out.push(removed);
    assert_eq!(failed(&judged(&twice)), ["audit"]);
    let mut invented = good();
    let ghost = Case {
        correlation_id: Some("ghost".to_owned()),
        ..case("J1", EDGES[0], false)
    };
    invented.push(9 * S, Event::Audit(line(&ghost)));
    assert_eq!(failed(&judged(&invented)), ["invented"]);
    let mut broken = good();
    for observation in &mut broken.out {
        if let Event::Audit(line) = &mut observation.event {
            line.chained = false;
            break;
        }
    }
    assert_eq!(failed(&judged(&broken)), ["chain"]);
}

#[test]
fn a_secret_seen_anywhere_fails_and_the_detectors_own_proof_does_not() {
    for control in [false, true] {
        let mut world = good();
        let detail = "base64 of a provider key in a log line".to_owned();
        world.push(
            9 * S,
            Event::Critical {
                what: "canary".to_owned(),
                detail,
                control,
            },
        );
        let failed = failed(&judged(&world)).len();
        assert_eq!(failed, usize::from(!control));
    }
}

#[test]
fn a_limit_too_high_too_low_or_absent_is_seen() {
    let limited = |refill| {
        let mut world = good();
        unpressed(&mut world);
        rate(&mut world, 10 * S, refill);
        judged(&world)
    };
    assert_pass(&limited(50));
    assert_eq!(failed(&limited(5)), ["refill.principal"]);
    assert!(failed(&limited(75)).contains(&"rate.principal"));
    assert_eq!(failed(&limited(1_000)), ["rate.principal"]);
}

#[test]
fn a_neighbour_refused_fails() {
    let mut world = good();
    let op = world
        .ops("V.6")
        .into_iter()
        .find(|op| world.call(*op).identity == "neighbour 1");
    world.call(op.unwrap()).outcome = exai_judge::Outcome::Refused;
    assert_eq!(failed(&judged(&world)), ["neighbours"]);
    // Without neighbours nobody knows.
    let mut alone = good();
    alone
        .out
        .retain(|one| !matches!(&one.event, Event::Call(call) if call.identity == "neighbour 1"));
    assert_inconclusive(&judged(&alone), Reason::BelowFloor);
}

#[test]
fn hostile_input_that_slows_healthy_traffic_threefold_fails() {
    let slowed = |by: u64| {
        let mut world = good();
        for op in world.ops("V.6") {
            let call = world.call(op);
            if call.phase == "hostile" {
                call.done_at += by;
            }
        }
        judged(&world)
    };
    assert_eq!(failed(&slowed(60 * MS)), ["p99_ratio"]);
    assert_pass(&slowed(9 * MS));
    assert_eq!(check(&slowed(9 * MS), "p99_ratio").n, 300);
}

#[test]
fn a_row_counts_for_a_place_only_where_its_attack_and_its_good_case_were_both_seen_there() {
    let floor = |world: &World| {
        let finding = world.finding(&catalogue::criteria(), "quick", "V.6");
        let floor = finding.floors.into_iter().find(|it| it.id == "entrances");
        floor.unwrap()
    };
    let whole = floor(&good());
    assert!(whole.seen < whole.needed, "{whole:?}");
    // Five rows of tokens at two of the places, and one of them at the other three.
    assert_eq!(whole.seen, 13, "{whole:?}");
    assert!(whole.event.contains("without J1 at websocket"), "{whole:?}");
    let mut alone = good();
    cases(&mut alone)
        .filter(|case| case.id == "J9" && case.good && case.edge == EDGES[1])
        .for_each(|case| case.seen = "401".to_owned());
    assert_eq!(floor(&alone).seen, 12);
}

#[test]
fn a_good_case_under_a_fault_of_the_rig_is_no_control() {
    let mut world = good();
    let is_good = |event: &Event| matches!(event, Event::Case(case) if case.good);
    let at = world.out.iter().find(|seen| is_good(&seen.event));
    let at = at.unwrap().at;
    let rig = Event::Rig {
        what: "cpu".to_owned(),
        until: at,
        detail: String::new(),
    };
    world.push(at, rig);
    assert_inconclusive(&judged(&world), Reason::ControlNotFired);
}

#[test]
fn twice_as_slow_beside_hostile_input_is_borne_where_it_is_a_few_milliseconds() {
    let slowed = |by: u64, divide: u64| {
        let mut world = good();
        for op in world.ops("V.6") {
            let call = world.call(op);
            if ["calm", "hostile"].contains(&call.phase.as_str()) {
                call.done_at = call.sent_at + (call.done_at - call.sent_at) / divide;
            }
            if call.phase == "hostile" {
                call.done_at += by;
            }
        }
        check(&judged(&world), "p99_ratio").verdict
    };
    use exai_judge::Verdict::{Fail, Pass};
    assert_eq!(slowed(8 * MS, 4), Pass, "thrice, and by 8 ms");
    assert_eq!(slowed(14 * MS, 4), Fail, "thrice and more, and by 14 ms");
    assert_eq!(slowed(14 * MS, 1), Pass, "by 14 ms of 20");
}

fn floor(finding: &Finding, id: &str) -> (u64, Reason) {
    let floor = finding.floors.iter().find(|floor| floor.id == id);
    let floor = floor.unwrap_or_else(|| panic!("no floor {id}"));
    (floor.seen, floor.reason)
}

#[test]
fn forged_tokens_count_where_they_were_refused_and_other_attacks_never() {
    // J3, J9 and J12 at both edges, and J3 at the three entrances.
    assert_eq!(floor(&judged(&good()), "forged").0, 9);
    for (id, left) in [("J3", 8), ("J1", 9)] {
        let mut world = good();
        let attack = cases(&mut world).find(|case| case.id == id && !case.good);
        attack.unwrap().seen = "accepted".to_owned();
        assert_eq!(floor(&judged(&world), "forged").0, left, "{id}");
    }
}

#[test]
fn too_few_is_told_apart_from_none() {
    let full = good().finding(&catalogue::criteria(), "full", "V.6");
    assert_eq!(floor(&full, "cases").1, Reason::BelowFloor);
    assert_eq!(floor(&full, "canaries"), (1, Reason::BelowFloor));
    let mut world = good();
    world
        .out
        .retain(|seen| !matches!(seen.event, Event::Figure { .. }));
    let full = world.finding(&catalogue::criteria(), "full", "V.6");
    assert_eq!(floor(&full, "canaries"), (0, Reason::EventNotSeen));
}

#[test]
fn slowing_that_may_be_within_either_limit_is_undecided() {
    // In ms: calm, hostile for the most part, and hostile for a second.
    for ([calm, most, slow], told) in [
        ([2, 5, 30], "× 2.50 to 15.00"),
        // Twice is borne, and so are ten more: with either alone at its limit nothing is shown.
        ([20, 40, 300], "× 2.00 to 15.00"),
        ([2, 12, 30], "× 6.00 to 15.00"),
    ] {
        let mut world = good();
        for op in world.ops("V.6") {
            let call = world.call(op);
            let is_slow = (21 * S..22 * S).contains(&call.sent_at);
            let took = match call.phase.as_str() {
                "calm" => calm,
                "hostile" if is_slow => slow,
                "hostile" => most,
                _ => continue,
            };
            call.done_at = call.sent_at + took * MS;
        }
        let finding = judged(&world);
        let ratio = check(&finding, "p99_ratio");
        assert_eq!(ratio.measured, told);
        assert_eq!(ratio.verdict, exai_judge::Verdict::Inconclusive, "{told}");
    }
}
