//! What is seen of a reaction, attempt by attempt, and what a call may spend.

use exai_judge::operation::FailureSeen;
use exai_judge::{Call, Verdict};

use super::*;
use crate::world::PID;

/// A provider, the body it received and the fault it met.
type Tried = (&'static str, &'static str, Option<&'static str>);

/// What the judge says of a call that made these attempts.
fn says(tried: &[Tried], proof: &Proof, change: impl Fn(&mut Call)) -> Option<String> {
    let mut world = World::new();
    let asked = ask("kimi", S);
    let mut call = world.keyed(&asked);
    change(&mut call);
    let attempts: Vec<Attempt> = tried
        .iter()
        .map(|(provider, body, fault)| Attempt {
            began: S,
            served: Served {
                provider: (*provider).to_owned(),
                body_sha256: (*body).to_owned(),
                fault: fault.map(str::to_owned),
                ..world.serve(&asked, S, &[])
            },
            ended: None,
        })
        .collect();
    let attempts: Vec<&Attempt> = attempts.iter().collect();
    let seen = reaction::observe(&call, &attempts, proof, "K01");
    seen.map(|seen| seen.says())
}

const HIT: Tried = ("kimi", "a", Some("K01:busy"));

#[test]
fn attempts_count_from_the_faulted_one_on_by_provider_and_by_body() {
    let told = |tried: &[Tried]| says(tried, &Proof::default(), |_| {});
    let wanted = |at: u32, same: u32, others: u32| {
        Some(format!(
            "tried the provider {at} times ({same} unchanged), others {others} times and gave a \
             proven answer"
        ))
    };
    assert_eq!(told(&[("kimi", "a", None)]), None, "no fault landed");
    assert_eq!(told(&[("kimi", "a", Some("K02"))]), None, "another did");
    assert_eq!(told(&[HIT]), wanted(1, 1, 0));
    assert_eq!(told(&[HIT, ("kimi", "a", None)]), wanted(2, 2, 0));
    assert_eq!(told(&[HIT, ("kimi", "b", None)]), wanted(2, 1, 0));
    assert_eq!(told(&[HIT, ("glm", "a", None)]), wanted(1, 1, 1));
    assert_eq!(told(&[("glm", "a", None), HIT]), wanted(1, 1, 0), "before");
}

#[test]
fn an_end_is_an_answer_a_flagged_part_or_a_typed_failure_by_outcome_and_proof() {
    let wrong = Proof {
        flaws: vec![("text", "cut".to_owned())],
        ..Proof::default()
    };
    let typed = |category: &str| FailureSeen {
        category: category.to_owned(),
        code: "test".to_owned(),
        retryable: true,
        retry_after_ms: None,
        correlation_id: None,
        message: String::new(),
    };
    let end = |proof: &Proof, outcome: Outcome, is_part: bool, failure: Option<&str>| {
        let said = says(&[HIT], proof, |call| {
            call.outcome = outcome;
            call.failure = failure.map(typed);
            let part = is_part.then(|| "cut".to_owned());
            call.meta.as_mut().unwrap().incomplete = part;
        });
        said.unwrap().split_once(" and ").unwrap().1.to_owned()
    };
    let right = &Proof::default();
    let none = "gave no proven answer";
    let part = "gave a partial answer and said so";
    for outcome in [Outcome::Refused, Outcome::Unknown] {
        assert_eq!(end(right, outcome, true, None), none, "{outcome:?}");
        assert_eq!(end(right, outcome, false, Some("")), none);
        let failed = "gave the retryable failure client_error/test";
        assert_eq!(end(right, outcome, false, Some("client_error")), failed);
    }
    assert_eq!(end(right, Outcome::Ok, true, None), "gave a proven answer");
    assert_eq!(end(&wrong, Outcome::Ok, true, None), part);
    assert_eq!(end(&wrong, Outcome::Ok, false, None), none);
    assert_eq!(end(&wrong, Outcome::Ok, false, Some("client_error")), none);
}

/// A call that carries so many answers, and whose attempts lie so many nanoseconds apart.
pub fn spending(sets: u32, providers: &[&'static str], gap: u64) -> World {
    let mut world = World::new();
    world.phase("V.2", "main", S, 60 * S);
    let mut call = world.keyed(&Ask {
        takes: 30 * S,
        ..ask("kimi", S)
    });
    let ProofKind::Keyed { tracers, .. } = call.proof.clone() else {
        panic!("keyed")
    };
    world
        .out
        .retain(|seen| !matches!(seen.event, Event::Served(_)));
    call.proof = ProofKind::Keyed { tracers, sets };
    let mut at = S + MS;
    for provider in providers {
        let end = world.hit(&ask(provider, at), &call, "K01", (at, at + MS));
        at = end + gap;
    }
    world.record(call);
    world
}

/// The verdict on its budget.
fn spent(sets: u32, providers: &[&'static str], gap: u64) -> Verdict {
    let finding = judged(&spending(sets, providers, gap));
    check(&finding, "budget").verdict
}

#[test]
fn each_answer_of_a_call_has_its_own_budget_of_attempts() {
    use Verdict::{Fail, Pass};
    let row = catalogue::criteria().find("V.2", PROFILE).unwrap().unwrap();
    let one = usize::try_from(row.count("attempts_provider").unwrap()).unwrap();
    let all = usize::try_from(row.count("attempts_call").unwrap()).unwrap();
    let of = |sets: u32, attempts: usize| spent(sets, &vec!["kimi"; attempts], 0);
    for sets in [1, 2, 3] {
        let most = one * sets as usize;
        assert_eq!(of(sets, most), Pass, "{sets}");
        assert_eq!(of(sets, most + 1), Fail, "{sets}");
        let spread = |attempts: usize| {
            let names = ["kimi", "glm", "minimax", "four", "five", "six"];
            let names: Vec<_> = names.into_iter().cycle().take(attempts).collect();
            spent(sets, &names, 0)
        };
        let most = all * sets as usize;
        assert_eq!(spread(most), Pass, "{sets} in all");
        assert_eq!(spread(most + 1), Fail, "{sets} in all");
    }
}

#[test]
fn a_retry_may_wait_as_long_as_its_limit_and_no_longer() {
    let row = catalogue::criteria().find("V.2", PROFILE).unwrap().unwrap();
    let nanos = |id| row.nanos(id).unwrap();
    let longest = nanos("retry_wait_ms").max(nanos("retry_after_s")) + nanos("retry_slack_ms");
    assert_eq!(spent(1, &["kimi", "kimi"], longest), Verdict::Pass);
    assert_eq!(spent(1, &["kimi", "kimi"], longest + 1), Verdict::Fail);
    assert_eq!(spent(1, &["kimi", "glm"], longest + 1), Verdict::Pass);
    assert_eq!(spent(2, &["kimi", "kimi"], longest + 1), Verdict::Pass);
}

#[test]
fn the_next_call_is_the_first_that_was_sent_when_the_faulted_one_was_done() {
    let judged_next = |early: u64| {
        let mut world = World::new();
        world.phase("V.2", "main", S, 60 * S);
        faulted(&mut world, "K01", "kimi", "glm", 5 * S);
        let op = world.chat(&ask("glm", 5 * S + 100 * MS - early));
        world.call(op).outcome = Outcome::Unknown;
        check(&judged(&world), "next_call").n
    };
    assert_eq!(judged_next(0), 1);
    assert_eq!(judged_next(1), 0);
}

#[test]
fn one_server_keeps_its_quota_flags_over_a_restart() {
    let mut world = good();
    world.identify(0, "start", "instance-0", PID);
    let op = op_of(&mut world, "K11");
    world.call(op).instance = Some("instance-0".to_owned());
    let call = world.keyed(&ask("kimi", 50 * S));
    let op = world.record(call);
    world.call(op).phase = "flagged.kimi".to_owned();
    assert_eq!(check(&judged(&world), "flagged").verdict, Verdict::Fail);
}

#[test]
fn a_breaker_was_open_from_its_last_failure_until_the_next_request_began() {
    let cycles = |silence: u64| {
        let mut world = World::new();
        world.phase("V.2", "main", S, 60 * S);
        failing(&mut world, 10 * S, 5);
        let phase = "breaker.minimax".to_owned();
        for index in 1..9 {
            world.chat(&Ask {
                phase: phase.clone(),
                ..ask("glm", 10 * S + index * S)
            });
        }
        // It takes ten seconds, which are no silence.
        world.chat(&Ask {
            phase,
            takes: 10 * S,
            ..ask("minimax", 10 * S + silence)
        });
        let finding = judged(&world);
        let floor = finding.floors.iter().find(|it| it.id == "breaker_cycles");
        floor.unwrap().seen
    };
    assert_eq!(cycles(9 * S), 1);
    assert_eq!(cycles(2 * S), 0);
}

#[test]
fn a_whole_answer_with_an_odd_chunk_is_no_failure_of_its_provider() {
    let failed = |is_whole: bool| {
        let mut world = World::new();
        world.phase("V.2", "main", S, 60 * S);
        fail_in_a_row(&mut world);
        for observation in &mut world.out {
            if let Event::Delivered(delivered) = &mut observation.event
                && delivered.outcome == "faulted"
            {
                delivered.answer_sha256 = is_whole.then(|| "whole".to_owned());
            }
        }
        check(&judged(&world), "breaker").verdict
    };
    assert_eq!(failed(false), Verdict::Fail);
    assert_eq!(failed(true), Verdict::Pass);
}

#[test]
fn each_failover_is_numbered_in_the_order_it_was_seen() {
    let mut world = World::new();
    world.phase("V.2", "main", S, 60 * S);
    for at in [5 * S, 10 * S, 15 * S] {
        left(&mut world, at, 100 * MS);
    }
    let finding = judged(&world);
    let points = &finding.series["failover"];
    let wanted = [(1.0, 0.1), (2.0, 0.1), (3.0, 0.1)];
    assert_eq!(points.as_slice(), wanted);
}

#[test]
fn a_breaker_is_judged_by_what_its_simulator_ended_within_the_phases() {
    let failed = |end: u64| {
        let mut world = World::new();
        world.phase("V.2", "main", S, end);
        fail_in_a_row(&mut world);
        let finding = judged(&world);
        finding
            .checks
            .iter()
            .any(|row| row.id == "breaker" && row.n > 0)
    };
    assert!(failed(60 * S));
    assert!(!failed(29 * S));
}

#[test]
fn the_next_call_is_of_the_same_person_over_the_same_transport() {
    let next = |change: &dyn Fn(&mut Call)| {
        let mut world = World::new();
        world.phase("V.2", "main", S, 60 * S);
        faulted(&mut world, "K01", "kimi", "glm", 5 * S);
        let mut call = world.keyed(&ask("glm", 8 * S));
        change(&mut call);
        world.record(call);
        check(&judged(&world), "next_call").n
    };
    assert_eq!(next(&|_| {}), 1);
    assert_eq!(next(&|call| call.identity = "bob".to_owned()), 0);
    let other = exai_judge::Transport::Stdio;
    assert_eq!(next(&|call| call.transport = other), 0);
}
