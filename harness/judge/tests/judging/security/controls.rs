//! Good cases: each variant has its own, and none stands in for another's.

use super::*;

const FOUND: &str = "404 with \"\"";

/// As [`good`], with these good cases of one row: id, edge and what was seen.
fn with(cases: &[(&str, &str, &str)]) -> Finding {
    let mut world = good();
    for (at, (id, edge, seen)) in (0..).zip(cases) {
        let control = Case {
            seen: (*seen).to_owned(),
            ..case(id, edge, true)
        };
        world.push(3 * S + at * MS, Event::Case(control));
    }
    judged(&world)
}

#[test]
fn a_good_case_stands_for_its_own_variant_and_edge_alone() {
    let [one, other] = EDGES;
    let accepted = "accepted";
    assert_pass(&with(&[("H2.probe", one, accepted)]));
    for spared in [
        [("H2.probe", one, FOUND), ("H2.detail", one, accepted)],
        [("H2.probe", one, FOUND), ("H2.probe", other, accepted)],
    ] {
        let finding = with(&spared);
        assert_inconclusive(&finding, Reason::ControlNotFired);
        assert!(failed(&finding).is_empty());
        let floor = finding.floors.iter().find(|floor| floor.id == "good_cases");
        let floor = floor.unwrap();
        assert_eq!(floor.needed, floor.seen + 1);
        let told = format!("without H2.probe at {one}");
        assert!(floor.event.ends_with(&told), "{}", floor.event);
    }
}

#[test]
fn a_good_case_may_be_refused_as_long_as_it_is_accepted_once() {
    let [one, _] = EDGES;
    assert_pass(&with(&[
        ("H2.wait", one, "401"),
        ("H2.wait", one, "accepted"),
        ("H2.wait", one, "401"),
    ]));
}

#[test]
fn an_accepted_attack_fails_though_a_good_case_was_refused() {
    let mut world = good();
    for case in cases(&mut world).filter(|case| case.id == "J3" && case.edge == EDGES[0]) {
        case.seen = if case.good { "401" } else { "accepted" }.to_owned();
    }
    let finding = judged(&world);
    assert_eq!(finding.verdict, exai_judge::Verdict::Fail);
    assert_eq!(failed(&finding), ["denied"]);
}

#[test]
fn a_good_case_seen_under_a_fault_of_the_rig_alone_was_not_accepted() {
    let mut world = good();
    let at = 3 * S;
    world.push(at, Event::Case(case("H2.probe", EDGES[0], true)));
    let rig = Event::Rig {
        what: "cpu".to_owned(),
        until: at,
        detail: String::new(),
    };
    world.push(at, rig);
    assert_inconclusive(&judged(&world), Reason::ControlNotFired);
}
