//! The store's own count beside the turns that clients were told are kept.

use super::*;

/// The turns that [`good`] has in its first two minutes, each acknowledged.
const ALL: u64 = THREADS * TURNS;

fn counted(world: &mut World, at: u64, moment: &str, count: u64) {
    let figure = Event::Figure {
        name: format!("commands the store had processed {moment}"),
        value: count as f64,
        unit: "count".to_owned(),
    };
    world.push(at, figure);
}

/// On Redis, which processed so many commands around the first turns.
fn processed(commands: u64) -> World {
    let mut world = good();
    let until = 2 * S + ALL * 60 * MS;
    counted(&mut world, 2 * S, "before", 70);
    counted(&mut world, until, "after", 70 + commands);
    world
}

fn row(world: &World) -> Option<Verdict> {
    let finding = judged(world);
    let row = finding.checks.iter().find(|row| row.id == "commands");
    row.map(|row| row.verdict)
}

#[test]
fn a_store_that_saw_fewer_commands_than_turns_were_acknowledged_fails() {
    assert_eq!(row(&processed(ALL)), Some(Verdict::Pass));
    assert_eq!(row(&processed(9 * ALL)), Some(Verdict::Pass));
    assert_eq!(failed(&judged(&processed(ALL - 1))), ["commands"]);
    assert_eq!(failed(&judged(&processed(0))), ["commands"]);
}

#[test]
fn a_turn_told_again_or_not_at_all_needs_no_command() {
    for is_again in [false, true] {
        let mut world = processed(ALL - 1);
        let op = ops_of(&mut world, "thread 3", ThreadAction::Append)[0];
        let call = world.call(op);
        if is_again {
            call.meta.get_or_insert_default().replayed = true;
        } else {
            call.outcome = Outcome::Unknown;
        }
        assert_eq!(row(&world), Some(Verdict::Pass), "{is_again}");
    }
}

#[test]
fn a_store_inside_the_server_is_not_asked_and_one_that_can_be_must_be() {
    assert_pass(&judged(&good()));
    assert_eq!(row(&good()), None);
    let mut world = good();
    let of_store = world.out.iter_mut().find_map(|seen| match &mut seen.event {
        Event::Phase(mark) if mark.phase == "store.embedded" => Some(mark),
        _ => None,
    });
    of_store.unwrap().phase = "store.redis".to_owned();
    let finding = judged(&world);
    let floor = finding.floors.iter().find(|floor| floor.id == "commands");
    let floor = floor.unwrap();
    assert_eq!((floor.needed, floor.seen), (2, 0));
    assert_eq!(floor.reason, Reason::EventNotSeen);
}

#[test]
fn a_store_that_began_anew_between_the_counts_says_nothing() {
    let mut world = good();
    counted(&mut world, 2 * S, "before", 900);
    counted(&mut world, 22 * S, "after", 3);
    assert_eq!(row(&world), None);
}

#[test]
fn another_store_than_the_named_one_is_told_as_that_and_not_as_a_broken_law() {
    let mut world = processed(0);
    for seen in &mut world.out {
        if let Event::Phase(mark) = &mut seen.event
            && mark.phase == "store.embedded"
        {
            mark.phase = "store.redis".to_owned();
        }
    }
    assert_eq!(row(&world), None);
    assert_inconclusive(&judged(&world), Reason::StoreMismatch);
}
