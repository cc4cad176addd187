//! A silent provider is left in time, and a call nobody waited for counts against its breaker.

use exai_judge::Verdict;

use super::*;

/// Kimi goes silent for one call and is left after so long, by its own end or for GLM.
pub fn left(phase: &str, waited: u64, moves_on: bool) -> World {
    let mut world = World::new();
    world.phase("V.2", "main", S, 400 * S);
    let began = 5 * S + MS;
    let mut call = world.keyed(&Ask {
        at: began + waited - MS,
        takes: 60 * MS,
        phase: phase.to_owned(),
        ..ask("glm", 5 * S)
    });
    call.sent_at = 5 * S;
    call.fault = Some("G04".to_owned());
    let ended = if moves_on { waited + S } else { waited };
    let ask = ask("kimi", 5 * S);
    world.hit(&ask, &call, "G04", (began, began + ended));
    world.record(call);
    world
}

fn silent(phase: &str, waited: u64, moves_on: bool) -> Vec<Verdict> {
    let finding = judged(&left(phase, waited, moves_on));
    let rows = finding.checks.iter().filter(|row| row.id == "silent");
    rows.map(|row| row.verdict).collect()
}

#[test]
fn a_silent_provider_is_left_at_the_limit_of_its_class_and_not_later() {
    for moves_on in [false, true] {
        assert_eq!(silent("main", 15 * S, moves_on), [Verdict::Pass]);
        assert_eq!(silent("main", 15 * S + 1, moves_on), [Verdict::Fail]);
        assert_eq!(silent("thinking", 180 * S, moves_on), [Verdict::Pass]);
        assert_eq!(silent("thinking", 180 * S + 1, moves_on), [Verdict::Fail]);
    }
}

/// Eighteen calls that ended otherwise than with an answer: does that open a breaker?
fn ended(outcome: &str, status: u16) -> bool {
    let mut world = good();
    for index in 0..18 {
        let at = 30 * S + index * 100 * MS;
        let mut call = world.keyed(&Ask {
            at: at + 20 * MS,
            ..ask("glm", at)
        });
        call.sent_at = at;
        world.hit(&ask("kimi", at), &call, "G02", (at + MS, at + 10 * MS));
        if let Some(Event::Delivered(end)) = world.out.last_mut().map(|seen| &mut seen.event) {
            end.outcome = outcome.to_owned();
            end.status = status;
        }
        world.record(call);
    }
    failed(&judged(&world)).contains(&"breaker")
}

#[test]
fn a_breaker_counts_what_was_the_providers_own_failure_and_silence() {
    assert!(ended("faulted", 500));
    assert!(ended("faulted", 0));
    assert!(ended("client_closed", 200), "the caller gave up");
    assert!(!ended("faulted", 499));
    assert!(!ended("refused", 429));
    assert!(!ended("answered", 503), "it did answer");
}
