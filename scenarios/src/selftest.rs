//! `verify selftest`: each saboteur is run through the same executable and the same code path as a
//! real run, and must produce exactly its vector; an honest server must produce the committed one.

mod blind;
mod exact;
pub mod resealed;
mod tampering;
mod told;
mod trial;

use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use exai_judge::verdict::Exit;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::account::Account;
use crate::binaries;
use crate::catalogue::CRITERIA;
use crate::cli::arguments::{Driver, SelftestArguments};
use crate::cli::{Ending, print};
use crate::facts::own_sha256;
use crate::saboteur::{self, Held, Saboteur};
use crate::vector::{self, Vector};
use told::Told;
use trial::{Trial, only_run};

/// The kind of document that the table is as JSON.
pub const SCHEMA: &str = "exai-verify-selftest/1";

/// The honest server through an impostor that passes everything on.
const HONEST: &[&str] = &["--spoil", "none@client", "--store", "embedded"];

/// Where the honest control's record lies.
const CONTROL: &str = "honest";

/// A criterion that no clock decides.
const CLOCKLESS: &str = "V.1";

/// Checks of other criteria that no clock decides: what they count happened or did not, however
/// slow the machine was, or never happens, which is late on every machine.
const COUNTED: [&str; 19] = [
    "audit",
    "budget",
    "canary",
    "cap",
    "conservation",
    "denied",
    "diverged",
    "doubled",
    "hit_rate",
    "hits_counted",
    "lost",
    "lost_input",
    "next_call",
    "reconnect",
    "schema",
    "stale",
    "synced",
    "truncated",
    "ttsr.store",
];

/// Reasons that no clock decides either.
const COUNTED_REASONS: [&str; 2] = ["fault_not_landed", "store_mismatch"];

/// How many of them at once: they wait more than they work, so it is one more than the cores of
/// this project's machines.
const BESIDE: usize = 3;

/// How many operations an impostor spoiled, and how many were found.
type Counts = (u64, u64);

/// What one row came to with one seed.
struct Outcome {
    /// Empty for the honest control.
    id: String,
    seed: u64,
    name: String,
    /// What was demanded, such as `V.1 Fail`.
    demanded: String,
    /// What was wrong; empty when the row is as required.
    misses: Vec<String>,
    /// How many spoiled exchanges a check could see, and how many violations it found, where a row
    /// has the two compared.
    compared: Option<Counts>,
    seconds: u64,
}

/// Runs the table.
///
/// # Errors
/// [`Ending::Usage`] for an unknown row, [`Ending::Harness`] when a row could not run.
pub fn selftest(arguments: &SelftestArguments, quiet: bool) -> Result<Exit, Ending> {
    let rows = saboteur::all().map_err(|error| Ending::Bug(error.to_string()))?;
    let rows = chosen(&rows, &arguments.rows)?;
    binaries::build(None, Driver::Local)?;
    let folder = tempfile::tempdir().map_err(|error| Ending::Harness(error.to_string()))?;
    let begun = Instant::now();
    if let Some(path) = &arguments.record_honest {
        return record_honest(path, folder.path(), arguments.seed);
    }
    let honest = vector::honest().map_err(|error| Ending::Bug(error.to_string()))?;
    let mut outcomes = Vec::new();
    for seed in (arguments.seed..).take(arguments.seeds.into()) {
        if arguments.seeds > 1 && !quiet {
            eprintln!("seed {seed}");
        }
        let folder = folder.path().join(seed.to_string());
        std::fs::create_dir(&folder).map_err(|error| Ending::Harness(error.to_string()))?;
        outcomes.extend(table(&rows, &honest, (&folder, seed), quiet));
    }
    summary(&outcomes, arguments.json, begun.elapsed().as_secs())
}

/// The honest control and every row, with one seed.
fn table(
    rows: &[Saboteur],
    honest: &Vector,
    (folder, seed): (&Path, u64),
    quiet: bool,
) -> Vec<Outcome> {
    let mut outcomes = vec![control(honest, folder, seed)];
    tell(&outcomes[0], quiet);
    let attempt = |row: &Saboteur| {
        let outcome = try_row(row, honest, folder, seed);
        tell(&outcome, quiet);
        outcome
    };
    let (beside, alone): (Vec<_>, Vec<_>) = rows.iter().partition(|row| is_clockless(row));
    outcomes.extend(side_by_side(&beside, &attempt));
    outcomes.extend(alone.into_iter().map(attempt));
    outcomes
}

