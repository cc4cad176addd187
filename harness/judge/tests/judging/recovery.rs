//! V.2 against good, bad and empty histories.

mod outage;
pub mod reactions;
mod several;
pub mod silence;

use exai_judge::journal::Attempt;
use exai_judge::observation::{Event, Served};
use exai_judge::operation::{Outcome, ProofKind};
use exai_judge::proof::Proof;
use exai_judge::{Finding, Reason, reaction, tracer};

use crate::catalogue;
use crate::verdicts::{assert_inconclusive, assert_pass, check, failed};
use crate::world::{Ask, MS, S, World, key};

const PROFILE: &str = "selftest";

fn ask(provider: &'static str, at: u64) -> Ask {
    Ask {
        provider,
        takes: 100 * MS,
        ..Ask::new("V.2", at)
    }
}

/// A call whose first attempt met a fault at `from` and was answered by `to`.
fn faulted(world: &mut World, fault: &str, from: &'static str, to: &'static str, at: u64) -> u64 {
    let mut call = world.keyed(&Ask {
        at: at + 40 * MS,
        takes: 60 * MS,
        ..ask(to, at)
    });
    call.intended_at = at;
    call.sent_at = at;
    call.fault = Some(fault.to_owned());
    world.hit(&ask(from, at), &call, fault, (at + MS, at + 10 * MS));
    world.record(call)
}

/// A call whose only attempt met a fault and that ended in a typed failure.
fn refused(world: &mut World, fault: &str, provider: &'static str, at: u64) -> u64 {
    let ask = ask(provider, at);
    let mut call = world.refused(&ask, "provider_error");
    let text = tracer::close(&key(), &format!("words for {fault} {at}"));
    let planted = exai_judge::operation::Planted {
        slot: "prompt".to_owned(),
        text,
    };
    call.proof = ProofKind::Keyed {
        tracers: vec![planted],
        sets: 1,
    };
    call.fault = Some(fault.to_owned());
    // A typed failure of a provider does not prove that nothing was done.
    call.outcome = Outcome::Unknown;
    world.hit(&ask, &call, fault, (at + MS, at + 10 * MS));
    world.record(call)
}

/// Every fault of the self-test met as demanded, each with a good next call, and a breaker's life.
pub fn good() -> World {
    let mut world = World::new();
    world.phase("V.2", "main", S, 60 * S);
    let mut at = 2 * S;
    let rows = [
        ("K01", "kimi", "glm"),
        ("K02", "kimi", "kimi"),
        ("G02", "glm", "kimi"),
        ("G05", "minimax", "minimax"),
        ("S02", "kimi", "glm"),
    ];
    for (fault, from, to) in rows {
        faulted(&mut world, fault, from, to, at);
        world.append(&ask("glm", at + 200 * MS), "thread");
        at += 400 * MS;
    }
    for fault in ["S08", "C11"] {
        let op = world.chat(&ask("glm", at));
        world.call(op).fault = Some(fault.to_owned());
        world.entry(op).fault = Some(fault.to_owned());
        world.append(&ask("glm", at + 200 * MS), "thread");
        at += 400 * MS;
    }
    refused(&mut world, "K11", "kimi", at);
    world.append(&ask("glm", at + 200 * MS), "thread");
    let bad = world.refused(&ask("kimi", at), "validation_error");
    let bad = exai_judge::Call {
        proof: ProofKind::Refusal {
            category: "validation_error".to_owned(),
        },
        ..bad
    };
    world.record(bad);
    breaker(&mut world, 10 * S);
    world.read(
        &Ask {
            phase: "settle".to_owned(),
            ..ask("glm", 50 * S)
        },
        "thread",
    );
    world
}

/// Five failures in a row, a silence of six seconds in spite of demand, then answers.
fn breaker(world: &mut World, start: u64) {
    failing(world, start, 5);
    for index in 0..20 {
        let provider = if index < 15 { "glm" } else { "minimax" };
        let at = start + 2 * S + index * 400 * MS;
        world.chat(&Ask {
            phase: "breaker.minimax".to_owned(),
            ..ask(provider, at)
        });
    }
}

/// So many failures in a row.
fn failing(world: &mut World, start: u64, count: u64) {
    for index in 0..count {
        let at = start + index * 300 * MS;
        let mut call = world.keyed(&Ask {
            at: at + 40 * MS,
            ..ask("glm", at)
        });
        (call.sent_at, call.phase) = (at, "breaker.minimax".to_owned());
        world.hit(&ask("minimax", at), &call, "G02", (at + MS, at + 10 * MS));
        world.record(call);
    }
}

