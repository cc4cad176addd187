//! `verify compare A B`: the same figures of two builds, from runs made in turn.
//!
//! It issues no claim: it says whether a figure changed by more than is borne, and how sure the
//! runs are of it. A side is a binary, which is run here, or a folder of records made before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use exai_harness::evidence::Record;
use exai_judge::bounds;
use exai_judge::shift::{LEAST, Shift, Threshold};
use exai_judge::verdict::{Exit, Verdict};
use exai_judge::{Event, Observation, Outcome};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::RunArguments;
use super::arguments::compare::{CompareArguments, ThresholdWord};
use super::{Ending, print, record};
use crate::binaries;

/// The names of both sides.
const SIDES: [&str; 2] = ["A", "B"];
/// Milliseconds of a nanosecond.
const MS: f64 = 1e-6;

/// One run of one side.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// 0 for the first side, 1 for the second.
    side: usize,
    /// When it began.
    at: Timestamp,
    /// The digest of the server that ran.
    server: String,
    /// Figure to value.
    figures: BTreeMap<&'static str, f64>,
}

/// One figure of both sides beside its threshold.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    figure: String,
    threshold: Threshold,
    shift: Option<Shift>,
    medians: [f64; 2],
    verdict: Verdict,
}

/// Runs or reads both sides and compares them.
///
/// # Errors
/// The user's mistakes, a run that could not be made, records that are refused.
pub fn compare(arguments: &CompareArguments, quiet: bool) -> Result<Exit, Ending> {
    if arguments.runs < LEAST {
        let says = format!("--runs {}: at least {LEAST} of each side", arguments.runs);
        return Err(Ending::Usage(says));
    }
    let thresholds = arguments.thresholds().map_err(Ending::Usage)?;
    let sides = [&arguments.first, &arguments.second];
    let folders: Vec<&PathBuf> = sides.into_iter().filter(|side| side.is_dir()).collect();
    let taken = match folders.as_slice() {
        [] => run_both(arguments, sides, quiet)?,
        [first, second] => read_both(arguments, [first, second])?,
        _ => {
            let says = "A and B must both be binaries, or both folders of records";
            return Err(Ending::Usage(says.to_owned()));
        }
    };
    check(&taken).map_err(Ending::Open)?;
    let rows: Vec<Row> = thresholds.iter().map(|word| row(&taken, word)).collect();
    let verdict = Verdict::worst(rows.iter().map(|row| row.verdict));
    if arguments.json {
        print(&as_json(&taken, &rows, verdict).to_string());
    } else {
        told(&taken, &rows, verdict);
    }
    Ok(verdict.exit())
}

/// Runs A, B, B, A, A, B …: what drifts in the sitting falls on both alike.
fn run_both(
    arguments: &CompareArguments,
    sides: [&PathBuf; 2],
    quiet: bool,
) -> Result<Vec<Taken>, Ending> {
    for side in sides {
        if !side.is_file() {
            let says = format!("{}: there is no such binary or folder", side.display());
            return Err(Ending::Usage(says));
        }
    }
    let own = || binaries::reports().join("compare");
    let reports = arguments.reports.clone().unwrap_or_else(own);
    let mut taken = Vec::new();
    for number in 0..arguments.runs {
        let order = if number % 2 == 0 { [0, 1] } else { [1, 0] };
        for side in order {
            let name = SIDES[side];
            if !quiet {
                eprintln!("verify: run {} of {} of {name}", number + 1, arguments.runs);
            }
            let folder = reports.join(name.to_lowercase());
            let report = crate::run::once(&RunArguments {
                criteria: vec![arguments.criterion.clone()],
                profile: arguments.profile,
                store: arguments.store,
                server: Some(sides[side].clone()),
                reports: Some(folder.clone()),
                quiet: true,
                within: true,
                ..RunArguments::default()
            })?;
            if report.run.cut_short.is_some() {
                return Err(Ending::Open("the comparison was interrupted".to_owned()));
            }
            let run = folder.join("runs").join(&report.run.run_id);
            taken.push(of_record(&record::open(&run)?, side, &arguments.criterion)?);
        }
    }
    Ok(taken)
}

/// The newest records of each folder.
fn read_both(arguments: &CompareArguments, folders: [&PathBuf; 2]) -> Result<Vec<Taken>, Ending> {
    let mut taken = Vec::new();
    for (side, folder) in folders.into_iter().enumerate() {
        for run in newest(folder, arguments.runs)? {
            taken.push(of_record(&record::open(&run)?, side, &arguments.criterion)?);
        }
    }
    taken.sort_by_key(|one| one.at);
    Ok(taken)
}

fn newest(folder: &Path, count: usize) -> Result<Vec<PathBuf>, Ending> {
    let runs = folder.join("runs");
    let read = std::fs::read_dir(&runs);
    let read = read.map_err(|error| Ending::Usage(format!("{}: {error}", runs.display())))?;
    let mut found: Vec<PathBuf> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    // Their names begin with the time.
    found.sort_unstable();
    Ok(found.split_off(found.len().saturating_sub(count)))
}

