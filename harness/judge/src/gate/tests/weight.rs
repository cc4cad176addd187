//! Which runs count for a claim, what a waiver may cover, and what is told once.

use super::*;
use crate::finding::Floor;

#[test]
fn an_aborted_run_of_no_known_policy_counts_against_the_claim_and_never_for_it() {
    let unknown = |hours, verdicts| Exhibit {
        policy: None,
        ..run("unknown", hours, verdicts)
    };
    for policy in [None, Some("p".to_owned())] {
        let mut asked = asked();
        asked.policy = policy;
        let before = run("1", 2, PASS);
        let rig = asked.of(&[before.clone(), unknown(3, FAIL), unknown(3, RIG)]);
        assert_eq!(rig.exit, Exit::Fail, "no replay since");
        let mut later = before.clone();
        later.ended_at = NOW;
        assert_eq!(asked.of(&[unknown(1, RIG), later]).exit, Exit::Pass);
    }
    let mut asked = asked();
    asked.policy = Some("p".to_owned());
    let rig = asked.of(&[run("1", 2, PASS), unknown(1, RIG)]);
    assert_eq!(rig.exit, Exit::HarnessError);
    let pass = asked.of(&[run("1", 2, RIG), unknown(1, PASS)]);
    assert_eq!(pass.exit, Exit::HarnessError);
}

#[test]
fn the_policy_in_question_is_that_of_the_newest_run_of_the_same_server() {
    let other = |hours| Exhibit {
        policy: Some("q".to_owned()),
        ..run("other", hours, PASS)
    };
    assert_eq!(asked().of(&[run("1", 2, FAIL), other(1)]).exit, Exit::Pass);
    assert_eq!(asked().of(&[run("1", 1, FAIL), other(2)]).exit, Exit::Fail);
    let foreign = Exhibit {
        server: "b".repeat(64),
        ..other(1)
    };
    assert_eq!(asked().of(&[run("1", 2, PASS), foreign]).exit, Exit::Pass);
}

#[test]
fn a_claim_that_names_drivers_is_carried_by_runs_of_these_alone() {
    let mut asked = asked();
    asked.claim.drivers = vec!["container".to_owned()];
    let local = asked.of(&[run("1", 1, PASS)]);
    assert_eq!(local.exit, Exit::Refused);
    let says = "missing criterion: V.1, V.4: 1 is a quick run on embedded by the local driver; \
                merge-ready needs quick, any store, container";
    assert_eq!(local.reasons, [says], "told once for both");
    let contained = Exhibit {
        driver: "container".to_owned(),
        ..run("2", 1, PASS)
    };
    assert_eq!(asked.of(&[contained]).exit, Exit::Pass);
}

#[test]
fn why_no_run_stands_is_told_of_the_newest_that_judged_the_criterion() {
    let says = |exhibits: &[Exhibit]| asked().of(exhibits).reasons.remove(0);
    assert_eq!(
        says(&[]),
        "missing criterion: V.1, V.4: no run on record judged it"
    );
    let foreign = |name: &str, hours| Exhibit {
        server: "b".repeat(64),
        ..run(name, hours, PASS)
    };
    let told = says(&[foreign("old", 2), foreign("new", 1), foreign("older", 3)]);
    let wanted = "foreign identity: V.1, V.4: new judged server bbbbbbbbbbbb, \
                  the question is about aaaaaaaaaaaa";
    assert_eq!(told, wanted);
    let mut asked = asked();
    asked.policy = Some("q".to_owned());
    let policy = asked.of(&[run("1", 1, PASS)]).reasons.remove(0);
    assert_eq!(
        policy,
        "foreign identity: V.1, V.4: 1 judged another policy"
    );
}

#[test]
fn a_waiver_covers_neither_what_nobody_judged_nor_what_is_foreign() {
    let mut asked = asked();
    asked.accepts = true;
    asked.waivers = vec![waiver()];
    let mut partial = run("1", 1, PASS);
    partial.findings.pop();
    assert_eq!(asked.of(&[partial]).exit, Exit::Refused);
    let foreign = Exhibit {
        server: "b".repeat(64),
        ..run("1", 1, PASS)
    };
    let answer = asked.of(&[foreign]);
    assert_eq!(answer.exit, Exit::Refused);
    assert!(answer.rows.iter().all(|row| row.waiver.is_none()));
}

