//! What must be equal at quiet points, and breakers that stay open.

use exai_judge::observation::Event;
use exai_judge::{Finding, Reason, Verdict};

use super::worlds::{PROVIDERS, four_hours, half_hour, judged, republish, resample, spoil};
use crate::verdicts::{assert_inconclusive, check, failed};
use crate::world::{Ask, S, World};

const PUBLISHED: [(&str, &str); 5] = [
    ("connections_told", "exai_connections"),
    ("permits", "exai_in_flight"),
    ("permits_overdue", "exai_permits_overdue"),
    ("tasks", "exai_tasks"),
    ("sessions", "exai_sessions"),
];

fn v7m(world: &World) -> Finding {
    judged(world, "full", "V.7m")
}

/// One connection more at the later quiet point.
pub fn connected() -> World {
    let mut world = half_hour();
    resample(&mut world, 1_000, |_, sample| {
        sample.connections = sample.connections.map(|count| count + 1);
    });
    world
}

#[test]
fn one_more_of_anything_at_the_later_quiet_point_fails() {
    for (row, series) in PUBLISHED {
        let mut world = half_hour();
        republish(&mut world, 1_000, |values| {
            *values.get_mut(series).unwrap() += 1.0;
        });
        assert_eq!(failed(&v7m(&world)), [row]);
    }
    let finding = v7m(&connected());
    assert_eq!(failed(&finding), ["connections"]);
    let told = "[20, 21] at quiet points";
    assert_eq!(check(&finding, "connections").measured, told);
}

#[test]
fn a_leak_of_one_at_every_quiet_point_of_four_hours_fails() {
    for (row, series) in PUBLISHED {
        let mut world = four_hours();
        for half in 1..9 {
            republish(&mut world, half * 1_800, |values| {
                *values.get_mut(series).unwrap() += 1.0;
            });
        }
        assert_eq!(failed(&judged(&world, "full", "V.7")), [row]);
    }
}

#[test]
fn a_permit_that_is_out_at_every_quiet_point_was_never_given_back() {
    let mut world = half_hour();
    republish(&mut world, 0, |values| {
        values.insert("exai_in_flight".to_owned(), 1.0);
    });
    assert_eq!(failed(&v7m(&world)), ["permits"]);
}

#[test]
fn what_is_out_for_a_moment_is_no_leak() {
    let mut world = half_hour();
    let mut number = 0;
    for observation in &mut world.out {
        if let Event::Metrics { values, .. } = &mut observation.event {
            number += 1;
            values.insert("exai_in_flight".to_owned(), f64::from(number % 2));
        }
    }
    assert_eq!(check(&v7m(&world), "permits").verdict, Verdict::Pass);
}

#[test]
fn a_witness_that_vanished_passes_nothing() {
    for (row, series) in PUBLISHED {
        let mut world = half_hour();
        republish(&mut world, 1_000, |values| {
            values.remove(series);
        });
        let finding = v7m(&world);
        assert_eq!(check(&finding, row).verdict, Verdict::Inconclusive, "{row}");
        assert_inconclusive(&finding, Reason::ZeroSamples);
    }
    let mut world = half_hour();
    resample(&mut world, 1_000, |_, sample| sample.connections = None);
    let finding = v7m(&world);
    assert_eq!(
        check(&finding, "connections").verdict,
        Verdict::Inconclusive
    );
    let mut world = half_hour();
    let is_delivered = |event: &Event| matches!(event, Event::Delivered(_));
    world.out.retain(|seen| !is_delivered(&seen.event));
    assert_ne!(check(&v7m(&world), "streams").verdict, Verdict::Pass);
}

#[test]
fn one_quiet_point_compares_with_nothing() {
    let mut world = half_hour();
    let is_late = |at: u64| at > 1_700 * S;
    world
        .out
        .retain(|seen| !(is_late(seen.at) && matches!(seen.event, Event::Phase(_))));
    let finding = v7m(&world);
    assert_eq!(check(&finding, "tasks").verdict, Verdict::Inconclusive);
    assert_eq!(check(&finding, "streams").verdict, Verdict::Inconclusive);
}

