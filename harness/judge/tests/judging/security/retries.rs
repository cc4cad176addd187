//! Those who come again exactly when they were told to.

use exai_judge::finding::Check;
use exai_judge::{Finding, Outcome, Verdict};

use crate::catalogue;
use crate::world::{Ask, MS, S, World};

/// A server that takes 50 a second and tells so much of the true wait, per cent.
struct Server {
    told: u64,
}

/// What a lane does: it is refused, waits as it was told and `late` longer, and sends once.
fn lane(world: &mut World, name: &str, (server, tries, late): (&Server, u64, u64)) {
    const REFILL: u64 = 20 * MS;
    let mut at = S;
    // When the bucket holds the next one.
    let mut free = 0;
    let mut done = 0;
    while done < tries {
        let ask = Ask {
            phase: format!("retry.{name}"),
            identity: name.to_owned(),
            takes: MS,
            ..Ask::new("V.6", at)
        };
        if at >= free {
            free = at + REFILL;
            let call = world.plain(&ask);
            world.record(call);
            done += 1;
            at += 2 * MS;
            continue;
        }
        let wait = (free - at).div_ceil(MS) * server.told / 100;
        let mut call = world.refused(&ask, "rate_limit_error");
        call.outcome = Outcome::Refused;
        if let Some(failure) = &mut call.failure {
            failure.retry_after_ms = Some(wait.max(1));
        }
        at = call.done_at + wait.max(1) * MS + late;
        world.record(call);
    }
}

/// Two people who come again so late, ns; the server tells so much of the true wait, per cent.
pub fn again(told: u64, tries: u64, late: u64) -> World {
    let mut world = World::new();
    for name in ["principal.0", "principal.1"] {
        let server = Server { told };
        lane(&mut world, name, (&server, tries / 2, late));
    }
    world
}

fn judged(told: u64, tries: u64, late: u64) -> Finding {
    let world = again(told, tries, late);
    world.finding(&catalogue::criteria(), "quick", "V.6")
}

fn row<'a>(finding: &'a Finding, id: &str) -> Option<&'a Check> {
    finding.checks.iter().find(|check| check.id == id)
}

fn verdict(finding: &Finding) -> Option<Verdict> {
    row(finding, "retry.principal").map(|row| row.verdict)
}

/// What the floor of a scope counted, and whether that is enough.
fn tried(finding: &Finding, scope: &str) -> (u64, bool) {
    let id = format!("retries.{scope}");
    let floor = finding.floors.iter().find(|floor| floor.id == id);
    floor.map(|floor| (floor.seen, floor.is_met())).unwrap()
}

#[test]
fn a_server_that_tells_the_true_moment_passes_and_one_that_tells_half_of_it_fails() {
    let honest = judged(100, 304, 0);
    // The first call of each lane follows no refusal.
    assert_eq!(tried(&honest, "principal"), (302, true));
    assert_eq!(verdict(&honest), Some(Verdict::Pass));
    let short = judged(50, 304, 0);
    assert_eq!(verdict(&short), Some(Verdict::Fail));
    let mut told = short.violations.iter();
    let first = told.find(|one| one.check == "retry.principal").unwrap();
    let end = "was refused, sent 0.0 ms after the moment it was told";
    assert!(first.says.ends_with(end), "{}", first.says);
}

#[test]
fn one_refusal_in_three_hundred_is_too_few_tries_and_five_in_a_thousand_are_no_fail() {
    let with_bad = |tries: u64, bad: usize| {
        let mut world = World::new();
        lane(
            &mut world,
            "principal.0",
            (&Server { told: 100 }, tries + 1, 0),
        );
        let mut left = bad;
        // Of each pair the first was refused, and the second is the try.
        for op in world.ops("V.6").into_iter().skip(1) {
            let call = world.call(op);
            if left > 0 && call.outcome == Outcome::Ok {
                call.outcome = Outcome::Refused;
                left -= 1;
            }
        }
        verdict(&world.finding(&catalogue::criteria(), "quick", "V.6"))
    };
    assert_eq!(with_bad(299, 0), Some(Verdict::Pass));
    assert_eq!(with_bad(299, 1), Some(Verdict::Inconclusive));
    assert_eq!(with_bad(1_000, 4), Some(Verdict::Pass));
    assert_eq!(with_bad(1_000, 25), Some(Verdict::Fail));
}

#[test]
fn who_comes_late_or_early_or_was_told_nothing_tries_nothing() {
    let late = judged(50, 304, 10 * MS + 1);
    assert_eq!(tried(&late, "principal"), (0, false));
    assert_eq!(verdict(&late), None);
    let just = judged(100, 304, 10 * MS);
    assert_eq!(tried(&just, "principal"), (302, true));
    let mut world = World::new();
    lane(&mut world, "principal.0", (&Server { told: 100 }, 300, 0));
    for op in world.ops("V.6") {
        if let Some(failure) = &mut world.call(op).failure {
            failure.retry_after_ms = failure.retry_after_ms.map(|wait| wait + 1);
        }
    }
    let early = world.finding(&catalogue::criteria(), "quick", "V.6");
    assert_eq!(tried(&early, "principal"), (0, false));
    for op in world.ops("V.6") {
        if let Some(failure) = &mut world.call(op).failure {
            failure.retry_after_ms = None;
        }
    }
    let silent = world.finding(&catalogue::criteria(), "quick", "V.6");
    assert_eq!(tried(&silent, "principal"), (0, false));
}

#[test]
fn a_scope_that_nobody_tried_is_a_floor_unmet_and_one_that_is_not_asked_for_is_told() {
    let finding = judged(100, 304, 0);
    assert_eq!(tried(&finding, "address"), (0, false));
    let told = "whether Retry-After names the moment of acceptance in scope global";
    assert!(finding.not_tested.iter().any(|what| what == told));
}