/// The figures of one record, from its raw samples.
fn of_record(record: &Record, side: usize, criterion: &str) -> Result<Taken, Ending> {
    let begun = record.report["run"]["started_at"].as_str();
    let begun = begun.and_then(|at| at.parse().ok());
    let server = record.plan["server_sha256"].as_str();
    let figures = figures(record.history.observations(), criterion);
    if let Some(broken) = record.history.broken() {
        return Err(Ending::Refused(broken.to_string()));
    }
    Ok(Taken {
        side,
        at: begun.ok_or_else(|| Ending::Refused("report.json: it never began".to_owned()))?,
        server: server.unwrap_or_default().to_owned(),
        figures,
    })
}

/// Latencies from the intended start, the share of calls that did not end well, and memory.
fn figures(
    history: impl Iterator<Item = Observation>,
    criterion: &str,
) -> BTreeMap<&'static str, f64> {
    let (mut latencies, mut wrong, mut memory) = (Vec::new(), 0_u64, 0_u64);
    for observation in history {
        match observation.event {
            Event::Call(call) if call.criterion == criterion => {
                wrong += u64::from(call.outcome != Outcome::Ok);
                latencies.push(call.latency());
            }
            Event::Sample(sample) if sample.process == "server" => {
                memory = memory.max(sample.resident_bytes);
            }
            _ => {}
        }
    }
    latencies.sort_unstable();
    let mut figures = BTreeMap::new();
    for (name, quantile) in [("p50", 0.5), ("p95", bounds::P95), ("p99", bounds::P99)] {
        if let Some(found) = bounds::quantile(&latencies, quantile) {
            figures.insert(name, found.value as f64 * MS);
        }
    }
    if !latencies.is_empty() {
        figures.insert("errors", 100.0 * wrong as f64 / latencies.len() as f64);
    }
    if memory > 0 {
        figures.insert("memory", memory as f64 / exai_judge::units::MIB);
    }
    figures
}

/// Enough of each side, one build a side, in turn.
fn check(taken: &[Taken]) -> Result<(), String> {
    for (side, name) in SIDES.iter().enumerate() {
        let own: Vec<&Taken> = taken.iter().filter(|one| one.side == side).collect();
        if own.len() < LEAST {
            return Err(format!(
                "{name} has {} runs, at least {LEAST} are needed",
                own.len()
            ));
        }
        if own.iter().any(|one| one.server != own[0].server) {
            return Err(format!("the runs of {name} are of several builds"));
        }
    }
    // A, B, B, A, A, B: never more than two of a side after each other.
    let in_a_row = taken
        .windows(3)
        .any(|three| three.iter().all(|one| one.side == three[0].side));
    if in_a_row {
        return Err(
            "the runs of A and B were not made in turn: three of a side in a row".to_owned(),
        );
    }
    Ok(())
}

