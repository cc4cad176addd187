//! What two configuration files say differently.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::layer::Settings;
use super::schema::Schema;
use super::{Faults, Sources};

/// A key whose value two files give differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// Its value by the one, as TOML; `None` where it has no such row.
    pub before: Option<String>,
    /// Its value by the other.
    pub after: Option<String>,
}

/// What two files say differently, each over the defaults alone, by key.
///
/// # Errors
/// What cannot be read of either file, and keys and values that do not fit.
pub fn differences(before: &Path, after: &Path) -> Result<Vec<Difference>, Faults> {
    let schema = Schema::embedded()?;
    let read = |path: &Path| {
        let sources = Sources {
            file: Some(path.to_owned()),
            ..Sources::default()
        };
        Settings::merged(&sources, &schema)
    };
    let (before, after) = (read(before), read(after));
    let faults = [before.faults.clone(), after.faults.clone()].concat();
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    let values = |settings: &Settings| -> BTreeMap<String, String> {
        let rows = settings.told().into_iter();
        rows.map(|(key, value, _)| (key, value)).collect()
    };
    let (before, after) = (values(&before), values(&after));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let one = |key: &String| Difference {
        key: key.clone(),
        before: before.get(key).cloned(),
        after: after.get(key).cloned(),
    };
    let all = keys.into_iter().map(one);
    Ok(all.filter(|row| row.before != row.after).collect())
}
