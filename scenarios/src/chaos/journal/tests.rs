use std::time::Duration;

use exai_harness::topology::StoreKind;
use exai_judge::fault::{Fault, FaultKind};
use exai_judge::finding::{Check, Finding};
use exai_judge::ground::GroundSummary;

use super::*;
use crate::chaos::schedule::Place;
use crate::cli::arguments::Driver;

fn check(id: &str, verdict: Verdict) -> Check {
    Check {
        id: id.to_owned(),
        name: id.to_owned(),
        measured: "0 of 1".to_owned(),
        limit: "0".to_owned(),
        verdict,
        reason: None,
        n: 1,
    }
}

fn attempt(verdict: Verdict, before: Verdict) -> Attempt {
    let life = FaultLife {
        fault: Fault {
            id: "server.kill.1".to_owned(),
            component: "server".to_owned(),
            kind: FaultKind::Kill,
        },
        first: 1_000,
        injected: Some(1_000),
        cause: None,
        effect: None,
        healed: None,
        not_landed: Some("it was gone already".to_owned()),
        until: u64::MAX,
    };
    Attempt {
        finding: Finding {
            criterion: "chaos".to_owned(),
            verdict,
            reasons: Vec::new(),
            headline: String::new(),
            floors: Vec::new(),
            checks: vec![check("steady_before", before)],
            violations: Vec::new(),
            not_tested: Vec::new(),
            series: std::collections::BTreeMap::new(),
        },
        ground: GroundSummary {
            faults: vec![life],
            ..GroundSummary::default()
        },
        steady: Vec::new(),
        started: "2026-11-21T12:00:00Z".parse().unwrap(),
        took: 2_500_000_000,
        interrupted: false,
    }
}

fn of(verdict: Verdict, before: Verdict) -> Value {
    let place = Place {
        store: StoreKind::Embedded,
        driver: Driver::Local,
    };
    let schedule = Schedule::draw(7, Duration::from_secs(10), place);
    journal(&schedule, &attempt(verdict, before))
}

#[test]
fn a_completed_run_that_deviated_says_both() {
    let journal = of(Verdict::Fail, Verdict::Pass);
    assert_eq!(journal["status"], "completed");
    assert_eq!(journal["deviated"], true);
    assert_eq!(journal["steady_states"]["before"]["steady_state_met"], true);
    assert_eq!(journal["start"], "2026-11-21T12:00:00Z");
    assert_eq!(journal["end"], "2026-11-21T12:00:02.5Z");
}

#[test]
fn what_could_not_be_judged_is_null_and_never_met() {
    let journal = of(Verdict::Inconclusive, Verdict::Inconclusive);
    assert_eq!(journal["status"], "aborted");
    let states = &journal["steady_states"];
    assert!(states["before"]["steady_state_met"].is_null());
    assert!(states["after"]["steady_state_met"].is_null());
}

#[test]
fn a_fault_without_proof_and_without_heal_failed_in_the_journal() {
    let journal = of(Verdict::Pass, Verdict::Pass);
    assert_eq!(journal["run"][0]["status"], "failed");
    assert_eq!(journal["run"][0]["exception"], "it was gone already");
    assert_eq!(journal["rollbacks"][0]["status"], "failed");
    let method = journal["experiment"]["method"].as_array().unwrap();
    assert!(method.iter().any(|one| one["name"] == "server.kill"));
}