fn judged(world: &World) -> Finding {
    world.finding(&catalogue::criteria(), PROFILE, "V.2")
}

/// The operation a fault was planned for.
fn op_of(world: &mut World, fault: &str) -> u64 {
    let ops = world.ops("V.2");
    ops.into_iter()
        .find(|op| world.call(*op).fault.as_deref() == Some(fault))
        .unwrap()
}

#[test]
fn a_server_that_meets_every_fault_as_demanded_passes() {
    assert_pass(&judged(&good()));
}

#[test]
fn nothing_broken_leaves_every_fault_unlanded() {
    let mut idle = World::new();
    idle.phase("V.2", "main", S, 2 * S);
    assert_inconclusive(&judged(&idle), Reason::FaultNotLanded);
}

#[test]
fn every_fault_of_the_catalogue_has_its_floor() {
    let finding = good().finding(&catalogue::criteria(), "quick", "V.2");
    assert_inconclusive(&finding, Reason::FaultNotLanded);
    let floors = finding.floors.iter();
    let faults = floors.filter(|floor| floor.id.starts_with("fault."));
    assert_eq!(faults.count(), 82);
}

#[test]
fn a_provider_asked_again_without_quota_fails() {
    let flagged = |by: &'static str| {
        let mut world = good();
        let call = world.keyed(&ask(by, 50 * S));
        let op = world.record(call);
        world.call(op).phase = "flagged.kimi".to_owned();
        judged(&world)
    };
    assert_eq!(failed(&flagged("kimi")), ["flagged"]);
    assert_pass(&flagged("glm"));
}

#[test]
fn a_failure_passed_on_where_an_answer_was_due_fails() {
    let mut world = good();
    let op = op_of(&mut world, "K01");
    let failure = world.refused(&ask("kimi", 0), "provider_error").failure;
    let call = world.call(op);
    call.outcome = Outcome::Refused;
    call.failure = failure;
    call.answers.clear();
    assert_eq!(failed(&judged(&world)), ["reaction"]);
}

#[test]
fn a_second_request_counts_as_larger_by_the_bound_that_the_journal_shows() {
    let is_larger = |first: Option<u64>, second: Option<u64>| {
        let mut world = World::new();
        let asked = ask("kimi", S);
        let call = world.keyed(&asked);
        let mut attempt = |began, max_output, fault: Option<&str>| Attempt {
            began,
            served: Served {
                max_output,
                fault: fault.map(str::to_owned),
                ..world.serve(&asked, began, &[])
            },
            ended: None,
        };
        let attempts = [
            attempt(S, first, Some("S18:length")),
            attempt(2 * S, second, None),
        ];
        let attempts: Vec<&Attempt> = attempts.iter().collect();
        let seen = reaction::observe(&call, &attempts, &Proof::default(), "S18").unwrap();
        seen.is_one_of(&reaction::parse("R larger"))
    };
    assert!(is_larger(Some(1024), Some(4096)));
    for (first, second) in [(Some(1024), Some(1024)), (None, Some(1)), (Some(2), None)] {
        assert!(!is_larger(first, second), "{first:?} then {second:?}");
    }
}

#[test]
fn a_truncated_answer_shown_as_whole_fails_and_a_flagged_one_does_not() {
    let spoil = |flag: Option<&str>| {
        let mut world = good();
        let op = op_of(&mut world, "S02");
        let call = world.call(op);
        call.answers[0].text_sha256 = "cut".to_owned();
        call.meta.as_mut().unwrap().incomplete = flag.map(str::to_owned);
        judged(&world)
    };
    let lie = spoil(None);
    assert!(failed(&lie).contains(&"truncated"), "{:?}", failed(&lie));
    assert_pass(&spoil(Some("the stream ended early")));
}

#[test]
fn a_session_that_dies_after_a_fault_fails() {
    let mut world = good();
    let op = op_of(&mut world, "K02");
    let ops = world.ops("V.2");
    let next = ops[ops.iter().position(|other| *other == op).unwrap() + 1];
    world.call(next).outcome = Outcome::Unknown;
    assert!(failed(&judged(&world)).contains(&"next_call"));
}

