//! A generator that was late itself: hand-judged histories on both sides of what it excuses.

use exai_judge::ground::Ground;
use exai_judge::observation::{Event, LoadAccount};
use exai_judge::tally::{Latency, blank};
use exai_judge::{Reason, Verdict};

use crate::catalogue;
use crate::verdicts::check;
use crate::world::{Ask, MS, S, World};

const PHASE: &str = "gate.1";
const CALLS: u64 = 1_000;

/// A step whose generator was late by `lag`.
fn load(lag: u64) -> LoadAccount {
    LoadAccount {
        criterion: "V.8".to_owned(),
        phase: PHASE.to_owned(),
        repetition: 1,
        planned: CALLS,
        sent: CALLS,
        dropped: 0,
        lag_p99: lag,
        rate: 200.0,
        ceiling: Some(20_000.0),
        from: 2 * S,
        until: 7 * S,
        cores: None,
    }
}

/// 200 calls a second, each sent `late` after its intent and answered `takes` after that.
fn world((lag, late, takes): (u64, u64, u64)) -> World {
    let mut world = World::new();
    world.phase("V.8", "main", S, 60 * S);
    for index in 0..CALLS {
        let ask = Ask {
            phase: PHASE.to_owned(),
            takes: late + takes,
            ..Ask::new("V.8", 2 * S + index * 5 * MS)
        };
        let mut call = world.plain(&ask);
        call.sent_at += late;
        world.record(call);
    }
    world.push(59 * S, Event::Load(load(lag)));
    world
}

/// What V.8g says of the 95th percentile, whose line is 5 s.
fn p95(history: (u64, u64, u64)) -> (Verdict, Option<Reason>) {
    let finding = world(history).finding(&catalogue::criteria(), "quick", "V.8g");
    let check = check(&finding, "p95.1");
    (check.verdict, check.reason)
}

#[test]
fn what_is_too_slow_with_the_generators_lateness_alone_fails_nobody() {
    let row = catalogue::criteria()
        .find("V.8g", "quick")
        .unwrap()
        .unwrap();
    let (line, most) = (
        row.nanos("p95_ms").unwrap(),
        row.nanos("lag_p99_ms").unwrap(),
    );
    let late = 8 * S;
    let rows = [
        ((most, late, MS), (Verdict::Fail, None)),
        // What the generator may be late by is not taken off.
        ((most, most, line - most), (Verdict::Fail, None)),
        (
            (late, late, MS),
            (Verdict::Inconclusive, Some(Reason::RigLimit)),
        ),
        (
            (late, late, line - 1),
            (Verdict::Inconclusive, Some(Reason::RigLimit)),
        ),
        ((late, late, line), (Verdict::Fail, None)),
        // Sent when it was meant to be: all of it is the server's.
        ((late, 0, line), (Verdict::Fail, None)),
        // The generator's clock was late by less than the sending.
        ((4 * S, 9 * S, MS), (Verdict::Fail, None)),
        ((late, line - 2 * MS, MS), (Verdict::Pass, None)),
    ];
    for (history, wanted) in rows {
        assert_eq!(p95(history), wanted, "{history:?}");
    }
}

#[test]
fn only_a_late_step_excuses_and_only_its_own_calls() {
    let criteria = catalogue::criteria();
    let numbers = criteria.ground("quick").unwrap();
    let mut history = world((3 * S, 2 * S, MS));
    let ground = Ground::survey(&numbers, history.out.clone().into_iter()).unwrap();
    let op = history.ops("V.8")[0];
    let call = history.call(op).clone();
    assert_eq!(ground.lateness(&call, 3 * S - 1), 2 * S);
    assert_eq!(ground.lateness(&call, 3 * S), 0, "the limit is inclusive");
    let mut other = call.clone();
    other.phase = "gate.2".to_owned();
    assert_eq!(ground.lateness(&other, MS), 0);
    let mut before = call.clone();
    before.intended_at = 2 * S - 1;
    assert_eq!(ground.lateness(&before, MS), 0);
    let mut later = call;
    later.sent_at = later.intended_at + 9 * S;
    assert_eq!(
        ground.lateness(&later, MS),
        3 * S,
        "never more than the lag"
    );
}

#[test]
fn too_few_samples_without_lateness_are_no_failure() {
    let latency = Latency {
        id: "p95".to_owned(),
        name: "p95".to_owned(),
        quantile: exai_judge::bounds::P95,
        line: S,
        least: 200,
    };
    let samples: Vec<(u64, u64)> = (0..400).map(|at| (at * MS, 2 * S)).collect();
    let mut finding = blank("V.3");
    let verdict = latency.conclude_with(&samples, &samples, &mut finding);
    assert_eq!(verdict, Verdict::Fail);
    let verdict = latency.conclude_with(&samples, &samples[..100], &mut finding);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert_eq!(finding.checks[1].reason, Some(Reason::RigLimit));
}
