//! `verify ledger trend`: what the last runs of one kind found, criterion by criterion and figure
//! by figure, and whether the newest figure is further from those before than is borne.

use std::collections::{BTreeMap, BTreeSet};

use exai_harness::evidence::ledger::{Entry, Told};
use exai_judge::shift::{LEAST, Threshold, Unit};
use exai_judge::units::middle;
use exai_judge::verdict::Exit;
use serde_json::{Value, json};

use super::{Ending, own, print, refused};
use crate::cli::arguments::evidence::TrendArguments;

/// Heights of a drawn figure.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// What stands where a run measured nothing.
const NOTHING: char = '·';

/// The runs looked at, oldest first, and what each found.
struct Trend {
    runs: Vec<String>,
    verdicts: BTreeMap<String, Vec<Option<String>>>,
    figures: BTreeMap<(String, String), Vec<Option<f64>>>,
}

/// A figure further from those before than is borne.
struct Beyond {
    figure: String,
    newest: f64,
    before: f64,
    threshold: Threshold,
}

/// Prints the trend.
///
/// # Errors
/// A ledger that is refused; [`Ending::Usage`] for a figure that no run measured.
pub fn trend(arguments: &TrendArguments) -> Result<Exit, Ending> {
    let entries = own(&arguments.trust).entries();
    let entries = entries.map_err(|error| refused(&error))?;
    let trend = Trend::of(entries.values(), arguments);
    if trend.runs.is_empty() {
        print("no run of this kind is on record: cargo verify makes one");
        return Ok(Exit::NothingRan);
    }
    let beyond = trend.beyond(arguments)?;
    if arguments.trust.json {
        print(&trend.as_json(&beyond).to_string());
    } else {
        trend.told(&beyond);
    }
    Ok(if beyond.is_empty() {
        Exit::Pass
    } else {
        Exit::Fail
    })
}

impl Trend {
    fn of<'a>(entries: impl Iterator<Item = &'a Entry>, arguments: &TrendArguments) -> Self {
        let is_asked = |entry: &&Entry| {
            let body = &entry.body;
            let is_of = |key: &str, word: &Option<String>| {
                word.as_deref().is_none_or(|word| body[key] == word)
            };
            entry.told == Told::Outcome
                && body["spoiler"].is_null()
                && is_of("profile", &arguments.profile)
                && is_of("store", &arguments.store)
        };
        let mut found: Vec<&Entry> = entries.filter(is_asked).collect();
        found.sort_by_key(|entry| (&entry.at, &entry.run));
        let found = found.split_off(found.len().saturating_sub(arguments.last));
        let mut trend = Self {
            runs: found.iter().map(|entry| entry.run.clone()).collect(),
            verdicts: BTreeMap::new(),
            figures: BTreeMap::new(),
        };
        for (place, entry) in found.iter().enumerate() {
            trend.take(place, &entry.body);
        }
        trend
    }

    fn take(&mut self, place: usize, body: &Value) {
        let count = self.runs.len();
        for (criterion, told) in body["verdicts"].as_object().into_iter().flatten() {
            let row = self.verdicts.entry(criterion.clone());
            let row = row.or_insert_with(|| vec![None; count]);
            row[place] = told["verdict"].as_str().map(str::to_owned);
        }
        for figure in body["figures"].as_array().into_iter().flatten() {
            let text = |key: &str| figure[key].as_str().unwrap_or_default().to_owned();
            let row = self.figures.entry((text("name"), text("unit")));
            row.or_insert_with(|| vec![None; count])[place] = figure["value"].as_f64();
        }
    }

    /// The thresholds asked for, held against the newest run and the middle of those before it.
    fn beyond(&self, arguments: &TrendArguments) -> Result<Vec<Beyond>, Ending> {
        let mut found = Vec::new();
        for word in &arguments.threshold {
            let row = self
                .figures
                .iter()
                .find(|((name, _), _)| *name == word.figure);
            let Some((_, values)) = row else {
                let known: BTreeSet<&str> =
                    self.figures.keys().map(|(name, _)| name.as_str()).collect();
                let known: Vec<&str> = known.into_iter().collect();
                return Err(Ending::Usage(format!(
                    "no run measured {:?}. Known: {}.",
                    word.figure,
                    known.join("; ")
                )));
            };
            let Some((Some(newest), before)) = values.split_last() else {
                let says = format!("the newest run did not measure {:?}", word.figure);
                return Err(Ending::Open(says));
            };
            let mut before: Vec<f64> = before.iter().copied().flatten().collect();
            if before.len() < LEAST {
                let says = format!(
                    "{:?}: {} runs before the newest measured it, at least {LEAST} are needed",
                    word.figure,
                    before.len()
                );
                return Err(Ending::Open(says));
            }
            before.sort_unstable_by(f64::total_cmp);
            let usual = middle(&before).unwrap_or_default();
            if is_beyond(*newest, usual, word.threshold) {
                found.push(Beyond {
                    figure: word.figure.clone(),
                    newest: *newest,
                    before: usual,
                    threshold: word.threshold,
                });
            }
        }
        Ok(found)
    }

    fn told(&self, beyond: &[Beyond]) {
        let (first, last) = (self.runs.first(), self.runs.last());
        let named = |run: Option<&String>| run.cloned().unwrap_or_default();
        let count = self.runs.len();
        print(&format!(
            "{count} runs, {} to {}",
            named(first),
            named(last)
        ));
        print("P Pass  I Inconclusive  H HarnessError  F Fail  · not judged");
        for (criterion, row) in &self.verdicts {
            let letters: String = row.iter().map(|told| letter(told.as_deref())).collect();
            print(&format!("{criterion:<8} {letters}"));
        }
        for ((name, unit), row) in &self.figures {
            let newest = row.last().copied().flatten();
            let newest =
                newest.map_or_else(|| "not measured".to_owned(), |one| format!("{one:.2}"));
            print(&format!("{} {newest} {unit}  {name}", drawn(row)));
        }
        for one in beyond {
            print(&format!(
                "beyond {}: {} is {:.2}, {:.2} before",
                one.threshold, one.figure, one.newest, one.before
            ));
        }
    }

    fn as_json(&self, beyond: &[Beyond]) -> Value {
        let figures: Vec<Value> = self
            .figures
            .iter()
            .map(|((name, unit), values)| json!({"name": name, "unit": unit, "values": values}))
            .collect();
        let beyond: Vec<Value> = beyond
            .iter()
            .map(|one| {
                json!({"figure": one.figure, "newest": one.newest, "before": one.before,
                    "threshold": one.threshold.to_string()})
            })
            .collect();
        json!({"schema": "exai-verify-trend/1", "runs": self.runs, "verdicts": self.verdicts,
            "figures": figures, "beyond": beyond})
    }
}

