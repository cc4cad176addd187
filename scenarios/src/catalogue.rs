//! The committed rows: criteria, claims, and the words a person may name them by.

use exai_judge::claim::{Claim, Claims};
use exai_judge::criterion::{Criteria, Criterion};

use crate::cli::Ending;
use crate::cli::arguments::RunArguments;

/// What is judged, with every number.
pub const CRITERIA: &str = include_str!("../criteria.toml");
/// What may be claimed, and what carries it.
pub const CLAIMS: &str = include_str!("../claims.toml");

/// Reads the embedded criteria.
///
/// # Errors
/// [`Ending::Bug`]: the embedded text is ours.
pub fn criteria() -> Result<Criteria, Ending> {
    Criteria::parse(CRITERIA).map_err(|error| Ending::Bug(error.to_string()))
}

/// Whether a criterion is among those named, a tier such as `V.8g` with the whole; all are where
/// none is.
#[must_use]
pub fn is_named(named: &[String], criterion: &str) -> bool {
    named.is_empty()
        || named
            .iter()
            .any(|name| criterion.starts_with(name.as_str()))
}

/// Where a criterion begins in the embedded text, from 1; a tier such as `V.8g` where its own row
/// does. 0 for one that is not there.
#[must_use]
pub fn line_of(criterion: &str) -> u32 {
    let row = format!("id = \"{criterion}\"");
    (1..)
        .zip(CRITERIA.lines())
        .find_map(|(number, line)| (line == row).then_some(number))
        .unwrap_or(0)
}

/// Reads the embedded claims.
///
/// # Errors
/// [`Ending::Bug`]: the embedded text is ours.
pub fn claims() -> Result<Claims, Ending> {
    Claims::parse(CLAIMS).map_err(|error| Ending::Bug(error.to_string()))
}

/// The criteria of a profile, in the order of the reports.
///
/// # Errors
/// [`Ending::Bug`] when the catalogue lacks the profile.
pub fn of_profile(criteria: &Criteria, profile: &str) -> Result<Vec<Criterion>, Ending> {
    criteria
        .of_profile(profile)
        .map_err(|error| Ending::Bug(error.to_string()))
}

/// The claim a run answers for: the one named, else its profile's.
///
/// # Errors
/// [`Ending::Usage`] for an unknown claim, with those that are.
pub fn claim(arguments: &RunArguments) -> Result<Claim, Ending> {
    let own = || arguments.profile.claim();
    named(arguments.claim.as_deref().unwrap_or_else(own))
}

/// The claim of that name.
///
/// # Errors
/// [`Ending::Usage`] for an unknown claim, with those that are.
pub fn named(name: &str) -> Result<Claim, Ending> {
    let claims = claims()?;
    claims.named(name).ok_or_else(|| {
        let known: Vec<&str> = claims.rows.iter().map(|row| row.id.as_str()).collect();
        Ending::Usage(format!(
            "there is no claim \"{name}\". Known: {}.",
            known.join(", ")
        ))
    })
}

/// Checks the criteria a person named.
///
/// # Errors
/// [`Ending::Usage`] for a name that is none, with those that are.
pub fn check_names(criteria: &Criteria, named: &[String]) -> Result<(), Ending> {
    let known: Vec<&str> = criteria.ids().collect();
    for name in named {
        if !known.contains(&name.as_str()) {
            return Err(Ending::Usage(format!(
                "there is no criterion \"{name}\". Known: {} (cargo verify list).",
                known.join(", ")
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn wired_proves_one_chat_on_each_transport_that_is_shipped() {
        let criteria = criteria().unwrap();
        let shipped = criteria.transports.iter().filter(|(_, row)| row.built);
        let shipped: BTreeSet<&str> = shipped.map(|(name, _)| name.as_str()).collect();
        let claim = named("wired").unwrap();
        let floors = claim.floors.iter();
        let proven = floors.filter_map(|path| path.strip_prefix("V.1/cell.chat."));
        assert_eq!(proven.collect::<BTreeSet<_>>(), shipped);
    }

    #[test]
    fn what_is_exempt_from_a_claims_drivers_and_stores_is_asked_by_it() {
        for claim in claims().unwrap().rows {
            let exempt = claim.any_driver.iter().chain(&claim.any_store);
            assert!(
                exempt.clone().all(|id| claim.criteria.contains(id)),
                "{}",
                claim.id
            );
        }
        let ready = named("production-ready").unwrap();
        assert_eq!(ready.any_driver, ["V.7"], "verify soak has no --driver");
    }
}