#[test]
fn a_session_that_dies_after_a_plain_refusal_fails() {
    let mut world = good();
    let bob = |at| Ask {
        identity: "bob".to_owned(),
        ..ask("glm", at)
    };
    let mut bad = world.refused(&bob(9 * S), "validation_error");
    bad.proof = ProofKind::Refusal {
        category: "validation_error".to_owned(),
    };
    world.record(bad);
    let next = world.chat(&bob(9 * S + 200 * MS));
    assert_pass(&judged(&world));
    world.call(next).outcome = Outcome::Unknown;
    assert_eq!(failed(&judged(&world)), ["next_call"]);
}

#[test]
fn one_retry_too_many_and_a_retry_too_late_break_the_budget() {
    let retried = |ends: &[(u64, u64)]| {
        let mut world = good();
        let op = op_of(&mut world, "K01");
        let call = world.call(op).clone();
        for (from, until) in ends {
            let at = call.sent_at;
            world.hit(
                &ask("kimi", at),
                &call,
                "K01",
                (at + from * MS, at + until * MS),
            );
        }
        let finding = judged(&world);
        failed(&finding)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        retried(&[(15, 20)]),
        Vec::<String>::new(),
        "two attempts are the budget"
    );
    assert_eq!(retried(&[(15, 20), (25, 30)]), ["budget"]);
}

/// One failover from Kimi to GLM at this moment that took so long.
fn left(world: &mut World, at: u64, took: u64) {
    let late = 10 * MS + took;
    let mut call = world.keyed(&Ask {
        at: at + late - MS,
        takes: 60 * MS,
        ..ask("glm", at)
    });
    (call.sent_at, call.fault) = (at, Some("K01".to_owned()));
    world.hit(&ask("kimi", at), &call, "K01", (at + MS, at + 10 * MS));
    world.record(call);
}

#[test]
fn a_failover_is_timed_from_the_last_byte_to_the_next_request() {
    let slow = |took: u64| {
        let mut world = World::new();
        world.phase("V.2", "main", S, 60 * S);
        left(&mut world, 5 * S, took);
        check(&judged(&world), "failover").verdict
    };
    assert_eq!(
        slow(2 * S),
        exai_judge::Verdict::Pass,
        "exactly two seconds"
    );
    assert_eq!(slow(2 * S + 1), exai_judge::Verdict::Fail);
}

#[test]
fn each_failover_s_time_is_told_with_the_middle_and_the_longest() {
    let mut world = World::new();
    world.phase("V.2", "main", S, 60 * S);
    for (at, took) in [(5 * S, 300 * MS), (10 * S, 100 * MS), (15 * S, 200 * MS)] {
        left(&mut world, at, took);
    }
    let finding = judged(&world);
    let told = &check(&finding, "failover").measured;
    assert!(told.ends_with("p50 200 ms, max 300 ms"), "{told}");
    assert!(told.starts_with("0 of 3"), "{told}");
    let headline = &finding.headline;
    assert!(
        headline.ends_with("3 failovers, p50 200 ms, max 300 ms"),
        "{headline}"
    );
    let times: Vec<f64> = finding.series["failover"]
        .iter()
        .map(|(_, time)| *time)
        .collect();
    assert_eq!(times, [0.3, 0.1, 0.2]);
}

/// Eighteen failures of one provider, one after the other, each answered by another provider.
pub fn fail_in_a_row(world: &mut World) {
    for index in 0..18 {
        let at = 30 * S + index * 100 * MS;
        let mut call = world.keyed(&Ask {
            at: at + 20 * MS,
            ..ask("glm", at)
        });
        call.sent_at = at;
        world.hit(&ask("kimi", at), &call, "G02", (at + MS, at + 10 * MS));
        world.record(call);
    }
}

#[test]
fn a_breaker_that_never_opens_fails() {
    let mut world = good();
    fail_in_a_row(&mut world);
    assert_eq!(failed(&judged(&world)), ["breaker"]);
}

#[test]
fn a_fault_the_journal_did_not_see_has_not_landed() {
    let mut world = good();
    for observation in &mut world.out {
        if let Event::Served(served) = &mut observation.event
            && served.fault.as_deref() == Some("K01")
        {
            served.fault = None;
        }
    }
    let finding = judged(&world);
    assert_inconclusive(&finding, Reason::FaultNotLanded);
    let floor = finding
        .floors
        .iter()
        .find(|floor| floor.id == "fault.K01")
        .unwrap();
    assert!(!floor.is_met());
}
