//! What counts after a fault of the store: reads, and whether anybody came through.

use super::*;

/// The first moment at which a fault of a kind reached a step.
fn moment(world: &World, of: &FaultKind, is: fn(&Step) -> bool) -> u64 {
    let at = world.out.iter().find_map(|seen| match &seen.event {
        Event::Fault { fault, step } if fault.kind == *of && is(step) => Some(seen.at),
        _ => None,
    });
    at.expect("the fault got there")
}

#[test]
fn a_read_counts_after_a_fault_from_the_moment_after_its_end() {
    let healed = moment(&good(), &FaultKind::Pause, |step| {
        matches!(step, Step::Healed)
    });
    let reads = |extra: Option<u64>| {
        let mut world = good();
        if let Some(at) = extra {
            world.read(&ask("main", at, MS), "thread 1");
        }
        let finding = judged(&world);
        let floor = finding
            .floors
            .iter()
            .find(|floor| floor.id == "reads_after_fault");
        floor.unwrap().seen
    };
    let before = reads(None);
    assert_eq!(reads(Some(healed)), before);
    assert_eq!(reads(Some(healed + 1)), before + 1);
}

#[test]
fn what_came_through_no_later_than_the_cause_is_no_way_back() {
    let broken = |right_at: fn(u64) -> u64| {
        let mut world = good();
        world.out.retain(|observation| {
            !matches!(&observation.event, Event::Fault { fault, step: Step::Healed }
                if fault.kind == FaultKind::Slow)
        });
        let cause = moment(&world, &FaultKind::Slow, |step| {
            matches!(step, Step::Cause { .. })
        });
        for op in world.ops("V.4") {
            let call = world.call(op);
            if call.sent_at > cause {
                call.outcome = Outcome::Unknown;
            }
        }
        world.read(&ask("fault", right_at(cause), MS), "thread 1");
        check(&judged(&world), "reconnect").verdict
    };
    assert_eq!(broken(|cause| cause), Verdict::Fail);
    assert_eq!(broken(|cause| cause + 1), Verdict::Pass);
}

#[test]
fn each_kind_of_fault_fills_its_own_floor() {
    let landed = |world: &World| {
        let floors = judged(world).floors;
        ["pause", "slow"].map(|kind| {
            let id = format!("fault.{kind}");
            floors.iter().find(|floor| floor.id == id).unwrap().seen
        })
    };
    assert_eq!(landed(&good()), [1, 1]);
    for (spared, wanted) in [(FaultKind::Slow, [0, 1]), (FaultKind::Pause, [1, 0])] {
        let mut world = good();
        world.out.retain(|seen| {
            !matches!(&seen.event, Event::Fault { fault, step: Step::Cause { .. } }
                if fault.kind != spared)
        });
        assert_eq!(landed(&world), wanted);
    }
}

#[test]
fn fault_windows_are_a_share_of_the_criterions_own_time() {
    let mut world = good();
    let begin = moment(&world, &FaultKind::Pause, |_| true);
    assert_eq!(
        check(&judged(&world), "window_share").verdict,
        Verdict::Pass
    );
    world
        .out
        .retain(|seen| !matches!(&seen.event, Event::Phase(mark) if mark.criterion == "V.4"));
    // Four of these six seconds lie in fault windows, and of the whole run few do.
    world.phase("V.4", "main", begin, begin + 6 * S);
    let finding = judged(&world);
    let share = check(&finding, "window_share");
    assert_eq!(share.verdict, Verdict::Inconclusive, "{share:?}");
    assert_eq!(share.reason, Some(Reason::RigLimit));
}