/// A request that begins before a quiet point and ends at that second, if it does.
fn open(until: Option<u64>) -> World {
    let mut world = half_hour();
    let served = world.serve(&Ask::new("V.7", 300 * S), 300 * S, &[]);
    if let Some(until) = until {
        world.deliver(until * S, &served.seq, "answered", Some("late"));
    }
    world
}

#[test]
fn a_request_that_is_open_through_a_quiet_point_is_a_stream_left_behind() {
    for until in [None, Some(321)] {
        assert_eq!(failed(&v7m(&open(until))), ["streams"], "{until:?}");
    }
    assert_eq!(
        check(&v7m(&open(Some(316))), "streams").verdict,
        Verdict::Pass
    );
}

#[test]
fn a_request_at_a_provider_that_was_killed_is_not_open_any_more() {
    let mut world = half_hour();
    world.serve(&Ask::new("V.7", 399 * S), 399 * S, &[]);
    let steps = crate::world::proven(400 * S, 402 * S);
    let kill = exai_judge::fault::FaultKind::Kill;
    world.fault("kimi.kill.1", "kimi", kill, &steps);
    assert_eq!(check(&v7m(&world), "streams").verdict, Verdict::Pass);
}

/// Calls that name glm and are kept from it between two seconds, outside and inside an outage.
pub fn kept_away(from: u64, until: u64) -> World {
    let mut world = half_hour();
    let mut lost = Vec::new();
    for observation in &mut world.out {
        if let Event::Call(call) = &mut observation.event
            && call.phase == "stream.glm"
            && (from * S..until * S).contains(&call.sent_at)
        {
            lost.push((call.sent_at, call.done_at));
            call.answers.clear();
            call.proof = exai_judge::operation::ProofKind::None;
            call.meta = None;
        }
    }
    assert!(!lost.is_empty());
    let is_lost = |at: u64| {
        lost.iter()
            .any(|(sent, done)| (*sent..=*done).contains(&at))
    };
    world.out.retain(|seen| match &seen.event {
        Event::Served(served) => served.provider != "glm" || !is_lost(seen.at),
        Event::Delivered(delivered) => !delivered.seq.starts_with("glm") || !is_lost(seen.at),
        _ => true,
    });
    world
}

#[test]
fn a_breaker_that_stays_open_over_a_healthy_provider_is_a_critical_error() {
    let stuck = v7m(&kept_away(600, 700));
    assert_eq!(failed(&stuck), ["critical"]);
    let told = stuck.violations.iter().map(|one| one.says.as_str());
    let told: Vec<&str> = told.collect();
    assert_eq!(told, ["breaker_stuck: nothing came to glm for 54 000 ms"]);
    assert_eq!(
        check(&v7m(&kept_away(600, 640)), "critical").verdict,
        Verdict::Pass
    );
}

#[test]
fn a_breaker_over_a_provider_that_is_down_is_where_it_belongs() {
    let mut world = kept_away(600, 700);
    let steps = crate::world::proven(600 * S, 690 * S);
    let refuse = exai_judge::fault::FaultKind::Refuse;
    world.fault("link", "server-glm", refuse, &steps);
    assert_eq!(check(&v7m(&world), "critical").verdict, Verdict::Pass);
}

#[test]
fn calls_that_reach_no_provider_by_name_prove_no_breaker() {
    let mut world = half_hour();
    let floor = |world: &World| {
        let floors = v7m(world).floors.into_iter();
        let mut wanted = floors.filter(|floor| floor.id == "wanted");
        wanted.next().unwrap().seen
    };
    assert_eq!(floor(&world), PROVIDERS.len() as u64);
    spoil(&mut world, 1, |call| {
        if call.phase == "stream.glm" {
            call.phase = "stream".to_owned();
        }
    });
    assert_eq!(floor(&world), 2);
    assert_inconclusive(&v7m(&world), Reason::DurationShort);
}
