//! `verify chaos`: a seeded schedule of faults over processes, links, store and providers, beside
//! traffic that has something to lose. A schedule that fails is shrunk to the smallest that still
//! does, and printed as the command that repeats it. It carries no claim.

pub mod attempt;
pub mod journal;
pub mod schedule;
pub mod shrink;
pub mod steady;

use std::path::{Path, PathBuf};

use exai_harness::topology::{Binaries, Launcher, Spoil, StoreKind};
use exai_judge::Finding;
use exai_judge::criterion::Criteria;
use exai_judge::verdict::{Exit, Verdict};
use serde_json::{Value, json};

use crate::binaries;
use crate::cli::arguments::{ChaosArguments, Driver};
use crate::cli::{Ending, print};
use crate::ground;
use attempt::{Attempt, Trial};
use schedule::{Place, Schedule};
use shrink::Shrinker;

/// What a chaos run is judged by.
pub const CATALOGUE: &str = include_str!("../chaos.toml");
/// The profile of that catalogue; it has one.
pub const PROFILE: &str = "quick";
/// Tries to shrink a schedule before the smallest so far is taken.
const TRIES: usize = 30;
/// Runs of the smallest schedule, for its reproduction rate.
const REPEATS: usize = 5;

/// Everything a trial needs that is the same for all.
struct Range<'a> {
    arguments: &'a ChaosArguments,
    built: Binaries,
    store: StoreKind,
    spoiled: (Option<Spoil>, Launcher),
    criteria: Criteria,
    folder: PathBuf,
    runtime: tokio::runtime::Runtime,
    quiet: bool,
}

/// Runs the schedule of a seed, or a part of it, and shrinks it when it fails.
///
/// # Errors
/// The user's mistakes, a rig that could not work, or a bug of ours.
pub fn chaos(arguments: &ChaosArguments, quiet: bool) -> Result<Exit, Ending> {
    let store = ground::choose_store(arguments.store)?;
    let spoiled = ground::spoiled(arguments.spoil.as_ref())?;
    ground::choose_driver(arguments.driver, &spoiled)?;
    let schedule = asked(arguments, store)?;
    let criteria = Criteria::parse(CATALOGUE).map_err(|error| Ending::Bug(error.to_string()))?;
    let built = binaries::build(arguments.server.as_deref(), arguments.driver)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Ending::Harness(format!("could not start a runtime: {error}")))?;
    let range = Range {
        folder: folder(arguments)?,
        arguments,
        built,
        store,
        spoiled,
        criteria,
        runtime,
        quiet,
    };
    if !quiet {
        eprint!("{}", schedule.table(&range.conditions()));
    }
    let first = range.attempt(&schedule, "first")?;
    let written = journal::write(&range.folder, &schedule, &first);
    let journal = written.map_err(|error| Ending::Harness(error.to_string()))?;
    if !arguments.json {
        print(&first.summary());
        print(&format!("journal  {}", binaries::shown(&journal)));
    }
    let may_shrink = !arguments.no_shrink && !first.interrupted;
    let smallest = if first.finding.verdict == Verdict::Fail && may_shrink {
        range.shrink(&schedule, &first)?
    } else {
        None
    };
    if arguments.json {
        let numbers = schedule.numbers();
        let ground = Ran {
            conditions: range.conditions(),
            repeat: range.command(&numbers),
            journal: binaries::shown(&journal),
            faults: numbers,
        };
        print(
            &ground
                .as_json(&first.finding, first.interrupted, smallest.as_ref())
                .to_string(),
        );
    } else if let Some(smallest) = smallest {
        print(&smallest.told(schedule.numbers().len()));
    }
    Ok(exit(&first))
}

/// The schedule of the seed, or the part of it that was asked for.
fn asked(arguments: &ChaosArguments, store: StoreKind) -> Result<Schedule, Ending> {
    let place = Place {
        store,
        driver: arguments.driver,
    };
    let whole = Schedule::draw(arguments.seed, arguments.duration, place);
    match &arguments.only {
        Some(numbers) => whole.only(&numbers.0).map_err(Ending::Usage),
        None => Ok(whole),
    }
}

/// What ran, for those who read JSON.
struct Ran {
    conditions: String,
    faults: Vec<u32>,
    repeat: String,
    journal: String,
}

impl Ran {
    fn as_json(&self, finding: &Finding, interrupted: bool, smallest: Option<&Smallest>) -> Value {
        json!({
            "schema": "exai-verify-chaos/1", "conditions": self.conditions,
            "verdict": finding.verdict, "finding": finding, "interrupted": interrupted,
            "journal": self.journal, "faults": self.faults, "repeat": self.repeat,
            "smallest": smallest.map(Smallest::as_json),
        })
    }
}

/// The smallest part of a schedule that still fails in the same way.
struct Smallest {
    faults: Vec<u32>,
    check: String,
    failed: usize,
    repeat: String,
}

impl Smallest {
    fn told(&self, of: usize) -> String {
        format!(
            "smallest  {} of {of} faults: {}\n          {} in {} of {REPEATS} runs\n\
             repeat    {}",
            self.faults.len(),
            words(&self.faults),
            self.check,
            self.failed,
            self.repeat
        )
    }

    fn as_json(&self) -> Value {
        json!({"faults": self.faults, "check": self.check, "failed": self.failed,
            "runs": REPEATS, "repeat": self.repeat})
    }
}

