//! The catalogue and the claim of servers that are not exai.

use exai_judge::claim::{Claim, Claims};
use exai_judge::criterion::Criteria;

use crate::cli::Ending;

/// What is judged, with every number.
pub const CRITERIA: &str = include_str!("../../target.toml");
/// What may be claimed.
const CLAIMS: &str = include_str!("../../target-claims.toml");
/// How such a record names its profile.
pub const PROFILE: &str = "target";
/// The profile inside the catalogue; it has one.
pub const NUMBERS: &str = "quick";
/// The claim.
pub const CLAIM: &str = "target-merge-ready";
/// The criteria, in the order of the reports.
pub const IDS: [&str; 5] = ["wire", "security", "panic", "load", "clients"];

/// Reads the embedded criteria.
///
/// # Errors
/// [`Ending::Bug`]: the embedded text is ours.
pub fn criteria() -> Result<Criteria, Ending> {
    Criteria::parse(CRITERIA).map_err(|error| Ending::Bug(error.to_string()))
}

/// Reads the embedded claim.
///
/// # Errors
/// [`Ending::Bug`]: the embedded text is ours.
pub fn claim() -> Result<Claim, Ending> {
    let claims = Claims::parse(CLAIMS).map_err(|error| Ending::Bug(error.to_string()))?;
    let claim = claims.find(CLAIM).cloned();
    claim.ok_or_else(|| Ending::Bug(format!("target-claims.toml lacks {CLAIM}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claim_rests_on_criteria_of_its_own_catalogue_and_on_all_but_those_that_inform() {
        let criteria = criteria().unwrap();
        assert_eq!(criteria.ids().collect::<Vec<_>>(), IDS);
        assert_eq!(claim().unwrap().criteria, IDS[..4]);
        assert!(criteria.of_profile(NUMBERS).is_ok());
    }
}
