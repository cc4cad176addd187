//! V.5p against good, bad and empty histories.

use exai_judge::observation::{AppendTraced, Event, TraceSeen};
use exai_judge::{Finding, Outcome, Reason, Verdict};

use crate::catalogue;
use crate::verdicts::{assert_inconclusive, assert_pass, check, failed};
use crate::world::{Ask, MS, S, World};

const APPENDS: u64 = 210;

fn finding(world: &World) -> Finding {
    world.finding(&catalogue::criteria(), "full", "V.5p")
}

fn ask(at: u64) -> Ask {
    Ask {
        phase: "append".to_owned(),
        takes: 20 * MS,
        ..Ask::new("V.5p", at)
    }
}

/// Appends one after the other, each traced as `places` has it for the line its write returned at.
fn traced(appends: u64, places: impl Fn(u64, u64) -> AppendTraced) -> World {
    let mut world = World::new();
    world.phase("V.5p", "append", S, 60 * S);
    let appends = (0..appends).map(|count| {
        let op = world.append(&ask(2 * S + count * 50 * MS), &format!("t {}", count / 10));
        places(op, 10 * count)
    });
    let appends = appends.collect();
    tell(&mut world, None, appends);
    world
}

fn tell(world: &mut World, refused: Option<&str>, appends: Vec<AppendTraced>) {
    let seen = TraceSeen {
        criterion: "V.5p".to_owned(),
        process: "store".to_owned(),
        refused: refused.map(str::to_owned),
        appends,
    };
    world.push(50 * S, Event::Traced(seen));
}

fn synced(op: u64, line: u64) -> AppendTraced {
    AppendTraced {
        op,
        written: Some(line),
        synced: Some((line + 1, line + 2)),
        acknowledged: Some(line + 3),
    }
}

/// Each append synced before it was acknowledged.
pub fn kept() -> World {
    traced(APPENDS, synced)
}

#[test]
fn appends_that_were_all_synced_before_they_were_acknowledged_pass() {
    let finding = finding(&traced(APPENDS, synced));
    assert_pass(&finding);
    assert_eq!(check(&finding, "synced").n, APPENDS);
}

#[test]
fn one_append_that_was_acknowledged_before_its_sync_fails() {
    let late = |change: fn(&mut AppendTraced)| {
        let world = traced(APPENDS, |op, line| {
            let mut append = synced(op, line);
            if line == 1_000 {
                change(&mut append);
            }
            append
        });
        finding(&world)
    };
    let cases: [fn(&mut AppendTraced); 5] = [
        |append| append.synced = None,
        |append| append.synced = Some((1_001, 1_004)),
        |append| append.synced = Some((1_004, 1_005)),
        |append| append.synced = Some((999, 1_002)),
        |append| append.acknowledged = Some(999),
    ];
    for change in cases {
        let finding = late(change);
        assert_eq!(failed(&finding), ["synced"]);
        assert_eq!(finding.violations.len(), 1);
    }
}

#[test]
fn appends_whose_write_no_trace_shows_count_for_nothing() {
    let blind = traced(APPENDS, |op, line| AppendTraced {
        written: None,
        ..synced(op, line)
    });
    assert_inconclusive(&finding(&blind), Reason::BelowFloor);
    assert_inconclusive(&finding(&traced(199, synced)), Reason::BelowFloor);
}

#[test]
fn only_what_the_client_holds_for_acknowledged_is_judged() {
    let mut world = traced(APPENDS, synced);
    for op in world.ops("V.5p").into_iter().take(20) {
        world.call(op).outcome = Outcome::Unknown;
    }
    assert_inconclusive(&finding(&world), Reason::BelowFloor);
}

#[test]
fn a_trace_that_could_not_be_taken_is_a_missing_dependency_and_says_why() {
    let mut world = World::new();
    world.phase("V.5p", "append", S, 2 * S);
    tell(&mut world, Some("strace is not installed"), Vec::new());
    let finding = finding(&world);
    assert_inconclusive(&finding, Reason::MissingDependency);
    assert_eq!(finding.reasons, [Reason::MissingDependency]);
    assert!(finding.headline.contains("strace is not installed"));
}

#[test]
fn what_a_trace_lacks_leaves_no_other_criterion_undecided() {
    let mut world = World::new();
    world.phase("V.5p", "append", S, 2 * S);
    tell(&mut world, Some("strace is not installed"), Vec::new());
    let failover = world.finding(&catalogue::criteria(), "full", "V.5");
    assert!(!failover.reasons.contains(&Reason::MissingDependency));
}

#[test]
fn a_run_without_the_phase_was_not_asked() {
    let finding = finding(&World::new());
    assert_eq!(finding.verdict, Verdict::Inconclusive);
    assert_eq!(finding.reasons, [Reason::NotSelected]);
}
