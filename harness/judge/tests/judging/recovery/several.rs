//! V.2 over two instances, each of which has breakers and quota flags of its own.

use exai_judge::Verdict;

use super::{ask, breaker, failing, good, judged};
use crate::verdicts::{assert_pass, failed};
use crate::world::{INSTANCE, MS, S, SECOND, World};

/// A breaker's life at each of two instances, the second beside the first by so much.
fn two(beside: u64) -> World {
    let mut world = good();
    world.two();
    let before = world.ops("V.2");
    failing(&mut world, 7 * S + beside, 9);
    breaker(&mut world, 10 * S + beside);
    let mut ops = world.ops("V.2");
    ops.retain(|op| !before.contains(op));
    for op in ops {
        world.call(op).instance = Some(SECOND.to_owned());
    }
    world
}

#[test]
fn two_breakers_beside_each_other_are_two_lives() {
    let mut world = two(150 * MS);
    assert_pass(&judged(&world));
    for op in world.ops("V.2") {
        world.call(op).instance = Some(INSTANCE.to_owned());
    }
    assert_eq!(failed(&judged(&world)), ["breaker"], "19 failures in a row");
}

#[test]
fn a_life_at_one_of_two_instances_is_half_of_what_is_asked_for() {
    let mut world = good();
    world.two();
    let op = world.chat(&ask("glm", 40 * S));
    world.call(op).instance = Some(SECOND.to_owned());
    let finding = judged(&world);
    assert_eq!(finding.verdict, Verdict::Inconclusive);
    let unmet = finding.floors.iter().filter(|floor| !floor.is_met());
    let unmet: Vec<&str> = unmet.map(|floor| floor.id.as_str()).collect();
    assert_eq!(unmet, ["breaker_cycles"]);
}

#[test]
fn only_the_instance_that_met_a_quota_must_leave_its_provider_alone() {
    for (instance, demanded) in [(SECOND, Vec::new()), (INSTANCE, vec!["flagged"])] {
        let mut world = two(20 * S);
        let op = world.chat(&ask("kimi", 50 * S));
        let call = world.call(op);
        call.phase = "flagged.kimi".to_owned();
        call.instance = Some(instance.to_owned());
        assert_eq!(failed(&judged(&world)), demanded, "{instance}");
    }
}
