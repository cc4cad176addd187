//! Claims by their names and rules: which check and floor a claim leans on, and on no other.

use exai_judge::claim::{Claim, Claims};
use exai_judge::tally::{self, Tally, blank};
use exai_judge::{Finding, Reason, Verdict};

const TEXT: &str = r#"
    [[claim]]
    id = "small"
    text = ""
    profile = "smoke"
    criteria = ["V.1"]
    tolerates = ["below_floor"]
    checks = ["V.6/denied"]
    floors = ["V.5/kill.server"]
    max_age_days = 7
    [[claim]]
    id = "large"
    text = ""
    profile = "full"
    criteria = ["V.1"]
    max_age_days = 7
    live_providers = true
"#;

fn claims() -> Claims {
    Claims::parse(TEXT).unwrap()
}

#[test]
fn a_run_asks_for_the_first_claim_of_its_profile_and_live_ones_have_a_longer_name() {
    let claims = claims();
    let id = |profile| claims.of_profile(profile).map(|claim| claim.id.as_str());
    let found = ["smoke", "full", "quick"].map(id);
    assert_eq!(found, [Some("small"), Some("large"), None]);
    let large = claims.find("large").unwrap();
    assert_eq!(large.simulated(), "large (simulated providers)");
    assert!(claims.named(&large.simulated()).is_some());
    assert!(claims.named("small (simulated providers)").is_none());
}

/// A finding with a check beside the one asked for, and a floor beside.
fn finding(criterion: &str, check: (&str, Verdict), floor: (&str, u64)) -> Finding {
    let mut finding = blank(criterion);
    for (id, verdict) in [("other", Verdict::HarnessError), check] {
        Tally::new(id, "").conclude(&mut finding);
        finding.checks.last_mut().unwrap().verdict = verdict;
    }
    for (id, seen) in [("other", 0), floor] {
        tally::floor(&mut finding, id, "", (1, seen), Reason::BelowFloor);
    }
    finding.verdict = Verdict::Pass;
    finding
}

fn small() -> Claim {
    claims().find("small").unwrap().clone()
}

#[test]
fn a_rule_is_what_its_own_check_and_floor_say_and_inconclusive_without_them() {
    use Verdict::{Fail, Inconclusive, Pass};
    let rules = |findings: &[Finding]| small().rules(findings).iter().map(|it| it.1).collect();
    let killed = |seen| finding("V.5", ("x", Pass), ("kill.server", seen));
    let denied = |verdict| finding("V.6", ("denied", verdict), ("x", 1));
    let cases: [(&[Finding], [Verdict; 2]); 5] = [
        (&[], [Inconclusive, Inconclusive]),
        (&[killed(1), denied(Pass)], [Pass, Pass]),
        (&[killed(0), denied(Fail)], [Inconclusive, Fail]),
        (&[killed(1)], [Pass, Inconclusive]),
        (&[denied(Pass)], [Inconclusive, Pass]),
    ];
    for (findings, wanted) in cases {
        let seen: Vec<Verdict> = rules(findings);
        assert_eq!(seen, wanted);
    }
    let first = finding("V.1", ("x", Pass), ("x", 1));
    let all = [first.clone(), killed(1), denied(Pass)];
    assert_eq!(small().judge(&all).verdict, Pass);
    let failing = [first, killed(1), denied(Fail)];
    let judged = small().judge(&failing);
    assert_eq!(judged.verdict, Fail);
    assert_eq!(judged.because, ["V.6/denied Fail"]);
}

#[test]
fn a_claim_lets_be_what_is_open_for_reasons_it_tolerates_and_nothing_else() {
    let of = |criterion: &str, verdict, reasons: &[Reason]| Finding {
        verdict,
        reasons: reasons.to_vec(),
        ..blank(criterion)
    };
    let tolerated = |finding: Finding| small().tolerated(&[finding]);
    use Reason::{BelowFloor, RigLimit};
    use Verdict::{Fail, Inconclusive, Pass};
    assert_eq!(tolerated(of("V.1", Inconclusive, &[BelowFloor])), ["V.1"]);
    for other in [
        of("V.2", Inconclusive, &[BelowFloor]),
        of("V.1", Inconclusive, &[BelowFloor, RigLimit]),
        of("V.1", Inconclusive, &[]),
        of("V.1", Fail, &[BelowFloor]),
        of("V.1", Pass, &[]),
    ] {
        assert_eq!(tolerated(other.clone()), [""; 0], "{other:?}");
    }
    let two = [of("V.2", Pass, &[]), of("V.1", Inconclusive, &[BelowFloor])];
    assert_eq!(small().tolerated(&two), ["V.1"]);
}
