//! Turns that were open when the server was killed: sent again with their key, each is one turn.

use exai_judge::operation::{ThreadAction, TurnSeen};

use super::*;

/// The calls of the turn sent again: its read, and its tries in the order recorded.
fn parts(world: &mut World) -> (u64, Vec<u64>) {
    let mut ops = world.ops("V.5");
    let is_of = |world: &mut World, op: u64| {
        let part = world.call(op).thread.clone();
        part.filter(|part| part.thread == "retried")
    };
    ops.retain(|op| is_of(world, *op).is_some());
    let is_read = |op: &u64| is_of(world, *op).is_some_and(|it| it.action == ThreadAction::Read);
    let (reads, tries): (Vec<u64>, Vec<u64>) = ops.into_iter().partition(is_read);
    (reads[0], tries)
}

fn floor(finding: &Finding) -> u64 {
    let floor = finding.floors.iter().find(|floor| floor.id == "retried");
    floor.unwrap().seen
}

#[test]
fn a_turn_sent_again_over_a_kill_is_a_trial_of_its_key() {
    let finding = judged(&good());
    assert_eq!(floor(&finding), 1);
    let row = check(&finding, "doubled_by_key");
    assert_eq!((row.n, row.verdict), (1, Verdict::Pass));
}

#[test]
fn a_turn_that_was_over_before_the_kill_or_never_sent_again_is_none() {
    let with = |change: &dyn Fn(&mut World, &[u64])| {
        let mut world = good();
        let (_, tries) = parts(&mut world);
        change(&mut world, &tries);
        let finding = judged(&world);
        assert_inconclusive(&finding, Reason::BelowFloor);
        floor(&finding)
    };
    let late = with(&|world, tries| world.call(tries[1]).sent_at = KILL_SERVER + 1);
    assert_eq!(late, 0, "sent after the kill");
    let alone = with(&|world, tries| {
        world
            .out
            .retain(|one| !matches!(&one.event, Event::Call(call) if call.op == tries[1]));
    });
    assert_eq!(alone, 0, "acknowledged at once");
    let other = with(&|world, tries| {
        let part = world.call(tries[1]).thread.as_mut().unwrap();
        part.key = Some("another key".to_owned());
    });
    assert_eq!(other, 0, "another turn");
}

#[test]
fn a_turn_stored_before_the_kill_and_again_after_it_is_doubled_by_its_key() {
    let mut world = good();
    let (read, tries) = parts(&mut world);
    // What the first try was answered before the server died, and nobody was told.
    let turns = world.call(read).turns.as_mut().unwrap();
    turns.push(TurnSeen {
        turn: 2,
        ..turns[0].clone()
    });
    assert_eq!(tries.len(), 2);
    assert_eq!(failed(&judged(&world)), ["doubled_by_key"]);
}

#[test]
fn a_turn_sent_again_and_kept_by_neither_try_is_lost() {
    let mut world = good();
    let (read, _) = parts(&mut world);
    world.call(read).turns.as_mut().unwrap().clear();
    assert_eq!(failed(&judged(&world)), ["lost"]);
}
