//! The committed catalogue and claims.

use exai_judge::claim::Claims;
use exai_judge::criterion::{Criteria, PROFILES};

pub const CRITERIA: &str = include_str!("../../../../scenarios/criteria.toml");
pub const CLAIMS: &str = include_str!("../../../../scenarios/claims.toml");

pub fn criteria() -> Criteria {
    Criteria::parse(CRITERIA).expect("the committed catalogue reads")
}

#[test]
fn the_catalogue_holds_every_criterion_tool_transport_and_fault() {
    let criteria = criteria();
    let wanted = [
        "V.1", "V.2", "V.3", "V.4", "V.5", "V.5p", "V.6", "V.7", "V.7m", "V.8", "V.8g", "V.8t",
    ];
    assert_eq!(criteria.ids().collect::<Vec<_>>(), wanted);
    assert_eq!(criteria.tools.len(), 20);
    assert_eq!(criteria.transports.len(), 4);
    assert_eq!(criteria.faults.len(), 82);
}

/// Not every run can show it (specs/judging.md, 7.6), so what every report prints must not say it.
#[test]
fn no_text_of_the_catalogue_or_the_claims_promises_to_be_durable() {
    for text in [CRITERIA, CLAIMS] {
        assert!(!text.to_lowercase().contains("durable"));
    }
}

#[test]
fn power_loss_is_a_row_of_its_own_that_no_claim_asks_for() {
    let claims = Claims::parse(CLAIMS).expect("the committed claims read");
    let asked = |claim: &exai_judge::claim::Claim| claim.criteria.contains(&"V.5p".to_owned());
    assert!(!claims.rows.iter().any(asked));
    let full = criteria().find("V.5p", "full").expect("a profile");
    assert_eq!(full.expect("a row").floor("appends"), Ok(200));
}

#[test]
fn every_claim_names_criteria_and_profiles_that_exist() {
    let criteria = criteria();
    let claims = Claims::parse(CLAIMS).expect("the committed claims read");
    let ids: Vec<_> = criteria.ids().collect();
    for claim in &claims.rows {
        assert!(PROFILES.contains(&claim.profile.as_str()), "{}", claim.id);
        for criterion in &claim.criteria {
            assert!(
                ids.contains(&criterion.as_str()),
                "{} names {criterion}",
                claim.id
            );
        }
    }
    let names: Vec<_> = claims.rows.iter().map(|claim| claim.id.as_str()).collect();
    assert_eq!(
        names,
        [
            "wired",
            "merge-ready",
            "release-candidate",
            "production-ready"
        ]
    );
}

#[test]
fn the_profiles_fit_their_budgets() {
    let criteria = criteria();
    for (profile, seconds) in [("smoke", 60), ("quick", 300), ("full", 3_600)] {
        let rows = criteria.of_profile(profile).expect("the profile exists");
        let phases = rows
            .iter()
            .filter(|row| !["V.8g", "V.8t"].contains(&row.id.as_str()));
        let sum: u64 = phases.filter_map(|row| row.numbers.budget_s).sum();
        assert!(
            sum > 0 && sum <= seconds,
            "{profile} takes {sum} of {seconds} s"
        );
    }
}

/// A catalogue of one criterion.
const TEXT: &str = r#"
    [ground.base.limits]
    settle_s = 1
    [tools.chat]
    built = true
    proof = "keyed"
    instruction = "own"
    providers = ["*"]
    [transports.stdio]
    built = true
    [faults.K01]
    title = "overload"
    providers = ["kimi"]
    reaction = ["R F"]
    [[criterion]]
    id = "V.3"
    title = "many at once"
    text = "100+ operations at once"
    scenario = "T.2"
    base.limits = { p95_ms = 5000, errors = 0.01 }
    base.floors = { operations = 3000 }
    quick = { budget_s = 30 }
    full = { budget_s = 180, floors = { operations = 30000 } }
"#;

#[test]
fn a_profile_changes_the_base_and_keeps_the_rest() {
    let criteria = Criteria::parse(TEXT).unwrap();
    let quick = criteria.find("V.3", "quick").unwrap().unwrap();
    let full = criteria.find("V.3", "full").unwrap().unwrap();
    assert_eq!(
        (quick.floor("operations"), full.floor("operations")),
        (Ok(3000), Ok(30000))
    );
    assert_eq!(
        (full.limit("errors"), full.nanos("p95_ms")),
        (Ok(0.01), Ok(5_000_000_000))
    );
    assert_eq!(full.numbers.budget_s, Some(180));
    assert_ne!(quick.text_sha256(), full.text_sha256());
    assert_eq!(
        criteria.ground("quick").unwrap().nanos("settle_s"),
        Ok(1_000_000_000)
    );
}

#[test]
fn a_name_the_catalogue_lacks_is_an_error_that_names_it() {
    let criteria = Criteria::parse(TEXT).unwrap();
    let quick = criteria.find("V.3", "quick").unwrap().unwrap();
    let missing = quick.floor("tea").unwrap_err().to_string();
    assert_eq!(
        missing,
        "criteria.toml lacks floor tea of V.3 in profile quick"
    );
    assert!(quick.nanos("errors").is_err());
    assert!(criteria.find("V.3", "brisk").is_err());
    assert!(Criteria::parse(&TEXT.replace("title =", "titel =")).is_err());
}
