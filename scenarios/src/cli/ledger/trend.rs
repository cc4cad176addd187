//! `verify ledger trend`: what the last runs of one kind found, criterion by criterion and figure
//! by figure, and whether the newest figure is further from those before than is borne.

use std::collections::BTreeSet;

use exai_harness::evidence::ledger::trend::{Kind, Trend};
use exai_harness::report::wording;
use exai_judge::Verdict;
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
    let kind = Kind {
        profile: arguments.profile.as_deref(),
        driver: None,
        store: arguments.store.as_deref(),
    };
    let trend = Trend::of(entries.values(), kind, arguments.last);
    if trend.runs.is_empty() {
        print("no run of this kind is on record: cargo verify makes one");
        return Ok(Exit::NothingRan);
    }
    let beyond = beyond(&trend, arguments)?;
    if arguments.trust.json {
        print(&as_json(&trend, &beyond).to_string());
    } else {
        told(&trend, &beyond);
    }
    Ok(if beyond.is_empty() {
        Exit::Pass
    } else {
        Exit::Fail
    })
}

/// The thresholds asked for, held against the newest run and the middle of those before it.
fn beyond(trend: &Trend, arguments: &TrendArguments) -> Result<Vec<Beyond>, Ending> {
    let mut found = Vec::new();
    for word in &arguments.threshold {
        let mut rows = trend.figures.iter();
        let Some(row) = rows.find(|row| row.name == word.figure) else {
            let known: BTreeSet<&str> = trend.figures.iter().map(|row| row.name.as_str()).collect();
            let known: Vec<&str> = known.into_iter().collect();
            return Err(Ending::Usage(format!(
                "no run measured {:?}. Known: {}.",
                word.figure,
                known.join("; ")
            )));
        };
        let unit = word.threshold.unit;
        if unit != Unit::Percent && (unit != Unit::Millis || row.unit != "ms") {
            return Err(Ending::Usage(format!(
                "{}={}: {} is no unit of a figure in {}; say the change in %.",
                word.figure,
                word.threshold,
                unit.word(),
                row.unit
            )));
        }
        let Some((Some(newest), before)) = row.values.split_last() else {
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

fn told(trend: &Trend, beyond: &[Beyond]) {
    let (first, last) = (trend.runs.first(), trend.runs.last());
    let named = |run: Option<&String>| run.cloned().unwrap_or_default();
    let count = match trend.runs.len() {
        1 => "1 run".to_owned(),
        count => format!("{count} runs"),
    };
    print(&format!("{count}, {} to {}", named(first), named(last)));
    print("P Pass  I Inconclusive  H HarnessError  F Fail  · not judged");
    for (criterion, row) in &trend.verdicts {
        let letters: String = row.iter().map(|told| letter(*told)).collect();
        print(&format!("{criterion:<8} {letters}"));
    }
    for row in &trend.figures {
        let newest = row.values.last().copied().flatten();
        let newest = newest.map_or_else(
            || "not measured".to_owned(),
            |one| format!("{} {}", wording::measure(one), row.unit),
        );
        print(&format!(
            "{} {newest:>14}  {}",
            drawn(&row.values),
            row.name
        ));
    }
    for one in beyond {
        print(&format!(
            "beyond {}: {} is {:.2}, {:.2} before",
            one.threshold, one.figure, one.newest, one.before
        ));
    }
}

fn as_json(trend: &Trend, beyond: &[Beyond]) -> Value {
    let beyond: Vec<Value> = beyond
        .iter()
        .map(|one| {
            json!({"figure": one.figure, "newest": one.newest, "before": one.before,
                "threshold": one.threshold.to_string()})
        })
        .collect();
    json!({"schema": "exai-verify-trend/1", "runs": trend.runs, "verdicts": trend.verdicts,
        "figures": trend.figures, "beyond": beyond})
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

const fn letter(told: Option<Verdict>) -> char {
    match told {
        Some(Verdict::Pass) => 'P',
        Some(Verdict::Inconclusive) => 'I',
        Some(Verdict::HarnessError) => 'H',
        Some(Verdict::Fail) => 'F',
        None => NOTHING,
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
