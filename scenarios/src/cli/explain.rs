//! `verify explain V.4`: what a criterion asks for, with every number of every profile.

use exai_judge::criterion::PROFILES;
use exai_judge::verdict::Exit;

use super::Ending;
use super::print;
use crate::catalogue;

/// Prints the requirement, the floors and the limits.
///
/// # Errors
/// [`Ending::Usage`] for an unknown criterion.
pub fn explain(name: &str) -> Result<Exit, Ending> {
    let criteria = catalogue::criteria()?;
    catalogue::check_names(&criteria, &[name.to_owned()])?;
    let mut head_is_printed = false;
    for profile in PROFILES {
        let found = criteria
            .find(name, profile)
            .map_err(|error| Ending::Bug(error.to_string()))?;
        let Some(row) = found else { continue };
        if !head_is_printed {
            print(&format!("{}  {}\n\n{}", row.id, row.title, row.text.trim()));
            head_is_printed = true;
        }
        print(&format!("\n{profile}"));
        for (event, count) in &row.numbers.floors {
            print(&format!("  must happen   {event:<34} {count:>8}"));
        }
        for (limit, value) in &row.numbers.limits {
            print(&format!("  limit         {limit:<34} {value:>8}"));
        }
        if let Some(seconds) = row.numbers.budget_s {
            print(&format!("  planned for   {:<34} {seconds:>8} s", ""));
        }
    }
    Ok(Exit::Pass)
}