/// Whether nothing that the row demands is decided by a clock; such rows share the machine.
fn is_clockless(row: &Saboteur) -> bool {
    let is_counted = |checks: &Vec<String>| {
        let mut checks = checks.iter();
        checks.all(|check| COUNTED.contains(&check.as_str()))
    };
    let is_reason = |reason: &String| COUNTED_REASONS.contains(&reason.as_str());
    let is_one = |name: &String| {
        name == CLOCKLESS
            || row.fail.get(name).is_some_and(is_counted)
            || row.inconclusive.get(name).is_some_and(is_reason)
    };
    !row.run.is_empty() && row.run.iter().all(is_one)
}

/// Tries rows, [`BESIDE`] at a time, and answers in their order.
fn side_by_side(
    rows: &[&Saboteur],
    attempt: &(impl Fn(&Saboteur) -> Outcome + Sync),
) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mine = || rows.get(next.fetch_add(1, Ordering::Relaxed));
        std::iter::from_fn(mine)
            .map(|row| attempt(row))
            .collect::<Vec<_>>()
    };
    let mut done: Vec<Outcome> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..BESIDE).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|outcome| rows.iter().position(|row| row.id == outcome.id));
    done
}

fn chosen(rows: &[Saboteur], named: &[String]) -> Result<Vec<Saboteur>, Ending> {
    if let Some(unknown) = named
        .iter()
        .find(|name| !rows.iter().any(|row| row.id == **name))
    {
        let known: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let known = known.join(", ");
        return Err(Ending::Usage(format!(
            "there is no row \"{unknown}\". Known: {known}."
        )));
    }
    let is_chosen = |row: &&Saboteur| named.is_empty() || named.contains(&row.id);
    Ok(rows.iter().filter(is_chosen).cloned().collect())
}

/// The honest server, through the same impostor in pass-through mode.
fn control(honest: &Vector, folder: &Path, seed: u64) -> Outcome {
    let begun = Instant::now();
    let misses = match Trial::run(&folder.join(CONTROL), HONEST, seed) {
        Ok(trial) => vector::differences(honest, &vector::of(&trial.findings)),
        Err(why) => vec![why],
    };
    Outcome {
        id: String::new(),
        seed,
        name: "honest control".to_owned(),
        demanded: "all as without it".to_owned(),
        misses,
        compared: None,
        seconds: begun.elapsed().as_secs(),
    }
}

fn try_row(row: &Saboteur, honest: &Vector, folder: &Path, seed: u64) -> Outcome {
    let begun = Instant::now();
    let spoil = format!("{}@{}:{}+{}", row.spoil, row.edge, row.every, row.offset);
    let several = format!("--instances={}", row.instances);
    let mut words = vec!["--spoil", spoil.as_str(), "--store", row.store.as_str()];
    words.push(&several);
    words.extend(row.run.iter().map(String::as_str));
    let (misses, compared) = if row.refused {
        // Whatever is in a record: the control's is there.
        let control = only_run(&folder.join(CONTROL).join("runs"));
        let misses = control.map_or_else(
            || vec!["the control left no record".to_owned()],
            |run| tampering::misses(&run),
        );
        (misses, None)
    } else {
        let reports = folder.join(&row.id);
        let tried = Trial::run(&reports, &words, seed);
        let tried = tried.and_then(|trial| look(row, honest, (&trial, &reports)));
        tried.unwrap_or_else(|why| (vec![why], None))
    };
    Outcome {
        id: row.id.clone(),
        seed,
        name: row.name.clone(),
        demanded: demanded(row),
        misses,
        compared,
        seconds: begun.elapsed().as_secs(),
    }
}

/// What is wrong with a row's run: its vector, whom it names, and what its checkers hang on.
fn look(
    row: &Saboteur,
    honest: &Vector,
    (trial, reports): (&Trial, &Path),
) -> Result<(Vec<String>, Option<Counts>), String> {
    let Trial { record, findings } = trial;
    let mut misses = vector::misses(row, honest, findings);
    misses.extend(blind::misses(row, record, findings)?);
    if row.account == Held::No {
        return Ok((misses, None));
    }
    let account = Account::read(reports, &record.intent.run);
    let account = account.map_err(|error| format!("the impostor left no account: {error}"))?;
    let told = Told::by(record.history.observations());
    let compared = exact::compare(row, &account, &told, findings);
    misses.extend(compared.misses);
    Ok((misses, Some((compared.spoiled, compared.found))))
}

fn demanded(row: &Saboteur) -> String {
    if row.void {
        return "void".to_owned();
    }
    if row.refused {
        return "refused".to_owned();
    }
    let failed = row.fail.keys().map(|criterion| format!("{criterion} Fail"));
    let open = row
        .inconclusive
        .keys()
        .map(|criterion| format!("{criterion} Inconclusive"));
    let ours = row
        .error
        .iter()
        .map(|criterion| format!("{criterion} HarnessError"));
    failed
        .chain(open)
        .chain(ours)
        .collect::<Vec<_>>()
        .join(", ")
}

