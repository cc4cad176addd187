//! What tools show of themselves, against the catalogue's pins.

use exai_judge::observation::Event;
use exai_judge::{Criteria, Verdict, hex};

use super::{PROFILE, good};
use crate::verdicts::{assert_pass, failed};
use crate::world::all_built;

#[test]
fn an_answer_under_another_instruction_than_its_tools_own_fails_and_two_under_one_fail_twice() {
    let criteria = all_built();
    let of = |tool: &str| hex::sha256(format!("instruction of {tool}").as_bytes());
    let instructed = |criteria: &Criteria, tool: &str, digest: &str| {
        let mut world = good(criteria);
        let ops = world.ops("V.1");
        let op = ops.into_iter().find(|op| world.call(*op).tool == tool);
        digest.clone_into(&mut world.entry(op.unwrap()).system_sha256);
        let finding = world.finding(criteria, PROFILE, "V.1");
        let row = finding.checks.iter().find(|row| row.id == "instructions");
        let told = finding.violations.iter().map(|one| one.says.clone());
        (row.unwrap().measured.clone(), told.collect::<Vec<_>>())
    };
    // Each of the 24 answers, and the two tools beside each other.
    let (same, _) = instructed(&criteria, "chat", &of("chat"));
    assert!(same.starts_with("0 of 25"), "{same}");
    let (another, told) = instructed(&criteria, "chat", "another");
    assert!(another.starts_with("1 of 25"), "{another}");
    let wanted = of("chat");
    assert_eq!(
        told,
        [format!(
            "chat ran under the instruction another instead of {wanted}"
        )]
    );
    let (shared, told) = instructed(&criteria, "chat", &of("analyze"));
    assert!(shared.starts_with("2 of 25"), "{shared}");
    assert_eq!(told[1], "chat and analyze ran under one instruction");
    // One of several that are pinned is no other.
    let mut two = criteria.clone();
    let pinned = two.pinned.get_mut("chat").unwrap();
    pinned.instructions.push("another".to_owned());
    let (second, _) = instructed(&two, "chat", "another");
    assert!(second.starts_with("0 of 25"), "{second}");
}

#[test]
fn a_tool_that_hands_on_the_callers_instruction_is_held_to_none() {
    let mut criteria = all_built();
    criteria.tools.get_mut("chat").unwrap().instruction = "none".to_owned();
    let mut world = good(&criteria);
    let op = world.ops("V.1")[0];
    assert_eq!(world.call(op).tool, "chat");
    world.entry(op).system_sha256 = "the caller's".to_owned();
    assert_pass(&world.finding(&criteria, PROFILE, "V.1"));
}

#[test]
fn a_schema_that_is_not_the_pinned_one_fails_and_is_told_from_it() {
    let criteria = all_built();
    let mut world = good(&criteria);
    let lists = world
        .out
        .iter_mut()
        .filter_map(|seen| match &mut seen.event {
            Event::Listed(listed) => Some(listed),
            _ => None,
        });
    // On every list alike: no list differs from an earlier one.
    for listed in lists {
        listed.tools.insert("debug".to_owned(), "other".to_owned());
    }
    let finding = world.finding(&criteria, PROFILE, "V.1");
    assert_eq!(failed(&finding), ["list"]);
    let pinned = hex::sha256(b"debug");
    assert_eq!(
        finding.violations[0].says,
        format!("the tool list over stdio shows the schema other of debug instead of {pinned}")
    );
    assert_eq!(finding.violations.len(), 4);
}

#[test]
fn a_built_tool_without_pins_is_a_hole_of_the_catalogue_and_no_verdict() {
    let fault = |change: fn(&mut Criteria)| {
        let mut criteria = all_built();
        let world = good(&criteria);
        change(&mut criteria);
        let finding = world.finding(&criteria, PROFILE, "V.1");
        assert_eq!(finding.verdict, Verdict::HarnessError);
        finding.headline
    };
    let unpinned = fault(|criteria| drop(criteria.pinned.remove("debug")));
    assert!(
        unpinned.contains("lacks digests of debug of V.1"),
        "{unpinned}"
    );
    let silent = fault(|criteria| {
        let pinned = criteria.pinned.get_mut("debug");
        pinned.unwrap().instructions.clear();
    });
    assert!(silent.contains("lacks instruction of debug"), "{silent}");
}
