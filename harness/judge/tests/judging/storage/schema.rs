//! Starts on a store of a newer schema.

use super::*;

/// What a start on a newer schema and one on the store's own again came to: 1 served, 0 ended.
pub(super) fn starts(world: &mut World, newer: f64, restored: f64) {
    for (name, value) in [
        ("start on a newer schema", newer),
        ("start on its own schema again", restored),
    ] {
        let figure = Event::Figure {
            name: name.to_owned(),
            value,
            unit: "served".to_owned(),
        };
        world.push(55 * S, figure);
    }
}

fn only(newer: f64, restored: f64) -> World {
    let mut world = good();
    world
        .out
        .retain(|seen| !matches!(&seen.event, Event::Figure { unit, .. } if unit == "served"));
    starts(&mut world, newer, restored);
    world
}

#[test]
fn a_server_that_serves_on_a_newer_schema_fails() {
    let finding = judged(&only(1.0, 1.0));
    assert_eq!(failed(&finding), ["schema"]);
    assert_pass(&judged(&only(0.0, 1.0)));
}

#[test]
fn a_server_that_serves_on_no_store_shows_nothing_by_refusing_one() {
    let finding = judged(&only(0.0, 0.0));
    assert_inconclusive(&finding, Reason::EventNotSeen);
}
