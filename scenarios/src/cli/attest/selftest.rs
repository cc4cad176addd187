//! A self-test that was passed: signed, and entered into the ledger, where the gate looks for it
//! before it believes a record of the same judge.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use exai_harness::attest::Envelope;
use exai_harness::attest::selftest::Passed;
use exai_harness::evidence::ledger::{Ledger, Told};
use exai_judge::refusal::{Refusal, Why};
use exai_judge::verdict::Exit;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::super::arguments::evidence::{SignerArguments, TrustArguments};
use super::super::{Ending, print, trust};
use crate::{saboteur, selftest};

/// The word of such an entry where others name their run.
const ENTRY: &str = "self-test";

/// What `verify selftest --json` printed, as far as it decides.
#[derive(Deserialize)]
struct Table {
    schema: String,
    at: Timestamp,
    harness_sha256: String,
    criteria_sha256: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    /// Empty for the honest control.
    id: String,
    name: String,
    seed: u64,
    misses: Vec<String>,
}

/// Signs it and enters it into the ledger.
///
/// # Errors
/// The user's mistakes, and a table that is not whole or was not passed.
pub fn sign(
    path: &Path,
    (signer, arguments): (&SignerArguments, &TrustArguments),
) -> Result<Exit, Ending> {
    let unreadable = |error: String| {
        Ending::Usage(format!(
            "{}: {error}. It must be what verify selftest --json printed.",
            path.display()
        ))
    };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let table: Table =
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    if table.schema != selftest::SCHEMA {
        return Err(unreadable(format!("this is {}", table.schema)));
    }
    let known = saboteur::all().map_err(|error| Ending::Bug(error.to_string()))?;
    let known: Vec<&str> = known.iter().map(|row| row.id.as_str()).collect();
    let passed = table.passed(&known)?;
    let signer = trust::signer(signer)?;
    let mut envelope = Envelope::around(&passed.statement());
    signer.sign(&mut envelope)?;
    let now = trust::now(arguments)?;
    let ledger = Ledger::at(&trust::reports(arguments).join("ledger"));
    let body = json!({ "envelope": envelope });
    let entry = ledger.append(Told::Selftest, ENTRY, &now.to_string(), body);
    let entry = entry.map_err(|error| super::super::ledger::refused(&error))?;
    let id = signer.public().id();
    if arguments.json {
        let value = json!({"schema": "exai-verify-attest-selftest/1", "entry": entry,
            "selftest": passed, "key_id": id});
        print(&value.to_string());
    } else {
        print(&format!(
            "self-test of {} rows by {}, entry {entry}\n\
             the gate counts it where it trusts key {id}",
            passed.rows, passed.harness_sha256
        ));
    }
    Ok(Exit::Pass)
}

impl Table {
    /// The whole table with each of its seeds, every row as demanded.
    fn passed(self, known: &[&str]) -> Result<Passed, Refusal> {
        let refused = |says: String| Err(Refusal::new(Why::SelfTest, says));
        if let Some(row) = self.rows.iter().find(|row| !row.misses.is_empty()) {
            let Row { name, misses, .. } = row;
            return refused(format!("{name}: {}", misses.join("; ")));
        }
        let mut by_seed: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
        for row in &self.rows {
            by_seed.entry(row.seed).or_default().insert(&row.id);
        }
        if by_seed.is_empty() {
            return refused("it has no rows".to_owned());
        }
        for (seed, tried) in &by_seed {
            let mut wanted = known.iter().chain(&[""]);
            if let Some(id) = wanted.find(|id| !tried.contains(**id)) {
                let row = if id.is_empty() {
                    "the honest control".to_owned()
                } else {
                    format!("row {id}")
                };
                return refused(format!("{row} was not tried with seed {seed}"));
            }
        }
        Ok(Passed {
            rows: known.len(),
            seeds: by_seed.into_keys().collect(),
            harness_sha256: self.harness_sha256,
            criteria_sha256: self.criteria_sha256,
            at: self.at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, u64, &[&str])]) -> Table {
        let row = |(id, seed, misses): &(&str, u64, &[&str])| Row {
            id: (*id).to_owned(),
            name: format!("row {id}"),
            seed: *seed,
            misses: misses.iter().map(|miss| (*miss).to_owned()).collect(),
        };
        Table {
            schema: selftest::SCHEMA.to_owned(),
            at: Timestamp::UNIX_EPOCH,
            harness_sha256: "h".to_owned(),
            criteria_sha256: "c".to_owned(),
            rows: rows.iter().map(row).collect(),
        }
    }

    fn refused(rows: &[(&str, u64, &[&str])]) -> String {
        let refusal = table(rows).passed(&["1", "2"]).unwrap_err();
        assert_eq!(refusal.why, Why::SelfTest);
        refusal.says
    }

    #[test]
    fn only_a_whole_table_without_a_miss_is_passed() {
        let whole: &[(&str, u64, &[&str])] = &[("", 7, &[]), ("1", 7, &[]), ("2", 7, &[])];
        let passed = table(whole).passed(&["1", "2"]).unwrap();
        assert_eq!((passed.rows, passed.seeds), (2, BTreeSet::from([7])));
        assert_eq!(refused(&[]), "it has no rows");
        assert_eq!(refused(&whole[..2]), "row 2 was not tried with seed 7");
        assert_eq!(
            refused(&whole[1..]),
            "the honest control was not tried with seed 7"
        );
        let second = [whole, &[("", 8, &[]), ("1", 8, &[])]].concat();
        assert_eq!(refused(&second), "row 2 was not tried with seed 8");
        let missed = [whole, &[("2", 7, &["V.1 is Pass"])]].concat();
        assert_eq!(refused(&missed), "row 2: V.1 is Pass");
    }
}