fn record_honest(path: &Path, folder: &Path, seed: u64) -> Result<Exit, Ending> {
    let trial = Trial::run(&folder.join(CONTROL), HONEST, seed);
    let vector = vector::of(&trial.map_err(Ending::Harness)?.findings);
    let text = toml::to_string(&vector).map_err(|error| Ending::Bug(error.to_string()))?;
    std::fs::write(path, text).map_err(|error| Ending::Harness(error.to_string()))?;
    Ok(Exit::Pass)
}

fn tell(outcome: &Outcome, quiet: bool) {
    if quiet {
        return;
    }
    let Outcome {
        id,
        name,
        demanded,
        misses,
        compared,
        seconds,
        ..
    } = outcome;
    let mark = if misses.is_empty() { "✓" } else { "✕" };
    let found = compared.map(|(spoiled, found)| format!("   {found} found of {spoiled} spoiled"));
    let found = found.unwrap_or_default();
    eprintln!("{id:>4} {name:<40} {demanded:<32} {mark} {seconds:>4} s{found}");
    for miss in misses {
        eprintln!("       {miss}");
    }
}

fn summary(outcomes: &[Outcome], as_json: bool, seconds: u64) -> Result<Exit, Ending> {
    let (controls, rows): (Vec<_>, Vec<_>) = outcomes.iter().partition(|row| row.id.is_empty());
    let control_holds = controls.iter().all(|control| control.misses.is_empty());
    let caught = rows.iter().filter(|row| row.misses.is_empty()).count();
    if as_json {
        print(&document(outcomes, Timestamp::now(), &own_sha256()?).to_string());
    } else {
        let honest = if control_holds {
            "as committed"
        } else {
            "not as committed"
        };
        let of = rows.len();
        let compared = rows.iter().filter(|row| row.compared.is_some()).count();
        print(&format!(
            "{caught} of {of} caught, {compared} held against the impostor's account, honest \
             control {honest}   {seconds} s"
        ));
    }
    Ok(
        if control_holds && caught == rows.len() && !rows.is_empty() {
            Exit::Pass
        } else if rows.is_empty() {
            Exit::NothingRan
        } else {
            Exit::Fail
        },
    )
}

/// The table for those who read JSON, with the judge that it is about.
fn document(outcomes: &[Outcome], at: Timestamp, harness: &str) -> Value {
    let rows = outcomes.iter().map(|row| {
        json!({"id": row.id, "seed": row.seed, "name": row.name, "demanded": row.demanded,
            "misses": row.misses, "seconds": row.seconds})
    });
    json!({"schema": SCHEMA, "at": at, "harness_sha256": harness,
        "criteria_sha256": exai_judge::hex::sha256(CRITERIA.as_bytes()),
        "rows": rows.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::errors_of;

    #[test]
    fn rows_share_the_machine_only_where_no_clock_decides() {
        let rows = saboteur::all().unwrap();
        let shares = |id: &str| is_clockless(rows.iter().find(|row| row.id == id).unwrap());
        for id in [
            "1", "4", "5", "9", "9d", "9e", "13", "13c", "14", "16", "19b", "20", "26b", "26d",
            "29", "G5", "S43",
        ] {
            assert!(shares(id), "row {id}");
        }
        for id in [
            "7", "8", "8c", "12", "15", "22", "22b", "23", "26", "27", "B3", "B7", "G1", "G4",
        ] {
            assert!(!shares(id), "row {id}");
        }
    }

    #[test]
    fn the_table_as_json_is_of_its_schema_whether_a_row_was_caught_or_not() {
        let row = |id: &str, misses: &[&str]| Outcome {
            id: id.to_owned(),
            seed: 7,
            name: "a saboteur".to_owned(),
            demanded: "V.1 Fail".to_owned(),
            misses: misses.iter().map(|miss| (*miss).to_owned()).collect(),
            compared: None,
            seconds: 7,
        };
        let rows = [row("", &[]), row("2b", &["V.1 is Pass"])];
        let mut value = document(&rows, Timestamp::UNIX_EPOCH, &own_sha256().unwrap());
        assert_eq!(errors_of(&value), [""; 0]);
        value["not_run"] = json!(["24"]);
        assert_eq!(errors_of(&value), [""; 0], "what was left out may be told");
        let second = value["rows"][1].as_object_mut().unwrap();
        assert!(second.remove("misses").is_some());
        assert_eq!(errors_of(&value).len(), 1);
    }
}
