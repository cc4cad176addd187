//! `verify list`: the criteria, and what each profile may take.

use exai_judge::verdict::Exit;
use serde_json::json;

use super::Ending;
use super::arguments::ListArguments;
use super::print;
use crate::catalogue;

/// Wall seconds each profile may take, judge and reports included (CRITERIA, Profiles).
pub const CEILINGS: [(&str, u64); 3] = [("smoke", 60), ("quick", 300), ("full", 3_600)];

/// Rows whose seconds are part of another's.
const TIERS: [&str; 2] = ["V.8g", "V.8t"];

/// Prints the catalogue, or the budget of every profile.
///
/// # Errors
/// [`Ending::Bug`] when the embedded catalogue does not parse.
pub fn list(arguments: &ListArguments) -> Result<Exit, Ending> {
    let criteria = catalogue::criteria()?;
    let quick = catalogue::of_profile(&criteria, "quick")?;
    if arguments.json {
        let rows: Vec<_> = quick
            .iter()
            .map(|row| json!({"id": row.id, "title": row.title, "scenario": row.scenario}))
            .collect();
        let budgets: serde_json::Map<_, _> = budgets(&criteria)?
            .into_iter()
            .map(|(profile, ceiling, sum)| {
                (
                    profile.to_owned(),
                    json!({"seconds": sum, "ceiling": ceiling}),
                )
            })
            .collect();
        let value = json!({"schema": "exai-verify-list/1", "criteria": rows, "budgets": budgets});
        print(&value.to_string());
        return Ok(Exit::Pass);
    }
    let width = quick.iter().map(|row| row.scenario.len()).max();
    let width = width.unwrap_or_default();
    for row in &quick {
        print(&format!(
            "{:<5} {:<width$} {}",
            row.id, row.scenario, row.title
        ));
    }
    if arguments.budget {
        print("");
        for (profile, ceiling, sum) in budgets(&criteria)? {
            print(&format!("{profile:<6} {sum:>5} s of {ceiling:>5} s"));
        }
    }
    Ok(Exit::Pass)
}

/// Profile, its ceiling, and the sum of its phases' seconds.
fn budgets(
    criteria: &exai_judge::criterion::Criteria,
) -> Result<Vec<(&'static str, u64, u64)>, Ending> {
    CEILINGS
        .iter()
        .map(|(profile, ceiling)| {
            let rows = catalogue::of_profile(criteria, profile)?;
            // The tiers of V.8 run inside its own seconds.
            let own = rows.iter().filter(|row| !TIERS.contains(&row.id.as_str()));
            let phases: u64 = own.filter_map(|row| row.numbers.budget_s).sum();
            let ground = criteria
                .ground(profile)
                .map_err(|error| Ending::Bug(error.to_string()))?
                .numbers
                .budget_s
                .unwrap_or(0);
            Ok((*profile, *ceiling, phases + ground))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_fits_its_ceiling() {
        let criteria = catalogue::criteria().unwrap();
        for (profile, ceiling, sum) in budgets(&criteria).unwrap() {
            assert!(sum > 0, "{profile} plans nothing");
            assert!(
                sum <= ceiling,
                "{profile}: {sum} s planned, {ceiling} s allowed"
            );
        }
    }
}
