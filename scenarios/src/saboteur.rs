//! The table of saboteurs: what is spoiled, where, and which findings it must produce.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The committed table.
const TABLE: &str = include_str!("../saboteurs.toml");

/// One way to spoil a good server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saboteur {
    /// The number in CRITERIA's table, with a letter for a subtle twin.
    pub id: String,
    /// In words.
    pub name: String,
    /// The impostor's spoiler, or the launcher's.
    pub spoil: String,
    /// Where it sits: `client`, `websocket`, `stdio`, `admin`, `store`, a provider's name,
    /// `launcher`, `harness` (the judge's own ground), or `record`.
    pub edge: String,
    /// Spoil every k-th eligible operation.
    #[serde(default = "one")]
    pub every: u32,
    /// The first eligible operation to spoil, counted from 0.
    #[serde(default)]
    pub offset: u32,
    /// Criteria to run: those that can see it. Empty runs all.
    #[serde(default)]
    pub run: Vec<String>,
    /// Criteria that must turn to Fail, with the checks that must fail.
    #[serde(default)]
    pub fail: BTreeMap<String, Vec<String>>,
    /// How far the violations must be what the impostor says it spoiled.
    #[serde(default)]
    pub account: Held,
    /// Criteria that must turn to Inconclusive, with the reason.
    #[serde(default)]
    pub inconclusive: BTreeMap<String, String>,
    /// Criteria that must turn to HarnessError.
    #[serde(default)]
    pub error: Vec<String>,
    /// Whether a record must be refused (exit 5).
    #[serde(default)]
    pub refused: bool,
    /// Whether every criterion must become Inconclusive(foreign_identity).
    #[serde(default)]
    pub void: bool,
    /// The store behind the server.
    #[serde(default = "embedded")]
    pub store: String,
    /// Instances of the server on it.
    #[serde(default = "one")]
    pub instances: u32,
}

/// How an impostor's account is held against the violations of the checks that must fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// Not at all: what is spoiled shows in a figure or at the work of others.
    #[default]
    No,
    /// Nobody else is named; not all that was spoiled is wrong.
    Only,
    /// Nobody else is named, and everyone is found.
    Each,
}

fn embedded() -> String {
    "embedded".to_owned()
}

const fn one() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    saboteur: Vec<Saboteur>,
}

/// Every row, in the order of the table.
///
/// # Errors
/// The row and field at fault, when the embedded table does not parse.
pub fn all() -> Result<Vec<Saboteur>, toml::de::Error> {
    toml::from_str::<Table>(TABLE).map(|table| table.saboteur)
}

#[cfg(test)]
mod tests {
    use exai_mocks::impostor::registry::{self, Edge};
    use exai_mocks::provider::Provider;

    use super::*;

    #[test]
    fn every_row_demands_something_that_an_honest_server_does_not_show() {
        for row in all().unwrap() {
            let demands = row.fail.len()
                + row.inconclusive.len()
                + row.error.len()
                + usize::from(row.void)
                + usize::from(row.refused);
            assert!(
                demands > 0,
                "row {} can be passed by a judge that sees nothing",
                row.id
            );
        }
    }

    #[test]
    fn a_bystander_never_fails_and_the_rig_is_named_instead() {
        let rows = all().unwrap();
        let bystanders: Vec<_> = rows.iter().filter(|row| row.id.starts_with('B')).collect();
        assert_eq!(bystanders.len(), 12);
        for row in bystanders {
            assert!(row.fail.is_empty(), "row {}", row.id);
            assert!(["launcher", "harness"].contains(&row.edge.as_str()));
        }
    }

    #[test]
    fn every_row_names_a_spoiler_that_can_stand_on_its_edge() {
        let elsewhere = ["launcher", "harness", "record"];
        let on_edges = |row: &&Saboteur| !elsewhere.contains(&row.edge.as_str());
        for row in all().unwrap().iter().filter(on_edges) {
            let edge = match Provider::ALL.iter().find(|one| one.name() == row.edge) {
                Some(_) => Edge::Provider,
                None => row.edge.parse().unwrap(),
            };
            let spoiler = registry::find(&row.spoil).unwrap();
            assert!(spoiler.edges.contains(&edge), "row {}", row.id);
            let needs_edge = edge == Edge::Store;
            assert_eq!(needs_edge, row.store == "redis", "row {}", row.id);
        }
    }

    #[test]
    fn an_account_is_asked_only_of_an_impostor_whose_checks_must_fail() {
        let rows = all().unwrap();
        let held: Vec<_> = rows.iter().filter(|row| row.account != Held::No).collect();
        assert!(held.iter().any(|row| row.account == Held::Each));
        for row in held {
            let is_read = ["client", "websocket"].contains(&row.edge.as_str())
                || Provider::ALL.iter().any(|one| one.name() == row.edge);
            assert!(is_read && !row.fail.is_empty(), "row {}", row.id);
        }
    }

    #[test]
    fn no_two_rows_have_one_id() {
        let mut ids: Vec<_> = all().unwrap().into_iter().map(|row| row.id).collect();
        let rows = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), rows);
    }
}
