//! A claim is carried by the newest live evidence for one build, and by nothing else.

use std::collections::BTreeMap;

use super::*;
use crate::finding::Check;
use crate::verdict::Reason;

mod lapse;
mod selftest;
mod waived;
mod weight;

const NOW: i64 = 1_800_000_000;

fn check(id: &str, verdict: Verdict) -> Check {
    Check {
        id: id.to_owned(),
        name: id.to_owned(),
        measured: "1".to_owned(),
        limit: "0".to_owned(),
        verdict,
        reason: None,
        n: 1,
    }
}

fn finding(criterion: &str, verdict: Verdict) -> Finding {
    let reason = (verdict == Verdict::Inconclusive).then_some(Reason::BelowFloor);
    Finding {
        criterion: criterion.to_owned(),
        verdict,
        reasons: reason.into_iter().collect(),
        headline: "a headline".to_owned(),
        floors: Vec::new(),
        checks: vec![check("p95", verdict)],
        violations: Vec::new(),
        not_tested: Vec::new(),
        series: BTreeMap::new(),
    }
}

/// A run of V.1 and V.4 that ended so many hours ago.
fn run(name: &str, hours: i64, verdicts: [Verdict; 2]) -> Exhibit {
    let [first, second] = verdicts;
    Exhibit {
        run: name.to_owned(),
        ended_at: NOW - hours * 3_600,
        server: "a".repeat(64),
        policy: Some("p".to_owned()),
        profile: "quick".to_owned(),
        driver: "local".to_owned(),
        store: "embedded".to_owned(),
        seed: name.to_owned(),
        signers: Vec::new(),
        judge: selftest::judge("h"),
        findings: vec![finding("V.1", first), finding("V.4", second)],
    }
}

fn claim() -> Claim {
    let text = "[[claim]]\nid = \"merge-ready\"\ntext = \"\"\nprofile = \"quick\"\n\
                criteria = [\"V.1\", \"V.4\"]\nmax_age_days = 7\n";
    let mut claims = crate::Claims::parse(text).unwrap();
    claims.rows.remove(0)
}

struct Asked {
    claim: Claim,
    server: String,
    policy: Option<String>,
    waivers: Vec<Waiver>,
    never_waived: Vec<String>,
    accepts: bool,
    decisions: Vec<Decision>,
    selftests: Vec<SelfTest>,
    identity: IdentityLevel,
    has_checkpoint: bool,
}

fn asked() -> Asked {
    Asked {
        claim: claim(),
        server: "a".repeat(64),
        policy: None,
        waivers: Vec::new(),
        never_waived: vec!["lost".to_owned()],
        accepts: false,
        decisions: Vec::new(),
        selftests: Vec::new(),
        identity: IdentityLevel::Evidence,
        has_checkpoint: false,
    }
}

impl Asked {
    fn of(&self, exhibits: &[Exhibit]) -> Answer {
        let question = Question {
            claim: &self.claim,
            server: &self.server,
            policy: self.policy.as_deref(),
            now: NOW,
            identity: self.identity,
            has_checkpoint: self.has_checkpoint,
            waivers: &self.waivers,
            never_waived: &self.never_waived,
            accepts_waivers: self.accepts,
            decisions: &self.decisions,
            selftests: &self.selftests,
        };
        answer(&question, exhibits)
    }
}

const PASS: [Verdict; 2] = [Verdict::Pass, Verdict::Pass];
const FAIL: [Verdict; 2] = [Verdict::Pass, Verdict::Fail];
const OPEN: [Verdict; 2] = [Verdict::Pass, Verdict::Inconclusive];
const RIG: [Verdict; 2] = [Verdict::Pass, Verdict::HarnessError];

#[test]
fn the_newest_run_of_the_same_build_decides() {
    let cases: [(&[Exhibit], Exit); 8] = [
        (&[run("1", 2, PASS)], Exit::Pass),
        (&[run("1", 2, FAIL)], Exit::Fail),
        (&[run("1", 2, OPEN)], Exit::Inconclusive),
        (&[run("1", 2, RIG)], Exit::HarnessError),
        (&[run("1", 2, OPEN), run("2", 1, PASS)], Exit::Pass),
        (&[run("1", 2, PASS), run("2", 1, FAIL)], Exit::Fail),
        (&[run("1", 2, PASS), run("2", 1, RIG)], Exit::HarnessError),
        (&[], Exit::Refused),
    ];
    for (exhibits, exit) in cases {
        let answer = asked().of(exhibits);
        assert_eq!(answer.exit, exit, "{:?}", answer.reasons);
        assert_eq!(answer.reasons.is_empty(), answer.carried);
    }
}

