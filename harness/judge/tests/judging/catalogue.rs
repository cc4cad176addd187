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
        "V.1", "V.2", "V.3", "V.4", "V.5", "V.6", "V.7", "V.7m", "V.8", "V.8g", "V.8t",
    ];
    assert_eq!(criteria.ids().collect::<Vec<_>>(), wanted);
    assert_eq!(criteria.tools.len(), 20);
    assert_eq!(criteria.transports.len(), 4);
    assert_eq!(criteria.faults.len(), 82);
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