fn exit(attempt: &Attempt) -> Exit {
    match attempt.finding.verdict {
        Verdict::Pass => Exit::Pass,
        Verdict::Inconclusive => Exit::Inconclusive,
        Verdict::HarnessError => Exit::HarnessError,
        Verdict::Fail => Exit::Fail,
    }
}

/// A folder of its own for this run, beside those of judged runs.
fn folder(arguments: &ChaosArguments) -> Result<PathBuf, Ending> {
    let reports = arguments.reports.clone();
    let reports = reports.unwrap_or_else(binaries::reports);
    let now = jiff::Timestamp::now();
    let stamp = now.to_string().replace([':', '-'], "");
    let stamp = stamp.split('.').next().unwrap_or_default().to_owned();
    let name = format!("{stamp}-{}-{}", arguments.seed, std::process::id());
    let folder = reports.join("chaos").join(name);
    let made = private(&folder);
    made.map_err(|error| Ending::Harness(format!("could not make {}: {error}", folder.display())))?;
    Ok(folder)
}

/// Makes a folder that the judged server cannot look into.
fn private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder)
}

impl Range<'_> {
    fn conditions(&self) -> String {
        format!(
            "chaos seed {}, {} s, driver {}, {} store",
            self.arguments.seed,
            self.arguments.duration.as_secs(),
            self.arguments.driver.name(),
            self.store.name()
        )
    }

    fn attempt(&self, schedule: &Schedule, name: &str) -> Result<Attempt, Ending> {
        let folder = self.folder.join(name);
        let harness = |error: &dyn std::fmt::Display| Ending::Harness(error.to_string());
        private(&folder).map_err(|error| harness(&error))?;
        let trial = Trial {
            binaries: self.built.clone(),
            store: self.store,
            spoiled: self.spoiled.clone(),
            seed: self.arguments.seed,
            criteria: &self.criteria,
            folder: &folder,
        };
        let tried = self.runtime.block_on(trial.run(schedule));
        tried.map_err(|error| harness(&error))
    }

    /// Finds the smallest part of the schedule that fails in the same way, and how often it does.
    fn shrink(&self, schedule: &Schedule, first: &Attempt) -> Result<Option<Smallest>, Ending> {
        let Some(check) = first.failed().next().map(str::to_owned) else {
            return Ok(None);
        };
        let mut shrinker = Shrinker::new(schedule.numbers());
        for number in 1..=TRIES {
            let Some(part) = shrinker.candidate() else {
                break;
            };
            let again = self.part(schedule, &part, &format!("shrink-{number}"))?;
            let is_same = again.failed().any(|one| one == check);
            let says = if is_same { "fails" } else { "holds" };
            if !self.quiet {
                eprintln!("  shrinking: faults {} {says}", words(&part));
            }
            if again.interrupted {
                return Ok(None);
            }
            shrinker.answer(is_same);
        }
        let faults = shrinker.smallest().to_vec();
        let mut failed = 0;
        for number in 1..=REPEATS {
            let again = self.part(schedule, &faults, &format!("repeat-{number}"))?;
            failed += usize::from(again.failed().any(|one| one == check));
        }
        Ok(Some(Smallest {
            repeat: self.command(&faults),
            faults,
            check,
            failed,
        }))
    }

    fn part(&self, schedule: &Schedule, part: &[u32], name: &str) -> Result<Attempt, Ending> {
        let part = schedule.only(part).map_err(Ending::Bug)?;
        self.attempt(&part, name)
    }

    fn command(&self, numbers: &[u32]) -> String {
        let arguments = self.arguments;
        let mut command = format!(
            "cargo verify chaos --seed {} --duration {}s --store {} --only {}",
            arguments.seed,
            arguments.duration.as_secs(),
            self.store.name(),
            words(numbers)
        );
        if arguments.driver != Driver::Local {
            command.push_str(&format!(" --driver {}", arguments.driver.name()));
        }
        if let Some(server) = &arguments.server {
            command.push_str(&format!(" --server {}", server.display()));
        }
        if let Some(spoil) = &arguments.spoil {
            command.push_str(&format!(" --spoil {spoil}"));
        }
        command
    }
}

/// Numbers as `--only` takes them.
fn words(numbers: &[u32]) -> String {
    if numbers.is_empty() {
        return "none".to_owned();
    }
    let words: Vec<String> = numbers.iter().map(u32::to_string).collect();
    words.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::errors_of;

    #[test]
    fn what_a_schedule_came_to_is_of_its_schema_whether_it_was_shrunk_or_not() {
        let finding: Finding = serde_json::from_value(json!({
            "criterion": "chaos", "verdict": "FAIL", "reasons": [], "headline": "1 turn lost",
            "floors": [], "checks": [], "violations": [], "not_tested": [], "series": {},
        }))
        .unwrap();
        let ran = Ran {
            conditions: "chaos seed 7, 60 s, driver local, redis store".to_owned(),
            faults: vec![1, 2],
            repeat: "cargo verify chaos --seed 7 --only 1,2".to_owned(),
            journal: "reports/chaos/a/journal.json".to_owned(),
        };
        let smallest = Smallest {
            faults: vec![2],
            check: "lost".to_owned(),
            failed: 5,
            repeat: "cargo verify chaos --seed 7 --only 2".to_owned(),
        };
        for smallest in [None, Some(&smallest)] {
            let mut value = ran.as_json(&finding, false, smallest);
            assert_eq!(errors_of(&value), [""; 0]);
            value.as_object_mut().unwrap().remove("verdict");
            assert_eq!(errors_of(&value).len(), 1);
        }
    }
}
