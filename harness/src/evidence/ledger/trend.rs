//! What the last runs of one kind found, criterion by criterion and figure by figure.

use std::collections::BTreeMap;

use exai_judge::Verdict;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entry, Told};

/// Which runs are looked at; None takes every one. Runs with a spoiler and those of several
/// instances are never among them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kind<'a> {
    /// Such as `quick`.
    pub profile: Option<&'a str>,
    /// Such as `local`.
    pub driver: Option<&'a str>,
    /// Such as `redis`.
    pub store: Option<&'a str>,
}

impl Kind<'_> {
    fn has(self, entry: &Entry) -> bool {
        let body = &entry.body;
        let is = |key: &str, word: Option<&str>| word.is_none_or(|word| body[key] == word);
        entry.told == Told::Outcome
            && body["spoiler"].is_null()
            && super::is_of_one(body)
            && is("profile", self.profile)
            && is("driver", self.driver)
            && is("store", self.store)
    }
}

/// Runs, oldest first, and what each found. Every row has a place for each run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// Their ids, which begin with the time.
    pub runs: Vec<String>,
    /// Criterion to verdicts; None where that run did not judge it.
    pub verdicts: BTreeMap<String, Vec<Option<Verdict>>>,
    /// By name, then unit.
    pub figures: Vec<Measured>,
}

/// What the runs measured of one figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The figure.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// None where that run did not measure it.
    pub values: Vec<Option<f64>>,
}

impl Measured {
    /// The least and the largest value; None when no run measured it.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        let values = || self.values.iter().copied().flatten();
        Some((values().reduce(f64::min)?, values().reduce(f64::max)?))
    }
}

impl Trend {
    /// The last runs of a kind, at most so many.
    #[must_use]
    pub fn of<'a>(entries: impl Iterator<Item = &'a Entry>, kind: Kind<'_>, last: usize) -> Self {
        let mut found: Vec<&Entry> = entries.filter(|entry| kind.has(entry)).collect();
        found.sort_by_key(|entry| (&entry.at, &entry.run));
        let mut trend = Self::default();
        for entry in found.split_off(found.len().saturating_sub(last)) {
            trend.take(entry);
        }
        trend
    }

    fn take(&mut self, entry: &Entry) {
        let verdicts = entry.body["verdicts"].as_object().into_iter().flatten();
        let verdicts = verdicts.filter_map(|(criterion, told)| {
            let verdict = serde_json::from_value(told["verdict"].clone()).ok()?;
            Some((criterion.as_str(), verdict))
        });
        let figures = entry.body["figures"].as_array().into_iter().flatten();
        let figures = figures.filter_map(|figure: &Value| {
            let text = |key: &str| figure[key].as_str().unwrap_or_default();
            Some(((text("name"), text("unit")), figure["value"].as_f64()?))
        });
        self.push(&entry.run, verdicts, figures);
    }

    /// Adds the newest run: its verdicts by criterion, its figures by name and unit.
    pub fn push<'a>(
        &mut self,
        run: &str,
        verdicts: impl Iterator<Item = (&'a str, Verdict)>,
        figures: impl Iterator<Item = ((&'a str, &'a str), f64)>,
    ) {
        let place = self.runs.len();
        self.runs.push(run.to_owned());
        for (criterion, verdict) in verdicts {
            let row = self.verdicts.entry(criterion.to_owned()).or_default();
            row.resize(place, None);
            row.push(Some(verdict));
        }
        for ((name, unit), value) in figures {
            let row = self.measured(name, unit);
            row.resize(place, None);
            row.push(Some(value));
        }
        for row in self.verdicts.values_mut() {
            row.resize(place + 1, None);
        }
        for row in &mut self.figures {
            row.values.resize(place + 1, None);
        }
    }

    fn measured(&mut self, name: &str, unit: &str) -> &mut Vec<Option<f64>> {
        let key = |row: &Measured| (row.name.clone(), row.unit.clone());
        let wanted = (name.to_owned(), unit.to_owned());
        let found = self.figures.binary_search_by_key(&wanted, key);
        let place = found.unwrap_or_else(|place| {
            let (name, unit) = wanted;
            let values = Vec::new();
            self.figures.insert(place, Measured { name, unit, values });
            place
        });
        &mut self.figures[place].values
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn entry(run: &str, profile: &str, spoiler: Value, p50: f64) -> Entry {
        Entry {
            told: Told::Outcome,
            run: run.to_owned(),
            at: run.to_owned(),
            parents: BTreeSet::new(),
            body: json!({
                "profile": profile, "driver": "local", "store": "redis", "spoiler": spoiler,
                "verdicts": {"V.1": {"verdict": "PASS", "reasons": []}},
                "figures": [{"name": "p50", "unit": "ms", "value": p50}],
            }),
        }
    }

    #[test]
    fn only_the_last_runs_of_the_kind_are_taken_and_none_of_a_spoiled_or_several_servers() {
        let entries = [
            entry("4", "smoke", Value::Null, 4.0),
            entry("1", "smoke", Value::Null, 1.0),
            entry("2", "quick", Value::Null, 9.0),
            entry("3", "smoke", Value::Null, 3.0),
            entry("5", "smoke", json!("canned@kimi"), 9.0),
        ];
        let mut contained = entry("6", "smoke", Value::Null, 9.0);
        contained.body["driver"] = json!("container");
        let mut several = entry("7", "smoke", Value::Null, 9.0);
        several.body["instances"] = json!(2);
        let more = [contained, several];
        let entries: Vec<Entry> = entries.into_iter().chain(more).collect();
        let kind = Kind {
            profile: Some("smoke"),
            driver: Some("local"),
            store: Some("redis"),
        };
        let trend = Trend::of(entries.iter(), kind, 2);
        assert_eq!(trend.runs, ["3", "4"]);
        assert_eq!(trend.figures[0].values, [Some(3.0), Some(4.0)]);
        let all = Trend::of(entries.iter(), Kind::default(), 9);
        assert_eq!(all.runs, ["1", "2", "3", "4", "6"]);
    }

    #[test]
    fn a_run_without_a_row_leaves_its_place_open_on_both_sides() {
        let mut trend = Trend::default();
        let none = || std::iter::empty();
        trend.push("a", [("V.1", Verdict::Pass)].into_iter(), none());
        let figures = [(("p50", "ms"), 2.0)];
        trend.push("b", std::iter::empty(), figures.into_iter());
        trend.push("c", [("V.1", Verdict::Fail)].into_iter(), none());
        let (pass, fail) = (Some(Verdict::Pass), Some(Verdict::Fail));
        assert_eq!(trend.verdicts["V.1"], [pass, None, fail]);
        assert_eq!(trend.figures[0].values, [None, Some(2.0), None]);
        assert_eq!(trend.figures[0].range(), Some((2.0, 2.0)));
    }
}