#[test]
fn a_claims_own_floors_and_checks_must_hold_beside_its_criteria() {
    let with = |seen| {
        let mut exhibit = run("1", 1, PASS);
        exhibit.findings[0].floors.push(Floor {
            id: "answers".to_owned(),
            event: "answers".to_owned(),
            needed: 3,
            seen,
            reason: Reason::BelowFloor,
        });
        exhibit
    };
    let mut asked = asked();
    asked.claim.floors = vec!["V.1/answers".to_owned()];
    assert_eq!(asked.of(&[with(3)]).exit, Exit::Pass);
    let short = asked.of(&[with(2)]);
    assert_eq!(short.exit, Exit::Inconclusive);
    assert_eq!(short.reasons, ["V.1/answers Inconclusive"]);
    assert_eq!(asked.of(&[run("1", 1, PASS)]).exit, Exit::Inconclusive);
    let none = asked.of(&[]);
    assert_eq!(none.reasons.len(), 1, "no run, no rule: {none:?}");
}

#[test]
fn what_speaks_against_a_claim_needs_no_signature() {
    let mut asked = asked();
    asked.claim.signed_by = Some(Role::Ci);
    asked.has_checkpoint = true;
    let answer = asked.of(&[run("1", 1, FAIL)]);
    assert_eq!(answer.exit, Exit::Fail);
    let unsigned: Vec<_> = answer
        .reasons
        .iter()
        .filter(|reason| reason.contains("is signed by 0 of 1 Ci keys"))
        .collect();
    assert_eq!(unsigned.len(), 1, "V.1 alone: {:?}", answer.reasons);
}

#[test]
fn the_gravest_reason_gives_the_exit_whatever_its_place() {
    let of = |verdicts| asked().of(&[run("1", 1, verdicts)]).exit;
    use Verdict::{Fail, HarnessError, Inconclusive};
    for (pair, wanted) in [
        ([Fail, HarnessError], Exit::Fail),
        ([Inconclusive, Fail], Exit::Fail),
        ([HarnessError, Inconclusive], Exit::HarnessError),
        ([Inconclusive, HarnessError], Exit::HarnessError),
        ([Inconclusive, Inconclusive], Exit::Inconclusive),
    ] {
        assert_eq!(of(pair), wanted, "{pair:?}");
    }
    let mut half = run("1", 1, [Verdict::HarnessError, Verdict::Pass]);
    half.findings.pop();
    assert_eq!(asked().of(&[half]).exit, Exit::Refused, "V.4 is missing");
}

#[test]
fn a_row_is_named_with_its_store_where_the_claim_names_stores() {
    let mut asked = asked();
    asked.claim.stores = vec!["redis".to_owned()];
    asked.claim.any_store = vec!["V.1".to_owned()];
    let labels: Vec<_> = asked.of(&[]).rows.iter().map(Row::label).collect();
    assert_eq!(labels, ["V.1", "V.4 on redis"]);
}

#[test]
fn a_run_that_did_not_judge_the_criterion_says_nothing_of_why_it_is_missing() {
    let mut asked = asked();
    asked.claim.drivers = vec!["container".to_owned()];
    asked.claim.criteria = vec!["V.4".to_owned()];
    let mut newer = Exhibit {
        server: "b".repeat(64),
        ..run("newer", 1, PASS)
    };
    newer.findings.pop();
    let told = asked.of(&[run("older", 2, PASS), newer]).reasons.remove(0);
    assert!(told.contains("older is a quick run on embedded"), "{told}");
}

#[test]
fn a_failure_that_is_the_last_word_is_told_in_its_own() {
    let failed = asked().of(&[run("1", 3, PASS), run("2", 1, FAIL)]);
    assert_eq!(failed.reasons, ["V.4 Fail: a headline"]);
    let since = asked().of(&[run("2", 3, FAIL), run("1", 1, PASS)]);
    let told = "V.4 Fail: 2 failed it on this build with seed 2; what passed since stands after \
                a green replay of its seed, and 3 passes in a row with fresh seeds (1 so far)";
    assert_eq!(since.reasons, [told]);
}
