//! The conformance suite against each provider, and against stand-ins that must fail it.

use super::check::CHECKS;
use super::row::{GLM, KIMI, MINIMAX, OPENAI, Row};
use super::simulator::Simulator;
use super::stand_in::{Defect, StandIn};
use super::suite::Bench;

fn conforms(row: Row) {
    let simulator = Simulator::start(&row);
    let bench = Bench::at(row, &simulator, &simulator.root);
    let outcomes = CHECKS.iter().map(|check| (check.name, bench.check(check)));
    let failed: Vec<_> = outcomes.filter(|(_, outcome)| outcome.is_err()).collect();
    assert_eq!(failed, [], "{}", row.name);
}

/// A stand-in that breaks nothing passes each check that is to name a defect; one with the defect
/// does not.
fn broken_stand_ins_fail(row: Row) {
    let simulator = Simulator::start(&row);
    let stand_in = StandIn::start(row, simulator.address());
    let bench = Bench::at(row, &simulator, &stand_in.root);
    for (defect, name) in Defect::ALL {
        // An OpenAI-shaped service has no switch to drop.
        if defect == Defect::DropsSwitch && row.dialect.is_some() {
            continue;
        }
        let check = CHECKS.iter().find(|check| check.name == name);
        let check = check.expect("a check of the suite");
        assert_eq!(
            bench.check(check),
            Ok(()),
            "{}, nothing broken: {name}",
            row.name
        );
        stand_in.break_it(Some(defect));
        if defect == Defect::RepeatsItself {
            // What it repeats is the answer to this.
            let _ = bench.check(check);
        }
        let Err(says) = bench.check(check) else {
            panic!("{}: {name} does not name {defect:?}", row.name);
        };
        stand_in.break_it(None);
        let says = says.lines().next().unwrap_or_default();
        eprintln!("{} {defect:?} fails {name}: {says}", row.name);
    }
}

#[test]
fn kimi_conforms_on_its_strict_simulator() {
    conforms(KIMI);
}

#[test]
fn glm_conforms_on_its_strict_simulator() {
    conforms(GLM);
}

#[test]
fn minimax_conforms_on_its_strict_simulator() {
    conforms(MINIMAX);
}

#[test]
fn an_openai_shaped_provider_conforms_on_a_strict_simulator() {
    conforms(OPENAI);
}

#[test]
fn each_broken_stand_in_for_kimi_fails_the_check_that_names_its_defect() {
    broken_stand_ins_fail(KIMI);
}

#[test]
fn each_broken_stand_in_for_glm_fails_the_check_that_names_its_defect() {
    broken_stand_ins_fail(GLM);
}

#[test]
fn each_broken_stand_in_for_minimax_fails_the_check_that_names_its_defect() {
    broken_stand_ins_fail(MINIMAX);
}

#[test]
fn each_broken_stand_in_for_an_openai_shaped_one_fails_the_check_that_names_its_defect() {
    broken_stand_ins_fail(OPENAI);
}
