//! A record counts above the weakest claims only beside a fresh self-test of what judged it.

use super::*;

pub fn judge(harness: &str) -> JudgeDigests {
    JudgeDigests {
        harness: harness.repeat(64),
        criteria: "c".repeat(64),
    }
}

/// A self-test that ended so many hours ago.
fn tested(harness: &str, hours: i64, signer: Role) -> SelfTest {
    SelfTest {
        judge: judge(harness),
        at: NOW - hours * 3_600,
        signer,
    }
}

fn answer(selftests: Vec<SelfTest>, verdicts: [Verdict; 2]) -> Answer {
    let mut asked = asked();
    asked.claim.selftest = true;
    asked.claim.signed_by = Some(Role::Ci);
    asked.has_checkpoint = true;
    asked.selftests = selftests;
    asked.of(&[Exhibit {
        signers: vec![Role::Ci],
        ..run("1", 1, verdicts)
    }])
}

#[test]
fn only_a_fresh_signed_self_test_of_the_same_judge_vouches_for_a_record() {
    let day = 24;
    let ci = |harness, hours| vec![tested(harness, hours, Role::Ci)];
    for (selftests, wanted) in [
        (Vec::new(), Exit::Refused),
        (ci("h", 2), Exit::Pass),
        (ci("x", 2), Exit::Refused),
        (ci("h", 7 * day), Exit::Pass),
        (ci("h", 7 * day + 1), Exit::Refused),
        (ci("h", -1), Exit::Refused),
        (vec![tested("h", 2, Role::Dev)], Exit::Refused),
        (vec![tested("h", 2, Role::Release)], Exit::Pass),
        ([ci("x", 2), ci("h", 3)].concat(), Exit::Pass),
    ] {
        let answer = answer(selftests.clone(), PASS);
        assert_eq!(answer.exit, wanted, "{selftests:?}: {:?}", answer.reasons);
    }
    let other = JudgeDigests {
        criteria: "d".repeat(64),
        ..judge("h")
    };
    let of_other_criteria = SelfTest {
        judge: other,
        ..tested("h", 2, Role::Ci)
    };
    assert_eq!(answer(vec![of_other_criteria], PASS).exit, Exit::Refused);
}

#[test]
fn what_is_missing_is_told_once_for_a_record_and_a_failure_needs_no_self_test() {
    let refused = answer(Vec::new(), PASS);
    assert_eq!(refused.reasons.len(), 1, "{:?}", refused.reasons);
    let says = "self-test: 1 was judged by hhhhhhhhhhhh, whose self-test is not on record";
    assert!(
        refused.reasons[0].starts_with(says),
        "{:?}",
        refused.reasons
    );
    assert_eq!(answer(Vec::new(), FAIL).exit, Exit::Fail);
}

#[test]
fn a_person_may_decide_although_no_self_test_is_on_record() {
    let mut asked = asked();
    asked.claim.selftest = true;
    asked.decisions = vec![decision(Course::Go)];
    assert_eq!(asked.of(&[run("1", 1, PASS)]).exit, Exit::Overridden);
}
