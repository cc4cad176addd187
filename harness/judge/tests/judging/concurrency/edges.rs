//! What V.3 counts: which calls, samples and accounts are its own, and what happens meanwhile.

use super::*;

fn seen(finding: &exai_judge::Finding, id: &str) -> u64 {
    let floor = finding.floors.iter().find(|floor| floor.id == id);
    floor.unwrap_or_else(|| panic!("no floor {id}")).seen
}

#[test]
fn only_a_call_of_unknown_outcome_without_any_reply_is_unanswered() {
    let unanswered = |outcome: Outcome, replies: u32| {
        let spoiled = spoiled(1_600, |call| {
            call.outcome = outcome;
            call.replies = replies;
        });
        spoiled.contains(&"unanswered".to_owned())
    };
    assert!(unanswered(Outcome::Unknown, 0));
    assert!(!unanswered(Outcome::Unknown, 1));
    assert!(!unanswered(Outcome::Refused, 0));
}

#[test]
fn a_call_that_was_late_by_our_generator_alone_is_no_trial_of_the_maximum() {
    let tried = |late: u64, takes: u64| check(&late_by(late, takes), "maximum").n;
    assert_eq!(tried(0, 400 * MS), CALLS);
    assert_eq!(tried(0, 10 * S), CALLS, "at the maximum");
    assert_eq!(
        tried(2 * S, 8 * S),
        CALLS,
        "late, and within it all the same"
    );
    assert_eq!(tried(2 * S, 8 * S + 1), CALLS - 1, "excused");
    assert_eq!(tried(2 * S, 10 * S + 1), CALLS, "its own doing");
}

#[test]
fn a_refusal_of_the_hot_identity_counts_by_its_category_where_the_rig_was_well() {
    let counted = |change: &dyn Fn(&mut World, exai_judge::Call)| {
        let mut world = good();
        let hot = Ask {
            phase: "hot".to_owned(),
            identity: "hot".to_owned(),
            ..Ask::new("V.3", 11 * S + 500 * MS)
        };
        let call = world.refused(&hot, "rate_limit_error");
        change(&mut world, call);
        seen(&judged(&world), "hot_refused")
    };
    let refuse = |world: &mut World, call: exai_judge::Call| {
        world.record(call);
    };
    assert_eq!(counted(&refuse), 11);
    let unknown = |world: &mut World, mut call: exai_judge::Call| {
        call.outcome = Outcome::Unknown;
        world.record(call);
    };
    assert_eq!(counted(&unknown), 10);
    let other = |world: &mut World, mut call: exai_judge::Call| {
        call.failure.as_mut().unwrap().category = "server_error".to_owned();
        world.record(call);
    };
    assert_eq!(counted(&other), 10);
    assert_eq!(counted(&World::record_tainted), 10);
}

#[test]
fn samples_count_within_the_phases_and_without_any_the_process_is_not_known() {
    let of = |moments: &[u64]| {
        let mut world = good();
        world
            .out
            .retain(|seen| !matches!(seen.event, Event::Sample(_)));
        for at in moments {
            let sample = Sample {
                process: "server".to_owned(),
                pid: PID,
                resident_bytes: 200 << 20,
                descriptors: 90,
                threads: 12,
                cpu_ms: 1,
                wait_ms: 0,
                connections: None,
            };
            world.push(*at, Event::Sample(sample));
        }
        judged(&world)
    };
    assert_eq!(seen(&of(&[S, 5 * S, 12 * S]), "samples"), 3);
    let outside = of(&[S - 1, 12 * S + 1]);
    assert_eq!(seen(&outside, "samples"), 0);
    for id in ["pid", "memory"] {
        let row = check(&outside, id);
        assert_eq!(row.verdict, Verdict::Inconclusive, "{id}");
        assert_eq!(row.reason, Some(Reason::ZeroSamples));
        assert_eq!(row.measured, "not seen");
    }
}

/// One call of a minute for each pair of times a provider is in use.
fn stays(stays: &[(&'static str, u64, u64)]) -> exai_judge::Finding {
    let mut world = World::new();
    world.phase("V.3", "peak", S, 60 * S);
    for (provider, from, until) in stays {
        let ask = Ask {
            phase: "peak".to_owned(),
            provider,
            takes: until - from,
            ..Ask::new("V.3", *from)
        };
        world.chat(&ask);
    }
    judged(&world)
}

#[test]
fn providers_are_in_use_at_once_when_both_are_during_the_piece_that_is_held() {
    // A provider has a request from one ms after it was sent to one before the reply. Three
    // seconds are held from 10 s on.
    let held = [
        ("kimi", 10 * S - MS, 13 * S + MS),
        ("kimi", 10 * S - MS, 13 * S + MS),
    ];
    let with = |from: u64, until: u64| {
        let other = ("glm", from - MS, until + MS);
        seen(&stays(&[held[0], held[1], other]), "providers")
    };
    assert_eq!(with(11 * S, 12 * S), 2);
    assert_eq!(with(9 * S, 10 * S), 1, "it ended as the piece began");
    assert_eq!(with(9 * S, 10 * S + 1), 2);
    assert_eq!(with(13 * S, 14 * S), 1, "it began as the piece ended");
    assert_eq!(with(13 * S - 1, 14 * S), 2);
}

#[test]
fn an_unbuilt_transport_is_named_and_a_built_one_is_not() {
    let finding = judged(&good());
    assert_eq!(finding.not_tested, [""; 0]);
    let mut criteria = all_built();
    criteria.transports.get_mut("websocket").unwrap().built = false;
    let finding = good().finding(&criteria, PROFILE, "V.3");
    assert_eq!(finding.not_tested, ["the transport websocket is not built"]);
}

#[test]
fn an_operation_finishes_while_as_many_as_asked_for_are_in_flight_itself_included() {
    // Sixty are asked for; the last to end are too few.
    let finished = |at_once: u64| {
        let all: Vec<_> = (0..at_once)
            .map(|index| ("kimi", 10 * S, 14 * S + index * 2 * MS))
            .collect();
        seen(&stays(&all), "operations")
    };
    assert_eq!(finished(59), 0);
    assert_eq!(finished(60), 1, "the next has one less beside it");
    assert_eq!(finished(62), 3);
}

#[test]
fn the_hot_phase_and_other_criteria_have_accounts_of_their_own() {
    for (criterion, phase, wanted) in [
        ("V.3", "peak", Verdict::Inconclusive),
        ("V.3", "hot", Verdict::Pass),
        ("V.8", "peak", Verdict::Pass),
    ] {
        let mut world = good();
        let mut short = load(CALLS - 1);
        short.criterion = criterion.to_owned();
        short.phase = phase.to_owned();
        world.push(12 * S, Event::Load(short));
        let finding = judged(&world);
        assert_eq!(
            check(&finding, "dropped").verdict,
            wanted,
            "{criterion} {phase}"
        );
    }
}