fn is_beyond(newest: f64, usual: f64, threshold: Threshold) -> bool {
    let change = match threshold.unit {
        Unit::Percent => 100.0 * (newest / usual - 1.0),
        Unit::Millis | Unit::Points => newest - usual,
    };
    if threshold.change < 0.0 {
        change < threshold.change
    } else {
        change > threshold.change
    }
}

fn letter(told: Option<&str>) -> char {
    match told {
        Some("PASS") => 'P',
        Some("INCONCLUSIVE") => 'I',
        Some("HARNESS_ERROR") => 'H',
        Some("FAIL") => 'F',
        _ => NOTHING,
    }
}

/// A figure's values as heights between the least and the largest of them.
fn drawn(row: &[Option<f64>]) -> String {
    let values = || row.iter().copied().flatten();
    let least = values().fold(f64::INFINITY, f64::min);
    let span = values().fold(f64::NEG_INFINITY, f64::max) - least;
    let height = |value: f64| {
        let top = HEIGHTS.len() - 1;
        let share = if span > 0.0 {
            (value - least) / span
        } else {
            0.0
        };
        HEIGHTS[((share * top as f64).round() as usize).min(top)]
    };
    row.iter()
        .map(|value| value.map_or(NOTHING, height))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_drawn_between_its_least_and_its_largest_value() {
        let row = [Some(1.0), None, Some(8.0), Some(4.5)];
        assert_eq!(drawn(&row), "▁·█▅");
        assert_eq!(drawn(&[Some(3.0), Some(3.0)]), "▁▁");
        assert_eq!(drawn(&[None]), "·");
    }

    #[test]
    fn a_change_is_beyond_in_the_direction_of_its_sign_alone() {
        let line = |word: &str| word.parse::<Threshold>().unwrap();
        assert!(is_beyond(13.0, 10.0, line("+20%")));
        assert!(!is_beyond(12.0, 10.0, line("+20%")));
        assert!(!is_beyond(5.0, 10.0, line("+20%")));
        assert!(is_beyond(5.0, 10.0, line("-20%")));
        assert!(is_beyond(16.0, 10.0, line("+5ms")));
    }
}