#[test]
fn a_pass_after_a_fail_needs_a_replay_and_three_fresh_seeds() {
    let mut exhibits = vec![run("bad", 9, FAIL), run("1", 8, PASS)];
    assert_eq!(asked().of(&exhibits).exit, Exit::Fail);
    exhibits.extend([run("2", 7, PASS), run("3", 6, PASS)]);
    assert_eq!(asked().of(&exhibits).exit, Exit::Fail, "no replay yet");
    exhibits.push(Exhibit {
        seed: "bad".to_owned(),
        ..run("replay", 5, PASS)
    });
    assert_eq!(asked().of(&exhibits).exit, Exit::Pass);
    exhibits.push(run("4", 4, OPEN));
    exhibits.push(run("5", 3, PASS));
    let answer = asked().of(&exhibits);
    assert_eq!(answer.exit, Exit::Fail, "an open run breaks the row");
    assert!(answer.reasons[0].contains("1 so far"), "{answer:?}");
}

#[test]
fn expired_partial_and_foreign_evidence_is_refused_with_the_reason() {
    let why = |answer: &Answer| {
        let refusals = answer.rows.iter().filter_map(|row| row.refusal.as_ref());
        refusals.map(|refusal| refusal.why).collect::<Vec<_>>()
    };
    let expired = asked().of(&[run("1", 8 * 24, PASS)]);
    assert_eq!(
        (expired.exit, why(&expired)[0]),
        (Exit::Refused, Why::Expired)
    );
    let mut partial = run("1", 1, PASS);
    partial.findings.pop();
    let partial = asked().of(&[partial]);
    assert_eq!(partial.exit, Exit::Refused);
    assert_eq!(why(&partial), [Why::MissingCriterion]);
    let mut foreign = asked();
    foreign.server = "b".repeat(64);
    let foreign = foreign.of(&[run("1", 1, PASS)]);
    assert_eq!(
        (foreign.exit, why(&foreign)[0]),
        (Exit::Refused, Why::ForeignIdentity)
    );
    let mut other = asked();
    other.policy = Some("other".to_owned());
    let other = other.of(&[run("1", 1, PASS)]);
    assert_eq!(why(&other)[0], Why::ForeignIdentity);
    let smaller = Exhibit {
        profile: "smoke".to_owned(),
        ..run("1", 1, PASS)
    };
    assert_eq!(asked().of(&[smaller]).exit, Exit::Refused);
}

#[test]
fn the_run_of_a_foreign_server_carries_the_claim_of_its_own_profile_and_no_other() {
    let of = |profile: &str| Exhibit {
        profile: profile.to_owned(),
        ..run("1", 1, PASS)
    };
    let mut asked = asked();
    assert_eq!(asked.of(&[of("target")]).exit, Exit::Refused);
    asked.claim.profile = "target".to_owned();
    assert_eq!(asked.of(&[of("target")]).exit, Exit::Pass);
    for other in ["full", "quick", "selftest"] {
        assert_eq!(asked.of(&[of(other)]).exit, Exit::Refused, "{other}");
    }
}

#[test]
fn a_small_run_that_fails_speaks_against_the_claim() {
    let small = Exhibit {
        profile: "smoke".to_owned(),
        ..run("2", 1, FAIL)
    };
    assert_eq!(asked().of(&[run("1", 2, PASS), small]).exit, Exit::Fail);
}

fn waiver() -> Waiver {
    Waiver {
        criterion: "V.4".to_owned(),
        claim: "merge-ready".to_owned(),
        owner: "ann".to_owned(),
        approved_by: "ben".to_owned(),
        reason: "known".to_owned(),
        until: NOW + DAY_S,
    }
}

#[test]
fn a_waived_criterion_is_a_no_unless_waivers_are_accepted() {
    let mut asked = asked();
    asked.waivers = vec![waiver()];
    assert_eq!(asked.of(&[run("1", 1, FAIL)]).exit, Exit::Fail);
    asked.accepts = true;
    let yes = asked.of(&[run("1", 1, FAIL)]);
    assert_eq!(yes.exit, Exit::Pass);
    assert!(yes.notes[0].contains("waived by ann"), "{:?}", yes.notes);
    assert!(asked.of(&[run("1", 1, PASS)]).notes[0].contains("stale"));
    for verdicts in [FAIL, OPEN, RIG] {
        let mut lost = run("1", 1, verdicts);
        lost.findings[1].checks.push(check("lost", verdicts[1]));
        assert_ne!(asked.of(&[lost]).exit, Exit::Pass, "loss was waived");
    }
    for spoiled in [
        Waiver {
            until: NOW - 1,
            ..waiver()
        },
        Waiver {
            approved_by: "ann".to_owned(),
            ..waiver()
        },
        Waiver {
            claim: "other".to_owned(),
            ..waiver()
        },
    ] {
        asked.waivers = vec![spoiled];
        assert_eq!(asked.of(&[run("1", 1, FAIL)]).exit, Exit::Fail);
    }
}

#[test]
fn what_nobody_ran_is_not_waived() {
    let mut asked = asked();
    asked.waivers = vec![waiver()];
    asked.accepts = true;
    let mut never = run("1", 1, PASS);
    never.findings.truncate(1);
    assert_eq!(asked.of(&[never]).exit, Exit::Refused);
    let mut untried = run("1", 1, OPEN);
    assert_eq!(asked.of(&[untried.clone()]).exit, Exit::Pass);
    untried.findings[1].checks.clear();
    assert_eq!(asked.of(&[untried]).exit, Exit::Inconclusive);
}

