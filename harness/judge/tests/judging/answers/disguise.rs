//! Operations under two disguises: one request of a provider, whoever seems to ask.

use super::*;

/// An honest pair: asked by ann, and asked again by bob, who comes as another program.
fn pair(world: &mut World, at: u64) -> [u64; 2] {
    let ask = |at: u64, identity: &str| Ask {
        phase: "disguise".to_owned(),
        identity: identity.to_owned(),
        ..Ask::new("V.1", at)
    };
    let first = world.keyed(&ask(at, "ann"));
    let mut second = world.keyed(&ask(at + 100 * MS, "bob"));
    second.repeat = Some(Repeat {
        of: first.op,
        same_principal: false,
        exact: true,
    });
    let [first, second] = [first, second].map(|call| world.record(call));
    let body = served(world, first).body_sha256.clone();
    served(world, second).body_sha256 = body;
    [first, second]
}

/// The request that an operation led to.
fn served(world: &mut World, op: u64) -> &mut exai_judge::observation::Served {
    let answer = world.call(op).answers[0].first.clone();
    let seq = tracer::read_line(&answer).unwrap().seq;
    let mut served = world
        .out
        .iter_mut()
        .filter_map(|seen| match &mut seen.event {
            Event::Served(served) => Some(served),
            _ => None,
        });
    served.find(|served| served.seq == seq).unwrap()
}

fn judged(world: &World) -> exai_judge::Finding {
    world.finding(&all_built(), PROFILE, "V.1")
}

fn compared(finding: &exai_judge::Finding) -> u64 {
    let mut floors = finding.floors.iter();
    floors.find(|floor| floor.id == "disguised").unwrap().seen
}

#[test]
fn a_server_that_asks_the_same_for_everybody_passes() {
    let criteria = all_built();
    let mut world = good(&criteria);
    pair(&mut world, 18 * S);
    let finding = judged(&world);
    assert_pass(&finding);
    assert_eq!((compared(&finding), check(&finding, "disguise").n), (1, 1));
    let none = judged(&good(&criteria));
    assert_eq!(compared(&none), 0);
    assert!(none.checks.iter().all(|check| check.id != "disguise"));
}

#[test]
fn a_server_that_asks_something_else_for_another_program_recognises_the_judge() {
    type Change = fn(&mut exai_judge::observation::Served);
    let changes: [Change; 3] = [
        |served| served.body_sha256 = hex::sha256(b"a shorter question"),
        |served| served.key = "another".to_owned(),
        |served| served.stream = true,
    ];
    for change in changes {
        let mut world = good(&all_built());
        let [first, second] = pair(&mut world, 18 * S);
        change(served(&mut world, second));
        let finding = judged(&world);
        assert!(failed(&finding).contains(&"disguise"), "{finding:?}");
        let named = finding
            .violations
            .iter()
            .find(|one| one.check == "disguise");
        let named = named.unwrap();
        assert_eq!(named.op, Some(second));
        let says = format!("recognises the judge: operation {second}, ");
        assert!(named.says.starts_with(&says), "{}", named.says);
        assert!(named.says.ends_with(&first.to_string()), "{}", named.says);
    }
}

#[test]
fn one_that_asks_nobody_for_another_program_is_seen_too() {
    let mut world = good(&all_built());
    let [_, second] = pair(&mut world, 18 * S);
    let seq = served(&mut world, second).seq.clone();
    world
        .out
        .retain(|seen| !matches!(&seen.event, Event::Served(served) if served.seq == seq));
    let finding = judged(&world);
    assert!(failed(&finding).contains(&"disguise"), "{finding:?}");
    assert_eq!(compared(&finding), 0);
}

#[test]
fn a_pair_that_a_fault_of_our_own_rig_touched_counts_for_nothing() {
    let mut world = good(&all_built());
    let [first, second] = pair(&mut world, 18 * S);
    served(&mut world, second).body_sha256 = hex::sha256(b"a shorter question");
    let at = world.call(first).done_at;
    let event = Event::Rig {
        what: "cpu".to_owned(),
        until: at,
        detail: String::new(),
    };
    world.push(at - MS, event);
    let finding = judged(&world);
    assert_eq!(check(&finding, "disguise").verdict, Verdict::HarnessError);
    assert_eq!(compared(&finding), 0);
}