fn row(taken: &[Taken], word: &ThresholdWord) -> Row {
    let of = |side: usize| -> Vec<f64> {
        let own = taken.iter().filter(|one| one.side == side);
        own.filter_map(|one| one.figures.get(word.figure.as_str()).copied())
            .collect()
    };
    let (first, second) = (of(0), of(1));
    let is_whole = first.len() + second.len() == taken.len();
    let is_fit = word.is_fit();
    let shift = Shift::between(&first, &second, word.threshold.unit).filter(|_| is_whole && is_fit);
    Row {
        figure: word.figure.clone(),
        threshold: word.threshold,
        medians: [median(&first), median(&second)],
        verdict: shift.map_or(Verdict::Inconclusive, |shift| shift.against(word.threshold)),
        shift,
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    exai_judge::units::middle(&sorted).unwrap_or(f64::NAN)
}

fn told(taken: &[Taken], rows: &[Row], verdict: Verdict) {
    for (side, name) in SIDES.iter().enumerate() {
        let own = taken.iter().filter(|one| one.side == side);
        let server = own.clone().map(|one| one.server.as_str()).next();
        print(&format!(
            "{name}  {} runs of {}",
            own.count(),
            server.unwrap_or("?")
        ));
    }
    for row in rows {
        let unit = row.threshold.unit.word();
        let change = match row.shift {
            Some(shift) => format!(
                "{:+.1} {unit} ({:+.1} to {:+.1}, {:.1} %)",
                shift.middle,
                shift.low,
                shift.high,
                100.0 * shift.confidence
            ),
            None => "no interval: a run lacks the figure, or the unit does not fit it".to_owned(),
        };
        print(&format!(
            "{:<7} {:<13} {:>9.3} {:>9.3}  {change}, borne {}",
            row.figure,
            row.verdict.word(),
            row.medians[0],
            row.medians[1],
            row.threshold
        ));
    }
    print(verdict.word());
}

fn as_json(taken: &[Taken], rows: &[Row], verdict: Verdict) -> Value {
    let sides = (0..SIDES.len()).map(|side| {
        let own: Vec<&Taken> = taken.iter().filter(|one| one.side == side).collect();
        let runs: Vec<Value> = own
            .iter()
            .map(|one| json!({"at": one.at, "figures": one.figures}))
            .collect();
        json!({"server_sha256": own.first().map(|one| &one.server), "runs": runs})
    });
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let interval = row.shift.map(|shift| {
                json!({"low": shift.low, "middle": shift.middle, "high": shift.high,
                    "confidence": shift.confidence})
            });
            json!({
                "figure": row.figure,
                "unit": row.threshold.unit.word(),
                "threshold": row.threshold.to_string(),
                "medians": row.medians.map(|median| median.is_finite().then_some(median)),
                "change": interval,
                "verdict": row.verdict,
            })
        })
        .collect();
    let sides: Vec<Value> = sides.collect();
    json!({"schema": "exai-verify-compare/1", "verdict": verdict, "sides": sides, "figures": rows})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::errors_of;

    fn taken(side: usize, minute: i8, p95: f64) -> Taken {
        let at = format!("2026-11-21T10:{minute:02}:00Z");
        Taken {
            side,
            at: at.parse().unwrap(),
            server: SIDES[side].to_owned(),
            figures: BTreeMap::from([("p95", p95), ("errors", 0.0)]),
        }
    }

    /// Five runs a side in turn, the second side `more` ms slower.
    fn sitting(more: f64) -> Vec<Taken> {
        let order = [0, 1, 1, 0, 0, 1, 1, 0, 0, 1];
        let runs = order.into_iter().zip(0..);
        runs.map(|(side, minute)| {
            let jitter = f64::from(minute % 3) / 10.0;
            taken(
                side,
                minute,
                20.0 + jitter + if side == 1 { more } else { 0.0 },
            )
        })
        .collect()
    }

    #[test]
    fn a_planted_slowdown_is_found_and_the_same_build_twice_is_not() {
        let word: ThresholdWord = "p95=+20%".parse().unwrap();
        let verdict = |more: f64| row(&sitting(more), &word).verdict;
        assert_eq!(verdict(0.0), Verdict::Pass);
        assert_eq!(verdict(10.0), Verdict::Fail);
        assert_eq!(verdict(4.0), Verdict::Inconclusive);
        let ms: ThresholdWord = "p95=+5ms".parse().unwrap();
        assert_eq!(row(&sitting(10.0), &ms).verdict, Verdict::Fail);
        let points: ThresholdWord = "errors=+2pp".parse().unwrap();
        assert_eq!(row(&sitting(10.0), &points).verdict, Verdict::Pass);
        // Milliseconds of a share, and points of a time, are no figures.
        for odd in ["errors=+2ms", "p95=+2pp", "memory=+2ms"] {
            let odd: ThresholdWord = odd.parse().unwrap();
            assert_eq!(row(&sitting(0.0), &odd).verdict, Verdict::Inconclusive);
        }
    }

    #[test]
    fn runs_that_were_not_made_in_turn_are_too_few_or_are_of_two_builds_are_refused() {
        assert_eq!(check(&sitting(0.0)), Ok(()));
        let mut sorted = sitting(0.0);
        sorted.sort_by_key(|one| one.side);
        assert!(check(&sorted).unwrap_err().contains("in turn"));
        let few: Vec<Taken> = sitting(0.0).into_iter().take(8).collect();
        assert!(check(&few).unwrap_err().contains("at least 5"));
        let mut mixed = sitting(0.0);
        mixed[3].server = "another".to_owned();
        assert!(check(&mixed).unwrap_err().contains("several builds"));
    }

    #[test]
    fn a_run_that_lacks_a_figure_leaves_it_open() {
        let mut sitting = sitting(0.0);
        sitting[4].figures.clear();
        let word: ThresholdWord = "p95=+20%".parse().unwrap();
        assert_eq!(row(&sitting, &word).verdict, Verdict::Inconclusive);
    }

    #[test]
    fn a_comparison_as_json_is_of_its_schema_whether_it_has_an_interval_or_not() {
        let taken = sitting(4.0);
        let words = ["p95=+20%", "memory=+20%"].map(|word| word.parse().unwrap());
        let rows = words.map(|word| row(&taken, &word));
        assert!(rows[0].shift.is_some() && rows[1].shift.is_none());
        let mut value = as_json(&taken, &rows, Verdict::Inconclusive);
        assert_eq!(errors_of(&value), [""; 0]);
        value["figures"][0]
            .as_object_mut()
            .unwrap()
            .remove("change");
        assert_eq!(errors_of(&value).len(), 1);
    }
}