fn decision(course: Course) -> Decision {
    Decision {
        course,
        claim: "merge-ready".to_owned(),
        server: "a".repeat(64),
        by: "ann".to_owned(),
        reason: "a reason".to_owned(),
        at: NOW - 10,
        until: NOW + 10,
    }
}

#[test]
fn a_decision_is_never_a_pass_and_ends_with_its_date_and_its_build() {
    let mut asked = asked();
    asked.decisions = vec![decision(Course::Go)];
    let over = asked.of(&[run("1", 1, FAIL)]);
    assert_eq!(over.exit, Exit::Overridden);
    assert!(!over.carried && !over.reasons.is_empty());
    for ended in [
        Decision {
            until: NOW - 1,
            ..decision(Course::Go)
        },
        Decision {
            at: NOW + 1,
            ..decision(Course::Go)
        },
        Decision {
            server: "b".repeat(64),
            ..decision(Course::Go)
        },
        Decision {
            claim: "other".to_owned(),
            ..decision(Course::Go)
        },
    ] {
        asked.decisions = vec![ended];
        assert_eq!(asked.of(&[run("1", 1, FAIL)]).exit, Exit::Fail);
    }
    asked.decisions = vec![decision(Course::NoGo)];
    assert_eq!(asked.of(&[run("1", 1, PASS)]).exit, Exit::Fail);
}

#[test]
fn a_decision_overrides_what_is_missing_and_never_what_is_foreign() {
    let mut asked = asked();
    asked.decisions = vec![decision(Course::Go)];
    assert_eq!(asked.of(&[]).exit, Exit::Overridden);
    let foreign = Exhibit {
        server: "b".repeat(64),
        ..run("1", 1, PASS)
    };
    assert_eq!(asked.of(&[foreign]).exit, Exit::Refused);
}

#[test]
fn a_signed_claim_needs_enough_keys_of_the_role_and_a_checkpoint() {
    let mut asked = asked();
    asked.claim.signed_by = Some(Role::Ci);
    asked.claim.keys = 2;
    asked.has_checkpoint = true;
    let by = |signers: &[Role]| Exhibit {
        signers: signers.to_vec(),
        ..run("1", 1, PASS)
    };
    assert_eq!(asked.of(&[by(&[])]).exit, Exit::Refused);
    assert_eq!(asked.of(&[by(&[Role::Dev, Role::Ci])]).exit, Exit::Refused);
    assert_eq!(asked.of(&[by(&[Role::Ci, Role::Release])]).exit, Exit::Pass);
    asked.has_checkpoint = false;
    let refused = asked.of(&[by(&[Role::Ci, Role::Release])]);
    assert!(refused.reasons[0].contains("checkpoint"), "{refused:?}");
}

#[test]
fn a_claim_about_what_runs_needs_more_than_the_servers_word() {
    let mut asked = asked();
    asked.claim.identity = IdentityLevel::Observed;
    asked.identity = IdentityLevel::Claimed;
    let claimed = asked.of(&[run("1", 1, PASS)]);
    assert_eq!(claimed.exit, Exit::Inconclusive);
    assert!(claimed.reasons[0].contains("observed identity"));
    asked.identity = IdentityLevel::Observed;
    assert_eq!(asked.of(&[run("1", 1, PASS)]).exit, Exit::Pass);
}

#[test]
fn both_stores_are_needed_where_the_claim_names_both() {
    let mut asked = asked();
    asked.claim.stores = vec!["embedded".to_owned(), "redis".to_owned()];
    asked.claim.any_store = vec!["V.1".to_owned()];
    let redis = Exhibit {
        store: "redis".to_owned(),
        ..run("2", 1, PASS)
    };
    let one = asked.of(&[run("1", 2, PASS)]);
    assert_eq!(one.exit, Exit::Refused);
    assert!(one.reasons[0].starts_with("missing criterion: V.4 on redis"));
    assert_eq!(asked.of(&[run("1", 2, PASS), redis]).exit, Exit::Pass);
}

#[test]
fn a_criterion_that_takes_any_driver_is_exempt_from_the_claims_and_no_other_is() {
    let mut asked = asked();
    asked.claim.drivers = vec!["container".to_owned()];
    asked.claim.any_driver = vec!["V.4".to_owned()];
    let contained = Exhibit {
        driver: "container".to_owned(),
        findings: vec![finding("V.1", Verdict::Pass)],
        ..run("1", 2, PASS)
    };
    let local = Exhibit {
        findings: vec![finding("V.4", Verdict::Pass)],
        ..run("2", 1, PASS)
    };
    let none = asked.of(std::slice::from_ref(&local));
    assert_eq!(none.exit, Exit::Refused);
    assert_eq!(
        asked.of(&[contained.clone(), local.clone()]).exit,
        Exit::Pass
    );
    asked.claim.any_driver.clear();
    let refused = asked.of(&[contained, local]);
    assert!(refused.reasons[0].starts_with("missing criterion: V.4"));
}
