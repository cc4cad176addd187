//! `verify explain V.4`: what a criterion asks for, with every number of every profile.

use std::collections::BTreeSet;

use exai_judge::criterion::{Criterion, PROFILES};
use exai_judge::verdict::Exit;
use serde_json::{Value, json};

use super::arguments::ExplainArguments;
use super::{Ending, print};
use crate::catalogue;

/// Prints the requirement, the floors and the limits.
///
/// # Errors
/// [`Ending::Usage`] for an unknown criterion.
pub fn explain(arguments: &ExplainArguments) -> Result<Exit, Ending> {
    let name = &arguments.criterion;
    let criteria = catalogue::criteria()?;
    catalogue::check_names(&criteria, std::slice::from_ref(name))?;
    let mut rows = Vec::new();
    for profile in PROFILES {
        let found = criteria.find(name, profile);
        let found = found.map_err(|error| Ending::Bug(error.to_string()))?;
        rows.extend(found.map(|row| (profile, row)));
    }
    if arguments.json {
        print(&as_json(name, &rows).to_string());
    } else {
        told(&rows);
    }
    Ok(Exit::Pass)
}

/// A row for each number, a column for each profile; what a profile does not ask for is a dash.
fn told(rows: &[(&str, Criterion)]) {
    let Some((_, first)) = rows.first() else {
        return;
    };
    print(&format!(
        "{}  {}\n\n{}\n",
        first.id,
        first.title,
        first.text.trim()
    ));
    let heads: String = rows
        .iter()
        .map(|(profile, _)| format!("{profile:>9}"))
        .collect();
    print(&format!("{:<48}{heads}", ""));
    let line = |kind: &str, name: &str, value: &dyn Fn(&Criterion) -> Option<String>| {
        let cells = rows.iter().map(|(_, row)| value(row));
        let cells: String = cells
            .map(|cell| format!("{:>9}", cell.unwrap_or_else(|| "–".to_owned())))
            .collect();
        print(&format!("{kind:<14}{name:<34}{cells}"));
    };
    for event in names(rows, |row| row.numbers.floors.keys()) {
        line("must happen", event, &|row| {
            let asked = row.numbers.floors.get(event).copied().unwrap_or(0);
            (asked > 0).then(|| asked.to_string())
        });
    }
    for limit in names(rows, |row| row.numbers.limits.keys()) {
        line("limit", limit, &|row| {
            row.numbers.limits.get(limit).map(f64::to_string)
        });
    }
    let seconds = |row: &Criterion| row.numbers.budget_s;
    line("planned for", "seconds", &|row| {
        seconds(row).map(|one| one.to_string())
    });
}

/// The names that any profile has, in order.
fn names<'a, K: Iterator<Item = &'a String>>(
    rows: &'a [(&str, Criterion)],
    of: impl Fn(&'a Criterion) -> K,
) -> BTreeSet<&'a str> {
    let all = rows.iter().flat_map(|(_, row)| of(row));
    all.map(String::as_str).collect()
}

fn as_json(name: &str, rows: &[(&str, Criterion)]) -> Value {
    let profiles = rows.iter().map(|(profile, row)| {
        let numbers = &row.numbers;
        let told = json!({"floors": numbers.floors, "limits": numbers.limits,
            "seconds": numbers.budget_s});
        ((*profile).to_owned(), told)
    });
    let profiles: serde_json::Map<String, Value> = profiles.collect();
    let row = rows.first().map(|(_, row)| row);
    json!({"schema": "exai-verify-explain/1", "id": name, "title": row.map(|row| &row.title),
        "text": row.map(|row| row.text.trim()), "profiles": profiles})
}
